"""Keys of active learning, with labels of the data or of a person."""

from __future__ import annotations

from dataclasses import dataclass

from dd_al.config.schema import option

SCORES = (
    "variation_ratio", "predictive_entropy", "bald", "expected_entropy", "least_confidence", "margin"
)  # fmt: skip
STOPS = ("stable", "certain", "accurate")
QUERIES = (
    "random", *SCORES, "power_bald", "batch_bald", "core_set", "badge", "k_means", "contrastive", "feature_mixing",
    "ret", "rect", "sud",
)  # fmt: skip


@dataclass(frozen=True)
class ActiveSettings:
    """Active learning; `config.active`."""

    queries: tuple[str, ...] = option(
        ("random", "variation_ratio", "predictive_entropy", "bald", "badge"),
        "what chooses the texts to label",
        choices=QUERIES,
    )
    seeds: tuple[int, ...] = option((0, 1, 2, 3, 4), "a run of every query for each", min=0, max=2**32 - 1)
    rounds: int | None = option(15, "times that labels are asked for; until all have one if unset", min=1)
    size: int | None = option(None, "labels in a query; config.active.share of the training data if unset", min=1)
    share: float = option(0.01, "labels in a query, as a share of the training data", min=1e-6, max=1.0)
    start: str = option(
        "random",
        "the first labels: random texts, as many of each class as can be, those nearest to centers of clusters, or "
        "given ones",
        choices=("random", "stratified", "k_means", "given"),
    )
    given: str | None = option(
        None, "JSONL with a row of the source (and a seed) in each line, such as a run's selected.jsonl"
    )
    start_size: int | None = option(None, "first labels; as in a query if unset", min=1)
    subset: int | None = option(None, "random texts that a query looks at; all if unset", min=1)
    passes: int = option(10, "stochastic passes over the pool, each with dropout, that a query looks at", min=1)
    noise: float = option(0.0, "share of labels that the oracle gets wrong", min=0.0, max=1.0)
    charge_validation: bool = option(False, "count the labels of validation as asked for, too, in curves and tables")
    stop: str | None = option(
        None, "rule that ends a query's rounds, once all of its seeds have met it; none by default", choices=STOPS
    )
    stop_agreement: float = option(
        0.99, "kappa of successive predictions at which asking could stop, a mean over three rounds", min=0.0, max=1.0
    )
    stop_uncertainty: float | None = option(None, "mean entropy, in nats, below which asking could stop", min=0.0)
    stop_accuracy: float | None = option(None, "accuracy on validation from which asking could stop", min=0.0, max=1.0)
    steps: int = option(150, "training steps of a round at least", min=1)
    epochs: int = option(5, "passes over the labels in a round at least", min=1)
    batch_size: int = option(32, "texts in a minibatch", min=1)
    rate: float = option(4e-3, "first learning rate of a round, decayed along a half cosine", min=1e-8)

    def __post_init__(self):
        """Checks between keys."""
        if (self.start == "given") != (self.given is not None):
            raise ValueError(f"start = 'given' and given need each other, not {self.start!r} and {self.given!r}")
        for rule, key in (("certain", "stop_uncertainty"), ("accurate", "stop_accuracy")):
            if self.stop == rule and getattr(self, key) is None:
                raise ValueError(f"stop = {rule!r} needs {key}, which is not set")
        if self.given is not None and self.start_size is not None:
            raise ValueError(f"start_size = {self.start_size}: as many as {self.given} has are given")

    def query_size(self, train: int) -> int:
        """Labels in a query of so many training texts."""
        return self.size or max(1, round(self.share * train))


@dataclass(frozen=True)
class AnnotateSettings:
    """Active learning with a person who labels; `config.annotate`."""

    labels: tuple[str, ...] | None = option(None, "those that can be given; those in the file if unset")
    oracle: str = option("file", "where the person labels", choices=("file", "terminal"))
    format: str = option("csv", "of the files to fill in", choices=("csv", "jsonl", "label_studio"))
    query: str = option("badge", "what chooses the texts to label", choices=QUERIES)
    size: int = option(20, "texts in a round", min=1)
    rounds: int | None = option(None, "rounds; until all is labelled if unset", min=1)
    partial: bool = option(False, "go on although texts of the round have no label yet")

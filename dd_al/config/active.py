"""Keys of active learning, with labels of the data or of a person."""

from dataclasses import dataclass

from dd_al.config.schema import option
from dd_al.core.errors import nearest

SCORES = ("variation_ratio", "predictive_entropy", "bald", "expected_entropy", "least_confidence", "margin")
STARTS = ("random", "stratified", "k_means")
STOPS = ("stable", "certain", "accurate")
QUERIES = (
    "random", *SCORES, "power_bald", "batch_bald", "core_set", "badge", "k_means", "contrastive", "feature_mixing",
    "ret", "rect", "sud",
)  # fmt: skip


@dataclass(frozen=True)
class ActiveSettings:
    """Active learning; `config.active`."""

    queries: tuple[str, ...] = option(
        ("random", *SCORES[:3], "badge"), "what chooses the texts to label", choices=QUERIES
    )
    seeds: tuple[int, ...] = option((0, 1, 2, 3, 4), "a run of every query for each", min=0, max=2**32 - 1)
    rounds: int | None = option(15, "times that labels are asked for; until all have one if unset", min=1)
    size: int | None = option(None, "labels in a query; 1 % of the training data if unset", min=1)
    start: str = option(
        "random", "the first labels: random, as many of each class, or nearest to centers of clusters", choices=STARTS
    )
    start_size: int | None = option(None, "first labels; as in a query if unset", min=1)
    subset: int | None = option(None, "random texts that a query looks at; all if unset", min=1)
    passes: int = option(10, "stochastic passes over the pool, each with dropout, that a query looks at", min=1)
    noise: float = option(0.0, "share of labels that the oracle gets wrong", min=0.0, max=1.0)
    stop: str | None = option(None, "rule that ends a query's rounds, once all its seeds have met it", choices=STOPS)
    thresholds: dict[str, float] | None = option(
        None,
        "where asking could stop: stable from a kappa of successive predictions on, a mean of three (0.99 if unset), "
        "certain below a mean entropy in nats, accurate from an accuracy on validation on",
        example="stable:0.99,certain:0.2,accurate:0.8", min=0.0,
    )  # fmt: skip
    steps: int = option(150, "training steps of a round at least", min=1)
    epochs: int = option(5, "passes over the labels in a round at least", min=1)
    batch_size: int = option(32, "texts in a minibatch", min=1)
    rate: float = option(4e-3, "first learning rate of a round, decayed along a half cosine", min=1e-8)

    def __post_init__(self):
        for rule, threshold in (self.thresholds or {}).items():
            if rule not in STOPS:
                raise ValueError(
                    f"thresholds: no rule {rule!r}{nearest(rule, STOPS)}; the rules are {', '.join(STOPS)}"
                )
            if rule != "certain" and threshold > 1:
                raise ValueError(f"thresholds: {rule}:{threshold:g} must be at most 1")
        if self.stop and self.threshold(self.stop) is None:
            raise ValueError(f"stop = {self.stop!r} needs its threshold, as in thresholds = {self.stop}:0.2")

    def threshold(self, rule: str) -> float | None:
        """What one of `STOPS` compares with; None for a rule that has not been given any."""
        return {"stable": 0.99, **(self.thresholds or {})}.get(rule)

    def query_size(self, train: int) -> int:
        """Labels in a query of so many training texts."""
        return self.size or max(1, round(0.01 * train))


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

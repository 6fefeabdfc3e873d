"""Keys of the comparison."""

from __future__ import annotations

from dataclasses import dataclass

from dd_al.config.active import QUERIES
from dd_al.core.settings import option
from dd_al.experiments.learner_settings import CORESETS

ACTIVE = tuple(name for name in QUERIES if name != "random")
DISTILLED = {
    "distilled": "fresh initialisations, soft labels",
    "distilled_hard": "fresh initialisations, hard labels",
    "distilled_known": "a known initialisation, soft labels",
    "distilled_known_hard": "a known initialisation, hard labels",
    "distilled_bought": "from the texts alone that active learning has bought labels for",
    "distilled_picked": "started from what active learning picked",
    "distilled_taught": "with soft labels of teachers in the outer loss",
}
STARTS = ("another", "random", "k_means")
METHODS = ("full", "random", *(name for name in CORESETS if name != "prototypes"), *ACTIVE, *DISTILLED)  # of texts


@dataclass(frozen=True)
class CompareSettings:
    """Methods, budgets, seeds and data sets on one axis; `config.compare`."""

    methods: tuple[str, ...] = option(
        (
            "full", "random", "k_medoids", "variation_ratio", "predictive_entropy", "bald",
            "distilled", "distilled_bought",
        ),
        "what chooses or makes the examples",
        choices=METHODS,
    )  # fmt: skip
    budgets: tuple[str, ...] = option(
        ("1/class", "0.1%", "0.5%", "1%", "5%", "15%"),
        "examples to train on: of each class, or as a share of the training data, rounded up to whole classes",
    )
    distil_up_to: str = option("0.5%", "the largest budget that is distilled: the cost grows with the items")
    seeds: tuple[int, ...] = option((0, 1, 2, 3, 4), "a run of every method for each", min=0, max=2**32 - 1)
    datasets: dict[str, str] | None = option(
        None,
        "a name for each data set, and the keys that it changes; that of config.data if unset",
        example="SST-2:data.name=sst2,SST-5:data.name=sst5",
    )
    query: str = option(
        "predictive_entropy", "what buys the labels for distilled_bought, and picks for distilled_picked",
        choices=ACTIVE,
    )  # fmt: skip
    bought: str = option("15%", "how many labels distilled_bought has")
    noise: tuple[float, ...] | None = option(
        None,
        "shares of wrong labels to repeat points of all data, random, distilled and active ones with",
        min=0.0,
        max=1.0,
    )
    outliers: float = option(
        0.0, "share of the pool that is made of shuffled words, in repeated active points", min=0.0, max=0.9
    )
    starts: tuple[str, ...] | None = option(
        None,
        "other seed sets to repeat random and active points with: another draw, one without regard to classes, or the "
        "texts nearest to centers of clusters",
        choices=STARTS,
    )
    varied_at: str = option(
        "1%", "the largest budget of the repeated points: noise, outliers and starts; distilled ones have one, below it"
    )
    rates: tuple[float, ...] = option(
        (1e-3, 4e-3), "first rates of minibatches of real examples to choose among, for each set", min=1e-8
    )
    full_batch: int = option(
        64, "examples up to which constant rates on all at once (config.random) are tried beside minibatches", min=0
    )
    networks: tuple[str, ...] | None = option(
        None, "further networks to train on the sets of one budget, by names as of config.distill.also"
    )
    transfer_at: str = option("0.1%", "that budget")

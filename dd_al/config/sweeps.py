"""Keys of experiments that train many times: transfer, table, study and compare."""

from dataclasses import dataclass

from dd_al.config.active import QUERIES
from dd_al.config.learner import CORESETS, KINDS
from dd_al.config.schema import option

TABLE_METHODS = ("full", "distilled", "random")
ACTIVE = tuple(name for name in QUERIES if name != "random")
DISTILLED = (  # docs/compare.md says how they differ
    "distilled", "distilled_hard", "distilled_known", "distilled_known_hard", "distilled_bought",
)  # fmt: skip
STARTS = ("another", "random", "k_means")
METHODS = ("full", "random", *(name for name in CORESETS if name != "prototypes"), *ACTIVE, *DISTILLED)  # of texts


@dataclass(frozen=True)
class CompareSettings:
    """Methods, budgets, seeds and data sets on one axis; `config.compare`."""

    methods: tuple[str, ...] = option(
        ("full", "random", "k_medoids", *ACTIVE[:3], "distilled", "distilled_bought"),
        "what chooses or makes the examples",
        choices=METHODS,
    )
    budgets: tuple[str, ...] = option(
        ("1/class", "0.1%", "0.5%", "1%", "5%", "15%"),
        "examples of each class, or as a share of the training data, rounded up to whole classes",
    )
    distil_up_to: str = option("0.5%", "the largest budget that is distilled: the cost grows with the examples")
    seeds: tuple[int, ...] = option((0, 1, 2, 3, 4), "a run of every method for each", min=0, max=2**32 - 1)
    datasets: dict[str, str] | None = option(
        None,
        "names of data sets, and the keys that they change; that of config.data if unset",
        example="SST-2:data.name=sst2,SST-5:data.name=sst5",
    )
    query: str = option("predictive_entropy", "buys for distilled_bought", choices=ACTIVE)
    bought: str = option("15%", "how many labels distilled_bought has")
    noise: tuple[float, ...] | None = option(
        None, "shares of wrong labels to repeat full, random, distilled and active points with", min=0.0, max=1.0
    )
    outliers: float = option(0.0, "share of shuffled words in the pool of repeated active points", min=0.0, max=0.9)
    starts: tuple[str, ...] | None = option(
        None,
        "seed sets to repeat random and active points with: another draw, one of any classes, or nearest to centers",
        choices=STARTS,
    )
    varied_at: str = option("1%", "the largest budget of repeated points; distilled ones have one, below it")
    rates: tuple[float, ...] = option(
        (1e-3, 4e-3), "first rates of minibatches to choose among, for each set", min=1e-8
    )
    networks: tuple[str, ...] | None = option(None, "further networks for the sets of one budget, as in distill.also")
    full_batch: int = option(64, "examples up to which sets are trained on whole, too, beside minibatches", min=0)
    transfer_at: str = option("0.1%", "the budget whose sets compare.networks are trained on")


@dataclass(frozen=True)
class TransferSettings:
    """A distilled set on other networks and in other ways; `config.transfer`."""

    artefact: str | None = option(None, "the distilled set: a work directory or a .safetensors file")
    networks: tuple[str, ...] | None = option(
        ("text_cnn", "lstm", "transformer", "averaging"), "networks to try, beside the set's own", choices=KINDS
    )
    widths: tuple[float, ...] | None = option((0.5, 2.0), "factors of the set's own network's width", min=1e-3)
    init_scales: tuple[float, ...] | None = option((0.5, 2.0), "factors of the set's own initial weights", min=1e-3)
    full_rates: tuple[float, ...] = option((1e-3, 4e-3, 1.6e-2), "first rates on all data, for each network", min=1e-8)
    steps: tuple[int, ...] = option((5, 10, 20, 40, 80, 160, 320), "steps at one rate to choose among", min=1)
    rates: tuple[float, ...] = option(
        (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1), "rates of Adam to choose among", min=1e-8
    )
    sgd_rates: tuple[float, ...] = option((0.03, 0.1, 0.3, 1.0, 3.0), "rates of SGD to choose among", min=1e-8)


@dataclass(frozen=True)
class TableSettings:
    """Several distillations side by side; `config.table`."""

    rows: dict[str, str] | None = option(
        None,
        "names of rows, and the keys that their runs change, such as {'SST-5': 'data.name=sst5; distill.steps=9'}",
        example="SST-2:data.name=sst2;distill.examples=8,SST-5:data.name=sst5",
    )
    seeds: tuple[int, ...] = option((0, 1, 2), "a run of every row for each", min=0, max=2**32 - 1)
    published: dict[str, str] | None = option(
        None,
        "accuracies to show beside a row, in per cent, such as {'SST-5': 'full=45.5; distilled=38.0 ± 1.2'}",
        example="SST-2:full=98.59;distilled=87.99;random=62.90",
    )
    source: str | None = option(None, "where the published numbers are from, and how to read them")


@dataclass(frozen=True)
class StudySettings:
    """Sets for one network or several, on all of them, and along values of keys; `config.study`."""

    networks: tuple[str, ...] | None = option(None, "networks to compare, as in distill.also; config.model's if unset")
    matrix: bool = option(True, "try the sets of each network, and those for all at once, on all networks")
    restarts: int = option(10, "distillations of each row of the matrix, side by side", min=1)
    curves: dict[str, str] | None = option(
        None,
        "names of curves, and the keys whose values they go along, such as {'steps': 'distill.steps=1|10|40'}",
        example="steps:distill.steps=1|10|40",
    )
    curve_restarts: int = option(2, "distillations of each point of a curve, side by side", min=1)
    workers: int | None = option(None, "rows and points at a time; up to 4 cores of a CPU, else one, if unset", min=1)
    published: dict[str, str] | None = option(
        None,
        "accuracies in per cent, a number for each network, to show beside 'ROW', 'ROW longer' and 'all data'",
        example="all at once:85.9 88.1 86.7",
    )
    source: str | None = option(None, "where the published numbers are from, and how to read them")

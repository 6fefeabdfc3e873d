"""Which points a comparison is made of: independent jobs, each with a folder of its own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dd_al.config.grid import examples, row_folder, variants
from dd_al.config.settings import Settings
from dd_al.config.sweeps import ACTIVE, DISTILLED, CompareSettings
from dd_al.core.errors import ConfigError, nearest
from dd_al.data import hub
from dd_al.data.sources import own_name

ALL = "all"  # the budget of training on all of the data


@dataclass(frozen=True)
class Point:
    """One job: a method on a data set with a seed, for one budget or for several that it fills as it goes."""

    dataset: str  # its name in the comparison
    method: str  # one of `dd_al.config.sweeps.METHODS`
    seed: int
    budgets: tuple[str, ...]  # as in the config, in their order; `(ALL,)` for the full data
    noise: float = 0.0  # share of wrong labels in the training data
    outliers: float = 0.0  # share of the training texts that are shuffled words
    start: str = ""  # what the seed set is instead of the one that methods share, one of `dd_al.config.sweeps.STARTS`

    @property
    def varied(self) -> bool:
        """Whether it repeats another point with changed training data or another seed set."""
        return bool(self.noise or self.outliers or self.start)

    @property
    def name(self) -> str:
        """The name of its folder."""
        parts = [row_folder(self.dataset), self.method, *(self.budgets if self.method in DISTILLED else ())]
        parts += [f"{key}{value:g}" for key in ("noise", "outliers") if (value := getattr(self, key))]
        parts += [f"start_{self.start}"] if self.start else []
        return "-".join([re.sub(r"[^\w.]+", "_", part.replace("%", "pc")) for part in parts] + [f"seed{self.seed}"])


def datasets(settings: Settings) -> dict[str, Settings]:
    """The config of the points of each data set, by its name in the comparison: a file's own where only that is given.

    Raises:
      ConfigError: keys that there are not, or names that would share a folder.
    """
    # What a point depends on: with more seeds, methods or data sets beside it, it is still the same.
    keys = ("budgets", "query", "bought", "rates", "full_batch", "networks", "transfer_at")
    kept = {key: getattr(settings.compare, key) for key in keys}
    common = replace(settings, compare=CompareSettings(**kept))
    if not settings.compare.datasets:
        data = settings.data
        return {own_name(Path(data.dir), data, hub.IDS) if data.dir else data.name: common}
    named, fixed, why = settings.compare.datasets, ("compare", "evaluate"), "is the same for all data sets"
    return variants(common, named, "config.compare.datasets", fixed=fixed, why=why)


def points(settings: Settings) -> list[Point]:
    """All points: every seed's together, so that a comparison that is stopped has whole seeds.

    Raises:
      ConfigError: budgets, methods and variations that do not go together.
    """
    compare, bought = settings.compare, ("random", *ACTIVE)
    _check(settings)
    # What others look at comes first: learners on all data, then what active learning bought.
    methods = sorted(compare.methods, key=lambda method: (method != "full") + (method in DISTILLED))
    distilled, repeated = _upto(compare, compare.distil_up_to), _upto(compare, compare.varied_at)
    # Of distilled sets the largest alone is repeated: each of them is a distillation.
    again = repeated, [budget for budget in distilled if budget in repeated][-1:]
    variations = [({}, methods, (compare.budgets, distilled))]
    for share in compare.noise or ():
        if share:
            variations.append(({"noise": share}, ("full", "distilled", *bought), again))
    if compare.outliers:
        variations.append(({"outliers": compare.outliers}, bought, again))
    variations += [({"start": start}, bought, again) for start in compare.starts or ()]
    return [
        Point(name, method, seed, budgets, **change)
        for seed in compare.seeds
        for name in datasets(settings)
        for change, wanted, filled in variations
        for method in methods
        if method in wanted
        for budgets in _filled(method, *filled)
    ]


def _upto(compare: CompareSettings, last: str) -> tuple[str, ...]:
    """The budgets up to one of them; none where it is not among them, which `_check` refuses if it matters."""
    return compare.budgets[: compare.budgets.index(last) + 1] if last in compare.budgets else ()


def _filled(method: str, budgets: Sequence[str], distilled: Sequence[str]) -> list[tuple[str, ...]]:
    """The budgets of each point of a method: distillation has a point for each, as its cost is nearly all of it.

    Active learning begins with the smallest, which is that of random sampling.
    """
    if method == "full":
        return [(ALL,)]
    if method in ACTIVE:
        return [budgets[1:]] if len(budgets) > 1 else []
    return [(budget,) for budget in distilled] if method in DISTILLED else [budgets]


def _check(settings: Settings) -> None:
    compare = settings.compare
    if settings.seed:
        raise ConfigError(f"config.seed = {settings.seed}: the seeds of a comparison are config.compare.seeds")
    for budget in compare.budgets:
        examples(budget, 10**9, 2)
    needed = {
        "distil_up_to": any(method in DISTILLED for method in compare.methods),
        "varied_at": compare.noise or compare.outliers or compare.starts,
        "bought": "distilled_bought" in compare.methods,
        "transfer_at": compare.networks,
    }
    for key, wanted in needed.items():
        value, known = getattr(compare, key), ", ".join(compare.budgets)
        if wanted and value not in compare.budgets:
            hint = nearest(value, compare.budgets)
            raise ConfigError(f"config.compare.{key} = {value!r}: must be one of config.compare.budgets, {known}{hint}")
    if len(compare.budgets) < 2 and any(method in ACTIVE for method in compare.methods):
        raise ConfigError(
            f"config.compare.budgets = {compare.budgets}: active learning begins with the first, and needs a second"
        )
    for name, one in datasets(settings).items():
        if compare.outliers and one.inputs != "words":
            raise ConfigError(
                f"config.compare.outliers = {compare.outliers:g} shuffles words, and {name!r} has inputs = "
                f"{one.inputs!r}: set it to 0"
            )
    if "full" not in compare.methods:
        raise ConfigError("config.compare.methods: 'full' must be among them, as all else is measured by it")

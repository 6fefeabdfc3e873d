"""What texts of a config stand for: rows of a table, points of a study's curves, budgets, and a slice of a sweep."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import TypeVar

from dd_al.config.pairs import along, changed, pairs
from dd_al.config.schema import to_config
from dd_al.config.settings import Settings
from dd_al.config.sweeps import TABLE_METHODS, StudySettings, TableSettings
from dd_al.core.errors import ConfigError, named, nearest

T = TypeVar("T")
TOGETHER = "all at once"  # a study's row of sets for all of its networks


def check(settings: Settings) -> None:
    """Refuses what texts of a config ask for and cannot have, before anything runs, by a ConfigError."""
    if settings.experiment == "table":
        table_rows(settings)
        published(settings.table)
    if settings.experiment == "study":
        study = settings.study
        _check_distillation(settings)
        if study.matrix and settings.distill.init == "known" and len(study.networks or ()) > 1:
            raise ConfigError(
                "config.distill.init = 'known': what is distilled for one network's weights is not tried on other "
                "networks; set config.study.matrix to false, or init to 'random'"
            )
        if not study.matrix and not study.curves:
            raise ConfigError("config.study: neither a matrix nor curves are asked for")
        curves(settings)
        published_matrix(settings)


def table_rows(settings: Settings) -> dict[str, Settings]:
    """Returns the config of each row of a table by its name: a distillation, to be run with each of the seeds.

    A ConfigError says that there are no rows, that all of them set a key anew that has been set for all, or what
    `variants` raises.
    """
    rows = settings.table.rows
    if not rows:
        raise ConfigError("config.table.rows is not set: a name for each row, and the keys that its runs change")
    if settings.seed:
        raise ConfigError(f"config.seed = {settings.seed}: the seeds of a table are config.table.seeds")
    with named("config"):
        common = replace(settings, experiment="distill", table=TableSettings())
    fixed = ("table", "evaluate.split")
    found = variants(common, rows, "config.table.rows", fixed=fixed, why="is the same for all rows")
    texts = [dict(pairs(text)) for text in rows.values()]
    for key in texts[0]:
        given, default = (
            reduce(lambda at, name: at[name], key.split("."), to_config(one)) for one in (common, Settings())
        )
        if given != default and all(text.get(key, str(given)) != str(given) for text in texts):
            raise ConfigError(f"config.{key} = {given!r} has no effect: every one of config.table.rows sets it")
    return found


def variants(
    common: Settings, texts: Mapping[str, str], key: str, *, fixed: tuple[str, ...], why: str
) -> dict[str, Settings]:
    """Returns the config of each of several runs by its name; each has folders of its own.

    Args:
        common: what their texts change.
        texts: by name, such as `"data.name=sst5; distill.examples=8"`.
        key: of the config that holds them, for messages.
        fixed: sections and keys that no text may change, beside the experiment and the seed.
        why: they must not, for the message.

    Raises:
        ConfigError: a run cannot have the keys it asks for, or two would share a folder.
    """
    found, folders = {}, {}
    for name, text in texts.items():
        folder = row_folder(name)
        with named(f"{key}, {name!r}"):
            found[name] = changed(common, pairs(text), fixed=("experiment", "seed", *fixed), why=why)
            if not folder:
                raise ConfigError("a name needs letters or digits")
            if (other := folders.setdefault(folder, name)) != name:
                raise ConfigError(f"its folders would be those of {other!r}")
    return found


def row_folder(name: str) -> str:
    """Returns what the folders of a row's runs are called, before the seed."""
    return re.sub(r"[^\w.]+", "-", name.lower()).strip("-.")


def published(table: TableSettings) -> dict[str, dict[str, str]]:
    """Returns the published accuracies of each row that has some, method → text; a ConfigError names any other."""
    found = {}
    for name, text in (table.published or {}).items():
        with named(f"config.table.published, {name!r}"):
            if name not in (table.rows or {}):
                raise ConfigError(f"no such row{nearest(name, table.rows or {})}")
            found[name] = dict(pairs(text))
            if wrong := next((method for method in found[name] if method not in TABLE_METHODS), None):
                known = ", ".join(TABLE_METHODS)
                raise ConfigError(f"{wrong!r} must be one of {known}{nearest(wrong, TABLE_METHODS)}")
    return found


def curves(settings: Settings) -> dict[str, dict[str, Settings]]:
    """Returns the config of each point of each curve of a study, by its value of the first key that the curve changes.

    A ConfigError names a point that cannot have its keys, or a key with more values than another key of its curve.
    """
    common, found, files = replace(settings, study=StudySettings()), {}, {}
    for name, text in (settings.study.curves or {}).items():
        found[name] = {}
        with named(f"config.study.curves, {name!r}"):
            if (other := files.setdefault(row_folder(name), name)) != name:
                raise ConfigError(f"its files would be those of {other!r}")
            for value, changes in along(text).items():
                if other := next((key for key, _ in changes if not key.startswith("distill.")), None):
                    raise ConfigError(f"config.{other}: curves go along keys of config.distill")
                found[name][value] = changed(common, changes)
                _check_distillation(found[name][value])
    return found


def published_matrix(settings: Settings) -> dict[str, list[float]]:
    """Returns the published accuracies of each row of a study's matrix, "ROW longer" or "all data", for each network.

    A ConfigError names those that are not as many numbers.
    """
    networks, found = settings.study.networks or (settings.model.kind,), {}
    sets = (*networks, TOGETHER)
    rows = (*sets, *(f"{one} longer" for one in sets), "all data")
    for name, text in (settings.study.published or {}).items():
        with named(f"config.study.published, {name!r}"):
            try:
                found[name] = [float(number) for number in text.split()]
            except ValueError:
                raise ConfigError(f"{text!r} are not numbers") from None
            if not all(map(math.isfinite, found[name])):
                raise ConfigError(f"{text!r} are not all finite")
            if name not in rows:
                raise ConfigError(f"no such row{nearest(name, rows)}")
            if len(found[name]) != len(networks):
                raise ConfigError(
                    f"{len(found[name])} numbers for {len(networks)} networks; --config.study.published=none leaves "
                    "them out"
                )
    return found


def _check_distillation(settings: Settings) -> None:
    """Of every point of a study."""
    if settings.distill.method != "unrolled":
        raise ConfigError(f"config.distill.method = {settings.distill.method!r}: a study distils by 'unrolled'")
    for key in ("teacher", "also", "attention"):
        if value := getattr(settings.distill, key):
            raise ConfigError(f"config.distill.{key} = {value!r} is not for experiment = 'study'")


def examples(budget: str, train: int, classes: int) -> int:
    """How many of `train` examples a budget is: ``"2/class"`` of each, or a share ``"0.5%"``, in whole classes.

    A ConfigError names a text that is neither, or asks for more than there is.
    """
    if found := re.fullmatch(r"(\d+)\s*/\s*class", budget.strip()):
        count = int(found[1]) * classes
    elif found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", budget.strip()):
        count = math.ceil(round(float(found[1]) / 100 * train, 9) / classes) * classes
    else:
        raise ConfigError(f"config.compare.budgets: {budget!r} is neither like '2/class' nor like '0.5%'")
    if not 0 < count < train:
        raise ConfigError(f"config.compare.budgets: {budget!r} are {count} of {train} training examples")
    return count


def in_examples(budgets: Sequence[str], train: int, classes: int, name: str) -> dict[str, int]:
    """Every one of the budgets in `examples`, for the data set called `name`; a ConfigError if they do not rise."""
    with named(f"the data of {name!r}"):
        found = {budget: examples(budget, train, classes) for budget in budgets}
        for (one, few), (other, many) in pairwise(found.items()):
            if few >= many:
                raise ConfigError(
                    f"config.compare.budgets: {one!r} and {other!r} are {few} and {many} of {train} training examples; "
                    "they have to rise: leave one out"
                )
    return found


def sliced(every: Sequence[T], text: str) -> Sequence[T]:
    """Returns a slice of the trials of a sweep: `"3/40"` is the third of forty, which has every fortieth trial.

    A ConfigError names a text that is not of this form.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--points={text}: write --points=3/40, for the third of forty slices")
    return every[int(found[1]) - 1 :: int(found[2])]

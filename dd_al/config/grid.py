"""Configs out of one config: the rows of a table, and the points of a study's curves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, TypeVar

from dd_al.config.pairs import along, changed, pairs, split
from dd_al.config.schema import Field, to_config
from dd_al.config.settings import Settings
from dd_al.config.sweeps import TABLE_METHODS, StudySettings, TableSettings
from dd_al.core.errors import ConfigError, nearest

T = TypeVar("T")
TOGETHER = "all at once"  # a study's row of sets for all of its networks


def check(settings: Settings) -> None:
    """Looks at what texts of a config ask for, before anything runs.

    Raises:
        ConfigError: see `table_rows`, `published`, `curves` and `published_matrix`.
    """
    if settings.experiment == "table":
        table_rows(settings)
        published(settings.table)
    if settings.experiment == "study":
        _check_study(settings)
        curves(settings)
        published_matrix(settings)


def _changed(settings: Settings, **changes: Any) -> Settings:
    """`dataclasses.replace`, whose checks between keys are the user's mistakes."""
    try:
        return replace(settings, **changes)
    except ValueError as error:
        raise ConfigError(f"config: {error}") from error


def table_rows(settings: Settings) -> dict[str, Settings]:
    """Returns the config of each row of a table by its name: a distillation, to be run with each of the seeds.

    Raises:
        ConfigError: there are no rows, one cannot have the keys it asks for, or two would share a folder.
    """
    if not settings.table.rows:
        raise ConfigError("config.table.rows is not set: a name for each row, and the keys that its runs change")
    if settings.seed:
        raise ConfigError(f"config.seed = {settings.seed}: the seeds of a table are config.table.seeds")
    common, fixed = _changed(settings, experiment="distill", table=TableSettings()), ("table", "evaluate.split")
    found = variants(common, settings.table.rows, "config.table.rows", fixed=fixed, why="is the same for all rows")
    _check_common(settings, common)
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
        why: they must not.

    Raises:
        ConfigError: a run cannot have the keys it asks for, or two would share a folder.
    """
    found, folders, fixed = {}, {}, ("experiment", "seed", *fixed)
    for name, text in texts.items():
        where, folder = f"{key}, {name!r}", row_folder(name)
        try:
            found[name] = changed(common, pairs(text), fixed=fixed, why=why)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        if not folder or folder in folders:
            shared = f"its folders would be those of {folders.get(folder)!r}"
            raise ConfigError(f"{where}: {shared if folder else 'a name needs letters or digits'}")
        folders[folder] = name
    return found


def _check_common(settings: Settings, common: Settings) -> None:
    """A key that has been set for all rows is not set anew by every one of them."""
    rows = [dict(pairs(text)) for text in settings.table.rows.values()]
    ours, untouched = to_config(common), to_config(Settings())
    for key in rows[0]:
        given, default = (reduce(lambda at, part: at[part], key.split("."), one) for one in (ours, untouched))
        if given != default and all(key in row and row[key] != str(given) for row in rows):
            raise ConfigError(f"config.{key} = {given!r} has no effect: every one of config.table.rows sets it")


def row_folder(name: str) -> str:
    """Returns what the folders of a row's runs are called, before the seed."""
    return re.sub(r"[^\w.]+", "-", name.lower()).strip("-.")


def published(table: TableSettings) -> dict[str, dict[str, str]]:
    """Returns the published accuracies of each row that has some: method → text.

    Raises:
        ConfigError: no such row, or no such method.
    """
    found = {}
    for name, text in (table.published or {}).items():
        if name not in (table.rows or {}):
            raise ConfigError(f"config.table.published, {name!r}: no such row{nearest(name, table.rows or {})}")
        found[name] = dict(pairs(text))
        for method in found[name]:
            if method not in TABLE_METHODS:
                hint, known = nearest(method, TABLE_METHODS), ", ".join(TABLE_METHODS)
                raise ConfigError(f"config.table.published, {name!r}: {method!r} must be one of {known}{hint}")
    return found


def curves(settings: Settings) -> dict[str, dict[str, Settings]]:
    """Returns the config of each point of each curve of a study, by its value of the first key that the curve changes.

    Raises:
        ConfigError: a point cannot have the keys it asks for, or one key of a curve has more values than another.
    """
    common, found, files = replace(settings, study=StudySettings()), {}, {}
    for name, text in (settings.study.curves or {}).items():
        where = f"config.study.curves, {name!r}"
        if (other := files.setdefault(row_folder(name), name)) != name:
            raise ConfigError(f"{where}: its files would be those of {other!r}")
        found[name] = {}
        try:
            for value, changes in along(text).items():
                if other := next((key for key, _ in changes if not key.startswith("distill.")), None):
                    raise ConfigError(f"config.{other}: curves go along keys of config.distill")
                found[name][value] = changed(common, changes)
                _check_distillation(found[name][value])
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
    return found


def published_matrix(settings: Settings) -> dict[str, list[float]]:
    """Returns the published accuracies of each row of a study's matrix, a number for each network.

    Of sets by the rates that were learned, by longer schedules ("ROW longer"), or of "all data".

    Raises:
        ConfigError: what is given are not as many numbers.
    """
    networks, found = settings.study.networks or (settings.model.kind,), {}
    for name, text in (settings.study.published or {}).items():
        try:
            found[name] = [float(number) for number in text.split()]
        except ValueError:
            raise ConfigError(f"config.study.published, {name!r}: {text!r} are not numbers") from None
        if not all(map(math.isfinite, found[name])):
            raise ConfigError(f"config.study.published, {name!r}: {text!r} are not all finite")
        sets = (*networks, TOGETHER)
        if name not in (rows := (*sets, *(f"{one} longer" for one in sets), "all data")):
            raise ConfigError(f"config.study.published, {name!r}: no such row{nearest(name, rows)}")
        if len(found[name]) != len(networks):
            raise ConfigError(
                f"config.study.published, {name!r}: {len(found[name])} numbers for {len(networks)} networks; "
                "--config.study.published=none leaves them out"
            )
    return found


def _check_distillation(settings: Settings) -> None:
    distill = settings.distill
    if distill.method != "unrolled":
        raise ConfigError(f"config.distill.method = {distill.method!r}: a study distils by 'unrolled'")
    for key in ("teacher", "also", "attention"):
        if getattr(distill, key):
            raise ConfigError(f"config.distill.{key} = {getattr(distill, key)!r} is not for experiment = 'study'")


def _check_study(settings: Settings) -> None:
    study, distill = settings.study, settings.distill
    _check_distillation(settings)
    if study.matrix and distill.init == "known" and len(study.networks or ()) > 1:
        raise ConfigError(
            "config.distill.init = 'known': what is distilled for one network's weights is not tried on other "
            "networks; set config.study.matrix to false, or init to 'random'"
        )
    if not study.matrix and not study.curves:
        raise ConfigError("config.study: neither a matrix nor curves are asked for")


def sliced(every: Sequence[T], text: str) -> Sequence[T]:
    """Returns a slice of the trials of a sweep: `"3/40"` is the third of forty, which has every fortieth trial.

    Raises:
        ConfigError: it is no such text.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--points={text}: write --points=3/40, for the third of forty slices")
    return every[int(found[1]) - 1 :: int(found[2])]


def parse_variant(arg: str | None, allowed: Mapping[str, tuple | type]) -> dict[str, Any]:
    """Returns the values of a config's variant, the part after the colon in `configs/NAME.py:key=value,key=value`.

    Args:
        arg: `"key=value,key=value"`; None or "" for none. `"quick"` means `"quick=true"`.
        allowed: for each known key a tuple of choices or a type (bool, int, float or str).

    Returns:
        The keys that were given, in their types; the caller fills in the rest.

    Raises:
        ConfigError: an unknown key, one given twice, a value that is not allowed, or no `=`.
    """
    values: dict[str, Any] = {}
    for key, equals, text in split(arg, ",") if arg else []:
        part = f"{key}{equals}{text}"
        if not equals and allowed.get(key) is bool:
            equals, text = "=", "true"
        known = ", ".join(f"{name}={Field.of(kind).describe()}" for name, kind in allowed.items()) or "none"
        if not equals:
            raise ConfigError(f"variant {part!r}: write key=value{nearest(key, allowed)}; known keys: {known}")
        if key not in allowed:
            raise ConfigError(f"variant {part!r}: no such key{nearest(key, allowed)}; known keys: {known}")
        if key in values:
            raise ConfigError(f"variant {arg!r}: {key} is given twice")
        field = Field.of(allowed[key])
        values[key] = field.checked(field.read(text), f"variant {key}")
    return values

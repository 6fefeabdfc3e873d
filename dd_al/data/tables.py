"""Rows of numbers: generated points, and the user's own tables, whose columns may also hold categories."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import formats
from dd_al.data.dataset import Dataset
from dd_al.data.finish import Found, array_rows, finish
from dd_al.data.formats import Table
from dd_al.data.rows import check_column
from dd_al.data.sources import local_path, own_name

GENERATED = ("moons", "circles", "blobs")
_MOST = 50  # categories of a column
_STATE = 8  # of the points, and of their split
_MEND = "leave the row out, or choose columns with config.data.columns"


def load(settings: DataSettings) -> Dataset:
    """Generates the points that `settings` name, or reads, checks and splits a table."""
    if settings.name in GENERATED and not settings.dir:
        name, source, columns, parts = settings.name, "generated", ("x", "y"), _generated(settings)
    elif (path := local_path(settings)) is not None:
        tables = read(path, settings)
        name, source, columns = own_name(path, settings, (*GENERATED, "table")), "local", _columns(tables, settings)
        parts = {split: examples(table, columns, settings) for split, table in tables.items()}
    else:
        hint = nearest(settings.name, GENERATED)
        raise DataError(
            f"no rows of numbers are called {settings.name!r}{hint}: give a table in config.data.dir, or one of "
            f"{', '.join(GENERATED)} as config.data.name"
        )
    splits, arrays = array_rows(parts, "row", name if source == "generated" else str(path))
    return finish(Found(name, source, splits, unit="row", columns=columns, arrays=arrays), settings)


def read(path: Path, settings: DataSettings, needed: str = "train") -> dict[str, Table]:
    """Reads a table, which is called "train", or those of a folder by split.

    A folder without train has to have the split that is `needed`.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file():
        return {"train": _read_file(path, settings)}
    files = formats.split_files(path, formats.TABLES)
    if needed not in files and "train" not in files:
        raise DataError(f"{path}: no train file in this folder; name it train with one of {', '.join(formats.TABLES)}")
    return {split: _read_file(file, settings) for split, file in files.items()}


def examples(table: Table, columns: Sequence[str], settings: DataSettings) -> tuple[np.ndarray, Sequence]:
    """Returns the numbers of a table, float32[rows, columns], and its labels as they are written.

    Its columns are names of columns of numbers, or NAME=CATEGORY of words, which is 1 where a cell is that, else 0.
    """
    check_column(table.names, settings.label_column, "label_column", str(table.path))
    found = []
    for wanted in columns:
        name, _, category = (wanted, "", "") if wanted in table.columns else wanted.partition("=")
        check_column(table.names, name, "columns", str(table.path))
        cells = table.columns[name]
        numbers = [str(cell).strip() == category for cell in cells] if category else [_number(cell) for cell in cells]
        if None in numbers:
            at = numbers.index(None)
            raise DataError(
                f"{table.path}, line {table.lines[at]}: {cells[at]!r} in the column {name!r}, which held numbers in "
                "training"
            )
        found.append(np.asarray(numbers, np.float32))
    return np.stack(found, 1), formats.labels_of(table, settings)


def _generated(settings: DataSettings) -> dict[str, tuple[np.ndarray, list]]:
    """Points as Medvedev & D'yakonov 2020, arXiv 2010.09839, make theirs: a third of them is for testing."""
    from sklearn import datasets, model_selection

    size = {"n_samples": 1500, "random_state": _STATE}
    if settings.name == "moons":
        points, labels = datasets.make_moons(**size, noise=0.05)
    elif settings.name == "circles":
        points, labels = datasets.make_circles(**size, noise=0.05, factor=0.5)
    else:
        points, labels = datasets.make_blobs(**size, centers=3)
    split = model_selection.train_test_split(points.astype(np.float32), labels, test_size=0.33, random_state=_STATE)
    train, test, train_labels, test_labels = split
    return {"train": (train, train_labels.tolist()), "test": (test, test_labels.tolist())}


def _read_file(path: Path, settings: DataSettings) -> Table:
    if path.suffix.lower() not in formats.TABLES:
        raise DataError(f"{path}: a table must end in one of {', '.join(formats.TABLES)}, not {path.suffix.lower()!r}")
    table = formats.read_table(path, settings)
    if not table.lines:
        raise DataError(f"{path}: no rows below the names of its columns")
    if twice := [name for name in table.names if table.names.count(name) > 1]:
        raise DataError(f"{path}, line 1: two columns are called {twice[0]!r}")
    return table


def _columns(tables: dict[str, Table], settings: DataSettings) -> tuple[str, ...]:
    """What numbers a task's rows have: a column's own, or one for each of its categories (see `examples`)."""
    train, label = tables["train"], settings.label_column
    names = list(settings.columns or (name for name in train.names if name != label))
    if label in names:
        raise DataError(f"config.data.columns: {label!r} is the label's column")
    for table in tables.values():
        check_column(table.names, label, "label_column", str(table.path))
        for name in names:
            check_column(table.names, name, "columns", str(table.path))
    if not names:
        raise DataError(f"{train.path}: no columns beside {label!r}")
    columns: list[str] = []
    for name in names:
        cells = [
            (cell, table, line) for table in tables.values() for cell, line in zip(table.columns[name], table.lines)
        ]
        if absent := [(table, line) for cell, table, line in cells if _is_missing(cell)]:
            (table, line), more = absent[0], len(absent) - 1
            others = f" ({more} more rows have none either)" if more else ""
            raise DataError(f"{table.path}, line {line}: column {name!r} has no value{others}; fill it in, {_MEND}")
        words = [one for one in cells if _number(one[0]) is None]
        if not words:
            columns.append(name)
            continue
        if 2 * len(words) < len(cells):
            word, table, line = words[0]
            raise DataError(
                f"{table.path}, line {line}: {word!r} in the column {name!r}, whose other cells are numbers; mend it, "
                f"{_MEND}"
            )
        # A category that training lacks is none of them.
        known = sorted({str(cell).strip() for cell in train.columns[name]})
        if len(known) > min(_MOST, max(2, len(train.lines) // 2)):
            raise DataError(
                f"{train.path}: column {name!r} holds {len(known)} different words in {len(train.lines)} rows, too "
                "many for categories; choose columns with config.data.columns"
            )
        columns += [f"{name}={category}" for category in known]
    return tuple(columns)


def _is_missing(cell: Any) -> bool:
    return cell is None or str(cell).strip().lower() in ("", *formats.MISSING) or cell != cell


def _number(cell: Any) -> float | None:
    """A finite number, or None for a word."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None

"""Rows of numbers: generated points, and the user's own tables, whose columns may also hold categories."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import formats
from dd_al.data.dataset import Dataset
from dd_al.data.finish import Found, array_rows, finish
from dd_al.data.rows import column, read_text
from dd_al.data.sources import local_path, own_name

GENERATED = ("moons", "circles", "blobs")
_ENDINGS = (".csv", ".tsv", ".parquet")
_MOST = 50  # categories of a column
_STATE = 8  # of the points, and of their split
_MEND = "leave the row out, or choose columns with config.data.columns"


class Table(NamedTuple):
    """A file: the cells of each column as they are written, and the lines that rows start at."""

    path: Path
    columns: dict[str, Sequence]
    lines: list[int]


def load(settings: DataSettings) -> Dataset:
    """Generates the points that `settings` name, or reads, checks and splits a table."""
    if settings.name in GENERATED and not settings.dir:
        name, source, columns, parts = settings.name, "generated", ("x", "y"), _generated(settings)
    elif (path := local_path(settings)) is not None:
        tables = read(path, settings.encoding)
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


def read(path: Path, encoding: str, needed: str = "train") -> dict[str, Table]:
    """Reads a table, which is called "train", or those of a folder by split.

    A folder without train has to have the split that is `needed`.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file():
        return {"train": _read_file(path, encoding)}
    files = formats.split_files(path, _ENDINGS)
    if needed not in files and "train" not in files:
        raise DataError(f"{path}: no train file in this folder; name it train with one of {', '.join(_ENDINGS)}")
    return {split: _read_file(file, encoding) for split, file in files.items()}


def examples(table: Table, columns: Sequence[str], settings: DataSettings) -> tuple[np.ndarray, Sequence]:
    """Returns the numbers of a table, float32[rows, columns], and its labels as they are written.

    Its columns are names of columns of numbers, or NAME=CATEGORY of words, which is 1 where a cell is that, else 0.
    """
    column(table.columns, settings.label_column, "label_column", str(table.path))
    found = []
    for wanted in columns:
        name, _, category = (wanted, "", "") if wanted in table.columns else wanted.partition("=")
        column(table.columns, name, "columns", str(table.path))
        cells = table.columns[name]
        numbers = [str(cell).strip() == category for cell in cells] if category else [_number(cell) for cell in cells]
        if None in numbers:
            at = numbers.index(None)
            raise DataError(
                f"{table.path}, line {table.lines[at]}: {cells[at]!r} in the column {name!r}, which held numbers in "
                "training"
            )
        found.append(np.asarray(numbers, np.float32))
    return np.stack(found, 1), table.columns[settings.label_column]


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


def _read_file(path: Path, encoding: str) -> Table:
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise DataError(f"{path}: a table must end in one of {', '.join(_ENDINGS)}, not {ending!r}")
    if ending == ".parquet":
        table = formats.read_parquet(path)
        names, lines = [str(name) for name in table.column_names], list(range(1, len(table) + 1))
        columns = [values.to_pylist() for values in table.columns]
    else:
        text = read_text(path, encoding)
        cells = list(formats.cells_of(text, "\t" if ending == ".tsv" else ",", csv.QUOTE_MINIMAL, str(path)))
        if not cells:
            raise DataError(f"{path}: the file is empty")
        (_, names), *rows = cells
        names, lines = [name.strip() for name in names], [line for line, _ in rows]
        columns = list(zip(*(row for _, row in rows), strict=True))
    if not lines:
        raise DataError(f"{path}: no rows below the names of its columns")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}, line 1: two columns are called {twice!r}")
    return Table(path, dict(zip(names, columns, strict=True)), lines)


def _columns(tables: dict[str, Table], settings: DataSettings) -> tuple[str, ...]:
    """What numbers a task's rows have: a column's own, or one for each of its categories (see `examples`)."""
    train, label = tables["train"], settings.label_column
    names = list(settings.columns or (name for name in train.columns if name != label))
    if label in names:
        raise DataError(f"config.data.columns: {label!r} is the label's column")
    for table in tables.values():
        column(table.columns, label, "label_column", str(table.path))
        for name in names:
            column(table.columns, name, "columns", str(table.path))
    if not names:
        raise DataError(f"{train.path}: no columns beside {label!r}")
    columns: list[str] = []
    for name in names:
        for table in tables.values():
            absent = [line for cell, line in zip(table.columns[name], table.lines) if _is_missing(cell)]
            if absent:
                more = f" ({len(absent) - 1} more rows of this file have none either)" if len(absent) > 1 else ""
                raise DataError(
                    f"{table.path}, line {absent[0]}: column {name!r} has no value{more}; fill it in, {_MEND}"
                )
        words = [
            f"{table.path}, line {line}: {cell!r}"
            for table in tables.values()
            for cell, line in zip(table.columns[name], table.lines)
            if _number(cell) is None
        ]
        if not words:
            columns.append(name)
            continue
        if 2 * len(words) < sum(len(table.lines) for table in tables.values()):
            raise DataError(f"{words[0]} in the column {name!r}, whose other cells are numbers; mend it, {_MEND}")
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

"""Rows of numbers: generated points, and the user's own tables, whose columns may also hold categories."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import arrays, formats, splits
from dd_al.data.arrays import finish
from dd_al.data.dataset import ArraySplit, Dataset
from dd_al.data.sources import local_path, own_name

GENERATED = ("moons", "circles", "blobs")
_ENDINGS = (".csv", ".tsv", ".parquet")
_MOST = 50  # categories of a column
_STATE = 8  # of the points, and of their split


def load(settings: DataSettings) -> Dataset:
    """Generates the points that `settings` name, or reads the table.

    Raises:
        DataError: there is no such table, or it cannot be used; names file, line and column where it can.
    """
    if settings.name in GENERATED and not settings.dir:
        return _generated(settings)
    path = local_path(settings)
    if path is None:
        hint = nearest(settings.name, GENERATED)
        raise DataError(
            f"no rows of numbers are called {settings.name!r}{hint}: give a table in config.data.dir, or one of "
            f"{', '.join(GENERATED)} as config.data.name"
        )
    parts = _read(path, settings.encoding)
    names = _columns(parts, settings, path)
    inputs, columns = _encoded(parts, names)
    given = {split: (inputs[split], [row[table.at(settings.label_column)] for row in table.rows])
             for split, table in parts.items()}  # fmt: skip
    return finish(
        given,
        settings,
        name=own_name(path, settings, (*GENERATED, "table")),
        source="local",
        unit="row",
        columns=columns,
        origin=str(path),
    )


def read_examples(
    path: str | os.PathLike,
    label_map: Mapping[str, int],
    columns: Sequence[str],
    split: str | None = None,
    settings: DataSettings | None = None,
) -> ArraySplit:
    """Reads rows of a known task, to test a classifier on.

    Args:
        path: a table, all of whose rows are read, or a folder of them.
        label_map: the task's label → class.
        columns: what the task's numbers are: names of columns, or NAME=CATEGORY of a column of words.
        split: see `dd_al.data.splits.chosen`.
        settings: the column of the labels, and the encoding; those of `DataSettings()` if None.

    Raises:
        DataError: a bad file, no such column or split, or a label that is not in `label_map`.
    """
    settings, where = settings or DataSettings(), Path(path).expanduser()
    parts = splits.chosen(_read(where, settings.encoding, "test"), split, path)
    found = {}
    for name, table in parts.items():
        for column in (settings.label_column, *dict.fromkeys(column.partition("=")[0] for column in columns)):
            formats.column(table.names, column, "columns", str(table.path))
        numbers = [_cells(table, *column.partition("=")[::2]) for column in columns]
        found[name] = np.stack(numbers, 1), [row[table.at(settings.label_column)] for row in table.rows]
    return arrays.examples(found, label_map, str(path), "row")


def _generated(settings: DataSettings) -> Dataset:
    """Points as Medvedev & D'yakonov 2020, arXiv 2010.09839, make theirs: a third of them is for testing."""
    from sklearn import datasets, model_selection

    size = {"n_samples": 1500, "random_state": _STATE}
    if settings.name == "moons":
        points, labels = datasets.make_moons(**size, noise=0.05)
    elif settings.name == "circles":
        points, labels = datasets.make_circles(**size, noise=0.05, factor=0.5)
    else:
        points, labels = datasets.make_blobs(**size, centers=3)
    points = points.astype(np.float32)
    split = model_selection.train_test_split(points, labels, test_size=0.33, random_state=_STATE)
    train, test, train_labels, test_labels = split
    parts = {"train": (train, train_labels.tolist()), "test": (test, test_labels.tolist())}
    return finish(parts, settings, name=settings.name, source="generated", unit="row", columns=("x", "y"))


class _Table(NamedTuple):
    """A file: column names, and cells as they are written."""

    path: Path
    names: list[str]
    rows: list[list]
    lines: list[int]

    def at(self, name: str) -> int:
        """The position of a column."""
        return self.names.index(name)


def _read(path: Path, encoding: str, needed: str = "train") -> dict[str, _Table]:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file():
        return {"train": _read_file(path, encoding)}
    files = formats.split_files(path, _ENDINGS)
    if needed not in files and "train" not in files:
        raise DataError(f"{path}: no train file in this folder; name it train with one of {', '.join(_ENDINGS)}")
    return {split: _read_file(file, encoding) for split, file in files.items()}


def _read_file(path: Path, encoding: str) -> _Table:
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise DataError(f"{path}: a table must end in one of {', '.join(_ENDINGS)}, not {ending!r}")
    if ending == ".parquet":
        table = formats.read_parquet(path)
        rows = [list(row.values()) for row in table.to_pylist()]
        names, lines = [str(name) for name in table.column_names], list(range(1, len(rows) + 1))
    else:
        text = formats.read_text(path, encoding)
        cells = list(formats.cells_of(text, "\t" if ending == ".tsv" else ",", csv.QUOTE_MINIMAL, str(path)))
        if not cells:
            raise DataError(f"{path}: the file is empty")
        (_, names), *rest = cells
        names, rows, lines = [name.strip() for name in names], [row for _, row in rest], [line for line, _ in rest]
    if not rows:
        raise DataError(f"{path}: no rows below the names of its columns")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}, line 1: two columns are called {twice!r}")
    return _Table(path, names, rows, lines)


def _columns(parts: dict[str, _Table], settings: DataSettings, path: Path) -> list[str]:
    """The columns to read; every file has them, and the label's."""
    names = list(settings.columns or (name for name in parts["train"].names if name != settings.label_column))
    if settings.label_column in names:
        raise DataError(f"config.data.columns: {settings.label_column!r} is the label's column")
    for table in parts.values():
        formats.column(table.names, settings.label_column, "label_column", str(table.path))
        for name in names:
            formats.column(table.names, name, "columns", str(table.path))
    if not names:
        raise DataError(f"{path}: no columns beside {settings.label_column!r}")
    return names


def _encoded(parts: dict[str, _Table], names: list[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Every split's numbers, and what each of them is: a column's own, or one for each of its categories."""
    encoded: dict[str, list] = {split: [] for split in parts}
    columns: list[str] = []
    for name in names:
        cells = {split: [row[table.at(name)] for row in table.rows] for split, table in parts.items()}
        for split, table in parts.items():
            absent = [line for cell, line in zip(cells[split], table.lines, strict=True) if _is_missing(cell)]
            if absent:
                more = f" ({len(absent) - 1} more rows of this file have none either)" if len(absent) > 1 else ""
                raise DataError(
                    f"{table.path}, line {absent[0]}: column {name!r} has no value{more}; fill it in, leave the row "
                    "out, or choose columns with config.data.columns"
                )
        numbers = {split: [_number(cell) for cell in values] for split, values in cells.items()}
        if all(value is not None for values in numbers.values() for value in values):
            columns.append(name)
            for split, values in numbers.items():
                encoded[split].append(np.asarray(values, np.float32)[:, None])
            continue
        _check_numbers(parts, cells, numbers, name)
        known = sorted({str(cell).strip() for cell in cells["train"]})
        if len(known) > min(_MOST, max(2, len(cells["train"]) // 2)):
            raise DataError(
                f"{parts['train'].path}: column {name!r} holds {len(known)} different words in {len(cells['train'])} "
                "rows, too many for categories; choose columns with config.data.columns"
            )
        columns += [f"{name}={category}" for category in known]
        for split, values in cells.items():
            # A category that training lacks is none of them: zeros.
            encoded[split].append(np.asarray([[str(v).strip() == k for k in known] for v in values], np.float32))
    return {split: np.concatenate(parts, axis=1) for split, parts in encoded.items()}, tuple(columns)


def _is_missing(cell) -> bool:
    return cell is None or str(cell).strip().lower() in formats.MISSING or cell != cell


def _check_numbers(parts, cells: dict, numbers: dict, name: str) -> None:
    """Where most cells are numbers, those that are none are mistakes, in whatever split."""
    values = [value for split in numbers.values() for value in split]
    if 2 * sum(value is None for value in values) >= len(values):
        return
    for split, table in parts.items():
        for cell, value, line in zip(cells[split], numbers[split], table.lines, strict=True):
            if value is None:
                raise DataError(
                    f"{table.path}, line {line}: {cell!r} in the column {name!r}, whose other cells are numbers; mend "
                    "it, leave the row out, or choose columns with config.data.columns"
                )


def _number(cell) -> float | None:
    """A finite number, or None for a word."""
    if isinstance(cell, bool):
        return float(cell)
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _cells(table: _Table, name: str, category: str) -> np.ndarray:
    """The numbers of a column, ``float32[rows]``; with a category, 1 where the cell is that, else 0."""
    cells = [row[table.at(name)] for row in table.rows]
    if category:
        return np.asarray([str(cell).strip() == category for cell in cells], np.float32)
    numbers = [_number(cell) for cell in cells]
    if None in numbers:
        at = numbers.index(None)
        raise DataError(
            f"{table.path}, line {table.lines[at]}: {cells[at]!r} in the column {name!r}, which held numbers in "
            "training"
        )
    return np.asarray(numbers, np.float32)

"""Files and folders of labelled text: JSONL, CSV, TSV, Parquet, "label text" lines and sentiment trees.

A file is recognised by its ending, a split of a folder by the file's name before it.
"""

import contextlib
import csv
import io
import itertools
import math
from collections.abc import Container, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import labels, treebank
from dd_al.data.rows import Rows, check_columns, checked, lines_of, objects_of, read_text

TABLES = (".csv", ".tsv", ".parquet")
_POOLS = (".jsonl", *TABLES, ".txt")
EXTENSIONS = (*_POOLS, ".tree", ".trees")
SPLIT_NAMES = {"train": "train", "test": "test"} | dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
MISSING = ("nan", "<na>")  # what programs write in a table for a value that is not there, in lower case

_Examples = Iterator[tuple[int, Any, Any]]


def read_file(path: Path, settings: DataSettings | None = None, *, optional: bool = False) -> Rows:
    """Reads one file of examples; its ending says how.

    The settings name the columns and the encoding. Where labels are `optional`, rows, or the whole file, may lack them,
    which gives ""; of a .txt file every line is then a text.
    """
    settings, endings = settings or DataSettings(), _POOLS if optional else EXTENSIONS
    ending, origin = path.suffix.lower(), str(path)
    if ending not in endings:
        raise DataError(f"{path}: unknown ending {ending!r}{nearest(ending, endings)}; known are {', '.join(endings)}")
    if ending in TABLES:
        unit = "row" if ending == ".parquet" else "line"
        return checked(_of_table(path, settings, optional), origin, unit, optional=optional)
    text = read_text(path, settings.encoding)
    if not optional and not text.strip():
        raise DataError(f"{path}: the file is empty")
    if ending == ".jsonl":
        examples = _jsonl(text, settings, origin, optional)
    elif optional:
        examples = ((line, content, None) for line, content in lines_of(text))
    elif ending != ".txt" or treebank.looks_like_trees(text):
        return treebank.read_trees(text, origin)
    else:
        examples = _label_lines(text)
    return checked(examples, origin, optional=optional)


def split_files(path: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Returns the file of each split that a folder has, by its name; none, or two of one split, are an error."""
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        split = SPLIT_NAMES.get(file.stem.lower())
        if split is None or file.suffix.lower() not in endings:
            continue
        if split in files:
            raise DataError(f"{path}: {files[split].name} and {file.name} are both its {split} split; remove one")
        files[split] = file
    if not files:
        found = ", ".join(sorted(file.name for file in path.iterdir())[:8]) or "nothing"
        pictures = "; folders of pictures are for config.inputs=images, as in configs/images_distill.py"
        raise DataError(
            f"{path}: no train or test file in this folder (it holds {found}). Name the files train, validation and "
            f"test, with one of {', '.join(endings)}{pictures if any(f.is_dir() for f in path.iterdir()) else ''}"
        )
    return files


def _jsonl(text: str, settings: DataSettings, origin: str, optional: bool) -> _Examples:
    for i, example in objects_of(text, origin):
        check_columns(example, settings, f"{origin}, line {i}", optional=optional)
        yield i, example.get(settings.text_column), example.get(settings.label_column)


def _of_table(path: Path, settings: DataSettings, optional: bool) -> _Examples:
    table, written = read_table(path, settings, only_examples=True), path.suffix.lower() != ".parquet"
    origin = f"{path}, line 1 (which names the columns)" if written else str(path)
    check_columns(table.names, settings, origin, optional=optional)
    texts = table.columns[settings.text_column]
    if written and texts and all(map(_is_number, texts)):
        raise DataError(
            f"{path}: the column {settings.text_column!r} holds numbers only, no text; see config.data.text_column"
        )
    found = labels_of(table, settings) or itertools.repeat(None)
    for line, text, label in zip(table.lines, texts, found):
        yield line, None if written and text.strip().lower() == "nan" else text, label


def labels_of(table: "Table", settings: DataSettings) -> list:
    """Returns the labels of a table as they are written, None where one is missing; nothing where it has no labels.

    No other word than those of `MISSING` stands for a missing one: "none" or "NA" may well be the name of a class.
    """
    cells = table.columns.get(settings.label_column, [])
    if table.path.suffix.lower() == ".parquet":
        return cells
    named = labels.parse_map(settings.label_map) if settings.label_map else {}
    return [None if one.strip() not in named and one.strip().lower() in ("", *MISSING) else one for one in cells]


def _is_number(cell: str) -> bool:
    with contextlib.suppress(ValueError):
        return not math.isnan(float(cell))
    return False


class Table(NamedTuple):
    """The names of all columns of a file, the cells of those that were read, and the lines that rows start at."""

    path: Path
    names: list[str]
    columns: dict[str, Sequence]
    lines: list[int]


def read_table(path: Path, settings: DataSettings, *, only_examples: bool = False) -> Table:
    """Reads a .csv, .tsv or .parquet file: all of its columns, or texts and labels alone, as far as there are such."""
    wanted = {settings.text_column, settings.label_column} if only_examples else None
    if path.suffix.lower() == ".parquet":
        names, columns = _parquet(path, wanted)
        return Table(path, names, columns, list(range(1, len(next(iter(columns.values()), ())) + 1)))
    (_, header), *rows = _written_rows(path, settings)
    names = [name.strip() for name in header]
    # Backwards: of two columns of one name the first counts.
    chosen = [at for at in reversed(range(len(names))) if wanted is None or names[at] in wanted]
    columns = {names[at]: [cells[at] for _, cells in rows] for at in chosen}
    return Table(path, names, columns, [line for line, _ in rows])


def _written_rows(path: Path, settings: DataSettings) -> list[tuple[int, list[str]]]:
    """The rows of a .csv or .tsv file, with the lines that they start at; the first names the columns."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    read = partial(_cells, read_text(path, settings.encoding), delimiter, str(path))
    try:
        rows = read(csv.QUOTE_MINIMAL)
    except DataError:
        # Many TSV files do not quote at all: there, a quotation mark is a character like any other.
        if delimiter != "\t":
            raise
        return read(csv.QUOTE_NONE)
    if not rows:
        raise DataError(f"{path}: the file is empty")
    if delimiter == "\t" and any("\n" in cell and "\t" in cell for _, cells in rows for cell in cells):
        # Two such marks, rows apart, read like one long cell. Then the rows in it have labels like all others.
        with contextlib.suppress(DataError, ValueError):
            label_at = [name.strip() for name in rows[0][1]].index(settings.label_column)
            plain = read(csv.QUOTE_NONE)
            if {cells[label_at] for _, cells in plain} <= {cells[label_at] for _, cells in rows}:
                return plain
    return rows


def _cells(text: str, delimiter: str, origin: str, quoting: int) -> list[tuple[int, list[str]]]:
    """The line that each row starts at and its cells, all as many as the first row's."""
    csv.field_size_limit(max(len(text), csv.field_size_limit()))  # as many characters as there are
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    start, rows = 1, []
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                rows.append((start, cells))
                if len(cells) != (width := len(rows[0][1])):
                    raise DataError(
                        f"{origin}, line {start}: {len(cells)} columns where the first line has {width}; "
                        f"put texts that hold {delimiter!r} in double quotes"
                    )
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{origin}, line {start}: {error}; is there a double quote that is not closed?") from error
    return rows


def _parquet(path: Path, wanted: Container[str] | None) -> tuple[list[str], dict[str, list]]:
    import pyarrow
    from pyarrow import parquet

    try:
        # Not read_table: it would take the names of the folders above for columns.
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            table = file.read([name for name in names if wanted is None or name.strip() in wanted])
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error
    return [name.strip() for name in names], {
        name.strip(): cells.to_pylist() for name, cells in zip(table.column_names, table.columns)
    }


def _label_lines(text: str) -> _Examples:
    for i, line in lines_of(text):
        label, *rest = line.split(None, 1)
        yield i, rest[0] if rest else "", label

"""Files and folders of labelled text: JSONL, CSV, TSV, Parquet, "label text" lines and sentiment trees.

A file is recognised by its ending, a split of a folder by the file's name before it.
"""

import contextlib
import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, nearest
from dd_al.data import labels, treebank
from dd_al.data.rows import Rows, checked, columns_of, lines_of, read_text

if TYPE_CHECKING:
    import pyarrow

_POOLS = (".jsonl", ".csv", ".tsv", ".parquet", ".txt")
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
    if ending == ".parquet":
        return checked(_parquet(path, settings, optional), origin, "row", optional=optional)
    text = read_text(path, settings.encoding)
    if not optional and not text.strip():
        raise DataError(f"{path}: the file is empty")
    if ending == ".jsonl":
        examples = _jsonl(text, settings, origin, optional)
    elif ending in (".csv", ".tsv"):
        examples = _table(text, "\t" if ending == ".tsv" else ",", settings, origin, optional)
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
    for i, line in lines_of(text):
        try:
            example = json.loads(line)
        except ValueError as error:
            raise DataError(f"{origin}, line {i}: not JSON ({error}); every line must be one JSON object") from error
        except RecursionError:
            raise DataError(f"{origin}, line {i}: the JSON is nested too deeply") from None
        if not isinstance(example, dict):
            raise DataError(f"{origin}, line {i}: {type(example).__name__} where a JSON object is needed")
        columns_of(example, settings, f"{origin}, line {i}", optional=optional)
        yield i, example.get(settings.text_column), example.get(settings.label_column)


def _table(text: str, delimiter: str, settings: DataSettings, origin: str, optional: bool) -> _Examples:
    try:
        rows = list(cells_of(text, delimiter, csv.QUOTE_MINIMAL, origin))
    except DataError:
        # Many TSV files do not quote at all: there, a quotation mark is a character like any other.
        if delimiter != "\t":
            raise
        rows = list(cells_of(text, delimiter, csv.QUOTE_NONE, origin))
    header = rows[0][1] if rows else []
    text_at, label_at = columns_of(header, settings, f"{origin}, line 1 (which names the columns)", optional=optional)
    long = delimiter == "\t" and any("\n" in cell and "\t" in cell for _, cells in rows for cell in cells)
    if long and label_at is not None:
        # Two such marks, rows apart, read like one long cell. Then the rows in it have labels like all others.
        with contextlib.suppress(DataError):
            plain = list(cells_of(text, delimiter, csv.QUOTE_NONE, origin))
            if {cells[label_at] for _, cells in plain} <= {cells[label_at] for _, cells in rows}:
                rows = plain
    if rows[1:] and all(_is_number(cells[text_at]) for _, cells in rows[1:]):
        raise DataError(
            f"{origin}: the column {settings.text_column!r} holds numbers only, no text; see config.data.text_column"
        )
    named = labels.parse_map(settings.label_map) if settings.label_map else {}
    for line, cells in rows[1:]:
        # No other word stands for a missing value: "none" or "NA" may well be a text, or the name of a class.
        text = None if cells[text_at].strip().lower() == "nan" else cells[text_at]
        label = None if label_at is None else cells[label_at].strip()
        yield line, text, label if label in named or label and label.lower() not in MISSING else None


def _is_number(cell: str) -> bool:
    with contextlib.suppress(ValueError):
        return not math.isnan(float(cell))
    return False


def cells_of(text: str, delimiter: str, quoting: int, origin: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (line a row starts at, its cells), all as many as the first row's."""
    csv.field_size_limit(max(len(text), csv.field_size_limit()))  # as many characters as there are
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    start, width = 1, None
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                width = width or len(cells)
                if len(cells) != width:
                    raise DataError(
                        f"{origin}, line {start}: {len(cells)} columns where the first line has {width}; "
                        f"put texts that hold {delimiter!r} in double quotes"
                    )
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{origin}, line {start}: {error}; is there a double quote that is not closed?") from error


def read_parquet(path: Path, choose: Callable[[list[str]], list[str] | None] = lambda names: None) -> "pyarrow.Table":
    """Reads the columns of a Parquet file that `choose` picks of those that there are, or all where it gives None."""
    import pyarrow
    from pyarrow import parquet

    try:
        # Not read_table: it would take the names of the folders above for columns.
        with parquet.ParquetFile(path) as file:
            return file.read(choose(file.schema_arrow.names))
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error


def _parquet(path: Path, settings: DataSettings, optional: bool) -> _Examples:
    def choose(names: list[str]) -> list[str]:
        return [names[at] for at in columns_of(names, settings, path.name, optional=optional) if at is not None]

    table = read_parquet(path, choose)
    texts, labels = (
        [None] * len(table) if at is None else table.column(at).to_pylist()
        for at in columns_of(table.column_names, settings, path.name, optional=optional)
    )
    yield from zip(range(1, len(table) + 1), texts, labels, strict=True)


def _label_lines(text: str) -> _Examples:
    for i, line in lines_of(text):
        label, *rest = line.split(None, 1)
        yield i, rest[0] if rest else "", label

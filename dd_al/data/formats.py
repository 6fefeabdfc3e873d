"""Files and folders of labelled text: JSONL, CSV, TSV, Parquet, "label text" lines and sentiment trees.

A file is recognised by its ending, a split of a folder by the file's name before it.
"""

import codecs
import contextlib
import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dd_al.core.errors import DataError, nearest
from dd_al.data import treebank
from dd_al.data.rows import Rows, checked, column

if TYPE_CHECKING:
    import pyarrow

_POOLS = (".jsonl", ".csv", ".tsv", ".parquet", ".txt")
EXTENSIONS = (*_POOLS, ".tree", ".trees")
SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}

# As tables write a missing value, in lower case.
MISSING = ("", "nan", "na", "n/a", "<na>", "null", "none")

_Examples = Iterator[tuple[int, Any, Any]]


def read_file(path: Path, text_column: str = "text", label_column: str = "label", encoding: str = "utf-8") -> Rows:
    """Reads one file of examples; its ending says how.

    Raises:
        DataError: it cannot be read, is no known format, or an example is bad; the message names the line.
    """
    return _read(path, EXTENSIONS, (text_column, label_column), encoding, optional=False)


def read_pool(path: Path, text_column: str = "text", label_column: str = "label", encoding: str = "utf-8") -> Rows:
    """Reads one file of texts of which some, or none, have labels: the others get "".

    As `read_file`, but without a label in every row, or without that column; of a .txt file every line is a text.

    Raises:
        DataError: as from `read_file`.
    """
    return _read(path, _POOLS, (text_column, label_column), encoding, optional=True)


def _read(path: Path, endings: Sequence[str], columns: tuple[str, str], encoding: str, *, optional: bool) -> Rows:
    """Reads one file, whose ending is one of `endings`; `columns` are the texts' and the labels'."""
    ending, origin = path.suffix.lower(), str(path)
    if ending not in endings:
        raise DataError(f"{path}: unknown ending {ending!r}{nearest(ending, endings)}; known are {', '.join(endings)}")
    if ending == ".parquet":
        return checked(_parquet(path, *columns, optional), origin, "row", optional=optional)
    text = read_text(path, encoding)
    if not optional and not text.strip():
        raise DataError(f"{path}: the file is empty")
    if ending == ".jsonl":
        examples = _jsonl(text, *columns, origin, optional)
    elif ending in (".csv", ".tsv"):
        examples = _table(text, "\t" if ending == ".tsv" else ",", *columns, origin, optional)
    elif optional:
        examples = ((line, content, None) for line, content in lines_of(text))
    elif ending != ".txt" or treebank.looks_like_trees(text):
        return treebank.read_trees(text, origin)
    else:
        examples = _label_lines(text)
    return checked(examples, origin, optional=optional)


def read_folder(
    path: Path, text_column: str = "text", label_column: str = "label", encoding: str = "utf-8"
) -> dict[str, Rows]:
    """Reads the splits of a folder by file name: train, validation (or dev, valid, val) and test.

    Returns:
        The splits that are there.

    Raises:
        DataError: no split is there, one is there twice, or a file is bad.
    """
    files = split_files(path, EXTENSIONS)
    return {split: read_file(file, text_column, label_column, encoding) for split, file in files.items()}


def split_files(path: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Returns the file of each split that a folder has.

    Raises:
        DataError: no split is there, or one is there twice.
    """
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


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Returns the decoded file; a byte order mark is tolerated.

    Raises:
        DataError: unknown encoding, or a byte that is not in it; the message names line and byte.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        codec = codecs.lookup(encoding).name
        return data.decode("utf-8-sig" if codec == "utf-8" else codec)
    except LookupError:
        raise DataError(f"encoding: {encoding!r} is unknown; common ones are utf-8, utf-16, latin-1, cp1252") from None
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        start += 3 * (codec == "utf-8" and data.startswith(codecs.BOM_UTF8))
        guess = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "latin-1"
        line, byte = data.count(b"\n", 0, start) + 1, f"0x{data[start]:02x}" if start < len(data) else "the end"
        raise DataError(
            f"{path}, line {line}: not {codec}: {byte} at byte {start} of the file cannot be decoded. Save the file "
            f"as UTF-8, or name its encoding in the option encoding (perhaps {guess!r})"
        ) from error


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yields (1-based number, line) for all lines that are not blank.

    Lines end at a line feed only: `str.splitlines` also breaks at characters that may stand inside a text.
    """
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield i, line.strip()


def _jsonl(text: str, text_column: str, label_column: str, origin: str, optional: bool) -> _Examples:
    for i, line in lines_of(text):
        try:
            example = json.loads(line)
        except ValueError as error:
            raise DataError(f"{origin}, line {i}: not JSON ({error}); every line must be one JSON object") from error
        except RecursionError:
            raise DataError(f"{origin}, line {i}: the JSON is nested too deeply") from None
        if not isinstance(example, dict):
            raise DataError(f"{origin}, line {i}: {type(example).__name__} where a JSON object is needed")
        for wanted, option in ((text_column, "text_column"), (label_column, "label_column")):
            if wanted not in example and not (optional and wanted == label_column):
                column(example, wanted, option, f"{origin}, line {i}")
        yield i, example[text_column], example.get(label_column)


def _table(text: str, delimiter: str, text_column: str, label_column: str, origin: str, optional: bool) -> _Examples:
    try:
        rows = list(cells_of(text, delimiter, csv.QUOTE_MINIMAL, origin))
    except DataError:
        # Many TSV files do not quote at all: there, a quotation mark is a character like any other.
        if delimiter != "\t":
            raise
        rows = list(cells_of(text, delimiter, csv.QUOTE_NONE, origin))
    header = rows[0][1] if rows else []
    text_at = column(header, text_column, "text_column", f"{origin}, line 1 (which names the columns)")
    if optional and label_column not in map(str.strip, header):
        label_at = text_at
    else:
        label_at = column(header, label_column, "label_column", f"{origin}, line 1 (which names the columns)")
    if delimiter == "\t" and any("\n" in cell and "\t" in cell for _, cells in rows for cell in cells):
        # Two such marks, rows apart, read like one long cell. Then the rows in it have labels like all others.
        with contextlib.suppress(DataError):
            plain = list(cells_of(text, delimiter, csv.QUOTE_NONE, origin))
            if {cells[label_at] for _, cells in plain} <= {cells[label_at] for _, cells in rows}:
                rows = plain
    if rows[1:] and all(_is_number(cells[text_at]) for _, cells in rows[1:]):
        raise DataError(
            f"{origin}: the column {text_column!r} holds numbers only, no text; see config.data.text_column"
        )
    for line, cells in rows[1:]:
        # How tables write a missing value; a text may well be "null" or "NA".
        text = None if cells[text_at].strip().lower() == "nan" else cells[text_at]
        label = None if label_at == text_at or cells[label_at].strip().lower() in MISSING else cells[label_at]
        yield line, text, label


def _is_number(cell: str) -> bool:
    try:
        return not math.isnan(float(cell))
    except ValueError:
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
    """Reads a Parquet file.

    Args:
        path: of the file.
        choose: which columns to read, of those that there are; all if None.

    Raises:
        DataError: it cannot be read.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        # Not read_table: it would take the names of the folders above for columns.
        with parquet.ParquetFile(path) as file:
            return file.read(choose(file.schema_arrow.names))
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error


def _parquet(path: Path, text_column: str, label_column: str, optional: bool) -> _Examples:
    def choose(names: list[str]) -> list[str]:
        column(names, text_column, "text_column", path.name)
        if optional and label_column not in names:
            return [text_column]
        column(names, label_column, "label_column", path.name)
        return [text_column, label_column]

    table = read_parquet(path, choose)
    texts = table[text_column].to_pylist()
    labels = table[label_column].to_pylist() if label_column in table.column_names else [None] * len(texts)
    yield from zip(range(1, len(texts) + 1), texts, labels, strict=True)


def _label_lines(text: str) -> _Examples:
    for i, line in lines_of(text):
        label, *rest = line.split(None, 1)
        yield i, rest[0] if rest else "", label

"""Examples as a source wrote them, with the line each came from.

Every reader ends in `checked`, so that bad text and missing labels are found in one place and named by file and line.
"""

import codecs
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, nearest

Label = str | int | float | bool
_NEEDED = "; every row needs one (remove the rows without)"


@dataclasses.dataclass(frozen=True)
class Rows:
    """One file or split, before its labels become classes."""

    texts: tuple[str, ...]  # without surrounding white space
    labels: tuple[str, ...]  # as written ("3", "positive", "4 stars")
    rows: np.ndarray  # int64[n], positions in the file or split as read, from 0
    lines: np.ndarray  # int64[n], lines (or rows, or items) for messages, from 1
    origin: str  # the file's or split's name for messages
    unit: str = "line"  # what `lines` counts
    graded: bool = False  # the labels are grades of a treebank, so that a few rows may well hold many classes

    def take(self, rows: Sequence[int]) -> "Rows":
        """Returns these rows, in this order."""
        texts, labels = ([values[row] for row in rows] for values in (self.texts, self.labels))
        at = np.asarray(rows, np.int64)
        return dataclasses.replace(
            self, texts=tuple(texts), labels=tuple(labels), rows=self.rows[at], lines=self.lines[at]
        )

    def where(self, index: int) -> str:
        """Returns "FILE, line N" for the example at `index`."""
        return f"{self.origin}, {self.unit} {self.lines[index]}"


def checked(
    examples: Iterable[tuple[int, Any, Any]], origin: str, unit: str = "line", *, optional: bool = False
) -> Rows:
    """Returns `Rows` of (line, text, label) triples.

    Labels may be strings, integers, floats or booleans: 1 and 1.0 become "1", True becomes "true"; where they are
    `optional` a missing one becomes "". No examples, texts that are empty or none, and other labels are errors.
    """
    texts, labels, lines, problems = [], [], [], []
    for line, text, label in examples:
        label = _written(label)
        problem = _text_problem(text) or ("" if optional and label == "" else _label_problem(label))
        if problem:
            problems.append((line, problem))
            continue
        texts.append(text.strip())
        labels.append(label)
        lines.append(line)
    if problems:
        line, problem = problems[0]
        more = f" ({len(problems) - 1} more rows of this file cannot be used either)" if len(problems) > 1 else ""
        raise DataError(f"{origin}, {unit} {line}: {problem}{more}")
    if not texts:
        raise DataError(f"{origin}: no examples in it; it needs a text and a label per {unit}")
    rows = np.arange(len(texts), dtype=np.int64)
    return Rows(tuple(texts), tuple(labels), rows, np.array(lines, np.int64), origin, unit)


def check_column(names: Iterable[str], wanted: str, option: str, origin: str) -> None:
    """Checks that there is the column `wanted`; an error names those there are, and the `option` that chooses."""
    names = [str(name).strip() for name in names]
    if wanted in names:
        return
    marks = [mark for mark in ";\t|" if len(names) == 1 and mark in names[0]]
    if marks:
        raise DataError(
            f"{origin}: no column {wanted!r}, but {marks[0]!r} in the only one, {names[0]!r}: a .csv file has commas "
            "between its columns, a .tsv file tabs; save it as one of them"
        )
    raise DataError(
        f"{origin}: no column {wanted!r}{nearest(wanted, names)}; its columns are {', '.join(map(repr, names))}. "
        f"Choose one with config.data.{option}{f' (--{option} of dd_al.evaluate)' if option.endswith('column') else ''}"
    )


def check_columns(names: Iterable[str], settings: DataSettings, origin: str, *, optional: bool = False) -> None:
    """Checks that there are the columns of texts and, unless they are `optional`, of labels."""
    check_column(names, settings.text_column, "text_column", origin)
    if not optional:
        check_column(names, settings.label_column, "label_column", origin)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Returns the decoded file, without a byte order mark; an error names line and byte that cannot be decoded."""
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


def objects_of(text: str, origin: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (1-based number, JSON object) for all lines that are not blank."""
    for i, line in lines_of(text):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"{origin}, line {i}: not JSON ({error}); every line must be one JSON object") from error
        except RecursionError:
            raise DataError(f"{origin}, line {i}: the JSON is nested too deeply") from None
        if not isinstance(value, dict):
            raise DataError(f"{origin}, line {i}: {type(value).__name__} where a JSON object is needed")
        yield i, value


def _written(label: Any) -> Any:
    """Returns the label as a string, "" for a missing one, or the value itself where it is no label."""
    if getattr(label, "shape", None) == () and hasattr(label, "item"):  # a scalar of NumPy, JAX or PyTorch
        label = label.item()
    if label is None or isinstance(label, float) and math.isnan(label):
        return ""
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    if isinstance(label, int) or isinstance(label, float) and math.isfinite(label):
        return str(label)
    return label.strip() if isinstance(label, str) else label


def _label_problem(label: Any) -> str:
    if not isinstance(label, str):
        hint = "; of one-hot or soft labels give the argmax" if getattr(label, "shape", ()) else ""
        return f"the label is {_short(label)}; it must be a string or a finite number{hint}"
    return _unicode_problem("label", label) if label else f"no label{_NEEDED}"


def _text_problem(text: Any) -> str:
    if text is None or isinstance(text, float) and math.isnan(text):
        return f"no text (missing or NaN){_NEEDED}"
    if not isinstance(text, str):
        return f"the text is {_short(text)}; it must be a string"
    if not text.strip():
        return f"the text is empty{_NEEDED}"
    if "\0" in text:
        return "the text holds a NUL character: this is not a text file, or not in this encoding"
    return _unicode_problem("text", text)


def _unicode_problem(what: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"the {what} holds half a surrogate pair (character {error.start}), which is no valid Unicode"
    return ""


def _short(value: Any) -> str:
    shown = repr(value)
    return f"{shown if len(shown) <= 40 else shown[:37] + '...'} ({type(value).__name__})"


def as_list(values: Any, what: str) -> list:
    """Returns a program's own list, or array of any library, of texts or of labels, as Python's own values."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise DataError(f"{what} must be a list, not {type(values).__name__}")
    if len(getattr(values, "shape", ())) == 1 and hasattr(values, "tolist"):
        return values.tolist()
    scalars = getattr(values, "to_pylist", getattr(values, "to_list", lambda: values))()
    return [one.item() if getattr(one, "shape", None) == () and hasattr(one, "item") else one for one in scalars]


def strings(texts: Any) -> list[str]:
    """Returns a program's own list of texts; an error says which of them is no string."""
    texts = as_list(texts, "texts")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"texts[{index}] is {text!r} ({type(text).__name__}); it must be a string")
    return texts

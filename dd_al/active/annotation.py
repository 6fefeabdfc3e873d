"""A person's labels: the file of texts to label, and the record in which nothing that was labelled is ever lost."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from xml.sax.saxutils import quoteattr

from dd_al.core.errors import DataError, nearest
from dd_al.core.files import atomic_write, full_disk_named
from dd_al.data.rows import objects_of, read_text

NOT_SURE = "?"  # in place of a label: the text is set aside, and never asked for again
_COLUMNS = ("index", "text", "label")
_FORMULA = tuple("=+-@\t\r")
_ERROR = "#NAME?"  # what a spreadsheet makes of a text that it took for a formula
_SHOWN = 20  # mistakes in one message


class AnswerLog:
    """Every answer in the order in which it was given, on disk as soon as `add` returns; a context manager.

    A line is `{"index": 7, "label": "good"}`, with null for a text that was set aside, or has `"undone": true` in place
    of the label. A last line that a crash cut short is dropped.

    Attributes:
        answers: position in the pool → label, or None where the text was set aside.
        taken: (file, position) → what was last taken from that file; what it says later is a correction.
    """

    def __init__(self, path: str | os.PathLike, labels: Sequence[str]):
        """Opens or makes the record of answers, each one of `labels`; DataError names a line that is none."""
        self._path, self._labels, self._order = Path(path), tuple(labels), []
        self.answers: dict[int, str | None] = {}
        self.taken: dict[tuple[str, int], str | None] = {}
        if self._path.exists():
            whole = self._path.read_bytes()
            if whole and not whole.endswith(b"\n"):
                atomic_write(self._path, _complete(whole))
            for number, line in objects_of(read_text(self._path), str(self._path)):
                self._replay(line, f"{self._path}, line {number}")
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115

    @property
    def last(self) -> int | None:
        """The position whose answer is the last one that stands."""
        return self._order[-1] if self._order else None

    def add(self, index: int, label: str | None, *, file: str | None = None) -> None:
        """Records an answer, read from a file perhaps, which replaces an earlier one; None sets the text aside."""
        self._write({"index": int(index), "label": label} | ({"file": file} if file else {}))

    def take(self, path: Path, indices: Sequence[int], texts: Sequence[str]) -> int:
        """Takes what is new in a file that a person fills in: labels, and corrections of those taken from it before.

        For the arguments see `read_queries`; returns how many labels were taken.
        """
        found, new = read_queries(path, indices, texts, self._labels), 0
        for index, label in found.items():
            if (path.name, index) not in self.taken or self.taken[path.name, index] != label:
                self.add(index, label, file=path.name)
                new += 1
        return new

    def undo(self) -> int | None:
        """Takes the last answer back that stands, and returns its index; None where there is none."""
        index = self.last
        if index is not None:
            self._write({"index": index, "undone": True})
        return index

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._replay(line, str(self._path))
        with full_disk_named(self._path):
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def _replay(self, line: Mapping[str, Any], where: str) -> None:
        index, label = line.get("index"), line.get("label")
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise DataError(f"{where}: index = {index!r}: must be a position in the pool")
        if index in self._order:
            self._order.remove(index)
        if line.get("undone"):
            self.answers.pop(index, None)
            return
        if label is not None and label not in self._labels:
            raise DataError(f"{where}: {_unknown(label, self._labels)}")
        self.answers.pop(index, None)  # so that the last answer stands last
        self.answers[index] = label
        self._order.append(index)
        if file := line.get("file"):
            self.taken[file, index] = label


def _complete(whole: bytes) -> bytes:
    """The record with a last line that ends: a process that was killed leaves half of one, an editor perhaps no end."""
    end = whole.rfind(b"\n") + 1
    try:
        json.loads(whole[end:])
    except ValueError:
        return whole[:end]
    return whole + b"\n"


def write_queries(path: str | os.PathLike, indices: Sequence[int], texts: Sequence[str]) -> None:
    """Writes some texts of the pool for a person to label, unless the file is there already: it may hold labels.

    Its name ends in .csv, .jsonl, or .json for tasks of Label Studio.
    """
    path = Path(path)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"index": int(index), "text": texts[index], "label": ""} for index in indices]
    if path.suffix == ".json":
        tasks = [{"data": {"index": row["index"], "text": row["text"]}} for row in rows]
        written = json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"
    elif path.suffix == ".jsonl":
        written = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        shown = (row | {"text": as_cell(row["text"])} for row in rows)
        written = "\ufeff" + csv_of(_COLUMNS, (row.values() for row in shown))  # the mark tells Excel: this is UTF-8
    atomic_write(path, written)


def as_cell(text: str) -> str:
    """A text for a table's cell: a spreadsheet would compute what begins like a formula, but for the mark before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_of(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A CSV file in which all but numbers is quoted."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([columns, *rows])
    return out.getvalue()


def read_queries(
    path: str | os.PathLike, indices: Sequence[int], texts: Sequence[str], labels: Sequence[str]
) -> dict[int, str | None]:
    """Reads the labels that a person has filled in for some positions: position → label, or None where it is set aside.

    Rows may be in another order, or missing; a spreadsheet's semicolons, tabs and byte order mark are understood. A
    .json is as Label Studio exports it, "JSON" or "JSON-MIN". `NOT_SURE` sets a text aside, and nothing leaves it for
    later.

    Raises:
        DataError: there are mistakes; all of them are named with their lines (of a .json: with the number of the task,
            counted from 1), and no label is taken.
    """
    path, asked = Path(path), set(map(int, indices))
    found, mistakes, unit = {}, [], "task" if path.suffix == ".json" else "line"
    for line, row in _rows(path):
        try:
            index, label = _answer(row, asked, texts, labels)
            first, other = found.setdefault(index, (line, label)) if label else (line, label)
            if other != label:
                raise ValueError(f"index {index} has another label than in {unit} {first}")
        except ValueError as mistake:
            mistakes.append(f"{unit} {line}: {mistake}")
    if mistakes:
        more = f"\n  and {len(mistakes) - _SHOWN} more" if len(mistakes) > _SHOWN else ""
        listed = "\n  ".join(mistakes[:_SHOWN])
        raise DataError(f"{path}: no label was taken, as there are mistakes in it:\n  {listed}{more}")
    return {index: None if label == NOT_SURE else label for index, (_, label) in found.items()}


def _answer(row: Mapping[str, Any], asked: set[int], texts: Sequence[str], labels: Sequence[str]) -> tuple[int, str]:
    """A row's index and label, "" where it is not labelled yet; raises ValueError for a mistake."""
    label = row.get("label")
    label = "" if label is None else str(label).strip()
    try:
        index = int(str(row.get("index")).strip())
    except ValueError:
        raise ValueError(f"index {row.get('index')!r} is no number") from None
    if index not in asked:
        raise ValueError(f"index {index} was not asked for")
    text = row.get("text")
    if row.get(None):
        raise ValueError(f"has more cells than columns: {row[None]!r}")
    own, given = (" ".join(str(one).split()) for one in (texts[index], text or ""))
    if text is not None and own not in (given, given.removeprefix("'")) and given != _ERROR:
        raise ValueError(
            f"its text is not that of index {index}, which begins {own[:40]!r}: were rows moved, or texts changed by "
            "the program that saved them? The column text may be deleted"
        )
    if label and label != NOT_SURE and label not in labels:
        raise ValueError(_unknown(label, labels))
    return index, label


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a file that a person fills in, with their numbers."""
    if path.suffix == ".jsonl":
        return objects_of(read_text(path), str(path))
    if path.suffix == ".json":
        return _tasks(path)
    try:
        text = read_text(path)
    except DataError:
        text = read_text(path, "cp1252")  # as Excel saves a plain CSV; texts that this gets wrong are refused
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    csv.field_size_limit(max(len(text), csv.field_size_limit()))  # as many characters as there are
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    missing = [name for name in ("index", "label") if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path}, line 1: no column {' and no column '.join(missing)}; it needs {', '.join(_COLUMNS)}")
    return ((reader.line_num, row) for row in reader)


def label_studio_config(labels: Sequence[str]) -> str:
    """Returns the labelling interface for Label Studio, XML."""
    choices = "".join(f"\n    <Choice value={quoteattr(label)}/>" for label in (*labels, NOT_SURE))
    return (
        '<View>\n  <Text name="text" value="$text"/>\n  <Choices name="label" toName="text" choice="single">'
        f"{choices}\n  </Choices>\n</View>\n"
    )


def _tasks(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of an export of Label Studio, numbered from 1; the annotations of a task that were not cancelled."""
    try:
        tasks = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: no JSON: {error.msg}") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{path}: must be a list of tasks, as Label Studio exports them (JSON or JSON-MIN)")
    for number, task in enumerate(tasks, 1):
        try:
            data = dict(task.get("data", {}))
            given = {
                choice: None  # in order, each once
                for annotation in task.get("annotations", ())
                for result in ([] if annotation.get("was_cancelled") else annotation.get("result", []))
                for choice in result.get("value", {}).get("choices") or ()
            }
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(f"{path}, task {number}: not as Label Studio exports it: {error}") from None
        if "annotations" not in task:
            yield number, task | data
            continue
        # Annotators who disagree give no label that there is, which is then refused.
        yield number, {**data, "label": " / ".join(map(str, given)) or None}


def _unknown(label: Any, labels: Sequence[str]) -> str:
    hint = nearest(label, labels) if isinstance(label, str) else ""
    return f"label {label!r}: must be one of {', '.join(labels)}, or {NOT_SURE} to set the text aside{hint}"

"""From labels as a source writes them to classes 0 … num_classes − 1."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction

import numpy as np

from dd_al.core.errors import DataError, nearest
from dd_al.data.dataset import Split
from dd_al.data.rows import Rows

# "3", "-1", "2.5", "4 stars", "4-star", "4/5", "4/5 stars"
_GRADE = re.compile(
    r"([+-]?\d{1,99}(?:\.\d{1,99})?(?:e[+-]?\d{1,3})?)(?:\s*/\s*([1-9]\d{0,98}))?(?:[\s-]*stars?)?", re.IGNORECASE
)
_ABSENT = ("nan", "<na>", "na", "n/a", "null", "none", "nil", "-", "?")
_STARS = re.compile(r"([★⭐]+)(½?)☆*")
_FLOAT = re.compile(r"([+-]?\d+)\.0+")  # a whole number as programs write it that take it for a measured one


def number(label: str) -> Fraction | None:
    """Returns the value that orders a number or a rating ("4 stars", "4/5", "★★★★☆"); None for any other label."""
    if match := _GRADE.fullmatch(label):
        return Fraction(match[1]) / Fraction(match[2] or 1)
    if match := _STARS.fullmatch(label):
        return len(match[1]) + Fraction(len(match[2]), 2)
    return None


def spelling(label: str) -> str:
    """Returns the label as "1" where it is written "1.0"; no other spellings are one label ("007" and "7" are two)."""
    match = _FLOAT.fullmatch(label)
    return match[1] if match else label


def doubtful(parts: Iterable[Rows]) -> list[str]:
    """Returns a note on labels that are classes like all others, and that some programs write for a missing one."""
    counts = Counter(label for rows in parts for label in rows.labels if label.lower() in _ABSENT)
    if not counts:
        return []
    shown = ", ".join(f"{label!r} ({count})" for label, count in counts.items())
    return [f"the label {shown} is a class; if it means that a row has no label, remove those rows"]


def joined(label_map: Mapping[str, int]) -> list[str]:
    """Returns a note for the classes that are several spellings of a number."""
    spellings: dict[tuple[str, int], list[str]] = {}
    for label, value in label_map.items():
        spellings.setdefault((spelling(label), value), []).append(repr(label))
    several = [" and ".join(found) for found in spellings.values() if len(found) > 1]
    return [f"spellings of one number are one label: {', '.join(several)}"] if several else []


def parse_map(label_map: str | Mapping[str, int]) -> dict[str, int]:
    """Returns the label map written as "negative:0,positive:1" or as a mapping, to classes 0, 1, … without a gap."""
    if isinstance(label_map, str):
        pairs = [entry.rpartition(":") for entry in label_map.split(",") if entry.strip()]
        label_map = {label.strip(): value.strip() for label, _, value in pairs}
    try:
        parsed = {str(label).strip(): int(value) for label, value in label_map.items()}
    except (AttributeError, TypeError, ValueError):
        parsed = {}
    classes = set(parsed.values())
    if len(classes) < 2 or "" in parsed or classes != set(range(len(classes))):
        raise DataError(
            f"label_map: {label_map!r} does not map labels to the classes 0, 1, …; write it as 'negative:0,positive:1'"
        )
    return parsed


def infer_map(parts: Iterable[Rows]) -> dict[str, int]:
    """Returns label → class for all labels in `parts`: numbers and star ratings in their order, names sorted.

    Every label is a class of its own, but for those that `spelling` joins where all labels are numbers.

    Raises:
        DataError: one class only, or more classes than a fifth of the rows.
    """
    parts = list(parts)
    written = sorted({label for rows in parts for label in rows.labels})
    values = {label: number(label) for label in written}
    if None in values.values():
        keys = {label: label for label in written}
    else:
        keys = {label: (values[label], spelling(label)) for label in written}
    order = {key: index for index, key in enumerate(sorted(set(keys.values())))}
    count, origin = sum(len(rows.labels) for rows in parts), parts[0].origin
    if len(order) == 1:
        raise DataError(f"{origin}: one class only ({written[0]!r}); at least two are needed")
    # Two classes can hardly be free text, and a handful of examples is a fair thing to try.
    if len(order) > max(2, count / 5) and not all(rows.graded for rows in parts):
        if parts[0].unit == "image":
            raise DataError(
                f"{origin}: {len(order)} classes in {count} images; a class needs at least five images on average"
            )
        shown = ", ".join(repr(label[:30]) for label in written[:3])
        raise DataError(
            f"{origin}: {len(order)} different labels ({shown}, …) in {count} rows; there may be at most one for five "
            "rows. Is config.data.label_column the right column? Name the labels in config.data.label_map if they are "
            "meant"
        )
    return {label: order[keys[label]] for label in sorted(written, key=lambda label: (order[keys[label]], label))}


_GIVE_CLASS = "Give every label a class, as in --config.data.label_map=bad:0,good:1"
AS_IN_TRAINING = "Write labels as they were in training, and leave out rows of others"


def encode(rows: Rows, label_map: Mapping[str, int], remedy: str = _GIVE_CLASS) -> Split:
    """Returns `rows` with classes for labels; where all of the map are numbers, "1" and "1.0" are one label.

    Raises:
        DataError: a label that is not in `label_map`; the message names its line.
    """
    numbers = all(number(label) is not None for label in label_map)
    by_spelling = {spelling(label): value for label, value in label_map.items() if numbers}
    labels = np.empty(len(rows.labels), np.int32)
    for i, label in enumerate(rows.labels):
        value = label_map.get(label)
        if value is None:
            value = by_spelling.get(spelling(label))
        if value is None:
            known = ", ".join(map(repr, label_map))
            raise DataError(
                f"{rows.where(i)}: the label {label!r} is not one of {known}{nearest(label, label_map)}. {remedy}"
            )
        labels[i] = value
    return Split(rows.texts, labels, rows.rows)


def check_classes(splits: Mapping[str, Split], label_map: Mapping[str, int], why: str = "") -> None:
    """Checks that train has rows of every class; `why` ends the message."""
    classes, train = set(label_map.values()), splits["train"]
    if len(train) < len(classes):
        raise DataError(f"fewer rows than classes: train has {len(train)} rows for {len(classes)} classes{why}")
    present = set(train.labels.tolist())
    for missing in sorted(classes - present):
        written = "/".join(repr(label) for label, value in label_map.items() if value == missing)
        holders = [name for name, split in splits.items() if missing in split.labels]
        found = f"it is in {' and '.join(holders)}" if holders else "no split has it"
        raise DataError(f"class {missing} (label {written}) is absent from train ({found}){why}")

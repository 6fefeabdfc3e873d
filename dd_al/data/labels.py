"""From labels as a source writes them to classes 0 … num_classes − 1."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from dd_al.core.errors import DataError, nearest
from dd_al.data.dataset import Split
from dd_al.data.rows import Rows

# "3", "-1", "2.5", "4 stars", "4-star", "4/5", "4/5 stars"
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)(?:\s*/\s*\d+)?(?:[\s-]*stars?)?", re.IGNORECASE)
_STARS = re.compile(r"([★⭐]+)(½?)☆*")


def number(label: str) -> float | None:
    """Returns the value of a number or a star rating ("4 stars", "★★★★☆"), or None for any other label."""
    if match := _NUMBER.fullmatch(label):
        return float(match[1])
    if match := _STARS.fullmatch(label):
        return len(match[1]) + 0.5 * len(match[2])
    return None


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

    Two spellings of one number ("1" and "1.0") are one class; one class only, or one for every few rows, is an error.
    """
    parts = list(parts)
    written = sorted({label for rows in parts for label in rows.labels})
    keys = {label: number(label) for label in written}
    if None in keys.values():
        keys = {label: label for label in written}
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
    """Returns `rows` with classes for labels; a number matches however it is spelled (1, 1.0, "1 star")."""
    by_number = {number(label): value for label, value in label_map.items() if number(label) is not None}
    labels = np.empty(len(rows.labels), np.int32)
    for i, label in enumerate(rows.labels):
        value = label_map.get(label)
        if value is None:
            value = by_number.get(number(label))
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

"""From arrays and labels as a source gave them to a data set: classes, splits, duplicates, slices, scaling."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.data import labels, splits
from dd_al.data.dataset import ArraySplit, Dataset, Scaling, Split, content_hash
from dd_al.data.rows import Rows, checked


def finish(
    parts: Mapping[str, tuple[np.ndarray, Sequence]],
    settings: DataSettings,
    *,
    name: str,
    source: str,
    unit: str,
    columns: tuple[str, ...] = (),
    stand_in_for: str | None = None,
    notes: Sequence[str] = (),
    origin: str = "",
) -> Dataset:
    """Returns the data set of a source's arrays.

    Args:
        parts: "train", and "validation" and "test" where the source has them: uint8[n, height, width, channels] or
            float32[n, columns], and n labels.
        settings: label map, slices, seeds and scaling.
        name: of the data set.
        source: where it came from.
        unit: "image" or "row".
        columns: see `Dataset`.
        stand_in_for: see `Dataset`.
        notes: see `Dataset`.
        origin: the source's name for messages.

    Raises:
        DataError: no examples, bad labels, or too few rows to split.
    """
    pooled = np.concatenate([inputs for inputs, _ in parts.values()])
    # The machinery of texts deals, cleans and slices them; what stands for an image is the hash of its bytes. Rows of a
    # few categories may well be equal and mean several examples.
    keys = [hashlib.sha256(x.tobytes()).hexdigest() if unit == "image" else str(i) for i, x in enumerate(pooled)]
    written: dict[str, Rows] = {}
    first = 0
    for split, (inputs, classes) in parts.items():
        found = zip(range(1, len(inputs) + 1), keys[first : first + len(inputs)], classes, strict=True)
        written[split] = checked(found, f"{origin or name} {split}", unit)
        first += len(inputs)
    label_map = labels.parse_map(settings.label_map) if settings.label_map else labels.infer_map(written.values())
    encoded, first = {}, 0
    for split, rows in written.items():
        one = labels.encode(rows, label_map)
        encoded[split] = Split(one.texts, one.labels, one.rows + first)
        first += len(one)
    labels.check_classes(encoded, label_map)
    arranged = splits.arrange(encoded, settings.split_seed)
    sliced, said = splits.slices(arranged.parts, settings.max_train, settings.split_seed)
    notes, found = [*notes, *(note.replace("texts", f"{unit}s").replace("text", unit) for note in arranged.notes)], {}
    for split, kept in sliced.items():
        found[split] = ArraySplit(pooled[kept.rows], kept.labels, kept.rows)
    notes += said
    labels.check_classes(found, label_map, " once duplicates are removed")
    return Dataset(
        name=name,
        source=source,
        stand_in_for=stand_in_for,
        **found,
        label_map=label_map,
        dropped_duplicates=arranged.dropped,
        sha256=content_hash(*found.values()),
        notes=tuple(notes),
        unit=unit,
        scaling=_scaling(found["train"].inputs, "standard" if unit == "image" else settings.scaling),
        columns=columns,
    )


def _scaling(train: np.ndarray, kind: str) -> Scaling:
    """Of each channel, or each column; what does not vary stays as it is, about 0."""
    values = train.reshape(-1, train.shape[-1]).astype(np.float64)
    if kind == "none":
        mean, std = np.zeros(values.shape[1]), np.ones(values.shape[1])
    elif kind == "range":  # to [-1, 1]
        low, high = values.min(0), values.max(0)
        mean, std = (low + high) / 2, (high - low) / 2
    else:
        mean, std = values.mean(0), values.std(0)
    return Scaling(mean.astype(np.float32), np.where(std > 1e-12, std, 1.0).astype(np.float32))


def examples(
    parts: Mapping[str, tuple[np.ndarray, Sequence]], label_map: Mapping[str, int], origin: str, unit: str
) -> ArraySplit:
    """Returns images or rows of a known task, to test a classifier on.

    Args:
        parts: as of `finish`; all of them are taken.
        label_map: the task's label → class.
        origin: the source's name for messages.
        unit: "image" or "row".

    Raises:
        DataError: no examples, or a label that is not in `label_map`.
    """
    found = []
    for split, (_, classes) in parts.items():
        written = ((line, "x", label) for line, label in enumerate(classes, 1))
        rows = checked(written, f"{origin} {split}", unit)
        found.append(labels.encode(rows, label_map, labels.AS_IN_TRAINING).labels)
    pooled = np.concatenate([inputs for inputs, _ in parts.values()])
    return ArraySplit(pooled, np.concatenate(found), np.arange(len(pooled)))

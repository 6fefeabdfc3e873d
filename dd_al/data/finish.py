"""From what a source gave to a data set: classes, splits, duplicates, slices, scaling."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data import labels, splits
from dd_al.data.dataset import ArraySplit, Dataset, Scaling, Split, content_hash
from dd_al.data.rows import Rows, checked

_SST = ("sst2", "sst5")


@dataclasses.dataclass(frozen=True)
class Found:
    """What a source gave; for the names without a comment see `Dataset`."""

    name: str
    source: str
    splits: dict[str, Rows]  # "train", and "validation" and "test" where the source has them
    stand_in_for: str | None = None
    notes: tuple[str, ...] = ()
    unit: str = "sentence"
    columns: tuple[str, ...] = ()
    arrays: np.ndarray | None = None  # images or rows of numbers of all splits; `Rows.rows` point into it


def array_rows(
    parts: Mapping[str, tuple[np.ndarray, Sequence]], unit: str, origin: str
) -> tuple[dict[str, Rows], np.ndarray]:
    """Returns images or rows of numbers in the form of texts, which `finish` deals with, and all of their arrays.

    By split the parts are uint8[n, height, width, channels] images or float32[n, columns] rows, and n labels. The hash
    of its bytes stands for an image, its position for a row: equal rows may well mean several examples.
    """
    arrays = np.concatenate([inputs for inputs, _ in parts.values()])
    keys = [hashlib.sha256(x.tobytes()).hexdigest() if unit == "image" else str(i) for i, x in enumerate(arrays)]
    found, first = {}, 0
    for split, (inputs, classes) in parts.items():
        last = first + len(inputs)
        examples = zip(range(1, len(inputs) + 1), keys[first:last], classes, strict=True)
        rows = checked(examples, f"{origin} {split}", unit)
        found[split] = dataclasses.replace(rows, rows=np.arange(first, last))
        first = last
    return found, arrays


def finish(found: Found, settings: DataSettings) -> Dataset:
    """Returns the data set of what a source gave.

    Raises:
        DataError: bad labels, too few rows to split, or settings that this source has no part for.
    """
    if settings.split == "seed_paper" and settings.name not in _SST:
        raise DataError(f"split: seed_paper re-splits {' and '.join(_SST)} only, not {settings.name!r}")
    rows = found.splits
    label_map = labels.parse_map(settings.label_map) if settings.label_map else labels.infer_map(rows.values())
    parts = {name: labels.encode(split, label_map) for name, split in rows.items()}
    labels.check_classes(parts, label_map)
    notes, seed = [*found.notes, *labels.joined(label_map), *labels.doubtful(rows.values())], settings.split_seed
    if settings.split == "seed_paper" and found.arrays is None:
        parts, note = splits.seed_paper(parts, seed)
        notes.append(note)
    parts, dropped, said = splits.arrange(parts, seed, "text" if found.arrays is None else found.unit)
    notes += said
    parts, said = splits.slices(parts, settings.max_train, seed)
    labels.check_classes({"train": parts["train"]}, label_map, " once duplicates are removed")
    scaling = None
    if found.arrays is not None:
        parts = {name: of_arrays(part, found.arrays) for name, part in parts.items()}
        scaling = _scaling(parts["train"].inputs, "standard" if found.unit == "image" else settings.scaling)
    return Dataset(
        name=found.name,
        source=found.source,
        stand_in_for=found.stand_in_for,
        **parts,
        label_map=label_map,
        dropped_duplicates=dropped,
        sha256=content_hash(*parts.values()),
        notes=(*notes, *said),
        unit=found.unit,
        scaling=scaling,
        columns=found.columns,
    )


def of_arrays(split: Split, arrays: np.ndarray) -> ArraySplit:
    """Returns the images or rows of numbers that a split in the form of texts stands for."""
    return ArraySplit(arrays[split.rows], split.labels, split.rows)


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

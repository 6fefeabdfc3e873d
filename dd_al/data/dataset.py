"""What every other room sees of a data set: three splits of examples and classes, and where they came from."""

import dataclasses
import hashlib
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Split:
    """n texts, their classes int32[n] in [0, num_classes), and their rows int64[n] in the source's split or file.

    Rows count from 0, and on through train, validation and test where splits were pooled.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.texts)

    def take(self, keep: np.ndarray) -> "Split":
        """Returns the examples chosen by the indices or the bool[n] mask `keep`."""
        chosen = np.arange(len(self))[keep]
        return Split(tuple(self.texts[i] for i in chosen), self.labels[chosen], self.rows[chosen])


@dataclasses.dataclass(frozen=True)
class ArraySplit:
    """n images uint8[n, height, width, channels], or rows of numbers float32[n, columns]; otherwise as `Split`.

    Rows count from 0, on through the source's splits.
    """

    inputs: np.ndarray
    labels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.inputs)


@dataclasses.dataclass(frozen=True)
class Scaling:
    """How stored numbers become what networks read: (inputs − mean) / std, each float32[channels or columns]."""

    mean: np.ndarray
    std: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A classification task on texts, images, or rows of numbers.

    No text or image occurs in both train and another split; rows of numbers may.
    """

    name: str  # of the data set that was read
    source: str  # "local", "hub", "packaged" or "generated"
    stand_in_for: str | None  # the name that was asked for, where this data set stands in for it
    train: Split | ArraySplit
    validation: Split | ArraySplit
    test: Split | ArraySplit
    label_map: dict[str, int]  # label as written in the source → class
    dropped_duplicates: int  # rows removed because their text is in another split or carries another label
    sha256: str  # of the examples and classes of the three splits
    notes: tuple[str, ...] = ()  # what a run must say about its data
    unit: str = "sentence"  # what an example is called: or "image", or "row"
    scaling: Scaling | None = None  # of images and rows; None for texts
    columns: tuple[str, ...] = ()  # names of the numbers in a row; () for texts and images

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(set(self.label_map.values()))

    def majority_rate(self, split: str = "test") -> float:
        """The share of the most common class in a split: the accuracy of a constant prediction."""
        labels = getattr(self, split).labels
        return float(np.bincount(labels).max() / len(labels))

    def provenance(self, split: str = "test") -> dict[str, Any]:
        """Returns the `dataset` object of results.json: plain JSON values, sizes for splits.

        The majority rate is that of the `split` that is judged on, beside that of validation.
        """
        fields = ("name", "source", "stand_in_for", "dropped_duplicates", "sha256", "unit")
        return {name: getattr(self, name) for name in fields} | {
            "num_classes": self.num_classes,
            "label_map": dict(self.label_map),
            "majority_rate": self.majority_rate(split),
            "validation_majority_rate": self.majority_rate("validation"),
            **{name: len(getattr(self, name)) for name in ("train", "validation", "test")},
            "train_counts": np.bincount(self.train.labels, minlength=self.num_classes).tolist(),
            "notes": list(self.notes),
        }


def content_hash(*splits: Split | ArraySplit) -> str:
    """Returns the SHA-256 of examples and classes; the same content gives it on every machine, from every source."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(len(split).to_bytes(8, "little"))
        texts = isinstance(split, Split)
        contents = (text.encode() for text in split.texts) if texts else (row.tobytes() for row in split.inputs)
        for encoded, label in zip(contents, split.labels.tolist(), strict=True):
            # Lengths first, so that no two contents share their bytes.
            digest.update(len(encoded).to_bytes(8, "little") + encoded + label.to_bytes(4, "little"))
    return digest.hexdigest()

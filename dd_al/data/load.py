"""The one dispatch on what examples are: texts, images, or rows of numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.config.settings import Settings
from dd_al.data import images, minilm_files, sources, tables
from dd_al.data.dataset import ArraySplit, Dataset, Split

_RARE, _RARE_SHARE = 10, 20  # a class of fewer examples than one, and than the median class's over the other


def load(settings: Settings) -> Dataset:
    """Reads the data of a config, with notes on what a run must say about it.

    Raises:
      DataError: it cannot be found, read or used; the message says what to do.
    """
    if settings.inputs == "images":
        dataset = images.load(settings.data)
    elif settings.inputs == "rows":
        dataset = tables.load(settings.data)
    else:
        dataset = sources.load(settings.data)
    return replace(dataset, notes=(*dataset.notes, *_rare(dataset)))


def read_examples(
    spec: Mapping[str, Any], path: str | os.PathLike, split: str | None, settings: DataSettings
) -> Split | ArraySplit:
    """Reads examples of the task that an artefact was distilled for, to test learners on.

    Args:
      spec: the artefact's description, which says what examples are.
      path: a file, all of which is read, or a folder.
      split: of a folder; see `dd_al.data.splits.chosen`.
      settings: columns and encoding.

    Raises:
      DataError: a bad file, no such split, or a label that the task does not have.
    """
    kind, label_map = spec.get("inputs", "words"), spec["label_map"]
    if kind == "images":
        return images.read_examples(path, label_map, split)
    if kind == "rows":
        return tables.read_examples(path, label_map, spec["columns"], split, settings)
    return sources.read_examples(path, label_map, split, settings)


def identity(settings: Settings, dataset: Dataset) -> dict[str, str]:
    """What a work directory records of its data and of the encoder, and compares when a run is resumed."""
    found = {"data": f"{dataset.name} ({dataset.source}), content {dataset.sha256[:12]}"}
    if settings.inputs in ("sentences", "pieces"):
        found["encoder"] = minilm_files.load(settings.encoder).sha256[:12]
    return found


def _rare(dataset: Dataset) -> list[str]:
    """A warning of classes that are hardly there beside the others, which may be misspelt ones."""
    parts = (dataset.train, dataset.validation, dataset.test)
    counts = sum(np.bincount(np.asarray(part.labels), minlength=dataset.num_classes) for part in parts)
    spellings: dict[int, list[str]] = {}
    for name, c in dataset.label_map.items():
        if counts[c] < _RARE and _RARE_SHARE * counts[c] < np.median(counts):
            spellings.setdefault(c, []).append(repr(name))
    names = [f"{'/'.join(found)} ({counts[c]})" for c, found in spellings.items()]
    if not names:
        return []
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"hardly any {dataset.unit}s have the label {shown}: is it misspelt?"]

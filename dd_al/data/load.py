"""The one dispatch on what examples are: texts, images, or rows of numbers."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.config.data import DataSettings
from dd_al.config.settings import Settings
from dd_al.core.errors import DataError
from dd_al.data import images, labels, minilm_files, sources, splits, tables
from dd_al.data.dataset import ArraySplit, Dataset, Split
from dd_al.data.finish import array_rows, of_arrays

_RARE, _RARE_SHARE = 10, 20  # a class of fewer examples than one, and than the median class's over the other


def load(settings: Settings) -> Dataset:
    """Reads the data of a config, with notes on what a run must say about it."""
    dataset = {"images": images, "rows": tables}.get(settings.inputs, sources).load(settings.data)
    return replace(dataset, notes=(*dataset.notes, *_rare(dataset)))


def read_examples(
    spec: Mapping[str, Any], path: str | os.PathLike, split: str | None = None, settings: DataSettings | None = None
) -> Split | ArraySplit:
    """Reads examples of the task that an artefact was distilled for, to test learners on.

    Args:
      spec: the artefact's description, which says what examples are, and has the task's label → class.
      path: a file, all of which is read, or a folder.
      split: of a folder: "train", "validation", "test", or "all"; None reads test where there is one, else all.
      settings: columns, encoding and name; those of `DataSettings()` if None.
    """
    kind, where = spec.get("inputs", "words"), Path(path).expanduser()
    settings = settings or DataSettings(name=where.stem)
    if kind == "images":
        parts, unit = images.read(where), "image"
    elif kind == "rows":
        parts, unit = tables.read(where, settings, "test"), "row"
    else:
        parts, unit = sources.read_local(where, settings).splits, ""
    if where.is_dir():
        split = split or ("test" if "test" in parts else "all")
        if split != "all" and split not in parts:
            raise DataError(f"{path}: no {split} split in this folder; it has {', '.join(parts)}")
        parts = {name: part for name, part in parts.items() if split in ("all", name)}
    arrays = None
    if kind == "rows":
        parts = {name: tables.examples(table, spec["columns"], settings) for name, table in parts.items()}
    if unit:
        parts, arrays = array_rows(parts, unit, str(path))
    found = [labels.encode(rows, spec["label_map"], labels.AS_IN_TRAINING) for rows in parts.values()]
    pooled = splits.pool(found, renumber=arrays is None)
    return pooled if arrays is None else of_arrays(pooled, arrays)


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

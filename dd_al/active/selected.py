"""The record of what was asked for: selected.jsonl, which runs write."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.data.dataset import Split
from dd_al.data.rows import objects_of, read_text

_SHOWN = 200  # characters of a text in the report


def lines(
    method: str,
    seed: int,
    counts: Sequence[int],
    indices: np.ndarray,
    scores: np.ndarray,
    answers: np.ndarray,
    rows: np.ndarray,
) -> Iterator[str]:
    """The lines of one run: every label in the order in which it was bought, with those that it began with as round 0.

    ``counts`` are the labels of each round. Each label has a position in the training split, ``int[n]``, a score,
    ``float[n]`` or NaN, and the oracle's answer, ``int[n]``; ``rows``, ``int[train]``, are those of all texts in the
    source.
    """
    rounds = np.searchsorted(counts, np.arange(len(indices)), side="right")
    for index, number, score, label in zip(indices.tolist(), rounds.tolist(), scores.tolist(), answers.tolist()):
        line = {"method": method, "seed": seed, "round": number, "index": index, "row": int(rows[index])}
        yield json.dumps(line | {"score": None if np.isnan(score) else score, "label": label}) + "\n"


def positions(path: Path) -> np.ndarray:
    """The positions in the training split that a run's file names, ``int32[labels]``."""
    return np.asarray([line["index"] for _, line in objects_of(read_text(path), str(path))], np.int32)


def picked(train: Split, classes: int, chosen: np.ndarray) -> dict[str, Any]:
    """What the texts that were asked for are like: shares of classes, mean words, and the first three.

    ``chosen``, ``int[..., n]``, are their positions; of several seeds the first one's texts are shown.
    """
    every, words = chosen.ravel(), [len(train.texts[index].split()) for index in chosen.ravel().tolist()]
    return {
        "classes": (np.bincount(train.labels[every], minlength=classes) / max(chosen.size, 1)).tolist(),
        "words": float(sum(words) / max(chosen.size, 1)),
        "examples": [train.texts[index][:_SHOWN] for index in np.atleast_2d(chosen)[0, :3].tolist()],
    }

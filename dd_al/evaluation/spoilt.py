"""Training data with wrong labels and outliers."""

from dataclasses import replace

import jax
import numpy as np

from dd_al.active.oracle import noisy_labels
from dd_al.core.keys import generator
from dd_al.task.task import Task, with_training


def spoilt(task: Task, noise: float, outliers: float, seed: int) -> Task:
    """The task with a share of wrong labels in its training data, and of texts that are words drawn at random.

    Wrong labels are any other class; outliers are as long as before, of words drawn as often as they occur, with labels
    of chance.
    """
    split, raw = task.dataset.train, task.raw["train"].copy()
    rng = generator(jax.random.key(seed), "spoilt")
    labels, texts = noisy_labels(rng, split.labels, task.classes, noise), split.texts
    if outliers:
        rows, words = outlier_rows(len(raw), outliers, seed), task.vectors.vocabulary.words
        drawn = rng.choice(raw[raw > 0], raw[rows].shape)
        raw[rows] = np.where(raw[rows] > 0, drawn, 0)
        labels[rows] = rng.integers(0, task.classes, len(rows))
        shown = {row: " ".join(words[i] for i in raw[row] if i) for row in rows.tolist()}
        texts = tuple(shown.get(row, text) for row, text in enumerate(texts))
    return with_training(task, raw, replace(split, texts=texts, labels=labels))


def outlier_rows(train: int, share: float, seed: int) -> np.ndarray:
    """Which training texts are outliers: positions, rising."""
    rng = generator(jax.random.key(seed), "outliers")
    return np.sort(rng.permutation(train)[: round(share * train)])

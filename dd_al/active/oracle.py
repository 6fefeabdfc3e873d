"""The simulated oracle: it answers with the classes of the data, a share of which it gets wrong."""

from __future__ import annotations

import numpy as np


def noisy_labels(rng: np.random.Generator, labels: np.ndarray, classes: int, share: float) -> np.ndarray:
    """The oracle's answer for each text, a new ``int32[n]``: its class, or for a share of them any other one.

    ``rng`` draws which are wrong, as many as the share in expectation, and what they name; for a share of 0 nothing.
    """
    if not share:
        return labels.astype(np.int32)
    wrong = (labels + rng.integers(1, max(classes, 2), len(labels))) % classes
    return np.where(rng.random(len(labels)) < share, wrong, labels).astype(np.int32)

"""The simulated oracle: it answers with the classes of the data, a share of which it gets wrong."""

from __future__ import annotations

import numpy as np


def noisy_labels(rng: np.random.Generator, labels: np.ndarray, classes: int, share: float) -> np.ndarray:
    """What the oracle answers for each text: its class, or for a share of them any other one, in a new ``int32[n]``.

    Args:
      rng: draws which answers are wrong, and which class each of those names.
      labels: ``int[n]``, the classes of the data.
      classes: how many there are.
      share: of wrong answers, in expectation; without any nothing is drawn.
    """
    if not share:
        return labels.astype(np.int32)
    wrong = (labels + rng.integers(1, max(classes, 2), len(labels))) % classes
    return np.where(rng.random(len(labels)) < share, wrong, labels).astype(np.int32)

"""When to stop asking: rules that look at the rounds so far, and need no labels but those of the last one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dd_al.config.active import STOPS, ActiveSettings


def kappa(a: np.ndarray, b: np.ndarray, classes: int) -> float:
    """Cohen's kappa of two predictions, ``int[n]``: 1 where they are equal, 0 for the agreement of chance.

    NaN where both name one class alone: they agree by chance, too.
    """
    a, b = np.asarray(a), np.asarray(b)
    agreement = np.mean(a == b)
    chance = np.sum(np.bincount(a, minlength=classes) * np.bincount(b, minlength=classes)) / len(a) ** 2
    return float((agreement - chance) / (1 - chance)) if chance < 1 else float("nan")


def stable(agreements: Sequence[float], *, threshold: float = 0.99, rounds: int = 3) -> int | None:
    """The first round whose predictions have long agreed with those before (Bloodgood & Vijay-Shanker 2009, CoNLL).

    Args:
      agreements: of each round with the one before, by `kappa`, on texts that stay the same; NaN for the first.
      threshold: what the mean of the last ``rounds`` agreements must reach.
      rounds: how many.
    """
    values = np.asarray(agreements, float)
    for last in range(rounds, len(values)):
        if np.mean(values[last - rounds + 1 : last + 1]) >= threshold:
            return last
    return None


def stops(
    settings: ActiveSettings, agreement: np.ndarray, uncertainty: np.ndarray, accuracy: np.ndarray
) -> dict[str, list[int | None]]:
    """For each rule that has what it needs, the round at which each seed could have stopped; None if not yet.

    NaN in the place of a number keeps its round from being one.

    "stable" is `stable`; "certain" a mean uncertainty below a threshold (Zhu, Wang & Hovy 2008, IJCNLP, "overall"); and
    "accurate" an accuracy that reaches a target, on texts whose labels cost, too.

    Args:
      settings: the thresholds.
      agreement: ``float[rounds, seeds]``, of the predictions of a round with those before.
      uncertainty: ``float[rounds, seeds]``, such as the mean entropy of the predictions, in the unit of its threshold.
      accuracy: ``float[rounds, seeds]`` on validation.
    """
    limits = {rule: settings.threshold(rule) for rule in STOPS}
    found = {"stable": [stable(one, threshold=limits["stable"]) for one in agreement.T]}
    if limits["certain"] is not None:
        found["certain"] = [_first(one < limits["certain"]) for one in uncertainty.astype(float).T]
    if limits["accurate"] is not None:
        found["accurate"] = [_first(one >= limits["accurate"]) for one in accuracy.astype(float).T]
    return found


def _first(there: Sequence[bool]) -> int | None:
    return next((index for index, true in enumerate(there) if true), None)

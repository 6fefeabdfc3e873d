"""When to stop asking: rules that look at the rounds so far, and need no labels but those of the last one."""

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
    """The first round at which the mean of the last ``rounds`` agreements reaches the threshold.

    They are those of a round's predictions with the ones before, by `kappa`, on texts that stay the same; NaN for the
    first (Bloodgood & Vijay-Shanker 2009, CoNLL).
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
    "accurate" an accuracy on validation that reaches a target, on texts whose labels cost, too. All three numbers are
    ``float[rounds, seeds]``; the uncertainty, such as a mean entropy, has the unit of its threshold.
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

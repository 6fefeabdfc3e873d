"""When to stop asking: rules that look at the rounds so far, and need no labels but those of the last one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dd_al.config.active import ActiveSettings


def kappa(a: np.ndarray, b: np.ndarray, classes: int) -> float:
    """Cohen's kappa of two predictions: their agreement beyond that of chance.

    Args:
      a: ``int[n]``, the classes that one learner predicts.
      b: ``int[n]``, those that the other predicts.
      classes: how many there are.

    Returns:
      1 for equal predictions, 0 for the agreement of chance.
    """
    a, b = np.asarray(a), np.asarray(b)
    agreement = np.mean(a == b)
    chance = np.sum(np.bincount(a, minlength=classes) * np.bincount(b, minlength=classes)) / len(a) ** 2
    return 1.0 if chance == 1 else float((agreement - chance) / (1 - chance))


def stable(agreements: Sequence[float], *, threshold: float = 0.99, rounds: int = 3) -> int | None:
    """The first round whose predictions have long agreed with those before (Bloodgood & Vijay-Shanker 2009, CoNLL).

    Args:
      agreements: of each round with the one before, by `kappa`, on texts that stay the same; NaN for the first.
      threshold: what the mean of the last ``rounds`` agreements must reach.
      rounds: how many.

    Returns:
      Its index, or None.
    """
    values = np.asarray(agreements, float)
    for last in range(rounds, len(values)):
        if np.mean(values[last - rounds + 1 : last + 1]) >= threshold:
            return last
    return None


def certain(uncertainties: Sequence[float], *, threshold: float) -> int | None:
    """The first round whose mean uncertainty is below a threshold (Zhu, Wang & Hovy 2008, IJCNLP, "overall").

    Args:
      uncertainties: of each round, such as the mean entropy of its predictions.
      threshold: in the same unit.
    """
    return _first(np.asarray(uncertainties, float) < threshold)


def reached(accuracies: Sequence[float], *, threshold: float) -> int | None:
    """The first round whose accuracy reaches a target. The texts it is measured on have labels that cost, too.

    Args:
      accuracies: of each round.
      threshold: the accuracy.
    """
    return _first(np.asarray(accuracies, float) >= threshold)


def stops(
    settings: ActiveSettings, agreement: np.ndarray, uncertainty: np.ndarray, accuracy: np.ndarray
) -> dict[str, list[int | None]]:
    """For each rule that has what it needs, the round at which each seed could have stopped; None if not yet.

    Args:
      settings: the thresholds.
      agreement: ``float[rounds, seeds]``; see `stable`.
      uncertainty: ``float[rounds, seeds]``; see `certain`.
      accuracy: ``float[rounds, seeds]`` on validation; see `reached`.
    """
    rules = {"stable": (agreement, stable), "certain": (uncertainty, certain), "accurate": (accuracy, reached)}
    return {
        name: [rule(one, threshold=threshold) for one in np.asarray(values).T]
        for name, (values, rule) in rules.items()
        if (threshold := settings.threshold(name)) is not None
    }


def _first(there: np.ndarray) -> int | None:
    return int(np.argmax(there)) if there.any() else None

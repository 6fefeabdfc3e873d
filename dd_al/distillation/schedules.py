"""Longer schedules than the one that was learned, by which other networks may train on a distilled set."""

from __future__ import annotations

import numpy as np

SCHEDULES = ("learned", "repeated", "continued", "rising")
LONGEST = 5  # times as many inner steps as were learned, in the longest schedule


def lengthened(name: str, rates: np.ndarray, batches: int, longest: int = LONGEST) -> tuple[np.ndarray, np.ndarray]:
    """A schedule and where it may end (Medvedev & D'yakonov 2020, arXiv 2010.09839).

    =========  =========================================================================================================
    learned    the rates as they are, to their end
    repeated   all of them again and again, each time 0.9 of the time before; may end after any
    continued  behind them those of the last epoch, each time 0.98 of the time before; may end after any epoch from
               where they end on
    rising     none of them: 0.3, a tenth more in each of ten epochs, then a twentieth less in each; may end after any
    =========  =========================================================================================================

    Args:
      name: one of `SCHEDULES`.
      rates: ``float[..., steps, layers]``, learned.
      batches: inner steps in an epoch, at most `steps`.
      longest: times as many steps as were learned, at most.

    Returns:
      ``float32[..., steps', layers]``, and ``int32[points]``, rising numbers of steps.

    Raises:
      ValueError: for an unknown name.
    """
    steps = rates.shape[-2]
    if name == "learned" or (longest == 1 and name != "rising"):
        return np.asarray(rates, np.float32), np.asarray([steps], np.int32)
    if name == "repeated":
        factors, part, ends = 0.9 ** np.arange(longest), rates, steps * np.arange(1, longest + 1)
        return _repeat(part, factors), ends.astype(np.int32)
    if name == "continued":
        more = (longest - 1) * steps // batches
        behind = _repeat(rates[..., -batches:, :], 0.98 ** np.arange(1, more + 1))
        together = np.concatenate([np.asarray(rates, np.float32), behind], axis=-2)
        return together, (steps + batches * np.arange(more + 1)).astype(np.int32)
    if name == "rising":
        epoch = np.arange(longest * steps // batches)
        height = 0.3 * 1.1 ** np.minimum(epoch, 9) * 0.95 ** np.maximum(epoch - 9, 0)
        shape = (*rates.shape[:-2], batches, rates.shape[-1])
        return _repeat(np.ones(shape, np.float32), height), (batches * (epoch + 1)).astype(np.int32)
    raise ValueError(f"unknown schedule {name!r}; allowed: {', '.join(SCHEDULES)}")


def _repeat(rates: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return np.concatenate([rates * factor for factor in factors], axis=-2).astype(np.float32)

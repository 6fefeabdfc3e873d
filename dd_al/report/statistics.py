"""Scores of predictions, and intervals that resample both initialisations and test sentences."""

from collections.abc import Iterator, Sequence

import numpy as np

# Resampled counts are held for so many sentences at a time, whatever the size of the test split.
_COUNTS_AT_ONCE = 1 << 21


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the share of right predictions.

    Args:
        predictions: int[..., n] predicted classes; leading axes (initialisations, say) are kept.
        labels: int[n] true classes.

    Returns:
        float[...].
    """
    predictions, labels = _matching(predictions, labels)
    return np.mean(predictions == labels, axis=-1)


def macro_f1(predictions: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Returns the unweighted mean over classes of F1 = 2 TP / (predicted + true).

    A class that is neither predicted nor true has no F1 and is left out of the mean, as scikit-learn does.

    Args:
        predictions: int[..., n] predicted classes; leading axes (initialisations, say) are kept.
        labels: int[n] true classes.
        classes: how many classes there are, numbered from 0.

    Returns:
        float[...].
    """
    predictions, labels = _matching(predictions, labels)
    total, present = np.zeros(predictions.shape[:-1]), np.zeros(predictions.shape[:-1])
    for index in range(classes):
        predicted, true = predictions == index, labels == index
        size = predicted.sum(-1) + true.sum()
        total += 2 * (predicted & true).sum(-1) / np.maximum(size, 1)
        present += size > 0
    return total / np.maximum(present, 1)


def summary(values: Sequence[float]) -> dict:
    """Returns `{"mean", "std", "n", "values"}` in plain Python, unrounded.

    Args:
        values: one number per initialisation (or draw, or seed). `std` is that of a sample (ddof = 1), 0 for one value.

    Raises:
        ValueError: there are no values, or they are not one flat list.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"a summary needs a flat list of at least one value, got the shape {array.shape}")
    std = float(array.std(ddof=1)) if array.size > 1 else 0.0
    return {"mean": float(array.mean()), "std": std, "n": int(array.size), "values": array.tolist()}


def bootstrap_interval(
    correct: np.ndarray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Returns a percentile interval for the mean accuracy over initialisations and sentences.

    Both are samples, and crossed: every initialisation meets every sentence. Each replicate therefore draws
    initialisations and, independently, sentences, with replacement (Owen 2007, "The pigeonhole bootstrap", which errs
    on the wide side where most of the noise is that of single answers). With one initialisation only sentences vary.
    What it cannot cover is another distillation: these are draws of learners for one and the same training set.

    Args:
        correct: bool or float[inits, sentences] (or [sentences]): whether, or how much, each answer was right.
        level: the coverage that is asked for.
        resamples: how many replicates.
        seed: of the draws; equal arguments give equal intervals.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: `correct` is empty or not a matrix, or `level` is not between 0 and 1.
    """
    correct = _matrix(correct)
    rng = np.random.default_rng(seed)
    means = _sentence_resampled(correct, resamples, rng)
    return _interval(_init_resampled(means, rng), level)


def retention_interval(
    correct: np.ndarray,
    correct_full: np.ndarray,
    *,
    paired: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns a percentile interval for retention: mean accuracy of a method over that of the full data.

    As `bootstrap_interval`, with the same sentences drawn above and below the line, because both learners answer the
    same test split: a hard draw is hard for both. The initialisations are drawn apart, unless they are the same ones.

    Args:
        correct: bool or float[inits, sentences] of the method.
        correct_full: bool or float[full inits, sentences] of the learners that saw all the data.
        paired: row i of both began from the same initialisation, so rows are drawn together.
        level: the coverage that is asked for.
        resamples: how many replicates.
        seed: of the draws.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: the shapes do not match, `correct_full` is never right, or see `bootstrap_interval`.
    """
    correct, correct_full = _matrix(correct), _matrix(correct_full)
    if correct.shape[1] != correct_full.shape[1]:
        raise ValueError(f"the method answers {correct.shape[1]} sentences and the full data {correct_full.shape[1]}")
    if paired and len(correct) != len(correct_full):
        raise ValueError(f"paired needs as many initialisations on both sides: {len(correct)}, {len(correct_full)}")
    if not np.any(correct_full):
        raise ValueError("retention has no meaning: the full-data learners are never right")
    rng = np.random.default_rng(seed)
    means = _sentence_resampled(np.concatenate([correct, correct_full]), resamples, rng)
    above, below = means[:, : len(correct)], means[:, len(correct) :]
    if paired:
        counts = _counts(resamples, len(correct), rng)
        above, below = np.sum(counts * above, axis=1), np.sum(counts * below, axis=1)
    else:
        above, below = _init_resampled(above, rng), _init_resampled(below, rng)
    # On a handful of sentences a replicate may draw only those that the full data gets wrong; it has no ratio.
    return _interval(above[below > 0] / below[below > 0], level)


def ranked_apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns the area under the ROC curve: how often one of ours is larger than one of theirs, ties as halves.

    Args:
        ours: float[n].
        theirs: float[m].
    """
    ours, theirs = np.sort(np.asarray(ours, float)), np.asarray(theirs, float)
    below, upto = np.searchsorted(ours, theirs, "left"), np.searchsorted(ours, theirs, "right")
    return float(1 - np.mean((below + upto) / 2) / len(ours))


def _matching(predictions: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if labels.ndim != 1 or not labels.size or predictions.shape[-1:] != labels.shape:
        raise ValueError(f"predictions of the shape {predictions.shape} do not fit labels of the shape {labels.shape}")
    return predictions, labels


def _matrix(correct: np.ndarray) -> np.ndarray:
    correct = np.atleast_2d(np.asarray(correct, dtype=float))
    if correct.ndim != 2 or not correct.size:
        raise ValueError(f"expected [inits, sentences] with at least one of each, got the shape {correct.shape}")
    return correct


def _counts(rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns float[rows, size]: how often each of `size` things is drawn in `size` draws (a uniform multinomial)."""
    draws = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
    return np.bincount(draws.ravel(), minlength=rows * size).reshape(rows, size).astype(float)


def _chunks(total: int, size: int) -> Iterator[int]:
    while total > 0:
        yield min(size, total)
        total -= size


def _sentence_resampled(correct: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Returns float[resamples, inits]: the accuracy of every initialisation on each drawn set of sentences."""
    sentences = correct.shape[1]
    rows = _chunks(resamples, max(1, _COUNTS_AT_ONCE // sentences))
    return np.concatenate([_counts(chunk, sentences, rng) @ correct.T for chunk in rows]) / sentences


def _init_resampled(means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns float[resamples]: the mean over a draw of initialisations, a new one for every row of `means`."""
    resamples, inits = means.shape
    return np.sum(_counts(resamples, inits, rng) * means, axis=1) / inits


def _interval(replicates: np.ndarray, level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level is a share between 0 and 1, got {level}")
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

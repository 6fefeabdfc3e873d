"""Statistics of runs: scores, intervals, learning curves, and tests that are paired over seeds.

SciPy and scikit-learn compute what they have. Written here are the bootstrap that crosses initialisations with
sentences, Holm's adjustment, Nemenyi's critical difference, and the exact signed-rank test with ties, which SciPy has
as a permutation test that takes a second for sixteen pairs.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np
from scipy import stats

LEVEL = 0.95  # of every interval
SHARES = (0.9, 0.95, 0.98)  # of the accuracy on all data
ENOUGH_SEEDS = 10  # below this no test is strong enough for a verdict
SIGNIFICANT = 0.05
_ENUMERATED = 16  # pairs up to which all signs are gone through
_COUNTS_AT_ONCE = 1 << 21  # of a bootstrap, whatever the size of the test split


def macro_f1(predictions: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Returns the unweighted mean over classes of F1 = 2 TP / (predicted + true), float[...].

    Predicted classes are int[..., n], whose leading axes (initialisations, say) are kept, and true ones int[n]. A class
    that is neither predicted nor true has no F1 and is left out of the mean, as scikit-learn does.
    """
    from sklearn.metrics import f1_score  # half a second, which not every command needs

    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if labels.ndim != 1 or not labels.size or predictions.shape[-1:] != labels.shape:
        raise ValueError(f"predictions of the shape {predictions.shape} do not fit labels of the shape {labels.shape}")
    rows = predictions.reshape(-1, labels.size)
    found = [f1_score(labels, row, average=None, zero_division=0) for row in rows]  # of each class that is there
    return np.reshape([sum(one) / len(one) for one in found], predictions.shape[:-1])


def summary(values: Sequence[float]) -> dict:
    """Returns `{"mean", "std", "n", "values"}` of a number per initialisation (or draw, or seed), unrounded.

    `std` is that of a sample (ddof = 1), and 0 for one value.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"a summary needs a flat list of at least one value, got the shape {array.shape}")
    std = float(array.std(ddof=1)) if array.size > 1 else 0.0
    return {"mean": float(array.mean()), "std": std, "n": int(array.size), "values": array.tolist()}


def bootstrap_interval(correct: np.ndarray, *, resamples: int = 2000) -> tuple[float, float]:
    """Returns a 95 % percentile interval for the mean accuracy over initialisations and sentences.

    Both are samples, and crossed: every initialisation meets every sentence. Each replicate therefore draws
    initialisations and, independently, sentences, with replacement (Owen 2007, "The pigeonhole bootstrap", which errs
    on the wide side where most of the noise is that of single answers). With one initialisation only sentences vary.
    What it cannot cover is another distillation: these are draws of learners for one and the same training set.

    `correct` is bool or float[inits, sentences] (or [sentences]): whether, or how much, each answer was right. Equal
    arguments give equal intervals.
    """
    rng = np.random.default_rng(0)
    return _interval(_init_resampled(_sentence_resampled(_matrix(correct), resamples, rng), rng))


def retention_interval(
    correct: np.ndarray, correct_full: np.ndarray, *, paired: bool = False, resamples: int = 2000
) -> tuple[float, float]:
    """Returns a 95 % percentile interval for retention: mean accuracy of a method over that of the full data.

    As `bootstrap_interval`, with the same sentences drawn above and below the line, because both learners answer the
    same test split: a hard draw is hard for both. The initialisations are drawn apart, unless they are the same ones.

    `correct` is bool or float[inits, sentences] of the method, `correct_full` that of learners that saw all the data.
    If `paired`, row i of both began from the same initialisation, and rows are drawn together.
    """
    correct, correct_full = _matrix(correct), _matrix(correct_full)
    if correct.shape[1] != correct_full.shape[1]:
        raise ValueError(f"the method answers {correct.shape[1]} sentences and the full data {correct_full.shape[1]}")
    if paired and len(correct) != len(correct_full):
        raise ValueError(f"paired needs as many initialisations on both sides: {len(correct)}, {len(correct_full)}")
    if not np.any(correct_full):
        raise ValueError("retention has no meaning: the full-data learners are never right")
    rng = np.random.default_rng(0)
    means = _sentence_resampled(np.concatenate([correct, correct_full]), resamples, rng)
    above, below = means[:, : len(correct)], means[:, len(correct) :]
    if paired:
        counts = _counts(resamples, len(correct), rng)
        above, below = np.sum(counts * above, axis=1), np.sum(counts * below, axis=1)
    else:
        above, below = _init_resampled(above, rng), _init_resampled(below, rng)
    # On a handful of sentences a replicate may draw only those that the full data gets wrong; it has no ratio.
    return _interval(above[below > 0] / below[below > 0])


def ranked_apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns the area under the ROC curve: how often one of ours is larger than one of theirs, ties as halves."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)  # SciPy counts in the precision that it is given
    below = stats.mannwhitneyu(theirs, ours, method="asymptotic").statistic  # pairs in which theirs is larger
    return float(1 - below / len(theirs) / len(ours))


def area(labels: Sequence[float], accuracy: np.ndarray) -> np.ndarray:
    """Returns the area under a learning curve over its width, a mean accuracy.

    `labels`, [rounds], rise; `accuracy` is float[rounds, ...], such as an axis of seeds, which is kept.
    """
    labels, accuracy = np.asarray(labels, float), np.asarray(accuracy, float)
    if len(labels) != len(accuracy) or len(labels) < 2 or np.any(np.diff(labels) <= 0):
        raise ValueError(f"a curve needs two rising numbers of labels at least, and an accuracy for each: {labels}")
    return np.trapezoid(accuracy, labels, axis=0) / (labels[-1] - labels[0])


def deficiency(accuracy: Sequence[float], reference: Sequence[float]) -> float:
    """Returns Σ(max(ref) − c) / Σ(max(ref) − ref) over rounds (Jacobs et al. 2021): below 1 beats the reference.

    `accuracy` is the mean curve of a query, `reference` that of random sampling; NaN where this stands still.
    """
    accuracy, reference = np.asarray(accuracy, float), np.asarray(reference, float)
    below = np.sum(reference.max() - reference)
    return float(np.sum(reference.max() - accuracy) / below) if below > 0 else float("nan")


def labels_to_reach(labels: Sequence[float], accuracy: Sequence[float], target: float) -> float | None:
    """Returns how many labels the mean curve takes to a target accuracy, between rounds by a straight line, or None."""
    labels, accuracy = np.asarray(labels, float), np.asarray(accuracy, float)
    i = int(np.argmax(accuracy >= target))
    if not accuracy[i] >= target:
        return None
    if i == 0:
        return float(labels[0])
    share = (target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1])
    return float(labels[i - 1] + share * (labels[i] - labels[i - 1]))


def mean_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and upper ends, float[...], of Student's 95 % interval for a mean over `[..., draws]`.

    It is for few draws, such as seeds, of which a bootstrap makes far too little, and exact where they are normal.
    """
    values = np.asarray(values, float)
    draws = values.shape[-1]
    if draws < 2:
        raise ValueError(f"an interval of a mean takes two draws at least, not {draws}")
    middle = values.mean(-1)
    width = stats.t.ppf((1 + LEVEL) / 2, draws - 1) * values.std(-1, ddof=1) / np.sqrt(draws)
    return middle - width, middle + width


def paired(values: Sequence[float], reference: Sequence[float]) -> dict:
    """Returns how a method's values differ from a reference's of the same seeds, pair by pair.

    That is `difference`, its Student's `interval`, `p` of Wilcoxon's two-sided signed-rank test, the `smallest_p` that
    it could have reached, and `pairs`. A single pair has neither an interval nor a test that says anything: p = 1.
    """
    # What differs in the last digit alone is equal.
    differences = np.round(np.asarray(values, float) - np.asarray(reference, float), 12)
    if differences.ndim != 1 or not differences.size:
        raise ValueError(f"a paired test needs two flat lists of the same length, got {differences.shape}")
    return {
        "difference": float(differences.mean()),
        "interval": [float(end) for end in mean_interval(differences)] if len(differences) > 1 else None,
        "p": _signed_rank(differences[differences != 0]),  # zeros say nothing for either side
        "smallest_p": 2.0 ** (1 - len(differences)),  # two of the 2^n ways to give signs say so much
        "pairs": len(differences),
    }


def _signed_rank(differences: np.ndarray) -> float:
    """Returns the two-sided p of Wilcoxon's signed-rank test, exact also where differences tie, if they are few."""
    count = len(differences)
    if count < 2:
        return 1.0
    ranks = stats.rankdata(np.abs(differences))
    if count > _ENUMERATED:
        tied = len(np.unique(ranks)) < count or count > 50
        p = float(stats.wilcoxon(differences, method="approx" if tied else "exact").pvalue)
        return max(p, 2.0 ** (1 - count))
    signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    return float(np.mean(np.abs(signs @ ranks) >= abs(np.sign(differences) @ ranks) - 1e-9))


def compare_queries(methods: dict[str, dict]) -> None:
    """Adds to the queries' entries in `results["methods"]` what their curves come to.

    `aulc` is a summary over seeds, of the rounds that all queries had; `labels_to` the labels that 90, 95 and 98 % of
    the accuracy on all data, the entry "full", take; and where there is random sampling, `deficiency` and
    `against_random`: `paired` on the areas, with `p_holm`, adjusted for the number of queries.
    """
    queries = {name: entry for name, entry in methods.items() if "labels" in entry.get("curve", {})}
    full = methods["full"].get("test_accuracy", methods["full"].get("validation_accuracy"))["mean"]
    # What one query had, all must have had to be compared: some may have stopped earlier.
    shared = min((len(entry["curve"]["labels"]) for entry in queries.values()), default=0)
    for entry in queries.values():
        curve = entry["curve"]
        labels, values = curve["labels"][:shared], curve["values"][:shared]
        entry["aulc"] = summary(area(labels, values) if shared > 1 else values[0])
        reached = {share: labels_to_reach(curve["labels"], curve["accuracy"], share * full) for share in SHARES}
        entry["labels_to"] = {f"{share:g}": labels for share, labels in reached.items()}
    if "random" not in queries:
        return
    random, others = queries["random"], {name: entry for name, entry in queries.items() if name != "random"}
    for entry in others.values():
        entry["against_random"] = paired(entry["aulc"]["values"], random["aulc"]["values"])
        entry["deficiency"] = deficiency(*(one["curve"]["accuracy"][:shared] for one in (entry, random)))
    for name, p in holm({name: entry["against_random"]["p"] for name, entry in others.items()}).items():
        others[name]["against_random"]["p_holm"] = p


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Returns p values, one for each hypothesis by name, adjusted for their number (Holm 1979)."""
    names = sorted(p, key=p.get)
    scaled = (min(1.0, (len(p) - rank) * p[name]) for rank, name in enumerate(names))
    return dict(zip(names, accumulate(scaled, max)))


def effect_size(differences: Sequence[float]) -> float:
    """Returns the matched-pairs rank-biserial correlation (Kerby 2014) of the differences of pairs.

    It goes from -1 to 1, where all pairs say the same; NaN where all are equal.
    """
    differences = np.round(np.asarray(differences, float), 12)
    differences = differences[differences != 0]
    if not differences.size:
        return float("nan")
    ranks = stats.rankdata(np.abs(differences))
    return float(np.sum(np.sign(differences) * ranks) / ranks.sum())


def critical_difference(methods: int, blocks: int) -> float:
    """Returns by how much mean ranks have to differ to be told apart at `SIGNIFICANT`.

    It is q √(k (k + 1) / (6 N)) for k methods on N data sets, the blocks (Nemenyi 1963; Demšar 2006, eq. 5).
    """
    q = stats.studentized_range.ppf(1 - SIGNIFICANT, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * blocks)))


def _matrix(correct: np.ndarray) -> np.ndarray:
    correct = np.atleast_2d(np.asarray(correct, dtype=float))
    if correct.ndim != 2 or not correct.size:
        raise ValueError(f"expected [inits, sentences] with at least one of each, got the shape {correct.shape}")
    return correct


def _counts(rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns float[rows, size]: how often each of `size` things is drawn in `size` draws (a uniform multinomial)."""
    draws = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
    return np.bincount(draws.ravel(), minlength=rows * size).reshape(rows, size).astype(float)


def _sentence_resampled(correct: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Returns float[resamples, inits]: the accuracy of every initialisation on each drawn set of sentences."""
    sentences = correct.shape[1]
    rows = max(1, _COUNTS_AT_ONCE // sentences)
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate([_counts(size, sentences, rng) @ correct.T for size in sizes]) / sentences


def _init_resampled(means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns float[resamples]: the mean over a draw of initialisations, a new one for every row of `means`."""
    resamples, inits = means.shape
    return np.sum(_counts(resamples, inits, rng) * means, axis=1) / inits


def _interval(replicates: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)

"""What curves of accuracy against labels say: areas, labels that are needed, and tests paired over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from dd_al.report.statistics import summary

SHARES = (0.9, 0.95, 0.98)  # of the accuracy on all data
_ENUMERATED = 16  # pairs up to which all signs are gone through
ENOUGH_SEEDS = 10  # below this no test is strong enough for a verdict


def area(labels: Sequence[float], accuracy: np.ndarray) -> np.ndarray:
    """Returns the area under a learning curve over its width: a mean accuracy.

    Args:
        labels: [rounds], rising.
        accuracy: float[rounds, ...], such as an axis of seeds, which is kept.
    """
    labels, accuracy = np.asarray(labels, float), np.asarray(accuracy, float)
    if len(labels) != len(accuracy) or len(labels) < 2 or np.any(np.diff(labels) <= 0):
        raise ValueError(f"a curve needs two rising numbers of labels at least, and an accuracy for each: {labels}")
    return np.trapezoid(accuracy, labels, axis=0) / (labels[-1] - labels[0])


def deficiency(accuracy: Sequence[float], reference: Sequence[float]) -> float:
    """Returns Σ(max(ref) − c) / Σ(max(ref) − ref) over rounds (Jacobs et al. 2021): below 1 beats the reference.

    Args:
        accuracy: float[rounds], the mean curve of a query.
        reference: float[rounds], that of random sampling. NaN where it stands still.
    """
    accuracy, reference = np.asarray(accuracy, float), np.asarray(reference, float)
    below = np.sum(reference.max() - reference)
    return float(np.sum(reference.max() - accuracy) / below) if below > 0 else float("nan")


def labels_to_reach(labels: Sequence[float], accuracy: Sequence[float], target: float) -> float | None:
    """Returns how many labels the mean curve takes to a target accuracy, between rounds by a straight line, or None.

    Args:
        labels: [rounds], rising.
        accuracy: float[rounds].
        target: the accuracy.
    """
    labels, accuracy = np.asarray(labels, float), np.asarray(accuracy, float)
    there = np.flatnonzero(accuracy >= target)
    if not there.size:
        return None
    i = there[0]
    if i == 0:
        return float(labels[0])
    share = (target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1])
    return float(labels[i - 1] + share * (labels[i] - labels[i - 1]))


def smallest_p(pairs: int) -> float:
    """Returns the smallest two-sided p that a signed-rank test of so many pairs can reach, 2^(1 − pairs)."""
    return min(1.0, 2.0 ** (1 - pairs))


def mean_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Returns Student's interval for a mean over few draws, such as seeds, of which a bootstrap makes far too little.

    Args:
        values: float[..., draws], two at least.
        level: the coverage that is asked for; it is had where draws are normal.

    Returns:
        The lower and the upper ends, float[...].
    """
    values = np.asarray(values, float)
    draws = values.shape[-1]
    if draws < 2:
        raise ValueError(f"an interval of a mean takes two draws at least, not {draws}")
    middle = values.mean(-1)
    width = stats.t.ppf((1 + level) / 2, draws - 1) * values.std(-1, ddof=1) / np.sqrt(draws)
    return middle - width, middle + width


def paired(values: Sequence[float], reference: Sequence[float], *, level: float = 0.95) -> dict:
    """Returns how a method's values differ from a reference's, pair by pair.

    Args:
        values: one for each seed.
        reference: of the same seeds, in their order.
        level: the coverage of the interval, Student's for the mean difference.

    Returns:
        `difference`, its `interval`, `p` of Wilcoxon's two-sided signed-rank test, the `smallest_p` that it could have
        reached, and `pairs`. A single pair has neither an interval nor a test that says anything: p = 1.
    """
    # What differs in the last digit alone is equal.
    differences = np.round(np.asarray(values, float) - np.asarray(reference, float), 12)
    if differences.ndim != 1 or not differences.size:
        raise ValueError(f"a paired test needs two flat lists of the same length, got {differences.shape}")
    return {
        "difference": float(differences.mean()),
        "interval": [float(end) for end in mean_interval(differences, level=level)] if len(differences) > 1 else None,
        "p": _signed_rank(differences[differences != 0]),  # zeros say nothing for either side
        "smallest_p": smallest_p(len(differences)),
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
        return max(p, smallest_p(count))
    signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    return float(np.mean(np.abs(signs @ ranks) >= abs(np.sign(differences) @ ranks) - 1e-9))


def compare(methods: dict[str, dict]) -> None:
    """Adds to the queries' entries in `results["methods"]` what their curves come to.

    `aulc` is a summary over seeds, of the rounds that all queries had; `labels_to` the labels that 90, 95 and 98 % of
    the accuracy on all data take; and where there is random sampling, `deficiency` and `against_random`: `paired` on
    the areas, with `p_holm`, adjusted for the number of queries.

    Args:
        methods: with the entry "full", and `curve` with `labels` and `values` in those of the queries.
    """
    queries = {name: entry for name, entry in methods.items() if "labels" in entry.get("curve", {})}
    full = next(
        entry[f"{split}_accuracy"]["mean"]
        for entry in [methods["full"]]
        for split in ("test", "validation")
        if f"{split}_accuracy" in entry
    )
    # What one query had, all must have had to be compared: some may have stopped earlier.
    shared = min((len(entry["curve"]["labels"]) for entry in queries.values()), default=0)
    for entry in queries.values():
        curve = entry["curve"]
        labels, values = curve["labels"][:shared], curve["values"][:shared]
        entry["aulc"] = summary(area(labels, values) if shared > 1 else values[0])
        entry["labels_to"] = {
            f"{share:g}": labels_to_reach(curve["labels"], curve["accuracy"], share * full) for share in SHARES
        }
    if "random" not in queries:
        return
    random, others = queries["random"], {name: entry for name, entry in queries.items() if name != "random"}
    for entry in others.values():
        entry["against_random"] = paired(entry["aulc"]["values"], random["aulc"]["values"])
        entry["deficiency"] = deficiency(*(one["curve"]["accuracy"][:shared] for one in (entry, random)))
    adjusted = holm({name: entry["against_random"]["p"] for name, entry in others.items()})
    for name, entry in others.items():
        entry["against_random"]["p_holm"] = adjusted[name]


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Returns p values adjusted for their number (Holm 1979), by name.

    Args:
        p: by name, one for each hypothesis.
    """
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p, key=p.get)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p}

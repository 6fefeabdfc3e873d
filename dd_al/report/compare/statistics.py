"""What a comparison's seeds and data sets can say: paired tests, effect sizes, and average ranks."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from dd_al.report.compare.words import QUERIES, rivals
from dd_al.report.learning import holm, paired

_LEVEL = 0.05


def rival_tests(entries: Sequence[Mapping]) -> list[dict]:
    """Returns tests of methods against random sampling at the same budget, and of the rivals against each other.

    Each data set has three families, within which p is adjusted (Holm): "headline", the distilled set of the verdict
    against every query that could have been beside it; "random", every method against random sampling at its budget;
    and "rivals", every distilled set against active learning with more examples. Pairs are seeds.

    Args:
        entries: of `results["compare"]["entries"]`, without wrong labels and outliers.
    """
    found = []
    for dataset in dict.fromkeys(entry["dataset"] for entry in entries):
        ours = {(entry["method"], entry["budget"]): entry for entry in entries if entry["dataset"] == dataset}
        headline, queries = rivals(list(ours.values()))
        if headline is not None:
            found += _family(dataset, "headline", [(headline, other) for other in queries])
        against = [
            (one, ours["random", budget]) for (method, budget), one in ours.items()
            if method not in ("random", "full") and ("random", budget) in ours
        ]  # fmt: skip
        found += _family(dataset, "random", against)
        distilled = [one for (method, _), one in ours.items() if method.startswith("distilled")]
        active = [one for (method, _), one in ours.items() if method in QUERIES]
        fewer = [
            (one, other) for one in distilled for other in active
            if one["costs"]["examples"] < other["costs"]["examples"]
        ]  # fmt: skip
        found += _family(dataset, "rivals", fewer)
    return found


def _family(dataset: str, family: str, pairs: Sequence[tuple[Mapping, Mapping]]) -> list[dict]:
    found = []
    for one, other in pairs:
        seeds = [seed for seed in one["seeds"] if seed in other["seeds"]]
        if not seeds:
            continue
        a, b = (
            np.asarray([entry["accuracy"]["values"][entry["seeds"].index(seed)] for seed in seeds])
            for entry in (one, other)
        )
        names = {
            f"{key}_{side}": entry[key]
            for side, entry in (("a", one), ("b", other)) for key in ("method", "budget")
        }  # fmt: skip
        found.append({"dataset": dataset, "family": family, **names, **paired(a, b), "effect": effect_size(a - b)})
    adjusted = holm({index: test["p"] for index, test in enumerate(found)})
    for index, test in enumerate(found):
        test["p_holm"] = adjusted[index]
        test["smallest_p_holm"] = min(1.0, len(found) * test["smallest_p"])
    return found


def effect_size(differences: Sequence[float]) -> float:
    """Returns the matched-pairs rank-biserial correlation (Kerby 2014), from -1 to 1: all pairs say the same.

    Args:
        differences: one for each pair. NaN where all are zero.
    """
    differences = np.round(np.asarray(differences, float), 12)
    differences = differences[differences != 0]
    if not differences.size:
        return float("nan")
    ranks = stats.rankdata(np.abs(differences))
    return float(np.sum(np.sign(differences) * ranks) / ranks.sum())


def ranks(entries: Sequence[Mapping], corpora: Mapping[str, str]) -> dict:
    """Returns average ranks of methods over corpora at each budget, with Nemenyi's critical difference.

    Data sets of one corpus count once, by their mean accuracy (Demšar 2006, "Statistical comparisons of classifiers
    over multiple data sets", section 3.2).

    Args:
        entries: see `rival_tests`.
        corpora: data set → corpus.

    Returns:
        budget → `methods` → mean rank, from 1 for the best, with `corpora`, `p` of Friedman's test and
        `critical_difference`; nothing for fewer than two corpora.
    """
    found = {}
    for budget in dict.fromkeys(entry["budget"] for entry in entries):
        scores: dict[str, dict[str, list]] = {}
        for entry in entries:
            if entry["budget"] == budget:
                corpus = corpora.get(entry["dataset"], entry["dataset"])
                scores.setdefault(entry["method"], {}).setdefault(corpus, []).append(entry["accuracy"]["mean"])
        shared = set.intersection(*(set(one) for one in scores.values()))
        if len(shared) < 2 or len(scores) < 2:
            continue
        table = np.asarray([[np.mean(one[corpus]) for corpus in sorted(shared)] for one in scores.values()])
        ranked = stats.rankdata(-table, axis=0).mean(1)
        count, blocks = table.shape
        found[budget] = {
            "methods": dict(zip(scores, ranked.tolist())),
            "corpora": blocks,
            "p": float(stats.friedmanchisquare(*table).pvalue) if count > 2 else None,
            "critical_difference": critical_difference(count, blocks),
        }
    return found


def critical_difference(methods: int, blocks: int, *, level: float = _LEVEL) -> float:
    """Returns by how much mean ranks have to differ, q √(k (k + 1) / (6 N)) (Nemenyi 1963; Demšar 2006, eq. 5).

    Args:
        methods: k.
        blocks: N, data sets.
        level: of significance.
    """
    q = stats.studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * blocks)))

"""The parts of a report that are about active learning: the verdict, the comparison, and what was chosen."""

from collections.abc import Mapping

from dd_al.report.html import Markup, markup, table, tag
from dd_al.report.learning import ENOUGH_SEEDS, SHARES
from dd_al.report.verdict import fraction, known, percent, score, spread

QUERY_TITLES = {
    "random": "Random sampling",
    "variation_ratio": "Variation ratio",
    "predictive_entropy": "Predictive entropy",
    "bald": "BALD",
    "expected_entropy": "Expected entropy",
    "least_confidence": "Least confidence",
    "margin": "Margin",
    "power_bald": "PowerBALD",
    "batch_bald": "BatchBALD",
    "core_set": "Core-set",
    "badge": "BADGE",
    "k_means": "k-means",
    "contrastive": "Contrastive (CAL)",
    "feature_mixing": "Feature mixing (ALFA-Mix)",
    "ret": "RET",
    "rect": "RECT",
    "sud": "SUD",
}
_SIGNIFICANT = 0.05
_HEAD = (
    "Query",
    "Labels",
    "accuracy, %",  # of a split, which is put before it
    "Macro-F1, %",
    "Area under the curve, %",
    "Over random, points",
    "p, adjusted",
    "Deficiency",
    *(f"Labels to {percent(share, 0)} % of all data" for share in SHARES),
)


def queries(results: Mapping) -> dict[str, Mapping]:
    """Returns the entries of the queries in `results["methods"]`."""
    return {name: entry for name, entry in results["methods"].items() if "aulc" in entry}


def verdict(results: Mapping) -> str:
    """Returns in plain words whether any query beats random sampling, as far as the tests support it."""
    found, active = queries(results), results["active"]
    labels, seeds = active["labels"], len(active["seeds"])
    runs = f"{seeds} seeds" if seeds > 1 else "1 seed"
    asked, most = f"{active['rounds']} queries of {active['size']:,} labels after {active['first']:,} first ones, ", ""
    if "stop" in active:
        reached = [entry["curve"]["labels"][-1] - active["charged"] for entry in found.values()]
        asked += f"or fewer, until a query's seeds all met a rule ({_RULES[active['stop']].lower()}): "
        most, labels = "" if min(reached) == max(reached) else f"{min(reached):,} to ", max(reached)
    lines = [
        f"{asked}{most}{labels:,} in all ({fraction(labels / results['dataset']['train'])} of the training data; "
        f"{labels + active['validation_labels']:,} with those of validation), {runs}."
    ]
    compared = {name: entry["against_random"] for name, entry in found.items() if "against_random" in entry}
    shared = min((len(entry["curve"]["labels"]) for entry in found.values()), default=0)
    if compared and shared == 1:
        return " ".join([*lines, "One of the queries stopped before it had asked: there is nothing to compare."])
    if compared and shared <= active["rounds"]:
        lines.append(f"Compared are the first {shared - 1} rounds of asking, which all queries had.")
    if not compared:
        return " ".join([*lines, "Nothing is compared with random sampling here."])
    best = max(compared, key=lambda name: compared[name]["difference"])
    ahead = compared[best]["difference"] > 0
    if seeds < ENOUGH_SEEDS:
        lead = f"{QUERY_TITLES[best]} has the largest mean area" if ahead else "No query has a larger mean area"
        lines.append(
            f"{lead}{_by(compared[best]) if ahead else ' than random sampling'}, which is no verdict: that takes "
            f"{ENOUGH_SEEDS} seeds, and {runs} cannot bring p below {compared[best]['smallest_p']:.3g}."
        )
        return " ".join(lines)
    better = [name for name, test in compared.items() if test["difference"] > 0 and test["p_holm"] < _SIGNIFICANT]
    worse = [name for name, test in compared.items() if test["difference"] < 0 and test["p_holm"] < _SIGNIFICANT]
    if better:
        better.sort(key=lambda name: -compared[name]["difference"])
        lines.append(
            "Better than random sampling: " + "; ".join(_tested(name, compared[name]) for name in better) + "."
        )
    else:
        lines.append("No query is better than random sampling by a test at 5 %.")
        if ahead:
            lines.append(f"The largest mean area is that of {_tested(best, compared[best])}.")
    if worse:
        lines.append(f"Worse: {'; '.join(_tested(name, compared[name]) for name in worse)}.")
    return " ".join(lines)


def headline(results: Mapping) -> Markup:
    """Returns the table of queries, the best area first, with how to read it."""
    found, split = queries(results), results["evaluate"]["split"]
    head = [_HEAD[0], _HEAD[1], f"{split.capitalize()} {_HEAD[2]}", *_HEAD[3:]]
    rows = [
        [
            "All data", f"{results['dataset']['train']:,}", spread(score(results, "full")),
            spread(score(results, "full", "macro_f1")), *["–"] * (len(head) - 4),
        ]
    ] if score(results, "full") else []  # fmt: skip
    for name in sorted(found, key=lambda name: -(found[name]["aulc"]["mean"] or 0)):
        entry, test = found[name], found[name].get("against_random")
        rows.append(
            [
                QUERY_TITLES.get(name, name),
                f"{entry['curve']['labels'][-1]:,}",
                spread(score(results, name)),
                spread(score(results, name, "macro_f1")),
                spread(entry["aulc"]),
                [_points(test["difference"]), tag("small", _ends(test))] if test else "–",
                f"{test['p_holm']:.3g}" if test else "–",
                f"{entry['deficiency']:.2f}" if known(entry.get("deficiency")) else "–",
                *(_needed(entry["labels_to"].get(f"{share:g}")) for share in SHARES),
            ]
        )
    pairs = next((entry["against_random"] for entry in found.values() if "against_random" in entry), None)
    notes = [
        "Mean ± standard deviation over seeds. The area under a learning curve is over its width, a mean accuracy"
        f"{', of the rounds that all queries had' if 'stop' in results['active'] else ''}. "
        "Deficiency below 1 beats random sampling (Jacobs et al. 2021). Labels that are needed are read off the mean "
        "curve; a dash: not reached."
    ]
    notes.append(
        "Labels of validation chose the learner's settings and the best epoch on all data; rounds of the loop do not "
        f"read them. They are {'' if results['active']['charged'] else 'not '}counted here "
        "(config.active.charge_validation)."
    )
    if pairs:
        notes.append(
            f"Differences are of areas, seed by seed, with Student's 95 % intervals; p of Wilcoxon's "
            f"signed-rank test, adjusted for the number of queries (Holm). {pairs['pairs']} pairs cannot bring a p "
            f"below {pairs['smallest_p']:.3g} before that."
        )
    return markup([table(head, rows, class_="numbers"), [tag("p", note, class_="soft") for note in notes]])


_RULES = {
    "stable": "Predictions stay the same",
    "certain": "Predictions are certain",
    "accurate": "Validation accuracy is reached",
}


def stops(results: Mapping) -> Markup:
    """Returns where each rule would have stopped each query, and with what accuracy."""
    rows, split = [], results["evaluate"]["split"]
    for name, entry in queries(results).items():
        for rule, found in entry.get("stopping", {}).items():
            labels = [count for count in found["labels"] if count is not None]
            share = f"{len(labels)} of {len(found['labels'])}"
            at = f"{sum(labels) / len(labels):,.0f}" if labels else "–"
            accuracy = [value for value in found["accuracy"] if known(value)]
            mean = percent(sum(accuracy) / len(accuracy)) if accuracy else "–"
            rows.append([QUERY_TITLES.get(name, name), _RULES[rule], share, at, mean])
    head = ("Query", "Rule", "Seeds that it stops", "Mean labels then", f"Mean {split} accuracy then, %")
    stop = results["active"].get("stop")
    ends = f"Rounds ended when all seeds of a query had met “{_RULES[stop]}”" if stop else "No run was stopped"
    note = (
        f"{ends}. Predictions stay the same where Cohen's kappa with the round before, on the texts of validation, has "
        "been high for three rounds (Bloodgood & Vijay-Shanker 2009)."
    )
    return markup([table(head, rows, class_="numbers"), tag("p", note, class_="soft")])


def picked(results: Mapping) -> Markup:
    """Returns what each query chose: classes, lengths, and the first texts that it asked for."""
    found = queries(results)
    names = sorted(results["dataset"]["label_map"], key=results["dataset"]["label_map"].get)
    classes = results["dataset"]["num_classes"]
    names = names if len(names) == classes else [str(index) for index in range(classes)]
    head = ["Query", *(f"{name}, %" for name in names), "Words", "The first that it asked for"]
    rows = []
    for name, entry in found.items():
        chosen = entry["picked"]
        shown = [tag("div", text) for text in chosen["examples"]]
        rows.append([QUERY_TITLES.get(name, name), *map(percent, chosen["classes"]), f"{chosen['words']:.1f}", shown])
    note = "Over all seeds and rounds, without the first labels, which all queries share. Texts are of the first seed."
    return markup([table(head, rows, class_="numbers"), tag("p", note, class_="soft")])


def _by(test: Mapping) -> str:
    return f", {_points(test['difference'])} points {_ends(test)} over that of random sampling"


def _tested(name: str, test: Mapping) -> str:
    ends = f" {_ends(test)}" if _ends(test) else ""
    return f"{QUERY_TITLES.get(name, name)} by {_points(test['difference'])} points{ends}, p = {test['p_holm']:.3g}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}"


def _ends(test: Mapping) -> str:
    ends = test.get("interval")
    return f"[{', '.join(_points(end) for end in ends)}]" if ends else ""


def _needed(labels: float | None) -> str:
    return f"{labels:,.0f}" if known(labels) else "–"

"""The tables of a comparison, and its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from dd_al.report import html, sections
from dd_al.report.compare_words import TITLES, advice, break_even, name_of, plain_entries, verdict
from dd_al.report.html import Markup, markup, pairs, tag
from dd_al.report.table import aligned
from dd_al.report.verdict import interval, known, percent, spread

_COSTS = (
    "Method", "Labels", "Examples", "Floats", "Bytes", "Seconds to make", "GFLOP to make", "Examples seen",
    "Seconds to train", "GFLOP to train", "Break-even, trainings",
)  # fmt: skip
_PAPER = (
    "The paper compares distillation of 0.1 % of SST with active learning that queries 1 % at a time, and says of the "
    "latter that it reaches “52 % of the original”. That is probably an accuracy on five classes, where BERT on all "
    "data has about 53 %, and not a ratio. Here accuracy and its ratio to all data stand in columns of their own."
)


def text(results: Mapping) -> str:
    """Returns the accuracies of every data set in lines of plain text."""
    found, lines = results["compare"], []
    for name, budgets in found["budgets"].items():
        rows = grid(plain_entries(results, name), budgets)
        if rows:
            lines += [f"{name}, {results['evaluate']['split']} accuracy in %", *aligned(rows), ""]
    return "\n".join(lines).rstrip()


def grid(entries: Sequence[Mapping], budgets: Mapping[str, int]) -> list[list[str]]:
    """Returns accuracies, a row for each method and a column for each budget, with a head."""
    if not entries:
        return []
    cells = {(one["method"], one["budget"]): spread(one["accuracy"]) for one in entries}
    present = {one["method"] for one in entries}
    full = next((one for one in entries if one["method"] == "full"), None)
    rows = [["Method", *(f"{name} ({count:,})" for name, count in budgets.items())]]
    for method in TITLES:
        if method in present and method != "full":
            rows.append([TITLES[method], *(cells.get((method, name), "–") for name in budgets)])
    if full:
        rows = [[*row, "–"] for row in rows] + [[TITLES["full"], *["–"] * len(budgets), spread(full["accuracy"])]]
        rows[0][-1] = f"all ({full['costs']['examples']:,.0f})"
    return rows


def page(results: Mapping, config: Any, pictures: Mapping) -> str:
    """Returns the whole report.

    Args:
        results: see `comparison.gather`.
        config: resolved, to be shown; None for joined folders.
        pictures: name → (PNG, title, caption).
    """
    found = results["compare"]
    title = f"{', '.join(found['datasets'])}: distillation, active learning and others on one budget"
    body = [tag("h1", title), sections.banners(results), _state(found)]
    for name in found["datasets"]:
        several = len(found["datasets"]) > 1
        body.append(tag("p", tag("b", f"{name}. ") if several else "", verdict(results, name), class_="verdict"))
    for number, name in enumerate(found["datasets"]):
        entries = plain_entries(results, name)
        body += [tag("h2", f"Accuracy and budget: {name}"), _grid(results, name)]
        drawn = [html.picture(*picture) for key, picture in pictures.items() if key.endswith(f"_{number}")]
        body.append(tag("div", drawn, class_="figures"))
        if lacking := advice(results, name):
            note = "The least of each that keeps at least 90 % of the accuracy on all data."
            body += [tag("h3", "Which to pick if you lack"), pairs(lacking), tag("p", note, class_="soft")]
        body += [tag("h2", f"Accuracy and share of all data: {name}"), _retention(entries)]
        body += [tag("h2", f"Costs: {name}"), _costs(entries)]
        body += [tag("h2", f"What is given away: {name}"), _privacy(entries)]
        if spoilt := _spoilt(results, name):
            body += [tag("h2", f"Wrong labels and outliers: {name}"), spoilt]
        if picked := [one for one in entries if "picked" in one]:
            body += [tag("h2", f"What active learning bought: {name}"), _picked(picked, found["datasets"][name])]
    body += [tag("h2", "Tests over seeds"), _tests(found), tag("h2", "Ranks over data sets"), _ranks(found)]
    body += [tag("h2", "Where every number is from"), _points(found)]
    body += [tag("h2", "Provenance"), sections.provenance(results, config, [])]
    return html.page(title, *body)


def _state(found: Mapping) -> Markup:
    """Returns what is not there: points that failed, with their errors, and those that nobody has computed."""
    failed = [one for one in found["points"] if one["state"] == "failed"]
    missing = [one for one in found["points"] if one["state"] == "missing"]
    lines = [[tag("b", f"{one['name']} failed. "), one["error"]] for one in failed]
    if missing:
        lines.append([tag("b", f"{len(missing)} of {len(found['points'])} points are not computed. ")])
    return markup([tag("p", line, class_="banner", role="note") for line in lines])


def _grid(results: Mapping, name: str) -> Markup:
    rows = grid(plain_entries(results, name), results["compare"]["budgets"][name])
    seeds = sorted({seed for one in plain_entries(results, name) for seed in one["seeds"]})
    note = (
        f"{results['evaluate']['split'].capitalize()} accuracy in %, mean ± standard deviation over {len(seeds)} "
        f"seeds, each the mean of {results['evaluate']['inits']} fresh learners; in brackets the examples. A seed has "
        "its own initialisations, seed set, draws and distillation. Learners train on real examples by the recipe that "
        "validation prefers, the same choice for every method, and on distilled ones by the rates that those brought "
        "along. All methods begin with the same seed set, the smallest budget, which goes round the classes."
    )
    return markup([html.table(rows[0], rows[1:], class_="numbers"), tag("p", note, class_="soft")])


def _retention(entries: Sequence[Mapping]) -> Markup:
    head = ["Method", "Budget", "Accuracy, %", "Macro-F1, %", "Share of all data, %"]
    rows = []
    for one in sorted(entries, key=lambda one: (list(TITLES).index(one["method"]), one["costs"]["examples"])):
        kept = one.get("retention")
        rows.append(
            [
                TITLES[one["method"]], "–" if one["method"] == "full" else one["budget"],
                [spread(one["accuracy"]), tag("small", interval(one["interval"]))], spread(one["macro_f1"]),
                [spread(kept), tag("small", interval(one["retention_interval"]))] if kept else "–",
            ]
        )  # fmt: skip
    note = "Brackets: 95 % intervals of a bootstrap that draws seeds and test sentences, for shares the same for both."
    return markup([html.table(head, rows, class_="numbers"), *(tag("p", t, class_="soft") for t in (note, _PAPER))])


def _costs(entries: Sequence[Mapping]) -> Markup:
    full, rows = next((one for one in entries if one["method"] == "full"), None), []
    for one in sorted(entries, key=lambda one: (list(TITLES).index(one["method"]), one["costs"]["examples"])):
        costs, even = one["costs"], break_even(one, full)
        rows.append(
            [
                name_of(one),
                *(_count(costs[key]) for key in ("labels", "examples", "floats", "bytes")),
                _seconds(costs["build_s"]), _giga(costs["build_flops"]), _count(costs["build_seen"]),
                _seconds(costs["train_s"]), _giga(costs["train_flops"]),
                "–" if even is None else _count(even),
            ]
        )  # fmt: skip
    note = (
        "Means over seeds. Labels that a person has to give; numbers and bytes that are kept of the set; then what "
        "making it takes (of active learning: training and asking up to there; of instance selection: also the learner "
        "whose features it compares), and what training a learner on it takes, both without compilation and without "
        "the search for the recipe. Operations are XLA's count of each step, times the steps. Break-even: after so "
        "many trainings a set has saved the time that making it took, against training on all data each time."
    )
    return markup([html.table(_COSTS, rows, class_="numbers"), tag("p", note, class_="soft")])


def _privacy(entries: Sequence[Mapping]) -> Markup:
    """Returns how well members are told from others, and how near synthetic examples are to real ones."""
    head = (
        "Method",
        "Members told from others, %",
        "Nearest real one, cosine",
        "Of other real ones",
        "Starts found, %",
    )
    rows = []
    for one in sorted(entries, key=lambda one: (list(TITLES).index(one["method"]), one["costs"]["examples"])):
        near = one.get("nearness", {})
        cosines = (f"{near[key]['mean']:.2f}" if key in near else "–" for key in ("nearest", "chance"))
        recovered = spread(near["recovered"]) if "recovered" in near else "–"
        rows.append([name_of(one), spread(one["membership"]), *cosines, recovered])
    note = (
        "Members are the training examples that a learner's set was chosen or made from, others the judged split: how "
        "often a member has the smaller loss, 50 % being chance (the attack of Yeom et al. 2018). For synthetic "
        "examples: the cosine with the nearest training example, by the means of their word vectors, beside that of "
        "validation examples, and how often the nearest is the one that the item began as. Neither proves that nothing "
        "is given away; a stronger attack may find more."
    )
    return markup([html.table(head, rows, class_="numbers"), tag("p", note, class_="soft")])


def _spoilt(results: Mapping, name: str) -> Markup:
    """Returns accuracies with wrong labels and outliers beside those without; nothing where there are none."""
    entries = [one for one in results["compare"]["entries"] if one["dataset"] == name]
    varied = [one for one in entries if one["noise"] or one["outliers"]]
    if not varied:
        return markup([])
    clean = {(one["method"], one["budget"]): one for one in plain_entries(results, name)}
    rows = []
    for one in sorted(varied, key=lambda one: (list(TITLES).index(one["method"]), one["costs"]["examples"])):
        what = f"{percent(one['noise'], 0)} % wrong labels" if one["noise"] else ""
        what += f"{percent(one['outliers'], 0)} % outliers" if one["outliers"] else ""
        before = clean.get((one["method"], one["budget"]))
        change = f"{100 * (one['accuracy']['mean'] - before['accuracy']['mean']):+.1f}" if before else "–"
        bought = one.get("picked", {}).get("outliers")
        rows.append(
            [
                name_of(one), what, spread(before["accuracy"]) if before else "–", spread(one["accuracy"]), change,
                f"{spread(bought)} %" if bought else "–",
            ]
        )  # fmt: skip
    head = ("Method", "Training data", "Accuracy without, %", "Accuracy with, %", "Change, points", "Outliers bought")
    note = (
        "Wrong labels are any other class, in the training data alone; outliers are texts of words that were drawn at "
        "random, as often as they occur, with labels of chance. Bought: the share among all that was asked for."
    )
    return markup([html.table(head, rows, class_="numbers"), tag("p", note, class_="soft")])


def _tests(found: Mapping) -> Markup:
    head = ("Compared", "Points", "p", "p, adjusted", "Smallest p", "Effect", "Seeds")
    families = {
        "random": "against random sampling at the same budget",
        "rivals": "distilled sets against active learning with more examples",
    }
    parts = []
    for dataset in found["datasets"]:
        for family, words in families.items():
            rows = [_test(one) for one in found["tests"] if (one["dataset"], one["family"]) == (dataset, family)]
            if rows:
                parts += [tag("h3", f"{dataset}: {words}"), html.table(head, rows, class_="numbers")]
    note = (
        "Pairs are seeds: mean difference of accuracy with Student's 95 % interval, p of Wilcoxon's two-sided "
        "signed-rank test, adjusted within each table (Holm), the smallest p that so many pairs can reach, and the "
        "rank-biserial correlation, 1 where all pairs say the same."
    )
    return markup([*parts, tag("p", note if parts else "Nothing to compare.", class_="soft")])


def _test(one: Mapping) -> list:
    sides = (f"{TITLES[one[f'method_{side}']]} at {one[f'budget_{side}']}" for side in "ab")
    ends = one.get("interval")
    shown = f"[{', '.join(f'{100 * end:+.1f}' for end in ends)}]" if ends else ""
    effect = f"{one['effect']:+.2f}" if known(one["effect"]) else "–"
    return [
        " − ".join(sides), [f"{100 * one['difference']:+.1f}", tag("small", shown)], f"{one['p']:.3g}",
        f"{one['p_holm']:.3g}", f"{one['smallest_p']:.3g}", effect, f"{one['pairs']}",
    ]  # fmt: skip


def _ranks(found: Mapping) -> Markup:
    groups: dict[str, list[str]] = {}
    for name, corpus in found["corpora"].items():
        groups.setdefault(corpus, []).append(name)
    shared = [" and ".join(names) for names in groups.values() if len(names) > 1]
    notes = [f"{names} are the same sentences under several names, and count as one data set." for names in shared]
    if not found["ranks"]:
        notes.append("Average ranks need methods on two corpora at least; there is one here." if groups else "")
        return markup([tag("p", note, class_="soft") for note in notes if note])
    rows = []
    for budget, one in found["ranks"].items():
        order = sorted(one["methods"], key=one["methods"].get)
        listed = ", ".join(f"{TITLES[name]} {one['methods'][name]:.2f}" for name in order)
        p = f"{one['p']:.3g}" if known(one["p"]) else "–"
        rows.append([budget, [tag("div", listed)], f"{one['corpora']}", f"{one['critical_difference']:.2f}", p])
    head = ("Budget", "Mean rank, 1 is best", "Corpora", "Critical difference", "p (Friedman)")
    notes.append("Ranks that differ by less than the critical difference (Nemenyi, 5 %) cannot be told apart.")
    return markup([html.table(head, rows, class_="numbers"), *(tag("p", note, class_="soft") for note in notes)])


def _picked(entries: Sequence[Mapping], dataset: Mapping) -> Markup:
    last = {one["method"]: one for one in sorted(entries, key=lambda one: one["costs"]["examples"])}
    names = sorted(dataset["label_map"], key=dataset["label_map"].get)
    names = names if len(names) == dataset["num_classes"] else [str(c) for c in range(dataset["num_classes"])]
    head = ["Query", *(f"{name}, %" for name in names), "Words", "The first that it asked for"]
    rows = [
        [
            TITLES[method],
            *map(percent, one["picked"]["classes"]),
            f"{one['picked']['words']:.1f}",
            [tag("div", shown) for shown in one["picked"]["examples"]],
        ]
        for method, one in last.items()
    ]
    return html.table(head, rows, class_="numbers")


def _points(found: Mapping) -> Markup:
    head = ("Point", "State", "Seconds", "Device", "Command")
    rows = [
        [
            [one["name"], tag("small", one["folder"])], one["state"], _seconds(one.get("seconds")),
            one.get("device") or "–", [tag("code", one["command"] or "–")],
        ]
        for one in found["points"]
    ]  # fmt: skip
    note = (
        "Each point is a folder with its config.json, its results.json and the answers of its learners; entries of the "
        "tables are means over its seeds' points."
    )
    listed = tag("details", tag("summary", f"{len(rows)} points"), html.table(head, rows, class_="pairs"))
    return markup([tag("p", note, class_="soft"), listed])


def _count(value: float | None) -> str:
    return f"{value:,.0f}" if known(value) else "–"


def _seconds(value: float | None) -> str:
    return "–" if not known(value) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _giga(value: float | None) -> str:
    return f"{value / 1e9:,.3g}" if known(value) else "–"


def markdown(results: Mapping) -> str:
    """Returns the headline, the grids and where the rest is, as Markdown."""
    found, lines = results["compare"], []
    lines.append(f"# {', '.join(found['datasets'])}: distillation, active learning and others on one budget\n")
    for name in found["datasets"]:
        lines += [f"## {name}\n", verdict(results, name) + "\n"]
        rows = grid(plain_entries(results, name), found["budgets"][name])
        lines += ["| " + " | ".join(row) + " |" for row in rows[:1]] + ["|---" * len(rows[0]) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
        lines += [""] + [f"- {title}: {what}." for title, what in advice(results, name)] + [""]
    lines += ["Made by:\n", f"    {results.get('command', '')}\n"]
    return "\n".join(lines)

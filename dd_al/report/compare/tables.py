"""The tables of a comparison: shares, costs, what is given away, tests, ranks, and where every number is from."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dd_al.report import html, sections
from dd_al.report.compare.words import TITLES, break_even, devices, in_order, name_of, plain_entries, varied
from dd_al.report.html import Markup, markup, tag
from dd_al.report.verdict import interval, known, percent, spread

_COSTS = (
    "Method", "Budget", "Labels", "Examples", "Floats", "Bytes", "Seconds to make", "GFLOP to make", "Examples seen",
    "Seconds to train", "GFLOP to train", "Break-even, trainings",
)  # fmt: skip
_FEW_MEMBERS = 20
_PAPER = (
    "The paper compares distillation of 0.1 % of SST with active learning that queries 1 % at a time, and says of the "
    "latter that it reaches “52 % of the original”. That is probably an accuracy on five classes, where BERT on all "
    "data has about 53 %, and not a ratio. Here accuracy and its ratio to all data stand in columns of their own."
)


def retention(entries: Sequence[Mapping]) -> Markup:
    """Returns accuracy, F1 and the share of all data's accuracy that every entry keeps, with intervals."""
    head = ["Method", "Budget", "Accuracy, %", "Macro-F1, %", "Share of all data, %"]
    rows = []
    for names, one in _named(entries):
        kept = one.get("retention")
        rows.append(
            [
                *names,
                [spread(one["accuracy"]), tag("small", interval(one["interval"]))], spread(one["macro_f1"]),
                [spread(kept), tag("small", interval(one["retention_interval"]))] if kept else "–",
            ]
        )  # fmt: skip
    note = "Brackets: 95 % intervals of a bootstrap that draws seeds and test sentences, for shares the same for both."
    return markup([html.table(head, rows, class_="numbers"), *(tag("p", t, class_="soft") for t in (note, _PAPER))])


def paper(entries: Sequence[Mapping], dataset: Mapping) -> Markup:
    """Returns the ratios of the paper's table 2 beside ours at 0.1 % of the data; nothing for other data than SST."""
    if not {dataset["name"], dataset["stand_in_for"]} & sections.PAPER_DATA:
        return markup([])
    ours = {one["method"]: one for one in entries if one["budget"] in ("0.1%", "all")}
    rows = [
        [
            TITLES[method], spread(ours[method]["accuracy"]), spread(ours[method].get("retention")),
            percent(sections.PAPER_RATIOS[method]),
        ]
        for method in ("full", "distilled", "random") if method in ours
    ]  # fmt: skip
    head = ("Data", "Accuracy, %", "Share of all data, %", "Paper's share, %")
    return markup([html.table(head, rows, class_="numbers"), tag("p", sections.PAPER, class_="soft")])


def sentences(entries: Sequence[Mapping]) -> Markup:
    """Returns the first synthetic sentences of each method's smallest set, of the first seed."""
    first = {one["method"]: one for one in sorted(entries, key=lambda one: -one["costs"]["examples"])}
    return markup([[tag("h3", name_of(one)), sections.words(one["shown"])] for one in first.values()])


def costs(entries: Sequence[Mapping]) -> Markup:
    """Returns what every entry costs to make, to keep and to train on."""
    full, rows = next((one for one in entries if one["method"] == "full"), None), []
    for names, one in _named(entries):
        costs, even = one["costs"], break_even(one, full)
        rows.append(
            [
                *names,
                *(_count(costs[key]) for key in ("labels", "examples", "floats", "bytes")),
                _seconds(costs["build_s"]), _giga(costs["build_flops"]), _count(costs["build_seen"]),
                _seconds(costs["train_s"]), _giga(costs["train_flops"]),
                "–" if even is None else _count(math.ceil(even)),
            ]
        )  # fmt: skip
    note = (
        "Means over seeds. Labels that a person has to give; numbers and bytes that are kept of the set; then what "
        "making it takes (of active learning: training and asking up to there; of instance selection: also the learner "
        "whose features it compares), and what training a learner on it takes, both without compilation and without "
        "the search for the recipe. Operations are XLA's count of each step, times the steps. Break-even: after so "
        "many trainings a set has saved the time that making it took, against training on all data each time. Texts "
        "go through networks as examples seen, those of validation included where a method looks at them on its way."
    )
    if len(found := devices(entries)) > 1:
        note += f" Seconds are of several devices ({', '.join(found)}): compare only those of one."
    return markup([html.table(_COSTS, rows, class_="numbers"), tag("p", note, class_="soft")])


def privacy(entries: Sequence[Mapping]) -> Markup:
    """Returns how well members are told from others, and how near synthetic examples are to real ones."""
    head = (
        "Method",
        "Budget",
        "Members told from others, %",
        "Nearest real one, cosine",
        "Of other real ones",
        "Starts found, %",
    )
    rows = []
    for names, one in _named(entries):
        near = one.get("nearness", {})
        cosines = (f"{near[key]['mean']:.2f}" if key in near else "–" for key in ("nearest", "chance"))
        recovered = spread(near["recovered"]) if "recovered" in near else "–"
        told = spread(one["membership"]) if one["members"] >= _FEW_MEMBERS else "–"
        rows.append([*names, told, *cosines, recovered])
    note = (
        "Members are the training examples that a learner's set was chosen or made from, others the judged split: how "
        "often a member has the smaller loss, 50 % being chance (the attack of Yeom et al. 2018); left out below "
        f"{_FEW_MEMBERS} members, where chance alone is far from 50 %. Members of a distilled set are the texts that "
        "it was made from: they did not train the learner themselves, so compare with all data, not with a subset that "
        "did. For synthetic "
        "examples: the cosine with the nearest training example, by the means of their word vectors, beside that of "
        "validation examples, and how often the nearest is the one that the item began as. Neither proves that nothing "
        "is given away; a stronger attack may find more."
    )
    return markup([html.table(head, rows, class_="numbers"), tag("p", note, class_="soft")])


def spoilt(results: Mapping, name: str) -> Markup:
    """Returns accuracies with wrong labels, outliers and other seed sets beside those without; nothing for none."""
    entries = [one for one in results["compare"]["entries"] if one["dataset"] == name and varied(one)]
    if not entries:
        return markup([])
    clean = {(one["method"], one["budget"]): one for one in plain_entries(results, name)}
    rows = []
    for one in in_order(entries):
        before = clean.get((one["method"], one["budget"]))
        shared = [seed for seed in one["seeds"] if before and seed in before["seeds"]]
        change = _points(one, before, shared) if shared else "–"
        bought = one.get("picked", {}).get("outliers")
        rows.append(
            [
                name_of(one), varied(one), spread(before["accuracy"]) if before else "–", spread(one["accuracy"]),
                change, f"{spread(bought)} %" if bought else "–",
            ]
        )  # fmt: skip
    head = ("Method", "Training data", "Accuracy without, %", "Accuracy with, %", "Change, points", "Outliers bought")
    note = (
        "Wrong labels are any other class, in the training data alone; outliers are texts of words that were drawn at "
        "random, as often as they occur, with labels of chance. Bought: the share among all that was asked for. A seed "
        "set is what random sampling and queries begin with: another draw of the same kind, any texts whatever their "
        "classes, or those nearest to centers of clusters; all else stays. Changes are means over seeds ± their "
        "standard deviation."
    )
    return markup([html.table(head, rows, class_="numbers"), tag("p", note, class_="soft")])


def _points(one: Mapping, before: Mapping, seeds: Sequence[int]) -> str:
    """Returns the change of an entry against another over seeds that both have."""
    ours, theirs = (
        np.asarray([entry["accuracy"]["values"][entry["seeds"].index(seed)] for seed in seeds])
        for entry in (one, before)
    )
    change = 100 * (ours - theirs)
    return f"{change.mean():+.1f}" + (f" ± {change.std(ddof=1):.1f}" if len(change) > 1 else "")


def tests(found: Mapping) -> Markup:
    """Returns the paired tests of `results["compare"]`, a table for each data set and family."""
    head = ("Compared", "Points", "p", "p, adjusted", "Smallest p", "Effect", "Seeds")
    families = {
        "headline": "the pair of the verdict, among all queries that it could have been",
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
    least = [f"{one['smallest_p']:.3g}", tag("small", f"{one['smallest_p_holm']:.3g} adjusted")]
    return [
        " − ".join(sides), [f"{100 * one['difference']:+.1f}", tag("small", shown)], f"{one['p']:.3g}",
        f"{one['p_holm']:.3g}", least, effect, f"{one['pairs']}",
    ]  # fmt: skip


def ranks(found: Mapping) -> Markup:
    """Returns average ranks over corpora, and which data sets are one."""
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


def picked(entries: Sequence[Mapping], dataset: Mapping) -> Markup:
    """Returns what each query bought: classes, lengths, and the first texts."""
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


def points(found: Mapping) -> Markup:
    """Returns the folder, state and command of every point."""
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


def _named(entries: Sequence[Mapping]) -> list[tuple[tuple[str, str], Mapping]]:
    """Entries in their order with the first two cells of their rows; a method is named once."""
    found, last = [], None
    for one in in_order(entries):
        name = TITLES[one["method"]] if one["method"] != last else ""
        found.append(((name, "–" if one["method"] == "full" else one["budget"]), one))
        last = one["method"]
    return found


def _count(value: float | None) -> str:
    return f"{value:,.0f}" if known(value) else "–"


def _seconds(value: float | None) -> str:
    return "–" if not known(value) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _giga(value: float | None) -> str:
    value = value / 1e9 if known(value) else value
    return "–" if not known(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

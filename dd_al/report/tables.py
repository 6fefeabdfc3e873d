"""The tables of reports and of the terminal: rows of text, which templates turn into HTML.

A cell is text, a `Cell` with something small below it, or a list of lines. "–" stands where there is nothing to show.
"""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dd_al.report.combine import as_run
from dd_al.report.statistics import SHARES
from dd_al.report.words import (
    METHOD_TITLES,
    PAPER_DATA,
    PAPER_RATIOS,
    QUERY_TITLES,
    RULES,
    TITLES,
    break_even,
    budget,
    ends_of,
    fraction,
    in_order,
    interval,
    known,
    label_names,
    name_of,
    percent,
    plain_entries,
    points,
    queries,
    score,
    seeds,
    spread,
    varied,
)

ITEMS_SHOWN = 40
FEW_MEMBERS = 20  # below this chance alone tells members from others
_METHODS = ("full", "distilled", "random")  # the columns of the paper's table 2, in its order
_HEAD = ("", "Original, %", "Distilled, %", "Random, %", "Distilled / original, %", "Random / original, %")


class Cell(NamedTuple):
    """Text with something small below it, or code."""

    text: str
    small: str = ""
    code: str = ""


class Table(NamedTuple):
    """A head and rows of as many cells; the first cell of a row names it."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell | list[str]]]


# ------------------------------------------------------------------------------------------------ one distillation


def headline(results: Mapping) -> Table:
    """Returns the methods of one run, and a constant answer, beside the paper's ratios where they are of this data."""
    split = results["evaluate"]["split"].capitalize()
    head = ["Method", "Examples", "Share of training data", f"{split} accuracy, %", "Macro-F1, %",
            "Retention, % of full", "Gain kept, %", "Paper's ratio, %"]  # fmt: skip
    order = [*METHOD_TITLES, *results["methods"]]
    rows = [_method_row(results, name) for name in sorted(results["methods"], key=order.index)]
    rate, full = results["dataset"]["majority_rate"], score(results, "full")
    comparable = known(rate) and full and known(full["mean"]) and full["mean"] > 0
    kept = percent(rate / full["mean"]) if comparable else "n/a"
    name = "Majority class (constant answer)"
    rows.append([name, "–", "–", percent(rate), "–", kept, _gain(results, rate), "–"])
    columns = len(head) if beside_paper(results) else len(head) - 1
    return Table(head[:columns], [row[:columns] for row in rows])


def beside_paper(results: Mapping) -> bool:
    """Returns whether the paper has a number to put beside these: it has none for other data and other methods."""
    ours = {results["dataset"]["name"], results["dataset"]["stand_in_for"]}
    return bool(ours & PAPER_DATA and {"random", "distilled"} & results["methods"].keys())


def _method_row(results: Mapping, name: str) -> list[str | Cell]:
    entry, given, accuracy = results["methods"][name], budget(results, name), score(results, name)
    ends = entry.get("interval", {})
    return [
        METHOD_TITLES.get(name, name),
        f"{given['examples']:,}" if given else "n/a",
        fraction(given.get("fraction")),
        Cell(spread(accuracy), interval(ends.get("accuracy"))),
        spread(score(results, name, "macro_f1")),
        Cell(percent(entry.get("retention")), interval(ends.get("retention")) if name != "full" else ""),
        _gain(results, accuracy["mean"]),
        percent(PAPER_RATIOS[name]) if name in PAPER_RATIOS else "–",
    ]


def _gain(results: Mapping, mean: float | None) -> str:
    """Returns (accuracy − majority) / (full accuracy − majority) in per cent."""
    rate, full = results["dataset"]["majority_rate"], score(results, "full")
    if not full or not all(map(known, (mean, rate, full["mean"]))) or full["mean"] <= rate:
        return "n/a"
    return percent((mean - rate) / (full["mean"] - rate))


def numbers(distilled: Mapping) -> Table:
    """Returns the synthetic rows as they would stand in the data, with the soft label of each."""
    items, names = distilled["examples"][:ITEMS_SHOWN], label_names(distilled)
    columns = distilled.get("columns") or [str(i) for i in range(len(items[0]["row"]))]
    rows = [
        [str(index), label(item["label"], names), *(f"{value:.4g}" if known(value) else "–" for value in item["row"])]
        for index, item in enumerate(items, start=1)
    ]
    return Table(["Item", "Label", *columns], rows)


def label(values: Sequence[float], names: Sequence[str]) -> str:
    """Returns the largest shares of a soft label, or the largest numbers of an unrestricted one."""
    largest = sorted(zip(values, names, strict=False), key=lambda pair: -(pair[0] or 0))[:5]
    if all(0 <= (share or 0) <= 1 for share in values):
        return " · ".join(f"{name} {percent(share, 0)}\u00a0%" for share, name in largest)
    return " · ".join(f"{name} {share:.2f}" for share, name in largest)


# ------------------------------------------------------------------------------------------- several distillations


def text(results: Mapping) -> str:
    """Returns a table of several runs in lines of plain text, for the terminal."""
    shown = aligned([_HEAD, *side_by_side(results).rows])
    shown += textwrap.wrap(results["table"]["source"] or "", max(map(len, shown)))
    if chosen := instances(results):
        shown += ["", *aligned([chosen.head, *chosen.rows])]
    return "\n".join(shown)


def side_by_side(results: Mapping) -> Table:
    """Returns for each row of a table our scores over seeds, then what was published."""
    lines = []
    for row in results["table"]["rows"]:
        run, theirs = as_run(results, row), row["published"]
        scores = [spread(score(run, method)) for method in _METHODS]
        kept = [spread(run["methods"][method].get("retention_over_seeds")) for method in _METHODS[1:]]
        stands_in = row["dataset"]["stand_in_for"]  # published numbers are of other data then
        lines.append([f"{row['name']}, on {row['dataset']['name']}" if stands_in else row["name"], *scores, *kept])
        if theirs and not stands_in:
            given = [theirs.get(method, "–") for method in _METHODS]
            lines.append(["    published", *given, *(_ratio(theirs, method) for method in _METHODS[1:])])
    return Table(_HEAD, lines)


def instances(results: Mapping) -> Table | None:
    """Returns the scores of instance selection, a column for each row of a table; None where no run has any."""
    runs = {row["name"]: as_run(results, row) for row in results["table"]["rows"]}
    chosen = [n for n in METHOD_TITLES if n not in _METHODS and any(n in run["methods"] for run in runs.values())]
    if not chosen:
        return None
    cells = {
        name: [spread(score(run, name)) if name in run["methods"] else "–" for run in runs.values()]
        for name in ("random", *chosen, "distilled")
    }
    head = ["Examples, accuracy in %", *runs]
    return Table(head, [[METHOD_TITLES[name], *scores] for name, scores in cells.items()])


def made_of(results: Mapping) -> Table:
    """Returns what each row of a table was made of: data, examples, judges and macro-F1."""
    head = ("Row", "Data", "Training examples", "Examples", "Initialisations", "Majority, %")
    head += tuple(f"Macro-F1, {word}, %" for word in ("original", "distilled", "random"))
    lines = []
    for row in results["table"]["rows"]:
        run, data = as_run(results, row), row["dataset"]
        given, judged = run["budget"]["distilled"], row["evaluate"]
        stand_in = f", for {data['stand_in_for']}" if data["stand_in_for"] else ""
        lines.append([
            Cell(row["name"], row["changes"]), f"{data['name']} ({data['source']}{stand_in})", f"{data['train']:,}",
            f"{given['examples']:,} ({fraction(given['fraction'])})", f"{judged['inits']} {judged['init']}",
            percent(data["majority_rate"]), *(spread(score(run, method, "macro_f1")) for method in _METHODS),
        ])  # fmt: skip
    return Table(head, lines)


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Returns cells as lines of text, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]


def _ratio(theirs: Mapping[str, str], method: str) -> str:
    """Returns the ratio of two published accuracies where both are single numbers."""
    try:
        return percent(float(theirs[method]) / float(theirs["full"]))
    except (KeyError, ValueError, ZeroDivisionError):
        return "–"


# -------------------------------------------------------------------------------------------------------- a study


def study_matrix(results: Mapping) -> Table:
    """Returns the accuracy of every row's sets on every network, by every schedule, beside the published ones."""
    study = results["study"]
    lines: list[Sequence] = []

    def published(key: str, rates: str = "") -> None:
        if values := study["published"].get(key):
            lines.append(["    published", rates, *(f"{value:.1f}" for value in values)])

    for row in study["rows"]:
        for schedule in study["schedules"]:
            cells = [score(results, f"{row['name']} → {name}: {schedule}") for name in study["networks"]]
            lines.append([row["name"] if schedule == study["schedules"][0] else "", schedule, *map(spread, cells)])
        published(row["name"], "learned")
        published(f"{row['name']} longer", "longer")
    lines.append(["all data", "", *(spread(score(results, f"full: {name}")) for name in study["networks"])])
    published("all data")
    return Table(["Distilled for", "Rates", *(f"{name}, %" for name in study["networks"])], lines)


def study_curve(results: Mapping, curve: Mapping) -> Table:
    """Returns the accuracy at every point of one curve of a study."""
    names = results["study"]["networks"]
    lines = [
        [value, *(spread(score(results, f"{curve['name']} = {value}: {name}")) for name in names)]
        for value in curve["values"]
    ]
    return Table([curve["name"], *(f"{name}, %" for name in names)], lines)


# ------------------------------------------------------------------------------------------------ active learning


def active_queries(results: Mapping) -> Table:
    """Returns what every query reached, the best area under the curve first."""
    found, split = queries(results), results["evaluate"]["split"].capitalize()
    head = [
        "Query", "Labels", f"{split} accuracy, %", "Macro-F1, %", "Area under the curve, %", "Over random, points",
        "p, adjusted", "Deficiency", *(f"Labels to {percent(share, 0)} % of all data" for share in SHARES),
    ]  # fmt: skip
    rows: list[list] = []
    if full := score(results, "full"):
        scores = [spread(full), spread(score(results, "full", "macro_f1"))]
        rows.append(["All data", f"{results['dataset']['train']:,}", *scores, *["–"] * (len(head) - 4)])
    for name in sorted(found, key=lambda name: -(found[name]["aulc"]["mean"] or 0)):
        entry, test = found[name], found[name].get("against_random")
        needed = [entry["labels_to"].get(f"{share:g}") for share in SHARES]
        rows.append([
            QUERY_TITLES.get(name, name), f"{entry['curve']['labels'][-1]:,}", spread(score(results, name)),
            spread(score(results, name, "macro_f1")), spread(entry["aulc"]),
            Cell(points(test["difference"]), ends_of(test)) if test else "–", f"{test['p_holm']:.3g}" if test else "–",
            f"{entry['deficiency']:.2f}" if known(entry.get("deficiency")) else "–", *map(_count, needed),
        ])  # fmt: skip
    return Table(head, rows)


def stops(results: Mapping) -> Table:
    """Returns where each rule would have stopped each query, and with what accuracy."""
    rows = []
    for name, entry in queries(results).items():
        for rule, found in entry.get("stopping", {}).items():
            labels = [count for count in found["labels"] if count is not None]
            accuracy = [value for value in found["accuracy"] if known(value)]
            at = f"{sum(labels) / len(labels):,.0f}" if labels else "–"
            mean = percent(sum(accuracy) / len(accuracy)) if accuracy else "–"
            share = f"{len(labels)} of {len(found['labels'])}"
            rows.append([QUERY_TITLES.get(name, name), RULES[rule], share, at, mean])
    split = results["evaluate"]["split"]
    return Table(("Query", "Rule", "Seeds that it stops", "Mean labels then", f"Mean {split} accuracy then, %"), rows)


def picked(entries: Mapping[str, Mapping], dataset: Mapping) -> Table:
    """Returns what each query chose: classes, lengths, and the first texts that it asked for.

    Args:
        entries: query → its entry in the results.
        dataset: with the names of the classes.
    """
    chosen = {QUERY_TITLES.get(name, name): entry["picked"] for name, entry in entries.items()}
    names, classes = sorted(dataset["label_map"], key=dataset["label_map"].get), dataset["num_classes"]
    names = names if len(names) == classes else [str(index) for index in range(classes)]
    rows = [
        [title, *map(percent, one["classes"]), f"{one['words']:.1f}", list(one["examples"])]
        for title, one in chosen.items()
    ]
    return Table(["Query", *(f"{name}, %" for name in names), "Words", "The first that it asked for"], rows)


# --------------------------------------------------------------------------------------------------- a comparison


def comparison_text(results: Mapping) -> str:
    """Returns the accuracies of every data set of a comparison in lines of plain text, for the terminal."""
    lines = []
    for name in results["compare"]["budgets"]:
        if shown := accuracies(results, name):
            title = f"{name}, {results['evaluate']['split']} accuracy in %"
            lines += [title, *aligned([shown.head, *shown.rows]), ""]
    return "\n".join(lines).rstrip()


def accuracies(results: Mapping, dataset: str) -> Table | None:
    """Returns accuracies, a row for each method and a column for each budget; None where there is no entry."""
    entries, budgets = plain_entries(results, dataset), results["compare"]["budgets"][dataset]
    if not entries:
        return None
    cells = {(one["method"], one["budget"]): spread(one["accuracy"]) for one in entries}
    methods = {one["method"]: one for one in entries}
    full = methods.pop("full", None)
    head = ["Method", *(f"{name} ({count:,})" for name, count in budgets.items())]
    order = [method for method in TITLES if method in methods]
    rows = [[TITLES[method], *(cells.get((method, name), "–") for name in budgets)] for method in order]
    if full:
        head.append(f"all ({full['costs']['examples']:,.0f})")
        rows = [[*row, "–"] for row in rows] + [[TITLES["full"], *["–"] * len(budgets), spread(full["accuracy"])]]
    return Table(head, rows)


def kept(entries: Sequence[Mapping]) -> Table:
    """Returns accuracy, F1 and the share of all data's accuracy that every entry keeps, with intervals."""
    rows = []
    for names, one in _named(entries):
        share = Cell(spread(one["retention"]), interval(one["retention_interval"])) if one.get("retention") else "–"
        accuracy = Cell(spread(one["accuracy"]), interval(one["interval"]))
        rows.append([*names, accuracy, spread(one["macro_f1"]), share])
    return Table(["Method", "Budget", "Accuracy, %", "Macro-F1, %", "Share of all data, %"], rows)


def paper(entries: Sequence[Mapping], dataset: Mapping) -> Table | None:
    """Returns the ratios of the paper's table 2 beside ours at 0.1 % of the data; None for other data than SST."""
    if not {dataset["name"], dataset["stand_in_for"]} & PAPER_DATA:
        return None
    ours = {one["method"]: one for one in entries if one["budget"] in ("0.1%", "all") and one["method"] in _METHODS}
    rows = [
        [TITLES[name], spread(ours[name]["accuracy"]), spread(ours[name].get("retention")), percent(PAPER_RATIOS[name])]
        for name in _METHODS
        if name in ours
    ]
    return Table(("Data", "Accuracy, %", "Share of all data, %", "Paper's share, %"), rows)


def costs(entries: Sequence[Mapping]) -> Table:
    """Returns what every entry of a comparison costs to make, to keep and to train on."""
    head = (
        "Method", "Budget", "Labels", "Examples", "Floats", "Bytes", "Seconds to make", "GFLOP to make",
        "Examples seen", "Seconds to train", "GFLOP to train", "Break-even, trainings",
    )  # fmt: skip
    full, rows = next((one for one in entries if one["method"] == "full"), None), []
    for names, one in _named(entries):
        spent, even = one["costs"], break_even(one, full)
        rows.append([
            *names, *(_count(spent[key]) for key in ("labels", "examples", "floats", "bytes")),
            _seconds(spent["build_s"]), _giga(spent["build_flops"]), _count(spent["build_seen"]),
            _seconds(spent["train_s"]), _giga(spent["train_flops"]), "–" if even is None else _count(math.ceil(even)),
        ])  # fmt: skip
    return Table(head, rows)


def privacy(entries: Sequence[Mapping]) -> Table:
    """Returns how well members are told from others, and how near synthetic examples are to real ones."""
    head = (
        "Method", "Budget", "Members told from others, %", "Nearest real one, cosine", "Of other real ones",
        "Starts found, %",
    )  # fmt: skip
    rows = []
    for names, one in _named(entries):
        near = one.get("nearness", {})
        cosines = (f"{near[key]['mean']:.2f}" if key in near else "–" for key in ("nearest", "chance"))
        told = spread(one["membership"]) if one["members"] >= FEW_MEMBERS else "–"
        rows.append([*names, told, *cosines, spread(near["recovered"]) if "recovered" in near else "–"])
    return Table(head, rows)


def spoilt(results: Mapping, dataset: str) -> Table | None:
    """Returns accuracies with wrong labels, outliers and other seed sets beside those without; None for none."""
    entries = [one for one in results["compare"]["entries"] if one["dataset"] == dataset and varied(one)]
    clean = {(one["method"], one["budget"]): one for one in plain_entries(results, dataset)}
    rows = []
    for one in in_order(entries):
        before, bought = clean.get((one["method"], one["budget"])), one.get("picked", {}).get("outliers")
        without = spread(before["accuracy"]) if before else "–"
        share = f"{spread(bought)} %" if bought else "–"
        rows.append([name_of(one), varied(one), without, spread(one["accuracy"]), _change(one, before), share])
    head = ("Method", "Training data", "Accuracy without, %", "Accuracy with, %", "Change, points", "Outliers bought")
    return Table(head, rows) if rows else None


def _change(one: Mapping, before: Mapping | None) -> str:
    """Returns the change of an entry against another over seeds that both have."""
    theirs = dict(zip(before["seeds"], before["accuracy"]["values"])) if before else {}
    ours = dict(zip(one["seeds"], one["accuracy"]["values"]))
    change = 100 * np.asarray([ours[seed] - theirs[seed] for seed in ours if seed in theirs])
    if not change.size:
        return "–"
    return f"{change.mean():+.1f}" + (f" ± {change.std(ddof=1):.1f}" if len(change) > 1 else "")


def tests(found: Mapping) -> Iterator[tuple[str, Table]]:
    """Yields a title and the paired tests of each data set and family of `results["compare"]`."""
    head = ("Compared", "Points", "p", "p, adjusted", "Smallest p", "Effect", "Seeds")
    families = {
        "headline": "the pair of the verdict, among all queries that it could have been",
        "random": "against random sampling at the same budget",
        "rivals": "distilled sets against active learning with more examples",
    }
    for dataset in found["datasets"]:
        for family, meaning in families.items():
            rows = [_test(one) for one in found["tests"] if (one["dataset"], one["family"]) == (dataset, family)]
            if rows:
                yield f"{dataset}: {meaning}", Table(head, rows)


def _test(one: Mapping) -> list[str | Cell]:
    ends = one.get("interval")
    shown = f"[{', '.join(f'{100 * end:+.1f}' for end in ends)}]" if ends else ""
    return [
        " − ".join(f"{TITLES[one[f'method_{side}']]} at {one[f'budget_{side}']}" for side in "ab"),
        Cell(f"{100 * one['difference']:+.1f}", shown), f"{one['p']:.3g}", f"{one['p_holm']:.3g}",
        Cell(f"{one['smallest_p']:.3g}", f"{one['smallest_p_holm']:.3g} adjusted"),
        f"{one['effect']:+.2f}" if known(one["effect"]) else "–", f"{one['pairs']}",
    ]  # fmt: skip


def ranks(found: Mapping) -> Table | None:
    """Returns average ranks of methods over corpora; None where there are none."""
    rows = []
    for name, one in found["ranks"].items():
        order = sorted(one["methods"], key=one["methods"].get)
        listed = ", ".join(f"{TITLES[method]} {one['methods'][method]:.2f}" for method in order)
        p = f"{one['p']:.3g}" if known(one["p"]) else "–"
        rows.append([name, [listed], f"{one['corpora']}", f"{one['critical_difference']:.2f}", p])
    head = ("Budget", "Mean rank, 1 is best", "Corpora", "Critical difference", "p (Friedman)")
    return Table(head, rows) if rows else None


def sources(found: Mapping) -> Table:
    """Returns the folder, state and command of every point."""
    rows = [
        [
            Cell(one["name"], one["folder"]), one["state"], _seconds(one.get("seconds")), one.get("device") or "–",
            Cell("", code=one["command"] or "–"),
        ]
        for one in found["points"]
    ]  # fmt: skip
    return Table(("Point", "State", "Seconds", "Device", "Command"), rows)


def _named(entries: Sequence[Mapping]) -> Iterator[tuple[tuple[str, str], Mapping]]:
    """Yields entries in their order with the first two cells of their rows; a method is named once."""
    last = None
    for one in in_order(entries):
        name = TITLES[one["method"]] if one["method"] != last else ""
        yield (name, "–" if one["method"] == "full" else one["budget"]), one
        last = one["method"]


def _count(value: float | None) -> str:
    return f"{value:,.0f}" if known(value) else "–"


def _seconds(value: float | None) -> str:
    """Returns seconds, as "1,234" or "0.12"."""
    return "–" if not known(value) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _giga(value: float | None) -> str:
    value = value / 1e9 if known(value) else value
    return "–" if not known(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def provenance(results: Mapping, resumed: Sequence[int]) -> dict[str, dict[str, str | list]]:
    """Returns where the numbers come from, by the titles of tables: data, vectors, time and environment."""
    times = {key: f"{value:,.1f} s" if known(value) else "n/a" for key, value in results["time"].items()}
    times |= {key: f"{value:,.0f}" for key, value in results.get("memory", {}).items() if known(value)}
    if resumed:
        times["resumed after step"] = ", ".join(f"{step:,}" for step in resumed)
    run = {key: results[key] for key in ("experiment", "seed", "finished", "evaluate")}
    if "table" in results or "active" in results:
        run["seed"] = seeds(results)
    found = {
        "Run": run,
        "Data": results["dataset"],
        "Word vectors": results.get("vectors", {}),
        "Time and memory": times,
        "Environment": results["environment"],
    }
    return {title: {key.replace("_", " "): shown(value) for key, value in one.items()} for title, one in found.items()}


def shown(value: Any) -> str | list:
    """Returns a value of a config or of the provenance as a cell."""
    if value is None or value == []:
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {inner}" for key, inner in value.items())
    if isinstance(value, list):
        return [shown(inner) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    return str(value)

"""The tables of runs, of several runs and of active learning: rows of text, which templates turn into HTML.

A cell is text, a `Cell` with something small below it, or a list of lines. "–" stands where there is nothing to show.
Tables whose rows are all of one kind stand in the templates themselves; see `render.columns`.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dd_al.report.combine import runs
from dd_al.report.words import (
    METHOD_TITLES,
    PAPER_DATA,
    QUERY_TITLES,
    RULES,
    class_names,
    known,
    label_names,
    percent,
    queries,
    score,
    spread,
)

ITEMS_SHOWN = 40
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


def methods(results: Mapping) -> list[dict]:
    """Returns the methods of one run, as in `METHOD_TITLES`, with their scores and gains, and a constant answer."""
    rate, full = results["dataset"]["majority_rate"], (score(results, "full") or {}).get("mean")
    order, rows = [*METHOD_TITLES, *results["methods"]], []
    for name in sorted(results["methods"], key=order.index):
        entry = {"retention": None, "name": name, "title": METHOD_TITLES.get(name, name), **results["methods"][name]}
        ends = {"accuracy": None, "retention": None} | entry.get("interval", {})
        rows.append(entry | {"accuracy": score(results, name), "ends": ends})
    kept = rate / full if known(rate) and known(full) and full > 0 else None
    constant = {"title": "Majority class (constant answer)", "accuracy": {"mean": rate, "n": 1}, "retention": kept}
    rows.append(constant | {"name": "", "ends": {"accuracy": None, "retention": None}})
    for row in rows:
        gain = known(row["accuracy"]["mean"]) and known(rate) and known(full) and full > rate
        row["gain"] = (row["accuracy"]["mean"] - rate) / (full - rate) if gain else None
    return rows


def beside_paper(results: Mapping) -> bool:
    """Returns whether the paper has a number to put beside these: it has none for other data and other methods."""
    ours = {results["dataset"]["name"], results["dataset"]["stand_in_for"]}
    return bool(ours & PAPER_DATA and {"random", "distilled"} & results["methods"].keys())


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
    shares = all(0 <= (value or 0) <= 1 for value in values)
    return " · ".join(
        f"{name} {percent(value, 0)}\u00a0%" if shares else f"{name} {value:.2f}" for value, name in largest
    )


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
    for row in runs(results):
        run, theirs = row["run"], row["published"]
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
    shown = {row["name"]: row["run"] for row in runs(results)}
    chosen = [n for n in METHOD_TITLES if n not in _METHODS and any(n in run["methods"] for run in shown.values())]
    rows = [
        [METHOD_TITLES[name], *(spread(score(run, name)) if name in run["methods"] else "–" for run in shown.values())]
        for name in ("random", *chosen, "distilled")
    ]
    return Table(["Examples, accuracy in %", *shown], rows) if chosen else None


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


def study_matrix(results: Mapping) -> Table:
    """Returns the accuracy of every row's sets on every network, by every schedule, beside the published ones."""
    study, lines = results["study"], []

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


def active(results: Mapping) -> list[dict]:
    """Returns all data and the entry of every query with its title, the best area under the curve first."""
    found = queries(results)
    best_first = sorted(found, key=lambda name: -(found[name]["aulc"]["mean"] or 0))
    rows = [{"name": name, "title": QUERY_TITLES.get(name, name), **found[name]} for name in best_first]
    full = {"name": "full", "title": "All data", "curve": {"labels": [results["dataset"]["train"]]}}
    return [full, *rows] if score(results, "full") else rows


def stops(results: Mapping) -> list[dict[str, str]]:
    """Returns where each rule would have stopped each query, and with what accuracy, by seed."""
    return [
        {"query": QUERY_TITLES.get(name, name), "rule": RULES[rule], **found}
        for name, entry in queries(results).items()
        for rule, found in entry.get("stopping", {}).items()
    ]


def picked(entries: Mapping[str, Mapping], dataset: Mapping) -> Table:
    """Returns what each query chose: a data set's classes, lengths, and the first texts that it asked for."""
    names = class_names(sorted(dataset["label_map"], key=dataset["label_map"].get), dataset["num_classes"])
    rows = [
        [QUERY_TITLES.get(name, name), *map(percent, one["classes"]), f"{one['words']:.1f}", list(one["examples"])]
        for name, one in ((name, entry["picked"]) for name, entry in entries.items())
    ]
    return Table(["Query", *(f"{name}, %" for name in names), "Words", "The first that it asked for"], rows)

"""The tables of a comparison, and its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from dd_al.report import html, sections
from dd_al.report.compare import tables
from dd_al.report.compare.words import TITLES, advice, plain_entries, verdict
from dd_al.report.html import Markup, markup, pairs, tag
from dd_al.report.table import aligned
from dd_al.report.verdict import spread


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
        body += [tag("h2", f"Accuracy and share of all data: {name}"), tables.retention(entries)]
        if beside := tables.paper(entries, found["datasets"][name]):
            body += [tag("h3", "Table 2 of the paper"), beside]
        body += [tag("h2", f"Costs: {name}"), tables.costs(entries)]
        body += [tag("h2", f"What is given away: {name}"), tables.privacy(entries)]
        if spoilt := tables.spoilt(results, name):
            body += [tag("h2", f"Wrong labels, outliers, other seed sets: {name}"), spoilt]
        if picked := [one for one in entries if "picked" in one]:
            body += [tag("h2", f"What was bought: {name}"), tables.picked(picked, found["datasets"][name])]
        if shown := [one for one in entries if one.get("shown")]:
            body += [tag("h2", f"Synthetic sentences: {name}"), tables.sentences(shown)]
    body += [tag("h2", "Tests over seeds"), tables.tests(found), tag("h2", "Ranks over data sets"), tables.ranks(found)]
    body += [tag("h2", "Where every number is from"), tables.points(found)]
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
        "along. Random sampling and queries begin with the same seed set, the smallest budget, which goes round the "
        "classes."
    )
    return markup([html.table(rows[0], rows[1:], class_="numbers"), tag("p", note, class_="soft")])


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
    lines += [
        "Intervals, costs, tests, what is given away and where every number is from: report.html, and as CSV files in "
        "tables/.\n"
    ]
    lines += ["Made by:\n", f"    {results.get('command', '')}\n"]
    return "\n".join(lines)

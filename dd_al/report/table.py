"""Several distillations side by side: what their runs come to over seeds, and the table beside published numbers."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dd_al.report.html import Markup, markup, table, tag
from dd_al.report.schema import METHOD_TITLES, method_name
from dd_al.report.statistics import summary
from dd_al.report.verdict import fraction, percent, score, spread, verdict

METHODS = ("full", "distilled", "random")  # the columns of the paper's table 2, in its order
_HEAD = (
    "",
    "Original, %",
    "Distilled, %",
    "Random, %",
    "Distilled / original, %",
    "Random / original, %",
)
_NOTE = (
    "Accuracies are means over the initialisations of a run; shown is their mean ± standard deviation over runs with "
    "other seeds, each with a distillation of its own on the same data. Ratios are taken within each run."
)


def summarise(rows: Mapping[str, Sequence[Mapping]], **columns: Mapping[str, Any]) -> dict:
    """Returns the parts of a table's results that come from the results of its runs.

    Args:
        rows: name → the results of its runs, one per seed, all judged on the same split.
        **columns: further keys of the rows in `table`, each name → value.

    Returns:
        `dataset`, `evaluate`, `budget`, `methods`, `time` and `table`, as `schema.validate` wants them. A method of a
        row is called "ROW: METHOD"; the values of its summaries are the means of the runs.
    """
    runs = [run for one in rows.values() for run in one]
    return {
        "dataset": together([one[0]["dataset"] for one in rows.values()]),
        "evaluate": {
            "split": runs[0]["evaluate"]["split"],
            "inits": max(run["evaluate"]["inits"] for run in runs),
            "init": ", ".join(sorted({run["evaluate"]["init"] for run in runs}, reverse=True)),
        },
        "budget": {
            method_name(name, method): given for name, one in rows.items() for method, given in one[0]["budget"].items()
        },
        "methods": {
            method_name(name, method): _over_seeds([run["methods"][method] for run in one])
            for name, one in rows.items()
            for method in one[0]["methods"]
        },
        "time": {key: sum(run["time"].get(key) or 0 for run in runs) for key in runs[0]["time"]},
        "table": {
            "rows": [
                {"name": name, "dataset": one[0]["dataset"], "evaluate": one[0]["evaluate"]}
                | {column: values[name] for column, values in columns.items()}
                for name, one in rows.items()
            ],
            "seeds": [run["seed"] for run in next(iter(rows.values()))],
        },
    }


def text(results: Mapping) -> str:
    """Returns the table in lines of plain text."""
    shown = aligned([list(_HEAD), *_lines(results)])
    shown += textwrap.wrap(results["table"]["source"] or "", max(map(len, shown)))
    if chosen := _chosen(results):
        shown += ["", *aligned(chosen)]
    return "\n".join(shown)


def headline(results: Mapping) -> Markup:
    """Returns the table beside the published numbers, with how to read it."""
    source = results["table"]["source"]
    parts = [table(_HEAD, _lines(results), class_="numbers")]
    parts += [tag("p", note, class_="soft") for note in (_NOTE, source) if note]
    if chosen := _chosen(results):
        parts.append(table(chosen[0], chosen[1:], class_="numbers"))
    return markup(parts)


def verdicts(results: Mapping) -> Markup:
    """Returns the outcome of every row in plain words."""
    seeds = len(results["table"]["seeds"])
    runs = f"{seeds} distillations" if seeds > 1 else "1 distillation"
    return markup(
        [
            tag("p", tag("b", f"{row['name']} ({runs}). "), verdict(as_run(results, row)), class_="verdict")
            for row in results["table"]["rows"]
        ]
    )


def rows(results: Mapping) -> Markup:
    """Returns what each row was made of: data, examples, judges and macro-F1."""
    head = ("Row", "Data", "Training examples", "Examples", "Initialisations", "Majority, %")
    head += tuple(f"Macro-F1, {word}, %" for word in ("original", "distilled", "random"))
    lines = []
    for row in results["table"]["rows"]:
        run, data = as_run(results, row), row["dataset"]
        given, judged = run["budget"]["distilled"], row["evaluate"]
        stand_in = f", for {data['stand_in_for']}" if data["stand_in_for"] else ""
        lines.append(
            [
                [row["name"], tag("br"), tag("small", row["changes"])],
                f"{data['name']} ({data['source']}{stand_in})",
                f"{data['train']:,}",
                f"{given['examples']:,} ({fraction(given['fraction'])})",
                f"{judged['inits']} {judged['init']}",
                percent(data["majority_rate"]),
                *(spread(score(run, method, "macro_f1")) for method in METHODS),
            ]
        )
    note = "The runs, each with a report of its own: " + ", ".join(
        run for row in results["table"]["rows"] for run in row["runs"]
    )
    return markup([table(head, lines, class_="numbers"), tag("p", note, class_="soft")])


def as_run(results: Mapping, row: Mapping) -> dict:
    """Returns one row in the form of the results of a run, whose summaries are over seeds."""
    keys = {method: method_name(row["name"], method) for method in METHOD_TITLES}
    return {
        "dataset": row["dataset"],
        "evaluate": row["evaluate"],
        **{
            part: {method: results[part][key] for method, key in keys.items() if key in results[part]}
            for part in ("methods", "budget")
        },
    }


def _lines(results: Mapping) -> list[list[str]]:
    """Returns the cells of the table: of each row ours, then what was published."""
    lines = []
    for row in results["table"]["rows"]:
        methods, theirs = as_run(results, row)["methods"], row["published"]
        scores = [spread(score(as_run(results, row), method)) for method in METHODS]
        kept = [spread(methods[method].get("retention_over_seeds")) for method in METHODS[1:]]
        stands_in = row["dataset"]["stand_in_for"]  # published numbers are of other data then
        lines.append([f"{row['name']}, on {row['dataset']['name']}" if stands_in else row["name"], *scores, *kept])
        if theirs and not stands_in:
            given = [theirs.get(method, "–") for method in METHODS]
            lines.append(["    published", *given, *(_ratio(theirs, method) for method in METHODS[1:])])
    return lines


def _chosen(results: Mapping) -> list[list[str]]:
    """Returns the cells of the table of instance selection, its head first; none where no run has any."""
    runs = [as_run(results, row) for row in results["table"]["rows"]]
    names = [name for name in METHOD_TITLES if name not in METHODS and any(name in run["methods"] for run in runs)]
    if not names:
        return []
    return [
        ["Examples, accuracy in %", *(row["name"] for row in results["table"]["rows"])],
        *([METHOD_TITLES[name], *(_cell(run, name) for run in runs)] for name in ("random", *names, "distilled")),
    ]


def _cell(run: Mapping, method: str) -> str:
    return spread(score(run, method)) if method in run["methods"] else "–"


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


def _over_seeds(entries: Sequence[Mapping]) -> dict:
    """Returns the entry of one method of one row: every summary is over the means of the runs."""
    means = {
        key: summary([_number(entry[key]["mean"]) for entry in entries])
        for key in entries[0]
        if key.endswith(("_accuracy", "_macro_f1"))
    }
    kept = summary([_number(entry["retention"]) for entry in entries])
    return means | {"retention": kept["mean"], "retention_over_seeds": kept, "curve": _curve(entries)}


def _curve(entries: Sequence[Mapping]) -> dict:
    """Returns the curves of several runs as one: means over the initialisations of each, so that a band is over seeds.

    Runs that chose another number of steps share some points, or none.
    """
    curves = [dict(zip(entry["curve"]["steps"], entry["curve"]["accuracy"], strict=True)) for entry in entries]
    steps = [step for step in curves[0] if all(step in curve for curve in curves)]
    accuracy = [[np.mean(np.asarray(curve[step], dtype=float)) for curve in curves] for step in steps]
    return {"steps": steps, "accuracy": np.round(accuracy, 6).tolist()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def together(datasets: Sequence[Mapping]) -> dict:
    """Returns several data sets as one entry: their names, their sizes together, and what cannot be one as None."""
    found = {data["sha256"]: data for data in datasets}
    names = dict.fromkeys(data["stand_in_for"] for data in datasets if data["stand_in_for"])
    first, *others = found.values()
    together = dict(first)
    if others:
        sizes = ("train", "validation", "test", "dropped_duplicates")
        together |= {key: sum(data[key] for data in found.values()) for key in sizes}
        together |= {key: ", ".join(dict.fromkeys(data[key] for data in found.values())) for key in ("name", "source")}
        together |= {"label_map": {}, "num_classes": None, "majority_rate": None, "validation_majority_rate": None}
        together |= {"sha256": ", ".join(found)}
        notes = [f"{data['name']}: {note}" for data in found.values() for note in data.get("notes", [])]
        together |= {"notes": list(dict.fromkeys(notes))}
    return together | {"stand_in_for": ", ".join(names) or None}

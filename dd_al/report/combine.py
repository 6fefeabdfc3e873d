"""Puts the results of several runs together: over seeds, and the rows of a table side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dd_al.report.schema import method_name
from dd_al.report.statistics import summary
from dd_al.report.words import METHOD_TITLES


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
    firsts = {name: one[0] for name, one in rows.items()}
    judged = [run["evaluate"] for run in runs]
    return {
        "dataset": together([run["dataset"] for run in firsts.values()]),
        "evaluate": {
            "split": judged[0]["split"],
            "inits": max(one["inits"] for one in judged),
            "init": ", ".join(sorted({one["init"] for one in judged}, reverse=True)),
        },
        "budget": {
            method_name(name, method): given for name, run in firsts.items() for method, given in run["budget"].items()
        },
        "methods": {
            method_name(name, method): _over_seeds([run["methods"][method] for run in rows[name]])
            for name, run in firsts.items() for method in run["methods"]
        },
        "time": {key: sum(run["time"].get(key) or 0 for run in runs) for key in runs[0]["time"]},
        "table": {
            "rows": [
                {"name": name, "dataset": run["dataset"], "evaluate": run["evaluate"]}
                | {column: values[name] for column, values in columns.items()}
                for name, run in firsts.items()
            ],
            "seeds": [run["seed"] for run in next(iter(rows.values()))],
        },
    }  # fmt: skip


def runs(results: Mapping) -> list[dict]:
    """Returns the rows of a table, each with its results in the form of a `run`, whose summaries are over seeds."""
    found = []
    for row in results["table"]["rows"]:
        keys = {method: method_name(row["name"], method) for method in METHOD_TITLES}
        run = {"dataset": row["dataset"], "evaluate": row["evaluate"]}
        for part in ("budget", "methods"):
            run[part] = {method: results[part][key] for method, key in keys.items() if key in results[part]}
        found.append({**row, "run": run})
    return found


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


def _over_seeds(entries: Sequence[Mapping]) -> dict:
    """Returns the entry of one method of one row: every summary and every place of its curve is over the runs' means.

    Runs that chose another number of steps share some places, or none.
    """
    scores = [key for key in entries[0] if key.endswith(("_accuracy", "_macro_f1"))]
    means = {key: summary(np.asarray([entry[key]["mean"] for entry in entries], float)) for key in scores}
    kept = summary(np.asarray([entry["retention"] for entry in entries], float))
    curves = [dict(zip(entry["curve"]["steps"], entry["curve"]["accuracy"], strict=True)) for entry in entries]
    steps = [step for step in curves[0] if all(step in curve for curve in curves)]
    accuracy = [[np.mean(np.asarray(curve[step], dtype=float)) for curve in curves] for step in steps]
    curve = {"steps": steps, "accuracy": np.round(accuracy, 6).tolist()}
    return means | {"retention": kept["mean"], "retention_over_seeds": kept, "curve": curve}

"""The tables of a comparison that need more than columns: accuracies by budget, changes, and the CSV files."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dd_al.core.files import atomic_write
from dd_al.report.tables import Table, aligned
from dd_al.report.words import PAPER_RATIOS, TITLES, break_even, count, in_order, plain_entries, spread, varied

SAME = ("dataset", "method", "budget", "noise", "outliers", "start")  # what points of an entry share
_TESTED = (
    "dataset", "family", "method_a", "budget_a", "method_b", "budget_b", "difference", "p", "p_holm", "smallest_p",
    "smallest_p_holm", "effect", "pairs",
)  # fmt: skip
_POINT = ("name", "state", "error", "seconds", "device", "folder", "command")


def text(results: Mapping) -> str:
    """Returns the accuracies of every data set of a comparison in lines of plain text, for the terminal."""
    lines = []
    for name in results["compare"]["budgets"]:
        if shown := accuracies(results, name):
            title = f"{name}, {results['evaluate']['split']} accuracy in %"
            lines += [title, *aligned([shown.head, *shown.rows]), ""]
    return "\n".join(lines).rstrip()


def accuracies(results: Mapping, dataset: str) -> Table | None:
    """Returns accuracies, a row for each method and a column for each budget; None where there is no entry."""
    entries = plain_entries(results, dataset)
    columns = {name: f"{name} ({size:,})" for name, size in results["compare"]["budgets"][dataset].items()}
    columns |= {one["budget"]: f"all ({count(one['costs']['examples'])})" for one in entries if one["method"] == "full"}
    cells = {(one["method"], one["budget"]): spread(one["accuracy"]) for one in entries}
    methods = dict.fromkeys(one["method"] for one in in_order(entries))
    rows = [[TITLES[method], *(cells.get((method, name), "–") for name in columns)] for method in methods]
    return Table(["Method", *columns.values()], rows) if rows else None


def named(entries: Sequence[Mapping]) -> list[dict]:
    """Returns entries in their order, each with the `title` of its method, which is named once, and its break-even."""
    full, rows, last = next((one for one in entries if one["method"] == "full"), None), [], None
    for one in in_order(entries):
        even = break_even(one, full)
        rows.append({**one, "title": TITLES[one["method"]] if one["method"] != last else ""})
        rows[-1]["even"] = None if even is None else math.ceil(even)
        last = one["method"]
    return rows


def paper(entries: Sequence[Mapping]) -> list[Mapping]:
    """Returns the entries of the paper's table 2, in its order: of all data, and of 0.1 % of it."""
    ours = {one["method"]: one for one in entries if one["budget"] in ("0.1%", "all")}
    return [ours[method] for method in PAPER_RATIOS if method in ours]


def ranked(ranks: Mapping[str, Mapping]) -> list[dict]:
    """Returns the ranks of each budget, with the methods and their mean ranks as text, the best first."""
    rows = []
    for budget, one in ranks.items():
        best_first = sorted(one["methods"].items(), key=lambda pair: pair[1])
        listed = ", ".join(f"{TITLES[method]} {rank:.2f}" for method, rank in best_first)
        rows.append({**one, "budget": budget, "listed": listed})
    return rows


def spoilt(results: Mapping, dataset: str) -> list[dict]:
    """Returns entries with wrong labels, outliers and other seed sets, each with that `before` and the change."""
    rows = []
    for one in in_order(one for one in results["compare"]["entries"] if one["dataset"] == dataset and varied(one)):
        before, theirs = _without(results, one)
        pairs = zip(one["accuracy"]["values"], theirs)
        change = 100 * np.asarray([ours - without for ours, without in pairs if without is not None])
        shown = f"{change.mean():+.1f}" if change.size else "–"
        shown += f" ± {change.std(ddof=1):.1f}" if change.size > 1 else ""
        bought = one.get("picked", {}).get("outliers")
        rows.append({**one, "one": one, "before": before, "change": shown, "bought": bought})
    return rows


def _without(results: Mapping, one: Mapping) -> tuple[Mapping | None, list[float | None]]:
    """Returns the entry without wrong labels, outliers or another seed set, and its accuracy for each seed of one."""
    alike = {(plain["method"], plain["budget"]): plain for plain in plain_entries(results, one["dataset"])}
    before = alike.get((one["method"], one["budget"]))
    by_seed = dict(zip(before["seeds"], before["accuracy"]["values"])) if before else {}
    return before, [by_seed.get(seed) for seed in one["seeds"]]


def write_csv(folder: Path, results: Mapping) -> None:
    """Writes a CSV file for each table and curve of the page that there is data for."""
    import pandas as pd  # half a second, which a report alone does not need

    found, entries = results["compare"], results["compare"]["entries"]
    files = {
        "accuracy": [_accuracy(results, one) for one in entries],
        "tests": [
            {key: one[key] for key in _TESTED} | _ends("difference", one.get("interval")) for one in found["tests"]
        ],
        "points": [{key: one.get(key) for key in _POINT} for one in found["points"]],
        "ranks": [
            {"budget": budget, "method": method, "rank": rank}
            | {key: one[key] for key in ("corpora", "critical_difference", "p")}
            for budget, one in found["ranks"].items() for method, rank in one["methods"].items()
        ],
        "transfer": [
            {key: one[key] for key in SAME[:3]} | {"network": network} | _spread("accuracy", scores)
            for one in entries for network, scores in one.get("transfer", {}).items()
        ],
        "changes": [row for one in entries if varied(one) for row in _changes(results, one)],
        "picked": _picked(entries),
        "curves": [
            _which(one) | {"curve": curve, "along": along, "at": at, "validation_accuracy": value}
            for one in entries for curve, along in (("training", "epochs"), ("rounds", "labels")) if one.get(curve)
            for at, value in zip(one[curve][along], one[curve]["validation"])
        ],
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        path = folder / f"{name}.csv"
        if rows:  # objects: whole numbers stay whole where some are missing
            atomic_write(path, pd.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n"))
        else:  # an earlier report may have had it
            path.unlink(missing_ok=True)


def _accuracy(results: Mapping, one: Mapping) -> dict:
    """Returns an entry with all that is measured of it."""
    full = next((e for e in plain_entries(results, one["dataset"]) if e["method"] == "full"), None)
    row = _which(one) | _spread("accuracy", one["accuracy"]) | _spread("macro_f1", one["macro_f1"])
    row |= _ends("accuracy", one["interval"]) | {"retention": (one.get("retention") or {}).get("mean")}
    row |= _ends("retention", one.get("retention_interval")) | {"seeds": " ".join(map(str, one["seeds"]))}
    row |= one["costs"] | {"break_even": break_even(one, full), "devices": " ".join(one["devices"])}
    row |= {"members": one["members"]} | _spread("membership", one["membership"])
    for name, summary in (one.get("nearness") or {}).items():
        row |= _spread(name, summary)
    return row | {"points": " ".join(one["points"])}


def _changes(results: Mapping, one: Mapping) -> Iterator[dict]:
    """Yields what wrong labels, outliers or another seed set change, for every seed."""
    bought = (one.get("picked", {}).get("outliers") or {}).get("values", [None] * len(one["seeds"]))
    values = zip(one["seeds"], one["accuracy"]["values"], _without(results, one)[1], bought)
    for seed, value, without, outliers in values:
        row = _which(one) | {"seed": seed, "accuracy": value, "accuracy_without": without}
        yield row | {"outliers_bought": outliers}


def _picked(entries: Sequence[Mapping]) -> list[dict]:
    """Returns what was bought up to the largest budget: one for each method and variation, as they buy in one run."""
    last = {}
    for one in sorted(entries, key=lambda one: one["costs"]["examples"]):
        if "picked" in one:
            row = _which(one) | {"words": one["picked"]["words"]}
            row |= {f"class_{index}": share for index, share in enumerate(one["picked"]["classes"])}
            row |= _spread("outliers", one["picked"]["outliers"]) if "outliers" in one["picked"] else {}
            last[tuple(one[key] for key in SAME if key != "budget")] = row
    return list(last.values())


def _which(one: Mapping) -> dict:
    return {key: one[key] for key in SAME}


def _spread(name: str, summary: Mapping) -> dict[str, float]:
    return {f"{name}_{key}": summary[key] for key in ("mean", "std")}


def _ends(name: str, interval: Sequence[float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}

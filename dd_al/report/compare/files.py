"""The tables of a comparison as CSV files, and its headline as Markdown."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dd_al.core.files import atomic_write
from dd_al.report.compare import page
from dd_al.report.compare.words import break_even, plain_entries, varied

_SAME = ("dataset", "method", "budget")
_TESTS = ("difference", "p", "p_holm", "smallest_p", "smallest_p_holm", "effect", "pairs")


def write(folder: Path, results: Mapping) -> None:
    """Writes `report.md` and `tables/*.csv`, a file for each table and curve of the page that there is data for.

    Args:
        folder: the work directory.
        results: see `comparison.gather`.
    """
    found = results["compare"]
    tables = {
        "accuracy": _accuracy(results), "tests": _tests(found), "points": _points(found), "ranks": _ranks(found),
        "transfer": _transfer(found), "changes": _changes(results), "picked": _picked(found), "curves": _curves(found),
    }  # fmt: skip
    (folder / "tables").mkdir(exist_ok=True)
    atomic_write(folder / "report.md", page.markdown(results))
    for name, rows in tables.items():
        path, rows = folder / "tables" / f"{name}.csv", list(rows)
        if rows:
            atomic_write(path, _csv(rows))
        else:  # an earlier report may have had it
            path.unlink(missing_ok=True)


def _accuracy(results: Mapping) -> Iterator[dict]:
    """Yields every entry with all that is measured of it."""
    found = results["compare"]
    for one in found["entries"]:
        kept, near = one.get("retention") or {}, one.get("nearness") or {}
        ends = one.get("retention_interval") or [None, None]
        full = next((e for e in plain_entries(results, one["dataset"]) if e["method"] == "full"), None)
        yield {
            **_which(one),
            **{f"{name}_{key}": one[name][key] for name in ("accuracy", "macro_f1") for key in ("mean", "std")},
            "accuracy_low": one["interval"][0], "accuracy_high": one["interval"][1],
            "retention": kept.get("mean"), "retention_low": ends[0], "retention_high": ends[1],
            "seeds": " ".join(map(str, one["seeds"])), **one["costs"], "break_even": break_even(one, full),
            "devices": " ".join(one["devices"]), "members": one["members"], **_spread("membership", one["membership"]),
            **{key: value for name, summary in near.items() for key, value in _spread(name, summary).items()},
            "points": " ".join(one["points"]),
        }  # fmt: skip


def _tests(found: Mapping) -> Iterator[dict]:
    for one in found["tests"]:
        low, high = one.get("interval") or (None, None)
        names = {key: one[key] for key in ("dataset", "family", "method_a", "budget_a", "method_b", "budget_b")}
        yield {**names, **{key: one[key] for key in _TESTS}, "difference_low": low, "difference_high": high}


def _points(found: Mapping) -> Iterator[dict]:
    for one in found["points"]:
        yield {key: one.get(key) for key in ("name", "state", "error", "seconds", "device", "folder", "command")}


def _ranks(found: Mapping) -> Iterator[dict]:
    for budget, one in found["ranks"].items():
        shared = {key: one[key] for key in ("corpora", "critical_difference", "p")}
        for method, rank in one["methods"].items():
            yield {"budget": budget, "method": method, "rank": rank, **shared}


def _transfer(found: Mapping) -> Iterator[dict]:
    for one in found["entries"]:
        for network, summary in one.get("transfer", {}).items():
            yield {**{key: one[key] for key in _SAME}, "network": network, **_spread("accuracy", summary)}


def _changes(results: Mapping) -> Iterator[dict]:
    """Yields what wrong labels, outliers and other seed sets change, for every seed that has both."""
    for one in results["compare"]["entries"]:
        if not varied(one):
            continue
        plain = plain_entries(results, one["dataset"])
        before = next((e for e in plain if (e["method"], e["budget"]) == (one["method"], one["budget"])), None)
        values = dict(zip(before["seeds"], before["accuracy"]["values"])) if before else {}
        bought = one.get("picked", {}).get("outliers") or {}
        for index, (seed, value) in enumerate(zip(one["seeds"], one["accuracy"]["values"])):
            yield {
                **_which(one), "seed": seed, "accuracy": value, "accuracy_without": values.get(seed),
                "outliers_bought": bought["values"][index] if bought else None,
            }  # fmt: skip


def _picked(found: Mapping) -> Iterator[dict]:
    """Yields what was bought up to the largest budget: one for each method and variation, as they buy in one run."""
    bought = [one for one in found["entries"] if "picked" in one]
    last = {}
    for one in sorted(bought, key=lambda one: one["costs"]["examples"]):
        last[tuple(value for key, value in _which(one).items() if key != "budget")] = one
    for one in last.values():
        classes = {f"class_{index}": share for index, share in enumerate(one["picked"]["classes"])}
        outliers = _spread("outliers", one["picked"]["outliers"]) if "outliers" in one["picked"] else {}
        yield {**_which(one), "words": one["picked"]["words"], **classes, **outliers}


def _curves(found: Mapping) -> Iterator[dict]:
    for one in found["entries"]:
        for curve, along in (("training", "epochs"), ("rounds", "labels")):
            for at, value in zip(one.get(curve, {}).get(along, ()), one.get(curve, {}).get("validation", ())):
                yield {**_which(one), "curve": curve, "along": along, "at": at, "validation_accuracy": value}


def _which(one: Mapping) -> dict[str, Any]:
    return {key: one[key] for key in (*_SAME, "noise", "outliers", "start")}


def _spread(name: str, summary: Mapping) -> dict[str, float]:
    return {f"{name}_{key}": summary[key] for key in ("mean", "std")}


def _csv(rows: Sequence[Mapping]) -> str:
    text = io.StringIO()
    names = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

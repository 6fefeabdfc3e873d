"""The tables of a comparison as CSV files, and its headline as Markdown."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from dd_al.core.files import atomic_write
from dd_al.report import compare_page

FILES = ("report.md", "tables/accuracy.csv", "tables/tests.csv", "tables/points.csv")


def write(folder: Path, results: Mapping) -> None:
    """Writes `report.md` and `tables/*.csv`.

    Args:
        folder: the work directory.
        results: see `comparison.gather`.
    """
    found = results["compare"]
    entries = [
        {
            **{key: one[key] for key in ("dataset", "method", "budget", "noise", "outliers", "start")},
            **{f"{name}_{key}": one[name][key] for name in ("accuracy", "macro_f1") for key in ("mean", "std")},
            "accuracy_low": one["interval"][0], "accuracy_high": one["interval"][1],
            "retention": (one.get("retention") or {}).get("mean"),
            "retention_low": (one.get("retention_interval") or [None])[0],
            "retention_high": (one.get("retention_interval") or [None])[-1],
            "seeds": " ".join(map(str, one["seeds"])), **one["costs"], "points": " ".join(one["points"]),
        }
        for one in found["entries"]
    ]  # fmt: skip
    tests = [{**one, "interval": " ".join(map(str, one.get("interval") or ()))} for one in found["tests"]]
    points = [
        {key: one.get(key) for key in ("name", "state", "error", "seconds", "device", "folder", "command")}
        for one in found["points"]
    ]
    (folder / "tables").mkdir(exist_ok=True)
    contents = compare_page.markdown(results), *map(_csv, (entries, tests, points))
    for name, content in zip(FILES, contents, strict=True):
        atomic_write(folder / name, content)


def _csv(rows: Sequence[Mapping]) -> str:
    text = io.StringIO()
    names = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

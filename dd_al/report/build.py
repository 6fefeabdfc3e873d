"""Builds `report.html` and `figures/` from the other files of a finished work directory."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.core.errors import WorkdirError
from dd_al.core.files import atomic_write, read_json
from dd_al.io.metrics import read as read_lines
from dd_al.report import schema, verdicts
from dd_al.report.render import render

# The template of each kind of results, by the key that only these have.
_PAGES = {"compare": "compare.html", "table": "table.html", "study": "study.html", "active": "active.html"}


def build(workdir: str | Path) -> Path:
    """Writes `figures/*.png` and `report.html` into a finished work directory, and returns the path of the latter.

    The work directory holds `results.json`, and where the experiment wrote them `config.json`, `metrics.jsonl` and
    `distilled.json`. The same files give the same bytes, so a report can be rebuilt anywhere at any time.

    Raises:
        WorkdirError: there is no `results.json`, or a file does not hold what it should; names the file and the key.
        UserError: a file is not JSON, or the disk is full.
    """
    from dd_al.report import canvas, figures  # matplotlib takes a good part of a second: only drawing needs it

    workdir = Path(workdir)
    if not (workdir / "results.json").is_file():
        what = "holds no results.json: only a finished run has a report" if workdir.is_dir() else "is no folder"
        raise WorkdirError(f"{workdir} {what}")
    results = _read(workdir / "results.json", schema.validate)
    distilled = _read(workdir / "distilled.json", schema.validate_distilled)
    config = _read(workdir / "config.json")
    metrics, resumed = read_metrics(workdir / "metrics.jsonl")
    pictures = {name: canvas.png(figure) for name, figure in figures.draw(results, metrics, distilled).items()}
    (workdir / "figures").mkdir(exist_ok=True)
    for name, data in pictures.items():
        atomic_write(workdir / "figures" / f"{name}.png", data)
    page = render(
        next((page for key, page in _PAGES.items() if key in results), "run.html"),
        verdicts=verdicts,
        results=results,
        distilled=distilled,
        config=config,
        resumed=resumed,
        pictures={name: b64encode(data).decode() for name, data in pictures.items()},
    )
    atomic_write(workdir / "report.html", page)
    return workdir / "report.html"


def read_metrics(path: Path) -> tuple[list[dict], list[int]]:
    """Returns the logged lines of a `metrics.jsonl`, one per step in order, and the steps after which it was resumed.

    A run that was killed repeats the steps after its last checkpoint: the later line of a step stands. Lines that are
    not JSON (the last one may be cut off) and lines without a step are passed over. No file gives empty lists.
    """
    lines: dict[int, dict] = {}
    resumed = []
    for line in read_lines(path):
        if not isinstance(line.get("step"), int):
            continue
        if line.get("event") == "resume":
            resumed.append(line["step"])
        elif "event" not in line:
            lines[line["step"]] = lines.get(line["step"], {}) | line  # training and evaluation may log apart
    return [lines[step] for step in sorted(lines)], resumed


def outer_course(metrics: Path) -> dict:
    """Validation accuracy at every look of the outer loop, and training loss and accuracy since the look before."""
    course: dict[str, list] = {"steps": [], "loss": [], "accuracy": [], "validation_accuracy": []}
    since, last = [], 0
    for line in read_metrics(metrics)[0]:
        since.append((line, max(line["step"] - last, 1)))  # a line weighs as many steps as it is of
        last = line["step"]
        if "validation_accuracy" in line:
            course["steps"].append(last)
            course["validation_accuracy"].append(line["validation_accuracy"])
            lines, weights = zip(*since)
            for name in ("loss", "accuracy"):
                course[name].append(float(np.average([one[name] for one in lines], weights=weights)))
            since = []
    return course


def _read(path: Path, validate=None) -> Any:
    """Returns the content of a JSON file, checked, or None where there is no such file."""
    if not path.is_file():
        return None
    content = read_json(path)
    if path.name == "distilled.json" and isinstance(content, dict) and "items" in content:  # as version 0.1 has it
        content["examples"] = content.pop("items")
    try:
        if validate:
            validate(content)
    except ValueError as error:
        raise WorkdirError(f"{path}: {error}") from error
    return content

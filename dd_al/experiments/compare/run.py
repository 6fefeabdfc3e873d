"""What does each way to shrink the training set give, on one budget axis, and what does it cost?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dd_al.config.grid import in_examples, sliced
from dd_al.config.settings import Settings
from dd_al.core.files import read_json, write_json
from dd_al.data.dataset import Dataset
from dd_al.data.overlap import sketch
from dd_al.experiments import record
from dd_al.experiments.compare.lab import Lab
from dd_al.experiments.compare.plan import Point, datasets, points
from dd_al.experiments.compare.points import compute
from dd_al.experiments.sweep import Trial, read_data, refuse_failures, run_trials
from dd_al.io import environment
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.report import compare

_LOG = logging.getLogger(__name__)


def run(settings: Settings, workdir: Workdir, part: str | None = None) -> None:
    """Computes every point that is not there yet, each in a folder of its own in `runs/`, and reports on all.

    Args:
      settings: of the compare.
      workdir: of the comparison; where only a slice is run, shared with other processes.
      part: "3/40" for the third of forty slices; all points if None.

    Raises:
      UserError: points have failed.
    """
    every, configs = points(settings), datasets(settings)
    ours = every if part is None else sliced(every, part)
    data, identities, seconds, budgets = {}, {}, {}, {}
    for name, dataset, identities[name], seconds[name] in read_data(configs):
        data[name] = dataset
        budgets[name] = in_examples(settings.compare.budgets, len(dataset.train), dataset.num_classes, name)
    workdir.begin(**{f"{key} of {name}": v for name, known in identities.items() for key, v in known.items()})
    with workdir.one_at_a_time():
        write_json(workdir.points, _plan(workdir, every, settings.model.kind, budgets, data))
    labs: dict[str, Lab | Exception] = {}
    by_name = {point.name: point for point in ours}

    def one(trial: Trial, folder: Workdir, stop: Stop) -> None:
        point = by_name[trial.name]
        if (name := point.dataset) not in labs:
            record.announce(data[name])
            try:
                labs[name] = Lab(trial.settings, data[name], budgets[name], seconds[name])
            except Exception as error:  # which all points of this data set share, and others do not
                labs[name] = error
        if isinstance(labs[name], Exception):
            raise labs[name]
        compute(labs[name], point, folder, siblings=_siblings(workdir, point), stop=stop)

    trials = [
        Trial(point.name, configs[point.dataset], identities[point.dataset], {"point": asdict(point)}) for point in ours
    ]
    failed = run_trials(workdir, trials, one, finished=lambda part: _finished(part.path), shared=part is not None)
    with workdir.one_at_a_time():
        _report(workdir, every)
    refuse_failures(failed, len(every), "points")


def _plan(
    workdir: Workdir, every: Sequence[Point], network: str, budgets: Mapping[str, dict], data: Mapping[str, Dataset]
) -> dict:
    """What the report has to know of the plan; points that an earlier start has finished stay in it."""
    known = read_json(workdir.points) if workdir.points.exists() else {"points": [], "budgets": {}, "sketches": {}}
    now = {point.name: {"name": point.name, **asdict(point)} for point in every}
    before = [
        one for one in known["points"] if one["name"] not in now and _finished(workdir.path / "runs" / one["name"])
    ]
    sketches = {
        name: sketch(text for split in (one.train, one.validation, one.test) for text in split.texts)
        for name, one in data.items()
    }
    return {
        "points": [*before, *now.values()],
        "network": network,
        "budgets": {**known["budgets"], **budgets},
        "sketches": {**known["sketches"], **sketches},
    }


def _finished(folder: Path) -> bool:
    return compare.read_point(folder)["state"] == "finished"


def _report(workdir: Workdir, every: Sequence[Point]) -> None:
    """Puts together all that is finished, if anything is."""
    states = [compare.read_point(workdir.path / "runs" / point.name)["state"] for point in every]
    if left := states.count("missing"):
        _LOG.info("%d of %d points are left to other slices; the last of them puts all together", left, len(every))
    plan = read_json(workdir.points)["points"]
    if any(_finished(workdir.path / "runs" / one["name"]) for one in plan):
        compare.write(workdir.path, compare.gather([workdir.path], command=environment.command()))


def _siblings(workdir: Workdir, point: Point) -> dict[str, Path]:
    """Finished points of the same data and seed that are found by their method."""
    found = {}
    for path in sorted((workdir.path / "runs").glob(f"*seed{point.seed}/results.json")):
        config = path.parent / "config.json"
        other = read_json(config).get("point", {}) if config.exists() else {}
        same = all(other.get(key) == getattr(point, key) for key in ("dataset", "seed", "noise", "outliers", "start"))
        if same and _finished(path.parent):
            found[other["method"]] = path.parent
    return found

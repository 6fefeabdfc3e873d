"""What does each way to shrink the training set give, on one budget axis, and what does it cost?"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import jax

from dd_al.core.errors import DataError, Interrupted, UserError
from dd_al.core.files import read_json, write_json
from dd_al.data import sources
from dd_al.data.dataset import Dataset
from dd_al.data.overlap import corpora
from dd_al.experiments import record
from dd_al.experiments.compare_lab import Lab
from dd_al.experiments.compare_plan import Point, datasets, in_examples, points, sliced
from dd_al.experiments.compare_points import compute
from dd_al.experiments.settings import Settings
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.report import comparison

_LOG = logging.getLogger(__name__)


def run(settings: Settings, workdir: Workdir, part: str | None = None) -> None:
    """Computes every point that is not there yet, each in a folder of its own in `runs/`, and reports on all.

    A point that fails is noted and tried again by the next start; it does not stop the others.

    Args:
      settings: of the comparison.
      workdir: of the comparison; where only a slice is run, shared with other processes.
      part: "3/40" for the third of forty slices; all points if None.

    Raises:
      UserError: points have failed.
    """
    every = points(settings)
    ours = every if part is None else sliced(every, part)
    configs, found = datasets(settings), {}
    for name, config in configs.items():
        start = time.perf_counter()
        try:
            found[name] = sources.load(config.data), time.perf_counter() - start
        except DataError as error:
            raise DataError(f"the data of {name!r}: {error}") from error
        in_examples(settings.compare.budgets, len(found[name][0].train), found[name][0].num_classes)
    loaded = {name: dataset for name, (dataset, _) in found.items()}
    workdir.begin(**{f"data of {name}": record.identity(dataset) for name, dataset in loaded.items()})
    write_json(workdir.points, _listed(every, settings, loaded))
    labs: dict[str, Lab] = {}
    with catch_stop() as stop:
        for number, point in enumerate(ours, start=1):
            _LOG.info("%s: point %d of %d", point.name, number, len(ours))
            config, (dataset, seconds) = configs[point.dataset], found[point.dataset]

            def lab(name: str = point.dataset, config=config, dataset=dataset, seconds=seconds) -> Lab:
                if name not in labs:
                    for note in dataset.notes:
                        _LOG.warning("%s", note)
                    labs[name] = Lab(config, dataset, seconds)
                return labs[name]

            with progress_of(point.name):
                _one(workdir, point, config, lab, record.identity(dataset), stop)
            stop.check("the same command goes on with the next point")
    results = comparison.gather([workdir.path], command=record.command())
    comparison.write(workdir.path, results)
    left = [one["name"] for one in results["compare"]["points"] if one["state"] == "missing"]
    failed = {one["name"]: one["error"] for one in results["compare"]["points"] if one["state"] == "failed"}
    if left:
        _LOG.info("%d of %d points are left to other slices; the last of them puts all together", len(left), len(every))
    if failed:
        lines = "\n".join(f"  {name}: {error}" for name, error in failed.items())
        raise UserError(
            f"{len(failed)} of {len(every)} points failed; the report shows the others, and the same command tries "
            f"again:\n{lines}"
        )


def _listed(every: list[Point], settings: Settings, loaded: Mapping[str, Dataset]) -> dict:
    """What the report has to know of the plan."""
    texts = {name: [one.texts for one in (d.train, d.validation, d.test)] for name, d in loaded.items()}
    budgets = {name: in_examples(settings.compare.budgets, len(d.train), d.num_classes) for name, d in loaded.items()}
    return {
        "points": [{"name": point.name, **asdict(point)} for point in every],
        "network": settings.model.kind,
        "budgets": budgets,
        "corpora": corpora({name: [text for part in parts for text in part] for name, parts in texts.items()}),
    }


def _one(workdir: Workdir, point: Point, settings: Settings, lab: Callable[[], Lab], identity: str, stop: Stop) -> None:
    """Computes a point that is not finished; notes its error, if it fails."""
    with workdir.part(point.name, {**asdict(settings), "point": asdict(point)}) as part:
        part.begin(data=identity)  # refuses other data under the same name
        if part.finished:
            return
        part.error.unlink(missing_ok=True)
        made = lab()  # what fails here would fail everywhere
        try:
            compute(made, point, part, siblings=_siblings(workdir, point), stop=stop)
        except Interrupted:
            raise
        except Exception as error:
            _LOG.error("%s failed: %s", point.name, error)
            if not isinstance(error, UserError):
                traceback.print_exc()
            text = "".join(traceback.format_exception(error))
            write_json(part.error, {"error": f"{type(error).__name__}: {error}", "traceback": text})
            jax.clear_caches()


def _siblings(workdir: Workdir, point: Point) -> dict[str, Path]:
    """Finished points of the same data and seed that are found by their method."""
    found = {}
    for path in sorted((workdir.path / "runs").glob(f"*seed{point.seed}/results.json")):
        config = path.parent / "config.json"
        other = read_json(config).get("point", {}) if config.exists() else {}
        same = all(other.get(key) == getattr(point, key) for key in ("dataset", "seed", "noise", "outliers", "start"))
        if same and read_json(path).get("finished"):
            found[other["method"]] = path.parent
    return found

"""What does each way to shrink the training set give, on one budget axis, and what does it cost?"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax

from dd_al.config.settings import Settings
from dd_al.core.errors import BusyError, DataError, Interrupted, UserError
from dd_al.core.files import read_json, write_json
from dd_al.data.dataset import Dataset
from dd_al.data.load import identity, load
from dd_al.data.overlap import sketch
from dd_al.experiments import record
from dd_al.experiments.compare.lab import Lab
from dd_al.experiments.compare.plan import Point, datasets, in_examples, points, sliced
from dd_al.experiments.compare.points import compute
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.report import compare

_LOG = logging.getLogger(__name__)


class _Data(NamedTuple):
    """A data set of the comparison: its config, itself, what `Workdir.begin` compares, and the seconds to load it."""

    config: Settings
    dataset: Dataset
    identity: dict[str, str]
    seconds: float


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
    found = _read(settings)
    workdir.begin(**{f"{key} of {name}": v for name, one in found.items() for key, v in one.identity.items()})
    with workdir.one_at_a_time():
        write_json(workdir.points, _plan(workdir, every, settings, found))
    labs: dict[str, Lab | Exception] = {}
    with catch_stop() as stop:
        for number, point in enumerate(ours, start=1):
            one = found[point.dataset]

            def lab(name: str = point.dataset, one: _Data = one) -> Lab:
                if name not in labs:
                    record.announce(one.dataset)
                    try:
                        labs[name] = Lab(name, one.config, one.dataset, one.seconds)
                    except Exception as error:  # which all points of this data set share, and others do not
                        labs[name] = error
                if isinstance(labs[name], Exception):
                    raise labs[name]
                return labs[name]

            with progress_of(point.name):
                try:
                    _one(workdir, point, one, lab, f"point {number} of {len(ours)}", stop)
                except BusyError as error:
                    if part is None:
                        raise
                    _LOG.info("%s: left to the process that is at it (%s)", point.name, error)
            stop.check("the same command goes on with the next point")
    with workdir.one_at_a_time():
        _report(workdir, every)
    _say_failures([point for point in ours if _state(workdir, point) == "failed"], workdir, len(every))


def _read(settings: Settings) -> dict[str, _Data]:
    """Every data set by its name, before anything is computed: a mistake is said at once."""
    found = {}
    for name, config in datasets(settings).items():
        start = time.perf_counter()
        try:
            dataset = load(config)
            found_as = identity(config, dataset)
        except DataError as error:
            raise DataError(f"the data of {name!r}: {error}") from error
        found[name] = _Data(config, dataset, found_as, time.perf_counter() - start)
        in_examples(settings.compare.budgets, len(dataset.train), dataset.num_classes, name)
    return found


def _plan(workdir: Workdir, every: Sequence[Point], settings: Settings, found: dict[str, _Data]) -> dict:
    """What the report has to know of the plan; points that an earlier start has finished stay in it."""
    known = read_json(workdir.points) if workdir.points.exists() else {"points": [], "budgets": {}, "sketches": {}}
    now = {point.name: {"name": point.name, **asdict(point)} for point in every}
    before = [
        one for one in known["points"] if one["name"] not in now and _finished(workdir.path / "runs" / one["name"])
    ]
    budgets, sketches = {}, {}
    for name, one in found.items():
        dataset = one.dataset
        budgets[name] = in_examples(settings.compare.budgets, len(dataset.train), dataset.num_classes, name)
        sketches[name] = sketch(
            text for split in (dataset.train, dataset.validation, dataset.test) for text in split.texts
        )
    return {
        "points": [*before, *now.values()],
        "network": settings.model.kind,
        "budgets": {**known["budgets"], **budgets},
        "sketches": {**known["sketches"], **sketches},
    }


def _one(workdir: Workdir, point: Point, data: _Data, lab: Callable[[], Lab], place: str, stop: Stop) -> None:
    """Computes a point that is not finished; notes its error, if it fails."""
    with workdir.part(point.name, {**asdict(data.config), "point": asdict(point)}) as part:
        part.begin(**data.identity)  # refuses other data under the same name
        if _finished(part.path):
            return
        _LOG.info("%s: %s", point.name, place)
        for old in (part.results, part.error):
            old.unlink(missing_ok=True)
        try:
            compute(lab(), point, part, siblings=_siblings(workdir, point), stop=stop)
        except Interrupted:
            raise
        except Exception as error:
            _LOG.error("%s failed: %s", point.name, error)
            if not isinstance(error, UserError):
                traceback.print_exception(error)
            text = "".join(traceback.format_exception(error))
            write_json(part.error, {"error": f"{type(error).__name__}: {error}", "traceback": text})
            jax.clear_caches()


def _finished(folder: Path) -> bool:
    return compare.read_point(folder)["state"] == "finished"


def _state(workdir: Workdir, point: Point) -> str:
    return compare.read_point(workdir.path / "runs" / point.name)["state"]


def _report(workdir: Workdir, every: Sequence[Point]) -> None:
    """Puts together all that is finished, if anything is."""
    left = [point.name for point in every if _state(workdir, point) == "missing"]
    if left:
        _LOG.info("%d of %d points are left to other slices; the last of them puts all together", len(left), len(every))
    plan = read_json(workdir.points)["points"]
    if any(_finished(workdir.path / "runs" / one["name"]) for one in plan):
        compare.write(workdir.path, compare.gather([workdir.path], command=record.command()))


def _say_failures(failed: Sequence[Point], workdir: Workdir, count: int) -> None:
    if not failed:
        return
    by_error: dict[str, list[str]] = {}
    for point in failed:
        error = compare.read_point(workdir.path / "runs" / point.name)["error"]
        by_error.setdefault(error, []).append(point.name)
    lines = "\n".join(
        f"  {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: {error}"
        for error, names in by_error.items()
    )
    raise UserError(
        f"{len(failed)} of {count} points failed; the report shows the others, and the same command tries again:\n"
        f"{lines}"
    )


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

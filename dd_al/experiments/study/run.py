"""What do sets distilled for one network, or for several, do for each of them? And what along the values of a key?"""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np

from dd_al.config.grid import TOGETHER, curves, row_folder
from dd_al.config.settings import Settings
from dd_al.config.sweeps import StudySettings
from dd_al.core.files import read_json, write_json
from dd_al.data.load import identity
from dd_al.distillation.optimise import optimise
from dd_al.distillation.starts import number_of_items
from dd_al.distillation.synthetic import Synthetic
from dd_al.evaluation.baselines import fit_tuned, read_stage, stage
from dd_al.experiments import record
from dd_al.experiments.study.judges import SNAPSHOTS, Judges, Row, judges_of, pictures, shown_in_plane, tables
from dd_al.experiments.sweep import Trial, refuse_failures, run_trials
from dd_al.io.signals import Stop
from dd_al.io.tensors import read_safetensors, write_safetensors
from dd_al.io.workdir import Workdir
from dd_al.learner import optimizers
from dd_al.learner.learner import make_learner
from dd_al.task.task import known_inits, make_task

_LOG = logging.getLogger(__name__)
_MOST_WORKERS = 4


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains on all data, distils every row and point, tries the sets on the networks, and reports.

    Raises:
      UserError: trainings or distillations have failed.
    """
    began = time.perf_counter()
    task = make_task(settings, *record.load_dataset(settings, workdir))
    judges = Judges(task, settings)
    rows, points = _rows(settings, list(judges.learners)), _points(settings, list(judges.learners))
    sets = {row.folder: row for row in (*rows, *points.values())}
    for row in sets.values():  # mistakes are not to be found after hours
        number_of_items(row.settings.distill, len(task.dataset.train), task.classes)
    fits, data = {f"full-{row_folder(name)}": name for name in judges.learners}, identity(settings, task.dataset)
    trials = [
        Trial(folder, settings, data, partial(_fit_full, judges, name), {"network": name}, title=name)
        for folder, name in fits.items()
    ]
    for folder, row in sets.items():
        job = {"networks": row.networks, "restarts": row.restarts}
        trials.append(Trial(folder, row.settings, data, partial(_distil, judges, row), job, title=row.name))

    def finished(part: Workdir) -> bool:
        return any((part.checkpoints / f"{name}.safetensors").exists() for name in ("full", "sets"))

    clock = workdir.checkpoints / "seconds.json"  # of all starts; trials that run side by side have more in sum
    earlier = read_json(clock)["seconds"] if clock.exists() else 0.0
    try:
        failed = run_trials(workdir, trials, finished=finished, workers=settings.study.workers or _workers())
    finally:
        clock.parent.mkdir(exist_ok=True)
        write_json(clock, {"seconds": (spent := earlier + time.perf_counter() - began)})
    refuse_failures(failed, len(trials))

    _LOG.info("training networks on the distilled sets, and testing")
    start, runs = time.perf_counter(), workdir.path / "runs"
    full = {name: read_stage(runs / folder / "checkpoints" / "full.safetensors") for folder, name in fits.items()}
    made = {folder: _read(row, runs / folder) for folder, row in sets.items()}
    matrix, on_curves = [made[row.folder] for row in rows], {key: made[row.folder] for key, row in points.items()}
    methods, budget, study = tables(judges, {name: trained for name, (trained, _) in full.items()}, matrix, on_curves)
    if matrix and shown_in_plane(task):
        study |= pictures(judges, matrix, runs)
    evaluate_s = time.perf_counter() - start
    seconds = {
        "baselines_s": sum(seconds for _, seconds in full.values()),
        "compile_s": sum(row.seconds[0] for row in made.values()),
        "optimise_s": sum(row.seconds[1] for row in made.values()),
        "evaluate_s": evaluate_s,
        "total_s": spent + evaluate_s,
    }
    how = {"inits": judges_of(settings), "init": "known" if settings.distill.init == "known" else "random"}
    record.finish(workdir, settings, task, evaluate=how, budget=budget, methods=methods, study=study, time=seconds)


def _rows(settings: Settings, names: Sequence[str]) -> list[Row]:
    """The rows of the matrix, if one is asked for: each network's sets, and those for all at once."""
    groups = {name: (name,) for name in names if settings.study.matrix}
    if len(groups) > 1:
        groups[TOGETHER] = tuple(names)
    common = replace(settings, study=StudySettings())
    return [Row(name, group, common, settings.study.restarts) for name, group in groups.items()]


def _points(settings: Settings, names: Sequence[str]) -> dict[tuple[str, str, str], Row]:
    """The points of every curve for every network, by curve, value and network."""
    return {
        (curve, value, name): Row(f"{curve} = {value}, {name}", (name,), point, settings.study.curve_restarts)
        for curve, values in curves(settings).items()
        for value, point in values.items()
        for name in names
    }


def _workers() -> int:
    """Trials at a time: on a CPU most of their time goes to compilation, which uses one core each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS) if jax.default_backend() == "cpu" else 1


def _fit_full(judges: Judges, name: str, part: Workdir, stop: Stop) -> None:
    """On all data with Adam; `chosen` is the rate out of `config.transfer.full_rates` that validation finds best."""
    settings = judges.settings
    adam = make_learner(judges.learners[name].model, optimizers.get("adam"), shift=settings.learner.shift)
    task = replace(judges.task, learner=adam)
    if settings.distill.init == "known":
        states = known_inits(task, settings.study.restarts if settings.study.matrix else settings.study.curve_restarts)
    else:
        states = task.inits("evaluation", judges_of(settings))
    stage(part, "full", partial(fit_tuned, task, settings.full, settings.transfer.full_rates, states, stop=stop))


def _distil(judges: Judges, row: Row, part: Workdir, stop: Stop) -> None:
    """Distils the sets of a row or a point and writes them, with the seconds of compilation and of all else."""
    task, distill = judges.task, row.settings.distill
    found = optimise(
        judges.task_of(row.networks),
        distill,
        items=number_of_items(distill, len(task.dataset.train), task.classes),
        sets=row.restarts,
        select_inits=row.settings.evaluate.select_inits,
        pictures=part.path / SNAPSHOTS if shown_in_plane(task) else None,
        quick=True,
        stop=stop,
    )
    arrays = {key: np.asarray(x) for key, x in found.synthetic._asdict().items() if x is not None}
    part.checkpoints.mkdir(exist_ok=True)
    seconds = np.asarray([found.compile_s, found.optimise_s])
    write_safetensors(part.checkpoints / "sets.safetensors", {**arrays, "seconds": seconds})


def _read(row: Row, folder: Path) -> Row:
    arrays = read_safetensors(folder / "checkpoints" / "sets.safetensors")
    seconds = tuple(arrays.pop("seconds").tolist())
    return row._replace(synthetic=Synthetic(**arrays), seconds=seconds)

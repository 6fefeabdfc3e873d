"""What a study trains: networks on all data, and the sets of its rows and points."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from dd_al.config.grid import TOGETHER, row_folder
from dd_al.config.settings import Settings
from dd_al.core.side_by_side import side_by_side
from dd_al.distillation.optimise import Distillation, optimise
from dd_al.distillation.starts import number_of_items
from dd_al.distillation.synthetic import Synthetic
from dd_al.evaluation.baselines import Trained, fit_tuned, stage
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.tensors import read_safetensors, write_safetensors
from dd_al.io.workdir import Workdir
from dd_al.learner import optimizers
from dd_al.learner.learner import Learner, make_learner
from dd_al.report.item_figures import MOST_CLASSES
from dd_al.task.task import Task, known_inits

_LOG = logging.getLogger(__name__)
_MOST_WORKERS = 4


class Row(NamedTuple):
    """Sets that were distilled for some of the networks.

    Attributes:
      name: of the network, or `TOGETHER`.
      networks: their names.
      synthetic: the sets, stacked.
      compile_s: seconds of compilation.
      optimise_s: seconds of all else.
    """

    name: str
    networks: tuple[str, ...]
    synthetic: Synthetic
    compile_s: float
    optimise_s: float


def train_all(
    task: Task, learners: Mapping[str, Learner], settings: Settings, lines: Mapping, workdir: Workdir
) -> tuple[dict[str, Trained], dict[str, Row], dict[tuple, Row], dict[str, float]]:
    """Networks on all data; the sets of rows, and of points along curves; and the seconds of each stage."""
    with catch_stop() as stop:
        fits = {name: partial(_fit_full, task, settings, learner, name, stop) for name, learner in learners.items()}
        fits = {name: partial(stage, workdir, f"full-{row_folder(name)}", fit) for name, fit in fits.items()}
        rows = {}
        if settings.study.matrix:
            groups = {name: (name,) for name in learners}
            if settings.study.together and len(learners) > 1:
                groups[TOGETHER] = tuple(learners)
            for name, group in groups.items():
                one = task_of(task, learners, group)
                rows[name] = partial(_distilled, one, settings, group, name, settings.study.restarts, workdir, stop)
        points = {
            (curve, value, name): partial(
                _distilled, task_of(task, learners, (name,)), point, (name,), f"{curve} = {value}, {name}",
                settings.study.curve_restarts, workdir, stop,
            )
            for curve, values in lines.items() for value, point in values.items() for name in learners
        }  # fmt: skip
        workers = settings.study.workers or _workers()
        trained, made = side_by_side(fits, workers), side_by_side({**rows, **points}, workers)
    seconds = {
        "baselines_s": sum(spent for _, spent in trained.values()),
        "compile_s": sum(row.compile_s for row in made.values()),
        "optimise_s": sum(row.optimise_s for row in made.values()),
    }
    full = {name: networks for name, (networks, _) in trained.items()}
    return full, {name: made[name] for name in rows}, {key: made[key] for key in points}, seconds


def _workers() -> int:
    """Rows or points at a time: on a CPU most of their time goes to compilation, which uses one core each."""
    if jax.default_backend() != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)


def _fit_full(task: Task, settings: Settings, learner: Learner, name: str, stop: Stop) -> Trained:
    """On all data with Adam; `chosen` is the rate out of `config.transfer.full_rates` that validation finds best."""
    own = make_learner(learner.model, optimizers.get("adam"), shift=settings.learner.shift)
    one = replace(task, learner=own)
    if settings.distill.init == "known":
        states = known_inits(one, settings.study.restarts if settings.study.matrix else settings.study.curve_restarts)
    else:
        states = one.inits("evaluation", judges(settings))
    with progress_of(name):
        return fit_tuned(one, settings.full, settings.transfer.full_rates, states, stop=stop)


def _distilled(
    task: Task,
    settings: Settings,
    networks: tuple[str, ...],
    name: str,
    restarts: int,
    workdir: Workdir,
    stop: Stop,
) -> Row:
    """The sets of a row or a point, from the work directory if an earlier start of the run got so far."""
    path = workdir.checkpoints / f"sets-{row_folder(name)}.safetensors"
    if path.exists():
        _LOG.info("%s: from an earlier start of this run", name)
        arrays = read_safetensors(path)
        times = arrays.pop("seconds").tolist()
        return Row(name, networks, Synthetic(**arrays), *times)
    stop.check("the same command goes on with the sets that it has")
    with progress_of(name):
        found: Distillation = optimise(
            task,
            settings.distill,
            items=number_of_items(settings.distill, len(task.dataset.train), task.classes),
            sets=restarts,
            select_inits=settings.evaluate.select_inits,
            pictures=workdir.checkpoints / f"snapshots-{row_folder(name)}" if in_plane(task) else None,
            quick=True,
            stop=stop,
        )
    arrays = {key: np.asarray(x) for key, x in found.synthetic._asdict().items() if x is not None}
    path.parent.mkdir(exist_ok=True)
    write_safetensors(path, {**arrays, "seconds": np.asarray([found.compile_s, found.optimise_s])})
    return Row(name, networks, Synthetic(**arrays), found.compile_s, found.optimise_s)


def task_of(task: Task, learners: Mapping[str, Learner], names: tuple[str, ...]) -> Task:
    """The task with the first of these networks as its own."""
    first, *others = names
    return replace(task, learner=learners[first], others={name: learners[name] for name in others})


def judges(settings: Settings) -> int:
    """Networks that judge each set: a known initialisation is its set's only one."""
    return 1 if settings.distill.init == "known" else settings.evaluate.inits or 10


def in_plane(task: Task) -> bool:
    """Whether examples are points that pictures can show."""
    return task.shape == (2,) and task.classes <= MOST_CLASSES

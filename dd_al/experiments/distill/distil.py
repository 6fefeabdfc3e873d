"""A whole distillation: labels from teachers, the outer loop, and a schedule where the objective teaches none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.settings import Settings
from dd_al.distillation.optimise import Distillation, optimise
from dd_al.distillation.synthetic import as_batch, columns, own_rates
from dd_al.distillation.teachers import soft_labels, taught
from dd_al.evaluation.baselines import choose_schedule, fit_full, stage
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.models.base import Params
from dd_al.task.task import Task

_LOG = logging.getLogger(__name__)
TEACHERS = 3  # learners on all data, for `config.distill.teacher`


def distil(
    task: Task,
    settings: Settings,
    *,
    items: int,
    sets: int = 1,
    teachers: Params | None = None,
    workdir: Workdir | None = None,
    starts: np.ndarray | None = None,
    programs: dict[Hashable, Callable] | None = None,
    stop: Stop | None = None,
) -> Distillation:
    """Distils by any method of `config.distill.method`.

    Args:
      task: data and learner.
      settings: of the run.
      items: synthetic examples in a set.
      sets: how many; with known initialisations each set has its own.
      teachers: learners that were trained on all data, stacked, for `config.distill.teacher`; trained here if None.
      workdir: see `optimise`.
      starts: see `optimise`, likewise the next.
      programs: what earlier calls compiled.
      stop: see `optimise`.

    Raises:
      UserError: see `optimise`.
      Interrupted: from ``stop``.
    """
    stop = stop or Stop()
    outer_task, teachers_s = task, 0.0
    if weight := settings.distill.teacher:
        if teachers is None:
            fit = partial(fit_full, task, settings.full, task.inits("teachers", TEACHERS), stop=stop)
            trained, teachers_s = (fit(), 0.0) if workdir is None else stage(workdir, "teachers", fit)
            teachers = trained.params
        outer_task = taught(task, soft_labels(task, teachers), weight)
    found = optimise(
        outer_task,
        settings.distill,
        items=items,
        sets=sets,
        select_inits=settings.evaluate.select_inits,
        workdir=workdir,
        pictures=None if workdir is None or task.table is not None else workdir.checkpoints / "snapshots",
        starts=starts,
        programs=programs,
        stop=stop,
    )
    found = replace(found, teachers_s=teachers_s)
    return found if settings.distill.method == "unrolled" else with_schedule(task, settings, found, stop)


def with_schedule(task: Task, settings: Settings, found: Distillation, stop: Stop) -> Distillation:
    """The set with the number of steps, and a rate for each network, out of those of `config.random`, by validation.

    Objectives without an unroll say nothing of how to train on the set. The task's own learner chooses the steps.
    """
    grid, log_rates = replace(settings.random, dropout=(False,)), []
    own = own_rates(task, found.synthetic)
    batch = as_batch(jax.tree.map(lambda x: x[0], own), settings.distill.labels)
    for name, part in columns(task).items():
        one = replace(task, learner=task.others[name]) if name else task
        title = f"schedule of the distilled set{name and ', '}{name}"
        states = one.inits("schedule", settings.evaluate.select_inits)
        trained = choose_schedule(one, grid, batch, states, stop=stop, title=title)
        rate, steps = float(trained.chosen[0]), int(trained.chosen[1])
        reached = trained.accuracy[list(trained.steps).index(steps)].mean()
        _LOG.info("%s: %d steps of %g, validation accuracy %.3f", title, steps, rate, reached)
        log_rates.append(np.full((1, steps, part.stop - part.start), np.log(rate), np.float32))
        if not name:
            accuracy, grid = reached, replace(grid, steps=(steps,))
    synthetic = found.synthetic._replace(log_rates=jnp.asarray(np.concatenate(log_rates, axis=-1)))
    return replace(found, synthetic=synthetic, best_accuracy=np.asarray([accuracy]))

"""A whole distillation: labels from teachers, the outer loop, and a schedule where the objective teaches none."""

from __future__ import annotations

import logging
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.distill.synthetic import as_batch
from dd_al.experiments.baselines import fit_full, fit_set
from dd_al.experiments.optimise import Distillation, optimise
from dd_al.experiments.settings import Settings
from dd_al.experiments.task import Task, own_rates
from dd_al.experiments.teacher import taught
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.models.base import Params

_LOG = logging.getLogger(__name__)


def distil(
    task: Task,
    settings: Settings,
    *,
    items: int,
    sets: int = 1,
    teachers: Params | None = None,
    workdir: Workdir | None = None,
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
      stop: see `optimise`.

    Raises:
      UserError: see `optimise`.
      Interrupted: from ``stop``.
    """
    stop = stop or Stop()
    outer_task = task
    if weight := settings.distill.teacher:
        if teachers is None:
            teachers = fit_full(task, settings.full, task.inits("teachers", 3), stop=stop).params
        outer_task = taught(task, teachers, weight)
    found = optimise(
        outer_task,
        settings.distill,
        items=items,
        sets=sets,
        select_inits=settings.evaluate.select_inits,
        workdir=workdir,
        stop=stop,
    )
    return found if settings.distill.method == "unrolled" else with_schedule(task, settings, found, stop)


def with_schedule(task: Task, settings: Settings, found: Distillation, stop: Stop) -> Distillation:
    """The set with the one rate and the number of steps, out of those of `config.random`, that validation prefers.

    Objectives without an unroll say nothing of how to train on the set.
    """
    batch = as_batch(jax.tree.map(lambda x: x[0], own_rates(task, found.synthetic)), settings.distill.labels)
    states = task.inits("schedule", settings.evaluate.select_inits)
    trained = fit_set(task, settings.random, batch, states, stop=stop, title="schedule of the distilled set")
    rate, steps = float(trained.chosen[0]), int(trained.chosen[1])
    accuracy = trained.accuracy[list(trained.steps).index(steps)].mean()
    _LOG.info("schedule of the distilled set: %d steps of %s, validation accuracy %.3f", steps, rate, accuracy)
    shape = (1, steps, found.synthetic.log_rates.shape[-1])
    synthetic = found.synthetic._replace(log_rates=jnp.full(shape, np.log(rate), jnp.float32))
    return replace(found, synthetic=synthetic, best_accuracy=np.asarray([accuracy]))

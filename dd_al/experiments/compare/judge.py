"""Fresh learners, trained on any part of the data by one recipe, or on distilled sets by their own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.loop import LoopState, training_steps
from dd_al.config.settings import Settings
from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.distillation.synthetic import Synthetic, as_batch, own_rates, train_on
from dd_al.evaluation.baselines import at_constant_rate, batches_of, for_each
from dd_al.experiments.compare import costs
from dd_al.experiments.compare.lab import Lab
from dd_al.learner.learner import LearnerState
from dd_al.models.base import Params
from dd_al.task.task import Task


class Judged(NamedTuple):
    """Learners that were trained on a set.

    Attributes:
      params: stacked over learners.
      validation: ``float[learners]``, their accuracy there.
      recipe: what validation chose.
      seconds: of one learner's training, compilation apart, where all of them are trained together.
      flops: of one learner's training.
      seen: real or synthetic examples that one learner's steps went through.
      curve: "epochs" over the set and the mean "validation" accuracy after each; empty where there is none.
    """

    params: Params
    validation: np.ndarray
    recipe: dict[str, Any]
    seconds: float
    flops: float
    seen: int
    curve: Mapping[str, list[float]] = {}


def judge_rows(lab: Lab, task: Task, rows: np.ndarray, data: Hashable = "") -> Judged:
    """Trains fresh learners on training examples, by the recipe that validation prefers.

    Sets of up to a minibatch are trained on whole, at one of the rates, numbers of steps and with or without
    dropout as of `config.random`; sets above `config.compare.full_batch` in minibatches at rates that fall from
    one of `config.compare.rates`, for as many steps as `config.active` says; those between in both ways.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      rows: ``int[n]``, positions in the training data.
      data: a name for the task's training texts where they are not those of the data set.
    """
    states, found = lab.states(task), []
    if len(rows) <= lab.settings.compare.full_batch or len(rows) <= lab.settings.active.batch_size:
        found.append(_whole(lab, task, jax.tree.map(lambda x: x[0], batches_of(task, rows[None])), states))
    if len(rows) > lab.settings.active.batch_size:
        found.append(_minibatches(lab, task, rows, states, data))
    return max(found, key=lambda one: one.validation.mean())


def judge_foreign(lab: Lab, task: Task, settings: Settings, synthetic: Synthetic) -> Judged:
    """Trains fresh learners of another network than it was distilled for on one set, at one rate.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      settings: of the distillation.
      synthetic: one set.
    """
    return _whole(lab, task, as_batch(synthetic, settings.distill.labels), lab.states(task))


def _whole(lab: Lab, task: Task, batch: Batch, states: LearnerState) -> Judged:
    settings, count, best = lab.settings.random, len(batch.targets), None
    batches = for_each(states, batch)

    def program(key, batches, states, rate, first, until, dropout):
        return at_constant_rate(lab.task, key, batches, rate, dropout, max(settings.steps))(states, first, until)

    def advance(dropout, rate, states, first, until):
        args = (task.key, batches, states, jnp.float32(rate), jnp.int32(first), jnp.int32(until))
        return lab.run(("whole", dropout), partial(program, dropout=dropout), *args)

    for dropout in settings.dropout:
        for rate in settings.rates:
            state, first, spent = states, 0, 0.0
            for until in sorted(settings.steps):
                state, seconds = advance(dropout, rate, state, first, until)
                first, spent = until, spent + seconds
                reached = lab.validation(state.params)
                if best is None or reached.mean() > best[0].mean():
                    best = reached, state.params, rate, until, dropout, spent
    validation, params, rate, length, dropout, seconds = best
    curve = _curve(lab, partial(advance, dropout, rate), states, max(settings.steps), 1)
    shape = jax.tree.leaves(batch)[0].shape
    step = lab.count(("whole", shape), lambda: costs.training_step(task, batch))
    recipe = {"steps": length, "rate": rate, "dropout": dropout, "batch": count}
    return Judged(params, validation, recipe, seconds / lab.inits, length * step, length * count, curve)


def _curve(lab: Lab, advance: Callable, states: LearnerState, steps: int, parts: int) -> dict[str, list[float]]:
    """Validation along training on a whole set, at every step up to ten, then 20, 50, 100, …: see `Judged.curve`."""
    first, reached = 0, []
    later = (d * 10**e for e in range(1, 6) for d in (2, 5, 10))
    looks = [step for step in (*range(1, 11), *later) if step < steps] + [steps]
    for until in looks:
        (states, _), first = advance(states, first, until), until
        reached.append(float(lab.validation(states.params).mean()))
    return {"epochs": [until / parts for until in looks], "validation": reached}


def _minibatches(lab: Lab, task: Task, rows: np.ndarray, states: LearnerState, data: Hashable) -> Judged:
    active, count, best = lab.settings.active, len(rows), None
    labelled = np.zeros(lab.most, np.int32)
    labelled[:count] = rows
    answers = np.where(np.arange(lab.most) < count, task.labels("train")[labelled], 0).astype(np.int32)
    keys = jax.random.split(stream(task.key, "minibatches"), lab.inits)
    labelled, answers = (jnp.broadcast_to(x, (lab.inits, lab.most)) for x in (labelled, answers))
    begun = LoopState(keys, states, labelled, answers, jnp.ones((lab.inits, 1), bool))

    def fit(rate: jax.Array, state: LoopState, count: jax.Array, first: LearnerState) -> LearnerState:
        return jax.vmap(lab.loop(task, rate).fit, (0, None, 0))(state, count, first).learner

    for rate in lab.settings.compare.rates:
        args = (jnp.float32(rate), begun, jnp.int32(count), states)
        learners, seconds = lab.run(("minibatches", data), fit, *args)
        validation = lab.validation(learners.params)
        if best is None or validation.mean() > best[0].mean():
            best = validation, learners.params, rate, seconds
    validation, params, rate, seconds = best
    steps, size = training_steps(active, count), active.batch_size
    step = lab.count(("real", size), lambda: costs.real_step(task, size))
    recipe = {"steps": steps, "rate": rate, "dropout": True, "batch": size}
    return Judged(params, validation, recipe, seconds / lab.inits, steps * step, steps * size)


def judge_sets(lab: Lab, task: Task, settings: Settings, synthetic: Synthetic, states: LearnerState) -> Judged:
    """Trains learners on distilled sets by their own schedule: all on one, or each on a set of its own.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      settings: of the distillation.
      synthetic: stacked sets.
      states: stacked learners.
    """
    distill, own = settings.distill, own_rates(task, synthetic)
    own = jax.tree.map(lambda x: jnp.broadcast_to(x, (lab.inits, *x.shape[1:])), own)

    def train(states: LearnerState, synthetic: Synthetic, first: jax.Array, until: jax.Array) -> LearnerState:
        learner = lab.task.learner
        return train_on(learner, synthetic, states, distill.labels, first, until, parts=distill.batches)

    def advance(states: LearnerState, first: int, until: int) -> tuple[LearnerState, float]:
        name = ("distilled", distill.labels, distill.batches)
        return lab.run(name, train, states, own, jnp.int32(first), jnp.int32(until))

    steps, count = own.log_rates.shape[1], own.inputs.shape[1] // distill.batches
    learners, seconds = advance(states, 0, steps)
    curve = _curve(lab, advance, states, steps, distill.batches)
    batch = part = jax.eval_shape(lambda: as_batch(jax.tree.map(lambda x: x[0], own), distill.labels))
    if distill.batches > 1:
        part = jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype), batch)
    step = lab.count(("distilled", own.inputs.shape[1:]), lambda: costs.training_step(task, part))
    return Judged(
        learners.params, lab.validation(learners.params), {"steps": steps, "rate": "learned"},
        seconds / lab.inits, steps * step, steps * count, curve,
    )  # fmt: skip

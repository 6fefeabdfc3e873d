"""Fresh learners, trained on any part of the data by one recipe, or on distilled sets by their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
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
from dd_al.evaluation import costs
from dd_al.evaluation.baselines import at_constant_rate, batches_of, for_each
from dd_al.evaluation.costs import Work
from dd_al.experiments.compare.lab import Lab
from dd_al.learner.learner import LearnerState
from dd_al.models.base import Params
from dd_al.task.task import Task

WHOLE_UP_TO = 64  # examples up to which sets are trained on whole, too, beside minibatches


class Judged(NamedTuple):
    """Learners that were trained on a set.

    Attributes:
      params: stacked over learners.
      validation: ``float[learners]``, their accuracy there.
      recipe: what validation chose.
      work: of one learner's training, where all of them are trained together.
      curve: "epochs" over the set and the mean "validation" accuracy after each; empty where there is none.
    """

    params: Params
    validation: np.ndarray
    recipe: dict[str, Any]
    work: Work
    curve: Mapping[str, list[float]] = {}


def best(tried: Iterable[Judged]) -> Judged:
    """The learners that validation prefers, the first of equals; of an iterator two are held at a time."""
    return max(tried, key=lambda one: one.validation.mean())


def judge_rows(lab: Lab, task: Task, rows: np.ndarray, data: Hashable = "") -> Judged:
    """Trains fresh learners on training examples, by the recipe that validation prefers.

    Sets of up to a minibatch are trained on whole, at one of the rates, numbers of steps and with or without
    dropout as of `config.random`; sets above `WHOLE_UP_TO` in minibatches at rates that fall from
    one of `config.compare.rates`, for as many steps as `config.active` says; those between in both ways.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      rows: ``int[n]``, positions in the training data.
      data: a name for the task's training texts where they are not those of the data set.
    """
    found, size = [], lab.settings.active.batch_size
    if len(rows) <= max(WHOLE_UP_TO, size):
        found.append(judge_batch(lab, task, jax.tree.map(lambda x: x[0], batches_of(task, rows[None]))))
    if len(rows) > size:
        found.append(best(_minibatches(lab, task, rows, data)))
    return best(found)


def judge_batch(lab: Lab, task: Task, batch: Batch) -> Judged:
    """Trains fresh learners on a whole set at the constant rate, with the steps and dropout, that validation prefers.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      batch: of real examples, or a set that was distilled for another network.
    """
    settings, states = lab.settings.random, lab.states(task)
    batches, last = for_each(states, batch), max(settings.steps)

    def program(key, batches, states, rate, first, until, dropout):
        return at_constant_rate(lab.task, key, batches, rate, dropout, last)(states, first, until)

    def advance(rate, dropout, states, first, until):
        args = (task.key, batches, states, jnp.float32(rate), jnp.int32(first), jnp.int32(until))
        return lab.run(("whole", dropout), partial(program, dropout=dropout), *args)

    def tried() -> Iterator[Judged]:
        shape, count = jax.tree.leaves(batch)[0].shape, len(batch.targets)
        step = lab.count(("whole", shape), lambda: costs.training_step(task, batch))
        for dropout, rate in itertools.product(settings.dropout, settings.rates):
            state, first, spent = states, 0, 0.0
            for until in sorted(settings.steps):
                state, seconds = advance(rate, dropout, state, first, until)
                first, spent = until, spent + seconds
                recipe = {"steps": until, "rate": rate, "dropout": dropout, "batch": count}
                reached = lab.validation(state.params)
                yield Judged(state.params, reached, recipe, Work(spent / lab.inits, until * step, until * count))

    found = best(tried())
    again = partial(advance, found.recipe["rate"], found.recipe["dropout"])
    return found._replace(curve=_curve(lab, again, states, last, 1))


def _curve(lab: Lab, advance: Callable, states: LearnerState, steps: int, parts: int) -> dict[str, list[float]]:
    """Validation along training on a whole set, at every step up to ten, then 20, 50, 100, …: see `Judged.curve`."""
    first, reached = 0, []
    later = (d * 10**e for e in range(1, 6) for d in (2, 5, 10))
    looks = [step for step in (*range(1, 11), *later) if step < steps] + [steps]
    for until in looks:
        (states, _), first = advance(states, first, until), until
        reached.append(float(lab.validation(states.params).mean()))
    return {"epochs": [until / parts for until in looks], "validation": reached}


def _minibatches(lab: Lab, task: Task, rows: np.ndarray, data: Hashable) -> Iterator[Judged]:
    """Learners trained as active learning trains its own, at each of the rates."""
    count, size, states = len(rows), lab.settings.active.batch_size, lab.states(task)
    padded = (np.pad(x, (0, lab.most - count)).astype(np.int32) for x in (rows, task.labels("train")[rows]))
    labelled, answers = (jnp.broadcast_to(x, (lab.inits, lab.most)) for x in padded)
    keys = jax.random.split(stream(task.key, "minibatches"), lab.inits)
    begun = LoopState(keys, states, labelled, answers, jnp.ones((lab.inits, 1), bool))
    steps = training_steps(lab.settings.active, count)
    step = lab.count(("real", size), lambda: costs.real_step(task, size))

    def fit(rate: jax.Array, state: LoopState, count: jax.Array, first: LearnerState) -> LearnerState:
        return jax.vmap(lab.loop(task, rate).fit, (0, None, 0))(state, count, first).learner

    for rate in lab.settings.compare.rates:
        args = (jnp.float32(rate), begun, jnp.int32(count), states)
        learners, seconds = lab.run(("minibatches", data), fit, *args)
        recipe = {"steps": steps, "rate": rate, "dropout": True, "batch": size}
        work = Work(seconds / lab.inits, steps * step, steps * size)
        yield Judged(learners.params, lab.validation(learners.params), recipe, work)


def judge_sets(lab: Lab, task: Task, settings: Settings, synthetic: Synthetic) -> Judged:
    """Trains learners on distilled sets by their own schedule: all on one, or each on a set of its own.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      settings: of the distillation.
      synthetic: stacked sets.
    """
    distill, own, states = settings.distill, own_rates(task, synthetic), lab.states(task)
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
    work = Work(seconds / lab.inits, steps * step, steps * count)
    recipe = {"steps": steps, "rate": "learned"}
    return Judged(learners.params, lab.validation(learners.params), recipe, work, curve)

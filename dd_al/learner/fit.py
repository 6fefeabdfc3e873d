"""Fitting on real data: minibatches, a decayed rate, and the best parameters by validation accuracy."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dd_al.core.keys import stream
from dd_al.learner.examples import Examples, minibatch
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import accuracy, for_each_learner
from dd_al.models.base import Params


class FitState(NamedTuple):
    """Several learners in training; every array has a leading axis of learners.

    Attributes:
      learner: their states now.
      best: the parameters of each at its best validation accuracy so far.
      best_accuracy: ``float32[learners]``.
      best_step: ``int32[learners]``.
      step: ``int32[]``, steps taken, the same for all.
    """

    learner: LearnerState
    best: Params
    best_accuracy: jax.Array
    best_step: jax.Array
    step: jax.Array


def cosine(rate: float, steps: int) -> Callable[[jax.Array], jax.Array]:
    """A rate that falls from ``rate`` to 0 over ``steps`` along a half cosine."""
    return lambda step: rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(step / steps, 1.0)))


def where_better(better: jax.Array, new: Any, old: Any) -> Any:
    """Of two trees of stacked arrays, the rows of ``new`` where ``better``, ``bool[rows]``, and else of ``old``."""
    return jax.tree.map(lambda n, o: jnp.where(better.reshape(-1, *[1] * (n.ndim - 1)), n, o), new, old)


def fitting(
    learner: Learner,
    train: Examples,
    validation: Examples,
    embed: Callable[[jax.Array], Any],
    *,
    batch_size: int,
    schedule: Callable[[jax.Array], jax.Array],
) -> tuple[Callable, Callable]:
    """Training on real data as ``(init, advance)``.

    Args:
      learner: its dropout is active in training.
      train: examples to train on.
      validation: examples that choose the best parameters.
      embed: raw rows to model inputs.
      batch_size: examples in a minibatch.
      schedule: step to learning rate, for every layer alike.

    Returns:
      ``init(states) -> FitState`` from stacked learner states, and ``advance(keys, state, until) -> (FitState,
      accuracy)``, which trains to step ``until`` and returns the validation accuracy there, ``float32[learners]``.
      ``keys``, one per learner, draw the order of the data and dropout: a learner alone gets the same numbers as among
      others. ``until`` may be traced, so that one compilation serves every stretch.
    """

    def init(states: LearnerState) -> FitState:
        count = jax.tree.leaves(states)[0].shape[0]
        accuracies, steps = jnp.full(count, -1.0, jnp.float32), jnp.zeros(count, jnp.int32)
        return FitState(states, states.params, accuracies, steps, jnp.zeros((), jnp.int32))

    def advance(keys: jax.Array, state: FitState, until: jax.Array) -> tuple[FitState, jax.Array]:
        def body(step: jax.Array, learners: LearnerState) -> LearnerState:
            def one_step(key: jax.Array, one: LearnerState) -> LearnerState:
                batch = minibatch(train, embed, stream(key, "order"), step, batch_size)
                rates = jnp.full(len(one.params), schedule(step))
                return learner.train_step(stream(key, "dropout", step), one, batch, rates)

            return for_each_learner(learner.model, one_step)(keys, learners)

        learners = jax.lax.fori_loop(state.step, until, body, state.learner)
        now = accuracy(learner.model, learners.params, validation, embed)
        better = now > state.best_accuracy
        new = learners.params, now, jnp.full_like(state.best_step, until)
        best = where_better(better, new, (state.best, state.best_accuracy, state.best_step))
        return FitState(learners, *best, jnp.asarray(until, jnp.int32)), now

    return init, advance

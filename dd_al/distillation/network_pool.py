"""A pool of partly trained learners: where training starts, other than at a fresh initialisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.learner.learner import Learner, LearnerState


class PoolState(NamedTuple):
    """The learners of a pool.

    Attributes:
      states: stacked, ``[size]``.
      ages: ``int32[size]``, how far each is on its way to the last age: steps that it has been trained, but for the
        first ones, which begin spread over all ages.
    """

    states: LearnerState
    ages: jax.Array


class Pool(NamedTuple):
    """Learners that train on the synthetic set while it is distilled, and are replaced by fresh ones in time.

    Zhou et al. 2022 (arXiv 2206.00719), section 3.3: the set meets networks of every age without an unroll that is as
    long.

    Attributes:
      init: ``init(key) -> PoolState`` of fresh learners, whose ages are spread, so that they are not replaced at once.
      draw: ``draw(key, pool) -> (rows, states)``, some learners, none twice: ``int32[nets]`` and their states.
      refresh: ``refresh(key, pool, rows, batch, rates) -> PoolState`` trains those rows one step on a batch, by the row
        of ``rates`` (``float[steps, layers]``) of their age, or of their age modulo its length, and replaces those that
        have reached the last age, or are not finite.
    """

    init: Callable[..., PoolState]
    draw: Callable[..., tuple[jax.Array, LearnerState]]
    refresh: Callable[..., PoolState]


def make_pool(learner: Learner, *, size: int, nets: int, last_age: int) -> Pool:
    """A pool of one learner.

    Args:
      learner: network and optimizer.
      size: learners in the pool.
      nets: learners that are drawn at a time.
      last_age: steps after which a learner is replaced by a fresh one.

    Raises:
      ValueError: more nets than learners, or an age below 1.
    """
    if nets > size:
        raise ValueError(f"{nets} learners cannot be drawn from a pool of {size}")
    if last_age < 1:
        raise ValueError(f"learners are replaced after at least one step, not {last_age}")

    def init(key: jax.Array) -> PoolState:
        ages = jnp.arange(size, dtype=jnp.int32) * last_age // size
        return PoolState(jax.vmap(learner.init)(jax.random.split(key, size)), ages)

    def draw(key: jax.Array, pool: PoolState) -> tuple[jax.Array, LearnerState]:
        rows = jax.random.permutation(key, size)[:nets]
        return rows, jax.tree.map(lambda x: x[rows], pool.states)

    def refresh(key: jax.Array, pool: PoolState, rows: jax.Array, batch: Batch, rates: jax.Array) -> PoolState:
        def one(key: jax.Array, state: LearnerState, age: jax.Array) -> tuple[LearnerState, jax.Array]:
            older = learner.train_step(None, state, batch, rates[age % rates.shape[0]])
            finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(older.params)]))
            done = (age + 1 >= last_age) | ~finite
            kept = jax.tree.map(lambda new, old: jnp.where(done, new, old), learner.init(key), older)
            return kept, jnp.where(done, 0, age + 1)

        keys = jax.random.split(stream(key, "replacement"), nets)
        states, ages = jax.vmap(one)(keys, jax.tree.map(lambda x: x[rows], pool.states), pool.ages[rows])
        states = jax.tree.map(lambda old, new: old.at[rows].set(new), pool.states, states)
        return PoolState(states, pool.ages.at[rows].set(ages))

    return Pool(init, draw, refresh)

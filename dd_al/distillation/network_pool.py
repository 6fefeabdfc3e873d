"""A pool of partly trained learners: where training starts, other than at a fresh initialisation."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Pool:
    """Learners that train on the synthetic set while it is distilled, and are replaced by fresh ones in time.

    Zhou et al. 2022 (arXiv 2206.00719), section 3.3: the set meets networks of every age without an unroll that is as
    long.

    Attributes:
      learner: network and optimizer.
      size: learners in the pool.
      nets: learners that are drawn at a time.
      last_age: steps after which a learner is replaced by a fresh one.

    Raises:
      ValueError: more nets than learners, or an age below 1.
    """

    learner: Learner
    size: int
    nets: int
    last_age: int

    def __post_init__(self):
        if self.nets > self.size:
            raise ValueError(f"{self.nets} learners cannot be drawn from a pool of {self.size}")
        if self.last_age < 1:
            raise ValueError(f"learners are replaced after at least one step, not {self.last_age}")

    def init(self, key: jax.Array) -> PoolState:
        """Fresh learners, whose ages are spread, so that they are not replaced at once."""
        ages = jnp.arange(self.size, dtype=jnp.int32) * self.last_age // self.size
        return PoolState(jax.vmap(self.learner.init)(jax.random.split(key, self.size)), ages)

    def draw(self, key: jax.Array, pool: PoolState) -> tuple[jax.Array, LearnerState]:
        """Some learners, none twice: their rows, ``int32[nets]``, and states."""
        rows = jax.random.permutation(key, self.size)[: self.nets]
        return rows, jax.tree.map(lambda x: x[rows], pool.states)

    def refresh(self, key: jax.Array, pool: PoolState, rows: jax.Array, batch: Batch, rates: jax.Array) -> PoolState:
        """Trains these rows one step, and replaces those that have reached the last age or are not finite.

        ``rates``, ``float[steps, layers]``, has a row for each age, and begins anew where there are fewer.
        """

        def one(key: jax.Array, state: LearnerState, age: jax.Array) -> tuple[LearnerState, jax.Array]:
            older = self.learner.train_step(None, state, batch, rates[age % rates.shape[0]])
            finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(older.params)]))
            done = (age + 1 >= self.last_age) | ~finite
            kept = jax.tree.map(lambda new, old: jnp.where(done, new, old), self.learner.init(key), older)
            return kept, jnp.where(done, 0, age + 1)

        keys = jax.random.split(stream(key, "replacement"), self.nets)
        states, ages = jax.vmap(one)(keys, jax.tree.map(lambda x: x[rows], pool.states), pool.ages[rows])
        states = jax.tree.map(lambda old, new: old.at[rows].set(new), pool.states, states)
        return PoolState(states, pool.ages.at[rows].set(ages))

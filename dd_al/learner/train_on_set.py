"""Training on a small set of examples by a schedule: distilled sets, chosen real ones and random ones alike."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from dd_al.core.types import Batch
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import for_each_learner
from dd_al.learner.unroll import take_steps


def train_on_set(
    learner: Learner,
    batch: Batch,
    rates: jax.Array,
    states: LearnerState,
    first: int | jax.Array = 0,
    until: int | jax.Array | None = None,
    *,
    parts: int = 1,
    keys: jax.Array | None = None,
    own: bool = False,
) -> LearnerState:
    """Trains stacked learners on one set, or each on a set of its own, by a schedule of learning rates.

    The steps are those of `dd_al.learner.unroll.unroll`, without a derivative. Returns the last states, stacked.

    Args:
      learner: network and optimizer.
      batch: the set; with ``own`` its arrays have a leading axis of learners.
      rates: ``float[steps, layers]``; with ``own`` ``float[learners, steps, layers]``.
      states: where training starts, stacked.
      first: steps that were taken before.
      until: the step to stop at; that of the last rate if None.
      parts: of the set, which steps see in turn; see `dd_al.learner.unroll.part_of`.
      keys: ``key<>[learners]``, which drive dropout; None for training without.
      own: whether every learner has a set and rates of its own.
    """
    chex.assert_rank(rates, 3 if own else 2)

    def train(state: LearnerState, key: jax.Array | None, batch: Batch, rates: jax.Array) -> LearnerState:
        last = len(rates) if until is None else until
        return take_steps(learner, state, batch, rates, first, last, parts=parts, key=key)

    if own:
        return for_each_learner(learner.model, train)(states, keys, batch, rates)
    return for_each_learner(learner.model, lambda state, key: train(state, key, batch, rates))(states, keys)


def along(train: Callable, states: Any, points: jax.Array, look: Callable) -> tuple[Any, Any]:
    """Trains up to each of some numbers of steps, and looks there.

    Args:
      train: ``train(states, first, until) -> states``, such as `train_on_set` with all else given.
      states: where training starts.
      points: ``int[points]``, rising.
      look: ``look(states)``, what is wanted of each point.

    Returns:
      The last states, and the looks, stacked.
    """

    def stretch(carry: tuple[jax.Array, Any], until: jax.Array):
        first, states = carry
        states = train(states, first, until)
        return (until, states), look(states)

    (_, states), looks = jax.lax.scan(stretch, (jnp.zeros((), points.dtype), states), points)
    return states, looks


def best_along(train: Callable, states: Any, points: jax.Array, look: Callable) -> tuple[Any, jax.Array]:
    """`along` with ``look(states) -> (found, score)``, of which it keeps the best point alone.

    All that `along` stacks could be thousands of networks.

    Returns:
      What was found at the point of the highest score (``float[]``, 0 at least), the first of equals, and its index.
    """

    def stretch(carry: tuple, until: jax.Array) -> tuple[tuple, None]:
        first, number, states, best = carry
        states = train(states, first, until)
        found, score = look(states)
        best = jax.tree.map(lambda new, old: jnp.where(score > best[0], new, old), (score, number, found), best)
        return (until, number + 1, states, best), None

    zero = jnp.zeros((), jnp.int32)
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(look, states)[0])
    start = (zero, zero, states, (jnp.float32(-1), zero, nothing))
    _, index, found = jax.lax.scan(stretch, start, points)[0][-1]
    return found, index

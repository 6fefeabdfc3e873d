"""Heuristics against redundant batches (Jacobs et al. 2021, arXiv 2109.04847, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dd_al.active.selectors import top_k
from dd_al.core.keys import stream
from dd_al.geometry.points import by_block, first, units


def by_training(
    key: jax.Array,
    scores: jax.Array,
    available: jax.Array,
    k: int,
    *,
    state: Any,
    step: Callable[[jax.Array, Any, jax.Array], Any],
    rescore: Callable[[jax.Array, Any, jax.Array], jax.Array],
    subset: int = 128,
) -> jax.Array:
    """RET: takes the text with the largest score, trains one step on it, and scores the others again.

    Args:
      key: of the steps and the passes; decides between equals.
      scores: ``float[pool]``.
      available: ``bool[pool]``.
      k: how many.
      state: the learner's.
      step: ``step(key, state, index) -> state``, one optimizer step on a text.
      rescore: ``rescore(key, state, rows) -> float[subset]``, the scores of some texts, ``int32[subset]``.
      subset: the batch is chosen from so many texts with the largest scores; ``k`` at least.
    """
    rows = top_k(stream(key, "subset"), scores, available, min(max(subset, k), len(scores)))

    def pick(carry: tuple[Any, jax.Array, jax.Array], key: jax.Array):
        state, values, left = carry
        at = first(stream(key, "equals"), values, left)
        state = step(stream(key, "step"), state, rows[at])
        return (state, rescore(stream(key, "passes"), state, rows), left.at[at].set(False)), rows[at]

    return jax.lax.scan(pick, (state, scores[rows], available[rows]), jax.random.split(key, k))[1]


def by_cosine(
    key: jax.Array,
    scores: jax.Array,
    features: jax.Array,
    available: jax.Array,
    k: int,
    *,
    limit: float = 0.0,
    rise: float = 0.1,
) -> jax.Array:
    """RECT: takes texts by falling score, but none too similar to one taken before.

    A text whose cosine to any of those is above a limit is passed over; after a sweep through the pool that leaves the
    batch short the limit rises.

    Args:
      key: decides between equals.
      scores: ``float[pool]``.
      features: ``float[pool, width]``.
      available: ``bool[pool]``.
      k: how many.
      limit: the first one.
      rise: what each sweep adds; from 1 on everything is similar enough.
    """
    directions = units(features)

    def pick(carry: tuple[jax.Array, jax.Array, jax.Array], key: jax.Array):
        limit, closest, left = carry
        # In one sweep the cosines to those taken only grow, so a text passed over stays so until the limit rises.
        least = jnp.min(closest, where=left, initial=jnp.inf)
        limit = limit + rise * jnp.maximum(jnp.ceil((least - limit) / rise - 1e-4), 0)
        index = first(key, scores, left & ((closest <= limit) | (closest == least)))
        return (limit, jnp.maximum(closest, directions @ directions[index]), left.at[index].set(False)), index

    start = jnp.asarray(limit, features.dtype), jnp.full(len(features), -jnp.inf, features.dtype), available
    return jax.lax.scan(pick, start, jax.random.split(key, k))[1]


def by_density(
    key: jax.Array, scores: jax.Array, features: jax.Array, available: jax.Array, k: int, *, neighbours: int = 10
) -> jax.Array:
    """SUD: the score times how densely the pool lies around a text, the mean of its largest cosines to others.

    Args:
      key: decides between equals.
      scores: ``float[pool]``, not negative.
      features: ``float[pool, width]``.
      available: ``bool[pool]``; the cosines are to all of the pool.
      k: how many.
      neighbours: how many cosines are averaged.
    """
    directions = units(features)
    neighbours = min(neighbours, len(directions) - 1)

    def density(rows: jax.Array) -> jax.Array:
        # The largest cosine of all is that to itself. It is taken off, not cut off: of a slice XLA sorts whole rows.
        nearest = jax.lax.top_k(rows @ directions.T, neighbours + 1)[0]
        return (jnp.sum(nearest, -1) - jnp.max(nearest, -1)) / neighbours

    return top_k(key, scores * by_block(density, directions, block=256), available, k)

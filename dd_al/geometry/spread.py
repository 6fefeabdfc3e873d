"""Points that lie far from one another, and from some that are there already."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Distances = Callable[[jax.Array], jax.Array]  # index -> float[n]; see `distances.to_points`


def farthest_first(key: jax.Array, to: Distances, nearest: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """Greedy k-center: again and again the point that lies farthest from its nearest center.

    Gonzalez 1985; the core-set selection of Sener & Savarese 2018, arXiv 1708.00489, algorithm 1. The largest distance
    that it leaves is at most twice the least possible one.

    Args:
      key: decides between points that are equally far.
      to: ``index -> float[n]``, the distance of every point to one of them.
      nearest: ``float[n]``, the distance of every point to the nearest center that there is; infinite where none is.
      available: ``bool[n]``, which points can be chosen, ``k`` at least.
      k: how many to choose.

    Returns:
      ``int32[k]``, in the order of choice.
    """
    return _greedy(key, to, nearest, available, k, first)


def plus_plus(key: jax.Array, to: Distances, nearest: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """The seeding of k-means++: points drawn in proportion to the squared distance to their nearest center.

    Arthur & Vassilvitskii 2007, section 2.2. Points that lie on centers are drawn where no others are left. For the
    arguments see `farthest_first`; distances are squared.
    """

    def draw(key: jax.Array, nearest: jax.Array, left: jax.Array) -> jax.Array:
        weights = jnp.where(left, nearest, 0)
        weights = jnp.where(weights.sum() > 0, weights, left)
        return jax.random.categorical(key, jnp.log(weights)).astype(jnp.int32)

    return _greedy(key, to, nearest, available, k, draw)


def first(key: jax.Array, values: jax.Array, available: jax.Array) -> jax.Array:
    """The index of the largest of the available values, ``int32[]``; of equal ones any, by the key. NaN is least."""
    values = jnp.where(jnp.isnan(values), -jnp.inf, values)
    most = values == jnp.max(values, where=available, initial=-jnp.inf)
    return jnp.argmax(jnp.where(available & most, jax.random.uniform(key, values.shape), -1)).astype(jnp.int32)


def _greedy(key: jax.Array, to: Distances, nearest: jax.Array, available: jax.Array, k: int, pick: Callable):
    def step(carry: tuple[jax.Array, jax.Array], key: jax.Array):
        nearest, left = carry
        # Where there is no center yet, all points are equally far.
        index = pick(key, jnp.where(jnp.isinf(nearest), 1.0, nearest), left)
        return (jnp.minimum(nearest, to(index)), left.at[index].set(False)), index

    return jax.lax.scan(step, (nearest, available), jax.random.split(key, k))[1]

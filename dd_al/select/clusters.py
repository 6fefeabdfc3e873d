"""Clusters of points."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dd_al.select.distances import by_block, squared, to_points
from dd_al.select.spread import plus_plus


def k_means(
    key: jax.Array, points: jax.Array, weights: jax.Array, k: int, *, iterations: int = 30
) -> tuple[jax.Array, jax.Array]:
    """Lloyd's algorithm from a k-means++ start.

    Args:
      key: of the start.
      points: ``float[n, dim]``.
      weights: ``float[n]``, not negative; points without weight belong to no cluster. At least ``k`` have one.
      k: how many clusters. One that loses its points stays where it was.
      iterations: of assignment and mean.

    Returns:
      The centers, ``float[k, dim]``, and the cluster of every point, ``int32[n]``.
    """
    start = plus_plus(key, to_points(points), jnp.full(len(points), jnp.inf), weights > 0, k)

    def move(_, centers: jax.Array) -> jax.Array:
        member = jax.nn.one_hot(assign(points, centers), k, dtype=points.dtype) * weights[:, None]
        sizes = member.sum(0)[:, None]
        return jnp.where(sizes > 0, member.T @ points / jnp.where(sizes > 0, sizes, 1), centers)

    centers = jax.lax.fori_loop(0, iterations, move, points[start])
    return centers, assign(points, centers)


def assign(points: jax.Array, centers: jax.Array) -> jax.Array:
    """The nearest center of every point, ``int32[n]``."""
    return by_block(lambda rows: jnp.argmin(squared(rows, centers), -1), points).astype(jnp.int32)


def nearest_to(centers: jax.Array, points: jax.Array, available: jax.Array) -> jax.Array:
    """A point for each center, the nearest one that is available and not taken by a center before it: ``int32[k]``."""

    def take(left: jax.Array, center: jax.Array):
        index = jnp.argmin(jnp.where(left, jnp.sum((points - center) ** 2, -1), jnp.inf)).astype(jnp.int32)
        return left.at[index].set(False), index

    return jax.lax.scan(take, available, centers)[1]

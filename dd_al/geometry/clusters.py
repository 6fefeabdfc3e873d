"""Clusters of points."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dd_al.geometry.distances import by_block, to_points
from dd_al.geometry.spread import plus_plus

_HELD = 1 << 20  # distances at once


def k_means(
    key: jax.Array, points: jax.Array, weights: jax.Array, k: int, *, iterations: int = 30
) -> tuple[jax.Array, jax.Array]:
    """Lloyd's algorithm from a k-means++ start.

    Args:
      key: of the start.
      points: ``float[n, dim]``.
      weights: ``float[n]``, not negative; points without weight belong to no cluster. At least ``k`` have one.
      k: how many clusters. One that loses its points stays where it was.
      iterations: of assignment and mean, at most; it ends where no center moves.

    Returns:
      The centers, ``float[k, dim]``, and the cluster of every point, ``int32[n]``.
    """
    start = plus_plus(key, to_points(points), jnp.full(len(points), jnp.inf), weights > 0, k)

    def moved(centers: jax.Array) -> jax.Array:
        nearest = assign(points, centers)
        sums = jax.ops.segment_sum(points * weights[:, None], nearest, k)
        sizes = jax.ops.segment_sum(weights, nearest, k)[:, None]
        return jnp.where(sizes > 0, sums / jnp.where(sizes > 0, sizes, 1), centers)

    def step(carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        i, _, centers = carry
        return i + 1, centers, moved(centers)

    def goes_on(carry: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        i, before, centers = carry
        return (i < iterations) & jnp.any(before != centers)

    first = points[start]
    _, _, centers = jax.lax.while_loop(goes_on, step, (jnp.zeros((), jnp.int32), jnp.full_like(first, jnp.nan), first))
    return centers, assign(points, centers)


def assign(points: jax.Array, centers: jax.Array) -> jax.Array:
    """The nearest center of every point, ``int32[n]``."""
    sizes = jnp.sum(centers**2, -1)  # a point's own is the same for all centers
    block = max(1024, _HELD // len(centers))
    return by_block(lambda rows: jnp.argmin(sizes - 2 * rows @ centers.T, -1), points, block=block).astype(jnp.int32)


def nearest_to(centers: jax.Array, points: jax.Array, available: jax.Array) -> jax.Array:
    """A point for each center, the nearest one that is available and not taken by a center before it: ``int32[k]``."""

    def take(left: jax.Array, center: jax.Array):
        index = jnp.argmin(jnp.where(left, jnp.sum((points - center) ** 2, -1), jnp.inf)).astype(jnp.int32)
        return left.at[index].set(False), index

    return jax.lax.scan(take, available, centers)[1]

"""Squared Euclidean distances between points, a block of them at a time."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

_BLOCK = 1024  # points whose distances to all others are held at once


def units(points: jax.Array) -> jax.Array:
    """The points at length 1, ``float[n, dim]``; zero stays zero."""
    return points / jnp.maximum(jnp.linalg.norm(points, axis=-1, keepdims=True), 1e-12)


def squared(a: jax.Array, b: jax.Array) -> jax.Array:
    """The distances between points ``float[n, dim]`` and ``float[m, dim]``, ``float[n, m]``."""
    return jnp.maximum(jnp.sum(a**2, -1)[:, None] + jnp.sum(b**2, -1) - 2 * a @ b.T, 0)


def to_points(points: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """``index -> float[n]``: the distance of every point to one of them.

    Args:
      points: ``float[n, dim]``.
    """
    return lambda index: jnp.sum((points - points[index]) ** 2, -1)


def to_products(a: jax.Array, b: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """`to_points` of the outer products a bᵀ, ``float[n, p · q]``, none of which is formed.

    Args:
      a: ``float[n, p]``.
      b: ``float[n, q]``.
    """
    sizes = jnp.sum(a**2, -1) * jnp.sum(b**2, -1)

    def to(index: jax.Array) -> jax.Array:
        return jnp.maximum(sizes + sizes[index] - 2 * (a @ a[index]) * (b @ b[index]), 0)

    return to


def to_nearest(points: jax.Array, others: jax.Array, counted: jax.Array) -> jax.Array:
    """The distance of every point to the nearest of some others, ``float[n]``; infinite where there are none.

    Args:
      points: ``float[n, dim]``.
      others: ``float[m, dim]``.
      counted: ``bool[m]``, which of the others there are.
    """
    return by_block(lambda rows: jnp.min(jnp.where(counted, squared(rows, others), jnp.inf), -1), points)


def by_block(function: Callable[[jax.Array], jax.Array], points: jax.Array, *, block: int = _BLOCK) -> jax.Array:
    """A function of every point, ``float[n, ...]``.

    Args:
      function: ``float[rows, dim] -> float[rows, ...]``, row by row.
      points: ``float[n, dim]``.
      block: rows at once.
    """
    rows, size = len(points), min(block, len(points))
    count = -(-rows // size)
    blocks = jnp.pad(points, ((0, count * size - rows), (0, 0))).reshape(count, size, -1)
    result = jax.lax.map(function, blocks)
    return result.reshape(count * size, *result.shape[2:])[:rows]

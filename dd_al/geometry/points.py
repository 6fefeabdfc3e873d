"""Points ``float[n, dim]``: squared Euclidean distances, points that lie far from one another, and clusters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Distances = Callable[[jax.Array], jax.Array]  # index -> float[n], the distance of every point to one of them

_BLOCK = 1024  # points whose distances to all others are held at once
_HELD = 1 << 20  # distances to centers at once


def units(points: jax.Array) -> jax.Array:
    """The points at length 1; zero stays zero."""
    return points / jnp.maximum(jnp.linalg.norm(points, axis=-1, keepdims=True), 1e-12)


def squared(a: jax.Array, b: jax.Array) -> jax.Array:
    """The distances between points ``float[n, dim]`` and ``float[m, dim]``, ``float[n, m]``."""
    return jnp.maximum(jnp.sum(a**2, -1)[:, None] + jnp.sum(b**2, -1) - 2 * a @ b.T, 0)


def to_points(points: jax.Array) -> Distances:
    """The `Distances` between points."""
    return lambda index: jnp.sum((points - points[index]) ** 2, -1)


def to_products(a: jax.Array, b: jax.Array) -> Distances:
    """The `Distances` between outer products of ``float[n, p]`` and ``float[n, q]``, none of which is formed."""
    sizes = jnp.sum(a**2, -1) * jnp.sum(b**2, -1)

    def to(index: jax.Array) -> jax.Array:
        return jnp.maximum(sizes + sizes[index] - 2 * (a @ a[index]) * (b @ b[index]), 0)

    return to


def to_nearest(points: jax.Array, others: jax.Array, counted: jax.Array) -> jax.Array:
    """The distance of every point to the nearest of others that are ``counted``, ``float[n]``; infinite without any."""
    return by_block(lambda rows: jnp.min(jnp.where(counted, squared(rows, others), jnp.inf), -1), points)


def by_block(function: Callable[[jax.Array], jax.Array], points: jax.Array, *, block: int = _BLOCK) -> jax.Array:
    """A function ``float[rows, dim] -> float[rows, ...]`` of every point, ``block`` of them at a time."""
    rows, size = len(points), min(block, len(points))
    count = -(-rows // size)
    blocks = jnp.pad(points, ((0, count * size - rows), (0, 0))).reshape(count, size, -1)
    result = jax.lax.map(function, blocks)
    return result.reshape(count * size, *result.shape[2:])[:rows]


def farthest_first(key: jax.Array, to: Distances, nearest: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """Greedy k-center: again and again the point that lies farthest from its nearest center.

    Gonzalez 1985; the core-set selection of Sener & Savarese 2018, arXiv 1708.00489, algorithm 1. The largest distance
    that it leaves is at most twice the least possible one.

    Args:
      key: decides between points that are equally far.
      to: distances between the points.
      nearest: ``float[n]``, the distance of every point to the nearest center that there is; infinite where none is.
      available: ``bool[n]``, which points can be chosen, ``k`` at least.
      k: how many to choose; they come back as ``int32[k]``, in the order of choice.
    """
    return _greedy(key, to, nearest, available, k, first)


def plus_plus(key: jax.Array, to: Distances, nearest: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """The seeding of k-means++: points drawn in proportion to the squared distance to their nearest center.

    Arthur & Vassilvitskii 2007, section 2.2. Points that lie on centers are drawn where no others are left. Arguments
    and result are those of `farthest_first`.
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


def k_means(
    key: jax.Array, points: jax.Array, weights: jax.Array, k: int, *, iterations: int = 30
) -> tuple[jax.Array, jax.Array]:
    """Lloyd's algorithm from a k-means++ start: ``float[k, dim]`` centers, and the cluster of each point, ``int32[n]``.

    It ends where no center moves, after so many iterations at most; a center that loses its points stays where it was.
    Points without weight (``float[n]``, not negative) belong to no cluster; at least ``k`` have one.
    """

    def moved(centers: jax.Array) -> jax.Array:
        nearest = assign(points, centers)
        sums = jax.ops.segment_sum(points * weights[:, None], nearest, k)
        sizes = jax.ops.segment_sum(weights, nearest, k)[:, None]
        return jnp.where(sizes > 0, sums / jnp.where(sizes > 0, sizes, 1), centers)

    start = points[plus_plus(key, to_points(points), jnp.full(len(points), jnp.inf), weights > 0, k)]
    _, _, centers = jax.lax.while_loop(
        lambda carry: (carry[0] < iterations) & jnp.any(carry[1] != carry[2]),
        lambda carry: (carry[0] + 1, carry[2], moved(carry[2])),
        (jnp.zeros((), jnp.int32), jnp.full_like(start, jnp.nan), start),  # steps, centers before, centers
    )
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

"""MC dropout: stochastic passes over a pool (Gal & Ghahramani 2016, arXiv 1506.02142, eq. 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.scores import Statistics, add, empty
from dd_al.core.keys import stream
from dd_al.learner.examples import Bucket, Examples
from dd_al.learner.predict import on_every, trunk_of
from dd_al.models.base import Model, Params
from dd_al.models.embedding import Lookup

Embed = Callable[[jax.Array], Any]


def probabilities(
    model: Model,
    params: Params,
    pool: Examples,
    embed: Embed,
    key: jax.Array,
    *,
    passes: int,
    consistent: bool = False,
    chunk: int = 256,
    mesh: jax.sharding.Mesh | None = None,
) -> jax.Array:
    """The distributions that some passes with dropout predict.

    Where no dropout lies in the trunk (`Model.trunk_dropout`) the trunk runs once, and every pass has the numbers that
    it would have had with a trunk of its own.

    Args:
      model: the network.
      params: of one learner.
      pool: texts.
      embed: raw rows to model inputs.
      key: of the dropout masks.
      passes: how many.
      consistent: every pass has one mask for all texts, so that a pass is one network; else each text has its own.
      chunk: texts held embedded at a time. Masks depend on it, unless they are consistent.
      mesh: of one axis, over whose devices the pool is dealt; the numbers are those of one device.

    Returns:
      ``float32[passes, n, classes]`` in the order of the split.
    """
    trunk = trunk_of(model, params, pool, embed)

    def one(raw: jax.Array, index: jax.Array) -> jax.Array:
        run = _stochastic(model, params, trunk, raw, consistent)
        return jax.lax.map(run, _keys(key, index, passes, consistent)).swapaxes(0, 1)

    return on_every(pool, one, chunk=chunk, mesh=mesh).swapaxes(0, 1)


def statistics(
    model: Model,
    params: Params,
    pool: Examples,
    embed: Embed,
    key: jax.Array,
    *,
    passes: int,
    consistent: bool = False,
    chunk: int = 256,
    mesh: jax.sharding.Mesh | None = None,
) -> Statistics:
    """The `Statistics` of the passes of `probabilities`, in memory that does not grow with their number."""
    trunk = trunk_of(model, params, pool, embed)

    def one(raw: jax.Array, index: jax.Array) -> tuple[jax.Array, ...]:
        run = _stochastic(model, params, trunk, raw, consistent)
        keys = _keys(key, index, passes, consistent)
        rows, classes = jax.eval_shape(run, keys[0]).shape
        sums = jax.lax.scan(lambda sums, k: (add(sums, run(k)), None), empty(rows, classes), keys)[0]
        return sums[1:]

    return Statistics(jnp.int32(passes), *on_every(pool, one, chunk=chunk, mesh=mesh))


def streaming(
    model: Model, embed: Embed, *, passes: int, consistent: bool = False, chunk: int = 256, block: int = 8192
) -> Callable[[Params, np.ndarray, jax.Array], Statistics]:
    """`statistics` of a pool that is too large for the device: it stays where it is, one block on the device at a time.

    Args:
      model: the network.
      embed: raw rows to model inputs.
      passes: how many.
      consistent: see `probabilities`; without, masks depend on ``chunk`` and ``block``.
      chunk: texts held embedded at a time.
      block: texts on the device at a time; fewer than that, of the end, are filled up, so that one program serves all.

    Returns:
      ``run(params, raw, key) -> Statistics`` in NumPy, for ``raw`` of ``int[n, length]`` such as a memory map. Calls
      share their compilation.
    """
    table = embed.table if isinstance(embed, Lookup) else None  # an argument: as a constant it is compiled in

    @jax.jit
    def on_block(params: Params, table: jax.Array | None, raw: jax.Array, key: jax.Array) -> Statistics:
        texts, look_up = Examples((Bucket(raw, raw[:0]),), np.arange(block)), embed if table is None else Lookup(table)
        return statistics(model, params, texts, look_up, key, passes=passes, consistent=consistent, chunk=chunk)

    def run(params: Params, raw: np.ndarray, key: jax.Array) -> Statistics:
        found: list[np.ndarray] = []
        padded = np.zeros((block, raw.shape[1]), raw.dtype)
        for first in range(0, len(raw), block):
            rows = raw[first : first + block]
            padded[: len(rows)] = rows
            own = key if consistent else jax.random.fold_in(key, first)
            sums = on_block(params, table, padded, own)[1:]
            found = found or [np.empty((len(raw), *x.shape[1:]), x.dtype) for x in sums]
            for whole, part in zip(found, sums):
                whole[first : first + len(rows)] = part[: len(rows)]
        return Statistics(np.int32(passes), *found)

    return run


def _keys(key: jax.Array, index: jax.Array, passes: int, consistent: bool) -> jax.Array:
    """A key for every pass over a chunk."""
    keys = jax.vmap(lambda one: stream(key, "pass", one))(jnp.arange(passes))
    return keys if consistent else jax.vmap(lambda one: jax.random.fold_in(one, index))(keys)


def _stochastic(
    model: Model, params: Params, trunk: Callable[..., jax.Array], raw: jax.Array, consistent: bool
) -> Callable[[jax.Array], jax.Array]:
    """``key -> float[rows, classes]``, one pass over a chunk; its keys are those of `Model.apply`."""
    once = None if model.trunk_dropout else trunk(raw)

    def run(key: jax.Array) -> jax.Array:
        trunk_key, head_key = jax.random.split(key)
        h = _on(raw, lambda rows: trunk(rows, trunk_key), consistent) if once is None else once
        return jax.nn.softmax(_on(h, lambda rows: model.head(params, rows, head_key), consistent))

    return run


def _on(x: jax.Array, apply: Callable[[jax.Array], jax.Array], consistent: bool) -> jax.Array:
    """``apply`` of a chunk; text by text, which then draw the same mask, to be consistent."""
    return jax.vmap(lambda row: apply(row[None])[0])(x) if consistent else apply(x)

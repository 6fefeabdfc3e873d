"""MC dropout: stochastic passes over a pool (Gal & Ghahramani 2016, arXiv 1506.02142, eq. 6)."""

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
    model: Model, params: Params, pool: Examples, embed: Embed, key: jax.Array, *, passes: int, **options: Any
) -> jax.Array:
    """The distributions that some passes with dropout predict, ``float32[passes, n, classes]`` in the split's order.

    Where no dropout lies in the trunk (`Model.trunk_dropout`) the trunk runs once, and every pass has the numbers that
    it would have had with a trunk of its own.

    Args:
      model: the network.
      params: of one learner.
      pool: texts.
      embed: raw rows to model inputs.
      key: of the dropout masks.
      passes: how many.
      **options: ``consistent=True`` gives every pass one mask for all texts, so that a pass is one network; otherwise
        each text has a mask of its own. ``chunk`` is the number of texts held embedded at a time (256); masks depend on
        it, unless they are consistent. ``mesh``, of one axis, deals the pool over its devices; the numbers are those
        of one device.
    """

    def stacked(run: Callable[[jax.Array], jax.Array], keys: jax.Array) -> jax.Array:
        return jax.lax.map(run, keys).swapaxes(0, 1)

    return _by_chunk(stacked, model, params, pool, embed, key, passes, **options).swapaxes(0, 1)


def statistics(
    model: Model, params: Params, pool: Examples, embed: Embed, key: jax.Array, *, passes: int, **options: Any
) -> Statistics:
    """The `Statistics` of the passes of `probabilities`, in memory that does not grow with their number."""

    def summed(run: Callable[[jax.Array], jax.Array], keys: jax.Array) -> tuple[jax.Array, ...]:
        first = empty(*jax.eval_shape(run, keys[0]).shape)
        return jax.lax.scan(lambda sums, key: (add(sums, run(key)), None), first, keys)[0][1:]

    return Statistics(jnp.int32(passes), *_by_chunk(summed, model, params, pool, embed, key, passes, **options))


def streaming(
    model: Model, embed: Embed, *, passes: int, block: int = 8192, consistent: bool = False, chunk: int = 256
) -> Callable[[Params, np.ndarray, jax.Array], Statistics]:
    """`statistics` of a pool that is too large for the device: it stays where it is, one block on the device at a time.

    A ``block`` is a number of texts; those at the end are filled up, so that one program serves all. Masks depend on
    it and on ``chunk``, unless they are consistent (see `probabilities`).

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


def _by_chunk(
    collect: Callable[[Callable[[jax.Array], jax.Array], jax.Array], Any],
    model: Model,
    params: Params,
    pool: Examples,
    embed: Embed,
    key: jax.Array,
    passes: int,
    *,
    consistent: bool = False,
    chunk: int = 256,
    mesh: jax.sharding.Mesh | None = None,
) -> Any:
    """What ``collect(run, keys)`` makes of the passes over each chunk, ``run(key) -> float[rows, classes]``."""
    trunk = trunk_of(model, params, pool, embed)

    def on(x: jax.Array, apply: Callable[[jax.Array], jax.Array]) -> jax.Array:
        # To be consistent text by text, which then draw the same mask.
        return jax.vmap(lambda row: apply(row[None])[0])(x) if consistent else apply(x)

    def one(raw: jax.Array, index: jax.Array) -> Any:
        once = None if model.trunk_dropout else trunk(raw)

        def run(key: jax.Array) -> jax.Array:
            trunk_key, head_key = jax.random.split(key)  # those of `Model.apply`
            h = on(raw, lambda rows: trunk(rows, trunk_key)) if once is None else once
            return jax.nn.softmax(on(h, lambda rows: model.head(params, rows, head_key)))

        keys = jax.vmap(lambda one: stream(key, "pass", one))(jnp.arange(passes))
        return collect(run, keys if consistent else jax.vmap(lambda one: jax.random.fold_in(one, index))(keys))

    return on_every(pool, one, chunk=chunk, mesh=mesh)

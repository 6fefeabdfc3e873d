"""Predictions of many trained learners on a split."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.learner.examples import Examples
from dd_al.models.base import Model, Params
from dd_al.models.embedding import Lookup

_HELD = 8192  # examples times learners whose activations are held at a time
_CACHED = 32  # examples whose activations, of one learner, a CPU may keep in its caches
_REUSE = 2  # a word's part is computed once where texts have more than so many words for each row of the table


def predict(
    model: Model, params: Params, examples: Examples, embed: Callable[[jax.Array], Any], *, chunk: int = 256
) -> jax.Array:
    """Logits of stacked learners on every example.

    Args:
      model: the network.
      params: parameters with a leading axis of learners.
      examples: the split.
      embed: raw rows to model inputs.
      chunk: examples held embedded at a time; fewer for many learners.

    Returns:
      ``float32[learners, n, classes]`` in the order of the split.
    """

    def one(raw: jax.Array, index: jax.Array) -> jax.Array:
        del index
        inputs = embed(raw)
        return jnp.moveaxis(for_each_learner(model, lambda p: model.apply(p, inputs))(params), 0, 1)

    most = _CACHED if _one_by_one(model) else max(16, _HELD // len(jax.tree.leaves(params)[0]))
    return jnp.moveaxis(on_every(examples, one, chunk=min(chunk, most)), 1, 0)


def for_each_learner(model: Model, function: Callable) -> Callable:
    """`jax.vmap` of a function of one learner over stacked ones, or a loop over them: see `Model.apart`."""
    if _one_by_one(model):
        return lambda *stacked: jax.lax.map(lambda one: function(*one), stacked)
    return jax.vmap(function)


def _one_by_one(model: Model) -> bool:
    return model.apart and jax.default_backend() == "cpu"


def trunk_of(
    model: Model, params: Params, examples: Examples, embed: Callable[[jax.Array], Any]
) -> Callable[..., jax.Array]:
    """``trunk(raw, key=None) -> float[rows, width]``: the features of raw rows, the cheapest way for these examples.

    On a CPU, where words are rows of a known table (`Lookup`) and the texts have more words than it has rows, that is
    `Model.over_table`. The numbers are the same up to rounding.

    Args:
      model: the network.
      params: of one learner.
      examples: all that the trunk is for.
      embed: raw rows to model inputs.
    """
    places = sum(bucket.raw.size for bucket in examples.buckets)
    once = isinstance(embed, Lookup) and model.over_table and places > _REUSE * len(embed.table)
    if once and jax.default_backend() == "cpu":  # elsewhere products are cheaper than reading their results
        return model.over_table(params, embed.table)
    return lambda raw, key=None: model.features(params, embed(raw), key)


def on_every(
    examples: Examples,
    function: Callable[[jax.Array, jax.Array], Any],
    *,
    chunk: int = 256,
    mesh: jax.sharding.Mesh | None = None,
) -> Any:
    """What a function gives for every example, a chunk of them at a time.

    Args:
      examples: the split.
      function: ``function(raw, index)`` for a chunk: ``raw`` is ``int32[rows, length]``, the last ones perhaps of
        padding, and ``index`` the number of the chunk, for randomness of its own. It returns arrays ``[rows, ...]``.
      chunk: rows at most.
      mesh: of one axis, over whose devices the chunks are dealt; the numbers are those of one device.

    Returns:
      The same arrays for all examples, ``[n, ...]``, in the order of the split.
    """

    def run(raw: jax.Array, indices: jax.Array) -> Any:
        return jax.lax.map(lambda args: function(*args), (raw, indices))

    devices = 1
    if mesh is not None:
        devices, along = mesh.size, jax.sharding.PartitionSpec(*mesh.axis_names)
        mesh = jax.sharding.Mesh(mesh.devices, mesh.axis_names)  # of axes that XLA may deal over, however it was made
        run = jax.shard_map(run, mesh=mesh, in_specs=(along, along), out_specs=along, check_vma=False)
    outputs, first = [], 0
    for bucket in examples.buckets:
        rows = bucket.raw.shape[0]
        count = -(-rows // chunk)
        width = -(-rows // count)
        dealt = -(-count // devices) * devices
        _, *shape = bucket.raw.shape
        padded = jnp.pad(bucket.raw, ((0, dealt * width - rows), *[(0, 0)] * len(shape))).reshape(dealt, width, *shape)
        result = run(padded, first + jnp.arange(dealt))
        outputs.append(jax.tree.map(lambda x, rows=rows: x.reshape(-1, *x.shape[2:])[:rows], result))
        first += count
    joined = jax.tree.map(lambda *parts: jnp.concatenate(parts), *outputs)
    return jax.tree.map(lambda x: jnp.zeros_like(x).at[examples.order].set(x), joined)


def accuracy(model: Model, params: Params, examples: Examples, embed: Callable[[jax.Array], Any]) -> jax.Array:
    """The share of examples that each of the stacked learners gets right, ``float32[learners]``."""
    predictions = jnp.argmax(predict(model, params, examples, embed), axis=-1)
    # In NumPy, or XLA folds constants for seconds where there are many classes.
    targets = np.concatenate([np.argmax(np.asarray(b.targets), axis=-1) for b in examples.buckets])
    truth = np.empty_like(targets)
    truth[examples.order] = targets
    return jnp.mean(predictions == truth, axis=1)

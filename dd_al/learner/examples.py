"""Real examples on the device, bucketed by length, and minibatches of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.keys import stream
from dd_al.core.types import Batch


class Bucket(NamedTuple):
    """Examples of similar length.

    Attributes:
      raw: ``int32[n, length]`` token ids; or images ``uint8[n, height, width, channels]``, or rows ``float32[n,
        columns]``.
      targets: ``float32[n, classes]``.
    """

    raw: jax.Array
    targets: jax.Array


class Examples(NamedTuple):
    """A split on the device.

    Attributes:
      buckets: by length; a minibatch draws the same number from each.
      order: ``int32[n]``, position in the split of each example, bucket after bucket.
    """

    buckets: tuple[Bucket, ...]
    order: np.ndarray


def make_examples(ids: np.ndarray, targets: np.ndarray, *, buckets: int = 4) -> Examples:
    """Sorts texts by length into ``buckets`` of equal count, each cut to its longest text.

    About half of the positions of padded sentences are padding; four buckets spare most of it.

    Args:
      ids: ``int32[n, length]``, padded on the right with 0.
      targets: ``float32[n, classes]``.
      buckets: how many; fewer where they would hold fewer than 8 examples each.
    """
    lengths = np.maximum((ids > 0).sum(1), 1)
    order = np.argsort(lengths, kind="stable").astype(np.int32)
    parts = np.array_split(order, max(1, min(buckets, len(order) // 8)))
    return Examples(
        tuple(Bucket(jnp.asarray(ids[p, : lengths[p].max()]), jnp.asarray(targets[p], jnp.float32)) for p in parts),
        order,
    )


def whole(raw: np.ndarray, targets: np.ndarray) -> Examples:
    """All examples in one bucket, as images and rows are, which have no lengths.

    Args:
      raw: see `Bucket`.
      targets: ``float32[n, classes]``.
    """
    bucket = Bucket(jnp.asarray(raw), jnp.asarray(targets, jnp.float32))
    return Examples((bucket,), np.arange(len(raw), dtype=np.int32))


def steps_per_epoch(examples: Examples, batch_size: int) -> int:
    """How many minibatches one pass gives (at least 1)."""
    share = _share(examples, batch_size)
    return max(1, min(b.raw.shape[0] for b in examples.buckets) // share)


def _share(examples: Examples, batch_size: int) -> int:
    share = max(1, batch_size // len(examples.buckets))
    return min(share, min(b.raw.shape[0] for b in examples.buckets))


def minibatch(
    examples: Examples, embed: Callable[[jax.Array], Any], key: jax.Array, step: jax.Array, batch_size: int
) -> Batch:
    """The ``step``-th minibatch of an endless shuffled stream: without replacement within an epoch.

    Args:
      examples: where to draw from.
      embed: raw rows to model inputs.
      key: of the stream; every epoch is shuffled by its own fold.
      step: ``int32[]``, counted from 0.
      batch_size: examples over all buckets (rounded down to a multiple of their number, at least one of each).
    """
    share, per_epoch = _share(examples, batch_size), steps_per_epoch(examples, batch_size)
    epoch_key, position = stream(key, "epoch", step // per_epoch), step % per_epoch

    inputs, targets = [], []
    for i, bucket in enumerate(examples.buckets):
        order = jax.random.permutation(jax.random.fold_in(epoch_key, i), bucket.raw.shape[0])
        rows = jax.lax.dynamic_slice(order, (position * share,), (share,))
        inputs.append(embed(bucket.raw[rows]))
        targets.append(bucket.targets[rows])
    return Batch(tuple(inputs), jnp.concatenate(targets))

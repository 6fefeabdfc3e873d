"""Predictions of many trained learners on a split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dd_al.learner.examples import Examples
from dd_al.models.base import Model, Params


def predict(
    model: Model, params: Params, examples: Examples, embed: Callable[[jax.Array], Any], *, chunk: int = 256
) -> jax.Array:
    """Logits of stacked learners on every example.

    Args:
      model: the network.
      params: parameters with a leading axis of learners.
      examples: the split.
      embed: raw rows to model inputs.
      chunk: examples held embedded at a time.

    Returns:
      ``float32[learners, n, classes]`` in the order of the split.
    """
    outputs = []
    for bucket in examples.buckets:
        rows = bucket.raw.shape[0]
        count = -(-rows // chunk)
        width = -(-rows // count)
        padded = jnp.pad(bucket.raw, ((0, count * width - rows), (0, 0)))

        def one(raw: jax.Array) -> jax.Array:
            inputs = embed(raw)
            return jax.vmap(lambda p: model.apply(p, inputs))(params)

        result = jax.lax.map(one, padded.reshape(count, width, -1))  # [count, learners, width, classes]
        outputs.append(jnp.moveaxis(result, 1, 0).reshape(result.shape[1], count * width, -1)[:, :rows])
    joined = jnp.concatenate(outputs, axis=1)
    return jnp.zeros_like(joined).at[:, examples.order].set(joined)


def accuracy(model: Model, params: Params, examples: Examples, embed: Callable[[jax.Array], Any]) -> jax.Array:
    """The share of examples that each of the stacked learners gets right, ``float32[learners]``."""
    predictions = jnp.argmax(predict(model, params, examples, embed), axis=-1)
    targets = jnp.concatenate([jnp.argmax(b.targets, axis=-1) for b in examples.buckets])
    truth = jnp.zeros_like(targets).at[examples.order].set(targets)
    return jnp.mean(predictions == truth, axis=1)

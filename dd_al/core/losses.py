"""Losses and scores on logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy in nats against soft targets.

    Args:
      logits: ``float[..., classes]``.
      targets: ``float[..., classes]``, distributions over the last axis.

    Returns:
      ``float[]``, the mean over every leading axis.
    """
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1))

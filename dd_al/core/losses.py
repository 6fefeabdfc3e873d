"""Losses and scores on logits."""

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


def divergence(targets: jax.Array, probabilities: jax.Array) -> jax.Array:
    """Mean Kullback-Leibler divergence KL(targets ‖ probabilities) in nats.

    Args:
      targets: ``float[..., n]``, distributions over the last axis.
      probabilities: ``float[..., n]``, distributions over the last axis. Numbers below 1e-9, padding's zeros among
        them, count as 1e-9 and take no gradient.

    Returns:
      ``float[]``, the mean over every leading axis.
    """
    surprise = -targets * jnp.log(jnp.maximum(probabilities, 1e-9))
    return jnp.mean(jnp.sum(surprise + jax.scipy.special.xlogy(targets, targets), axis=-1))


def hit_rate(answers: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of examples whose largest answer is the class of their largest target.

    Args:
      answers: ``float[..., classes]``.
      targets: ``float[..., classes]``; leading axes broadcast against those of ``answers``.

    Returns:
      ``float32[]``, the mean over every leading axis.
    """
    return jnp.mean((jnp.argmax(answers, -1) == jnp.argmax(targets, -1)).astype(jnp.float32))

"""Losses and scores on logits."""

from __future__ import annotations

from collections.abc import Callable

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


def teaching(temperature: float, weight: float) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The loss (1 − w) ℓ(y, z) + w T² ℓ(q, z / T) of a student (Hinton, Vinyals & Dean 2015, arXiv 1503.02531, §2).

    T² keeps the two gradients in proportion when the temperature changes.

    Args:
      temperature: T, which also made the teacher's probabilities q.
      weight: w, between 0 and 1.

    Returns:
      ``loss(logits, targets) -> float[]``, where targets ``float[..., 2 classes]`` are the labels y and then q.
    """

    def loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
        hard, soft = jnp.split(targets, 2, axis=-1)
        taught = temperature**2 * cross_entropy(logits / temperature, soft)
        return (1 - weight) * cross_entropy(logits, hard) + weight * taught

    return loss


def hit_rate(answers: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of examples whose largest answer is the class of their largest target.

    Args:
      answers: ``float[..., classes]``.
      targets: ``float[..., classes]``; leading axes broadcast against those of ``answers``.

    Returns:
      ``float32[]``, the mean over every leading axis.
    """
    return jnp.mean((jnp.argmax(answers, -1) == jnp.argmax(targets, -1)).astype(jnp.float32))

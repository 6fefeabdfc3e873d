"""Losses and scores on logits."""

import jax
import jax.numpy as jnp


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy in nats against soft targets, ``float[]``.

    Both are ``float[..., classes]``, and targets distributions over the last axis.
    """
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1))


def divergence(targets: jax.Array, probabilities: jax.Array) -> jax.Array:
    """Mean Kullback-Leibler divergence KL(targets ‖ probabilities) in nats, ``float[]``.

    Both are ``float[..., n]``, distributions over the last axis. Probabilities below 1e-9, padding's zeros among them,
    count as 1e-9 and take no gradient.
    """
    surprise = -targets * jnp.log(jnp.maximum(probabilities, 1e-9))
    return jnp.mean(jnp.sum(surprise + jax.scipy.special.xlogy(targets, targets), axis=-1))


def hit_rate(answers: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of examples whose largest answer is the class of their largest target, ``float32[]``.

    Both are ``float[..., classes]``; their leading axes broadcast.
    """
    return jnp.mean((jnp.argmax(answers, -1) == jnp.argmax(targets, -1)).astype(jnp.float32))

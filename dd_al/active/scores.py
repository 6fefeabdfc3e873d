"""Acquisition scores: how much the label of each text in a pool is wanted, from several stochastic passes over it.

Every score takes the class probabilities of the passes, ``float[passes, pool, classes]``, or their `Statistics`, which
hold all that the scores need however many passes there were, and returns ``float[pool]``, larger where a label is
wanted more. Entropies are in nats.
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy


class Statistics(NamedTuple):
    """Sums over passes."""

    passes: jax.Array  # int32[], how many
    probabilities: jax.Array  # float[pool, classes], the sum of the predicted distributions
    votes: jax.Array  # float[pool, classes], passes that find the class the most probable; of those that tie the first
    entropy: jax.Array  # float[pool], the sum of the entropies of the passes


def empty(pool: int, classes: int, dtype: jnp.dtype = jnp.float32) -> Statistics:
    """The statistics of no pass."""
    zeros = jnp.zeros((pool, classes), dtype)
    return Statistics(jnp.zeros((), jnp.int32), zeros, zeros, jnp.zeros(pool, dtype))


def add(statistics: Statistics, probs: jax.Array) -> Statistics:
    """The statistics with one pass more, ``float[pool, classes]``."""
    passes, probabilities, votes, entropies = statistics
    vote = jax.nn.one_hot(probs.argmax(-1), probs.shape[-1], dtype=probs.dtype)
    return Statistics(passes + 1, probabilities + probs, votes + vote, entropies + _entropy(probs))


def summarise(probs: jax.Array) -> Statistics:
    """The statistics of some passes, ``float[passes, pool, classes]``."""
    probs = jnp.asarray(probs)
    chex.assert_rank(probs, 3)
    # Pass after pass: XLA's CPU backend takes five times as long to sum over a leading axis of everything.
    first = empty(*probs.shape[1:], probs.dtype)
    return jax.lax.scan(lambda statistics, one: (add(statistics, one), None), first, probs)[0]


def mean(probs: jax.Array | Statistics) -> jax.Array:
    """The mean distribution p̄ over the passes, ``float[pool, classes]``."""
    statistics = _statistics(probs)
    return statistics.probabilities / statistics.passes


def variation_ratio(probs: jax.Array | Statistics) -> jax.Array:
    """The share of passes that do not vote for the modal class: 1 − f/F (Freeman 1965).

    Gal, Islam & Ghahramani 2017, arXiv 1703.02910, section 4, estimate it from the mean distribution in place of the
    votes, which is `least_confidence`.
    """
    statistics = _statistics(probs)
    return 1 - statistics.votes.max(-1) / statistics.passes


def least_confidence(probs: jax.Array | Statistics) -> jax.Array:
    """The probability that the mean distribution leaves to other classes than its first: 1 − max_c p̄(c)."""
    return 1 - mean(probs).max(-1)


def margin(probs: jax.Array | Statistics) -> jax.Array:
    """How close the two most probable classes of the mean distribution are: 1 − (p̄(first) − p̄(second))."""
    first, second = jnp.moveaxis(jax.lax.top_k(mean(probs), 2)[0], -1, 0)
    return 1 - (first - second)


def predictive_entropy(probs: jax.Array | Statistics) -> jax.Array:
    """The entropy of the mean distribution, H[p̄] (Gal et al. 2017)."""
    return _entropy(mean(probs))


def expected_entropy(probs: jax.Array | Statistics) -> jax.Array:
    """The mean entropy of the passes: what they are unsure of each on its own (aleatoric uncertainty)."""
    statistics = _statistics(probs)
    return statistics.entropy / statistics.passes


def bald(probs: jax.Array | Statistics) -> jax.Array:
    """The mutual information of label and weights, H[p̄] − (1/F) Σ_f H[p_f].

    Houlsby et al. 2011, arXiv 1112.5745, eq. (2); Gal et al. 2017. It is not negative, and zero where all passes agree.
    The paper that this project reproduces adds the mean entropy of the passes in place of taking it away, a slip of a
    sign.
    """
    statistics = _statistics(probs)
    return jnp.maximum(predictive_entropy(statistics) - expected_entropy(statistics), 0)  # rounding may fall below


SCORES: dict[str, Callable[..., jax.Array]] = {
    score.__name__: score
    for score in (variation_ratio, predictive_entropy, bald, expected_entropy, least_confidence, margin)
}


def _statistics(probs: jax.Array | Statistics) -> Statistics:
    return probs if isinstance(probs, Statistics) else summarise(probs)


def _entropy(probs: jax.Array) -> jax.Array:
    return -xlogy(probs, probs).sum(-1)

"""Batch selectors: which ``k`` texts of a pool to buy labels for.

All take a key, which decides between equals at least, and ``available``, ``bool[pool]``, the texts that can be bought
(``k`` at least), and return ``int32[k]``, positions in the pool, none twice. ``k`` is static.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from dd_al.core.keys import stream
from dd_al.geometry.points import (
    by_block,
    farthest_first,
    k_means,
    nearest_to,
    plus_plus,
    squared,
    to_nearest,
    to_points,
    to_products,
    units,
)


def top_k(key: jax.Array, scores: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """The texts with the largest scores, the largest first; of equal ones any, as the key says.

    Args:
      key: decides between equals.
      scores: ``float[pool]``; NaN counts as the least of all.
      available: ``bool[pool]``.
      k: how many.
    """
    least = jnp.finfo(scores.dtype).min
    scores = jnp.where(available, jnp.nan_to_num(scores, nan=least, neginf=least), -jnp.inf)
    order = jax.random.permutation(key, len(scores)).astype(jnp.int32)
    return order[jax.lax.top_k(scores[order], k)[1]]


def power(key: jax.Array, scores: jax.Array, available: jax.Array, k: int, *, beta: float = 1.0) -> jax.Array:
    """Texts drawn one after the other with probabilities in proportion to score^β.

    The top ``k`` of β log(score) plus Gumbel noise (Kirsch et al. 2021, arXiv 2106.12059); PowerBALD is that of
    `scores.bald`.

    Args:
      key: of the noise.
      scores: ``float[pool]``, not negative.
      available: ``bool[pool]``.
      k: how many.
      beta: 0 draws uniformly; the larger, the nearer to `top_k`.
    """
    noise = jax.random.gumbel(stream(key, "gumbel"), scores.shape)
    return top_k(key, xlogy(beta, scores) + noise, available, k)


def core_set(
    key: jax.Array, features: jax.Array, labelled: jax.Array, counted: jax.Array, available: jax.Array, k: int
) -> jax.Array:
    """Texts that leave none far from a labelled one: greedy k-center (Sener & Savarese 2018, arXiv 1708.00489).

    Args:
      key: decides between equals.
      features: ``float[pool, width]``.
      labelled: ``int32[m]``, positions of labelled texts.
      counted: ``bool[m]``, which of those there are.
      available: ``bool[pool]``.
      k: how many.
    """
    nearest = to_nearest(features, features[labelled], counted)
    return farthest_first(key, to_points(features), nearest, available, k)


def badge(key: jax.Array, features: jax.Array, probs: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """Diverse and uncertain texts: k-means++ on gradients of the output layer (Ash et al. 2020, arXiv 1906.03671).

    The gradient for the class that the learner itself finds most probable is (p − e) hᵀ; none is formed.

    Args:
      key: of the draws.
      features: ``float[pool, width]``, what the output layer reads.
      probs: ``float[pool, classes]``, what it predicts.
      available: ``bool[pool]``.
      k: how many.
    """
    errors = probs - jax.nn.one_hot(probs.argmax(-1), probs.shape[-1])
    sizes = jnp.sum(errors**2, -1) * jnp.sum(features**2, -1)
    first = top_k(key, sizes, available, 1)  # the longest gradient, as in the authors' code
    to = to_products(errors, features)
    rest = plus_plus(stream(key, "rest"), to, to(first[0]), available.at[first[0]].set(False), k - 1)
    return jnp.concatenate([first, rest])


def clustered(key: jax.Array, features: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """The texts nearest to the centers of ``k`` clusters of the available ones (k-means)."""
    centers, _ = k_means(key, features, available.astype(features.dtype), k)
    return nearest_to(centers, features, available)


def contrastive(
    key: jax.Array,
    features: jax.Array,
    probs: jax.Array,
    labelled: jax.Array,
    counted: jax.Array,
    available: jax.Array,
    k: int,
    *,
    neighbours: int = 10,
) -> jax.Array:
    """Texts whose predictions differ most from those of their nearest labelled neighbours.

    Contrastive active learning (Margatina et al. 2021, arXiv 2109.03764, algorithm 1): the mean of
    KL(p(neighbour) ‖ p(text)) over the neighbours.

    Args:
      key: decides between equals.
      features: ``float[pool, width]``.
      probs: ``float[pool, classes]``, predictions without dropout.
      labelled: ``int32[m]``, positions of labelled texts.
      counted: ``bool[m]``, which of those there are; one at least.
      available: ``bool[pool]``.
      k: how many.
      neighbours: labelled texts that each is compared with, fewer where there are fewer.
    """
    neighbours = min(neighbours, len(labelled))
    theirs = probs[labelled]
    log_probs = jnp.log(jnp.maximum(probs, jnp.finfo(probs.dtype).tiny))
    negentropy = xlogy(theirs, theirs).sum(-1)
    width = features.shape[1]

    def diverge(rows: jax.Array) -> jax.Array:
        far = jnp.where(counted, squared(rows[:, :width], features[labelled]), jnp.inf)
        distance, near = jax.lax.top_k(-far, neighbours)
        there = jnp.isfinite(distance)
        divergence = negentropy[near] - jnp.sum(theirs[near] * rows[:, None, width:], -1)
        return jnp.sum(jnp.where(there, divergence, 0), -1) / jnp.maximum(there.sum(-1), 1)

    return top_k(key, by_block(diverge, jnp.concatenate([features, log_probs], 1)), available, k)


def feature_mixing(
    key: jax.Array,
    features: jax.Array,
    head: Callable[[jax.Array], jax.Array],
    labelled: jax.Array,
    targets: jax.Array,
    available: jax.Array,
    k: int,
    *,
    rise: float = 1 / 32,
) -> jax.Array:
    """Texts whose predicted class changes when some of a labelled text is mixed into their features.

    ALFA-Mix (Parvaneh et al. 2022, arXiv 2203.07034, eqs. 3–6): the mixture with the mean feature z* of each class that
    raises the loss most, to first order, is α = ε ‖z* − z‖ ∇ℓ / ‖∇ℓ‖ ⊘ (z* − z). As in the authors' code ε is a share
    of 1 / √width, and rises until more than ``k`` texts change. Those are clustered by direction, and the one nearest
    to each center is taken; where fewer than ``k`` change, all of them and the least confident others.

    Args:
      key: of the clusters.
      features: ``float[pool, width]``.
      head: features to logits.
      labelled: ``int32[m]``, positions of labelled texts.
      targets: ``float[m, classes]``, their classes as one-hot rows; zero rows are passed over.
      available: ``bool[pool]``.
      k: how many.
      rise: of ε √width, from one try to the next, up to 1.
    """
    logits = head(features)
    predicted = logits.argmax(-1)

    def loss(h: jax.Array) -> jax.Array:
        return -jnp.sum(jnp.take_along_axis(jax.nn.log_softmax(head(h)), predicted[:, None], -1))

    gradient = jax.grad(loss)(features)
    direction = gradient / jnp.maximum(jnp.linalg.norm(gradient, axis=-1, keepdims=True), 1e-12)
    sizes = targets.sum(0)
    anchors = targets.T @ features[labelled] / jnp.maximum(sizes, 1)[:, None]

    def changes(epsilon: jax.Array) -> jax.Array:
        def by(anchor: jax.Array) -> jax.Array:
            # α (z* − z) of the paper: the quotient by z* − z and the product with it cancel.
            reach = epsilon * jnp.linalg.norm(anchor - features, axis=-1, keepdims=True)
            return head(features + reach * direction).argmax(-1) != predicted

        return jnp.any(jax.lax.map(by, anchors) & (sizes > 0)[:, None], 0) & available

    def farther(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        reach, before = carry
        reach = reach + rise
        now = changes(reach / features.shape[1] ** 0.5)
        return reach, jnp.where(now.sum() > before.sum(), now, before)

    _, changed = jax.lax.while_loop(
        lambda carry: (carry[0] < 1) & (carry[1].sum() <= k), farther, (jnp.zeros(()), jnp.zeros_like(available))
    )
    uncertain = 1 - jax.nn.softmax(logits).max(-1)
    # All that changed come before all others, so that k texts are clustered at least.
    filled = jnp.zeros_like(available).at[top_k(key, changed + uncertain, available, k)].set(True)
    return clustered(key, units(features), jnp.where(changed.sum() >= k, changed, filled), k)

"""Batch selectors: which ``k`` texts of a pool to buy labels for.

All return ``int32[k]``, positions in the pool, none twice, and share the names of their arguments:

- ``key``: of what is random; it decides between equals at least.
- ``scores``: ``float[pool]``, larger where a label is wanted more.
- ``features``: ``float[pool, width]``, what the output layer reads, and ``head``, features to logits. Where there are
  fewer scores than features, these are of labelled texts, too, which come last.
- ``probs``: ``float[pool, classes]``, what is predicted without dropout.
- ``labelled``: ``int32[m]``, positions of labelled texts; ``counted``, ``bool[m]``, says which of those there are, and
  ``targets``, ``float[m, classes]``, has their classes as one-hot rows, zero rows where there is none.
- ``available``: ``bool[pool]``, the texts that can be bought, ``k`` at least.
- ``k``: how many; static.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from dd_al.core.keys import stream
from dd_al.geometry import points


def top_k(key: jax.Array, scores: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """The texts with the largest scores, the largest first; NaN counts as the least of all."""
    least = jnp.finfo(scores.dtype).min
    scores = jnp.where(available, jnp.nan_to_num(scores, nan=least, neginf=least), -jnp.inf)
    order = jax.random.permutation(key, len(scores)).astype(jnp.int32)
    return order[jax.lax.top_k(scores[order], k)[1]]


def uniform(key: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """Texts drawn at random, each as probable as any other."""
    return top_k(key, jnp.zeros(len(available)), available, k)


def power(key: jax.Array, scores: jax.Array, available: jax.Array, k: int, *, beta: float = 1.0) -> jax.Array:
    """Texts drawn one after the other with probabilities in proportion to score^β, of scores that are not negative.

    The top ``k`` of β log(score) plus Gumbel noise (Kirsch et al. 2021, arXiv 2106.12059); PowerBALD is that of
    `scores.bald`. β = 0 draws uniformly; the larger it is, the nearer to `top_k`.
    """
    noise = jax.random.gumbel(stream(key, "gumbel"), scores.shape)
    return top_k(key, xlogy(beta, scores) + noise, available, k)


def core_set(
    key: jax.Array, features: jax.Array, labelled: jax.Array, counted: jax.Array, available: jax.Array, k: int
) -> jax.Array:
    """Texts that leave none far from a labelled one: greedy k-center (Sener & Savarese 2018, arXiv 1708.00489)."""
    nearest = points.to_nearest(features, features[labelled], counted)
    return points.farthest_first(key, points.to_points(features), nearest, available, k)


def badge(key: jax.Array, features: jax.Array, probs: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """Diverse and uncertain texts: k-means++ on gradients of the output layer (Ash et al. 2020, arXiv 1906.03671).

    The gradient for the class that the learner itself finds most probable is (p − e) hᵀ; none is formed.
    """
    errors = probs - jax.nn.one_hot(probs.argmax(-1), probs.shape[-1])
    sizes = jnp.sum(errors**2, -1) * jnp.sum(features**2, -1)
    longest = top_k(key, sizes, available, 1)  # comes first, as in the authors' code
    to = points.to_products(errors, features)
    rest = points.plus_plus(stream(key, "rest"), to, to(longest[0]), available.at[longest[0]].set(False), k - 1)
    return jnp.concatenate([longest, rest])


def clustered(key: jax.Array, features: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """The texts nearest to the centers of ``k`` clusters of the available ones (k-means)."""
    centers, _ = points.k_means(key, features, available.astype(features.dtype), k)
    return points.nearest_to(centers, features, available)


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
    """Texts whose predictions differ most from those of their nearest labelled neighbours, of which there must be one.

    Contrastive active learning (Margatina et al. 2021, arXiv 2109.03764, algorithm 1): the mean of
    KL(p(neighbour) ‖ p(text)) over the ``neighbours`` nearest, fewer where there are fewer.
    """
    neighbours = min(neighbours, len(labelled))
    theirs = probs[labelled]
    log_probs = jnp.log(jnp.maximum(probs, jnp.finfo(probs.dtype).tiny))
    negentropy = xlogy(theirs, theirs).sum(-1)
    width = features.shape[1]

    def diverge(rows: jax.Array) -> jax.Array:
        far = jnp.where(counted, points.squared(rows[:, :width], features[labelled]), jnp.inf)
        distance, near = jax.lax.top_k(-far, neighbours)
        there = jnp.isfinite(distance)
        divergence = negentropy[near] - jnp.sum(theirs[near] * rows[:, None, width:], -1)
        return jnp.sum(jnp.where(there, divergence, 0), -1) / jnp.maximum(there.sum(-1), 1)

    return top_k(key, points.by_block(diverge, jnp.concatenate([features, log_probs], 1)), available, k)


def feature_mixing(
    key: jax.Array,
    features: jax.Array,
    head: Callable[[jax.Array], jax.Array],
    labelled: jax.Array,
    targets: jax.Array,
    available: jax.Array,
    k: int,
) -> jax.Array:
    """Texts whose predicted class changes when some of a labelled text is mixed into their features.

    ALFA-Mix (Parvaneh et al. 2022, arXiv 2203.07034, eqs. 3–6): the mixture with the mean feature z* of each class that
    raises the loss most, to first order, is α = ε ‖z* − z‖ ∇ℓ / ‖∇ℓ‖ ⊘ (z* − z). As in the authors' code ε is a share
    of 1 / √width, and rises by 1/32 of it until more than ``k`` texts change. Those are clustered by direction, and the
    one nearest to each center is taken; where fewer than ``k`` change, all of them and the least confident others.
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
        reach = reach + 1 / 32
        now = changes(reach / features.shape[1] ** 0.5)
        return reach, jnp.where(now.sum() > before.sum(), now, before)

    _, changed = jax.lax.while_loop(
        lambda carry: (carry[0] < 1) & (carry[1].sum() <= k), farther, (jnp.zeros(()), jnp.zeros_like(available))
    )
    uncertain = 1 - jax.nn.softmax(logits).max(-1)
    # All that changed come before all others, so that k texts are clustered at least.
    filled = jnp.zeros_like(available).at[top_k(key, changed + uncertain, available, k)].set(True)
    return clustered(key, points.units(features), jnp.where(changed.sum() >= k, changed, filled), k)


def by_training(
    key: jax.Array,
    scores: jax.Array,
    state: Any,
    step: Callable[[jax.Array, Any, jax.Array], Any],
    rescore: Callable[[jax.Array, Any, jax.Array], jax.Array],
    available: jax.Array,
    k: int,
    *,
    subset: int = 128,
) -> jax.Array:
    """RET: takes the text with the largest score, trains one step on it, and scores the others again.

    A heuristic against redundant batches, as are `by_cosine` and `by_density` (Jacobs et al. 2021, arXiv 2109.04847,
    section 3). ``step(key, state, index) -> state`` is one optimizer step of a learner on a text, and
    ``rescore(key, state, rows) -> float[rows]`` scores some texts. The batch comes from the ``subset`` texts with the
    largest scores.
    """
    rows = top_k(stream(key, "subset"), scores, available, min(max(subset, k), len(scores)))

    def pick(carry: tuple[Any, jax.Array, jax.Array], key: jax.Array):
        state, values, left = carry
        at = points.first(stream(key, "equals"), values, left)
        state = step(stream(key, "step"), state, rows[at])
        return (state, rescore(stream(key, "passes"), state, rows), left.at[at].set(False)), rows[at]

    return jax.lax.scan(pick, (state, scores[rows], available[rows]), jax.random.split(key, k))[1]


def by_cosine(key: jax.Array, scores: jax.Array, features: jax.Array, available: jax.Array, k: int) -> jax.Array:
    """RECT: takes texts by falling score, but none too similar to one taken before (Jacobs et al. 2021).

    A text whose cosine to any of those is above a limit, at first 0, is passed over; after a sweep through the pool
    that leaves the batch short the limit rises by 0.1; from 1 on everything is similar enough.
    """
    directions, rise = points.units(features[: len(scores)]), 0.1

    def pick(carry: tuple[jax.Array, jax.Array, jax.Array], key: jax.Array):
        limit, closest, left = carry
        # In one sweep the cosines to those taken only grow, so a text passed over stays so until the limit rises.
        least = jnp.min(closest, where=left, initial=jnp.inf)
        limit = limit + rise * jnp.maximum(jnp.ceil((least - limit) / rise - 1e-4), 0)
        index = points.first(key, scores, left & ((closest <= limit) | (closest == least)))
        return (limit, jnp.maximum(closest, directions @ directions[index]), left.at[index].set(False)), index

    start = jnp.zeros((), features.dtype), jnp.full(len(scores), -jnp.inf, features.dtype), available
    return jax.lax.scan(pick, start, jax.random.split(key, k))[1]


def by_density(
    key: jax.Array, scores: jax.Array, features: jax.Array, available: jax.Array, k: int, *, neighbours: int = 10
) -> jax.Array:
    """SUD: the score times how densely the pool lies around a text (Jacobs et al. 2021); no score is negative.

    The density is the mean of the ``neighbours`` largest cosines to other texts, available or not.
    """
    directions = points.units(features[: len(scores)])
    neighbours = min(neighbours, len(directions) - 1)

    def density(rows: jax.Array) -> jax.Array:
        # The largest cosine of all is that to itself. It is taken off, not cut off: of a slice XLA sorts whole rows.
        nearest = jax.lax.top_k(rows @ directions.T, neighbours + 1)[0]
        return (jnp.sum(nearest, -1) - jnp.max(nearest, -1)) / neighbours

    return top_k(key, scores * points.by_block(density, directions, block=256), available, k)

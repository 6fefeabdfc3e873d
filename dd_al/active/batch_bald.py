"""BatchBALD: texts whose labels together tell most about the weights (Kirsch et al. 2019, arXiv 1906.08158)."""

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from dd_al.active import scores
from dd_al.core.keys import stream
from dd_al.geometry.points import by_block, first


def batch_bald(key: jax.Array, probs: jax.Array, available: jax.Array, k: int, *, samples: int = 1000) -> jax.Array:
    """Greedy maximisation of I(y₁ … y_k; ω), eq. (8) and algorithm 1, at least 1 − 1/e of the best there is.

    Given the labels y of the texts chosen so far, the next one is that with the largest expected mutual information
    Σ_y p(y) H[p(·|y)] − E_ω H[p(·|ω)]: the same choice as by the joint entropy, without its tiny probabilities. All
    labellings of the chosen texts are gone through while they are ``samples`` or fewer; then ``samples`` are drawn.

    The picks, ``int32[k]``, come in the order of choice. ``probs``, ``float[passes, pool, classes]``, has one network
    for all texts in each pass (`mc_dropout` with ``consistent``): else the passes say nothing about texts together. For
    the other arguments see `dd_al.active.selectors`.
    """
    passes, _, classes = probs.shape
    own = scores.expected_entropy(probs)
    texts = jnp.moveaxis(probs, 0, 1)  # [pool, passes, classes]

    def choose(key: jax.Array, weights: jax.Array, shares: jax.Array, available: jax.Array):
        def conditional(rows: jax.Array) -> jax.Array:
            """Σ_y p(y) H[p(·|y)] of some texts."""
            joint = jnp.einsum("yf,nfc->ync", weights, rows.reshape(-1, passes, classes))
            return -jnp.einsum("y,ync->n", shares, xlogy(joint, joint))

        # As many texts at a time as keep all of their labellings in a few megabytes.
        block = max(1, (1 << 21) // (weights.shape[0] * classes))
        gain = by_block(conditional, texts.reshape(len(texts), -1), block=block) - own
        index = first(key, gain, available)
        return index, available.at[index].set(False)

    def extend(weights: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        """p(c|y), and the weights of the passes given y and c: ``[y, c]`` and ``[y, c, passes]``."""
        joint = weights[:, None] * texts[index].T
        likelihood = joint.sum(-1)
        return likelihood, joint / jnp.maximum(likelihood, jnp.finfo(probs.dtype).tiny)[..., None]

    # Weights of the passes given each labelling, and the probability of the labelling.
    weights, shares = jnp.full((1, passes), 1 / passes, probs.dtype), jnp.ones(1, probs.dtype)
    picks = []
    while len(picks) < k:
        index, available = choose(stream(key, "equals", len(picks)), weights, shares, available)
        picks.append(index)
        likelihood, longer = extend(weights, index)
        weights, shares = longer.reshape(-1, passes), (shares[:, None] * likelihood).reshape(-1)
        if len(shares) * classes > samples:
            break
    if len(picks) == k:
        return jnp.stack(picks)

    drawn = jax.random.categorical(stream(key, "labellings"), jnp.log(shares), shape=(samples,))
    weights, shares = weights[drawn], jnp.full(samples, 1 / samples, probs.dtype)

    def step(carry: tuple[jax.Array, jax.Array], key: jax.Array):
        weights, available = carry
        index, available = choose(key, weights, shares, available)
        likelihood, longer = extend(weights, index)
        label = jax.random.categorical(stream(key, "label"), jnp.log(likelihood))
        return (jnp.take_along_axis(longer, label[:, None, None], 1)[:, 0], available), index

    keys = jax.random.split(stream(key, "sampled"), k - len(picks))
    _, rest = jax.lax.scan(step, (weights, available), keys)
    return jnp.concatenate([jnp.stack(picks), rest])

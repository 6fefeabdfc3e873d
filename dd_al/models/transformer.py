"""A small transformer encoder (Vaswani et al. 2017, arXiv 1706.03762), normalised first (Xiong et al. 2020)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params
from dd_al.models.linen import Classifier, as_model, example_text, masked_mean


class _Block(nn.Module):
    """Self-attention and a two-layer network, each added to what it reads."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        width = x.shape[-1]
        attention = nn.MultiHeadDotProductAttention(self.heads, deterministic=True, name="attention")
        # Sown weights cost nothing where nobody asks for "intermediates".
        x = x + attention(nn.LayerNorm(name="norm1")(x), mask=mask[:, None, None, :], sow_weights=True)
        h = nn.gelu(nn.Dense(4 * width, name="up")(nn.LayerNorm(name="norm2")(x)))
        return x + nn.Dense(width, name="down")(h)


class _Transformer(Classifier):
    width: int
    blocks: int
    heads: int

    def layers(self):
        self.input = nn.Dense(self.width)
        for i in range(self.blocks):
            setattr(self, f"block{i}", _Block(self.heads))
        self.norm = nn.LayerNorm()

    def features(self, inputs: TextInputs) -> jax.Array:
        # Word vectors have about unit length; the stream has about unit variance, as the positions do.
        x = self.input(inputs.embedded * inputs.embedded.shape[-1] ** 0.5)
        x = x + positions(inputs.mask.shape[1], self.width)
        for i in range(self.blocks):
            x = getattr(self, f"block{i}")(x, inputs.mask)
        return masked_mean(self.norm(x), inputs.mask)


def positions(length: int, width: int) -> jax.Array:
    """Sines and cosines of falling frequency (Vaswani et al. 2017, section 3.5), ``float32[length, width]``."""
    frequencies = 1e4 ** (-jnp.arange(0, width, 2) / width)
    angles = jnp.arange(length)[:, None] * frequencies
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1).reshape(length, -1)[:, :width]


def received(weights: jax.Array, mask: jax.Array) -> jax.Array:
    """How much attention every position gets from the words of its text, what attention labels are for.

    The mean over the words that ask, so a distribution over positions, which is zero at padding (everywhere in a text
    without words). Maekawa et al. 2023 take the attention of [CLS] alone, through which their classifier reads a text;
    this network has no [CLS] and averages its outputs over all words.

    Args:
      weights: ``float[batch, blocks, heads, queries, length]``, distributions over the last axis.
      mask: ``bool[batch, queries]``.

    Returns:
      ``float[batch, blocks, heads, length]``.
    """
    counts = jnp.maximum(jnp.sum(mask, 1), 1)[:, None, None, None]
    return jnp.einsum("bnhqk,bq->bnhk", weights, mask.astype(weights.dtype)) / counts


def transformer(
    dim: int, classes: int, *, width: int = 64, blocks: int = 1, heads: int = 4, dropout: float = 0.5
) -> Model:
    """Word vectors through a layer "input", blocks "block0", … and a layer "norm", averaged over the words.

    Its `Model.attention` is what every position has `received`. Words have ``dim`` numbers, the stream between blocks
    has ``width``; for the other arguments see `Classifier`.

    Raises:
      ValueError: a width that the heads cannot share.
    """
    if width % heads:
        raise ValueError(f"{heads} attention heads cannot share a width of {width}")
    network = _Transformer(classes, dropout, width, blocks, heads)

    def attention(params: Params, inputs: TextInputs, key: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        h, sown = network.apply({"params": params}, inputs, method="features", mutable=["intermediates"])
        sown = [sown["intermediates"][f"block{i}"]["attention"]["attention_weights"][0] for i in range(blocks)]
        return h, received(jnp.stack(sown, 1), inputs.mask)

    return as_model(network, example_text(dim))._replace(attention=attention)

"""TextCNN: convolutions over word vectors and max-pooling over time (Kim 2014, arXiv 1408.5882)."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params
from dd_al.models.max_window import max_window


class _MaxWindow(nn.Module):
    """`max_window` plus a bias: a layer of filters over windows of some number of words."""

    window: int
    filters: int

    @nn.compact
    def __call__(self, inputs: TextInputs) -> jax.Array:
        fan_in_last = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
        kernel = self.param("kernel", fan_in_last, (self.filters, self.window * inputs.embedded.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros, (self.filters,))
        return max_window(inputs.embedded, inputs.mask, kernel) + bias


class TextCNN(nn.Module):
    """The network; see `text_cnn` for its pure functions."""

    classes: int
    windows: tuple[int, ...]
    filters: int
    dropout: float

    def setup(self):
        """Makes the layers; their names are those of the parameters."""
        for window in self.windows:
            setattr(self, f"conv{window}", _MaxWindow(window, self.filters))
        self.head_dropout = nn.Dropout(self.dropout)
        self.output = nn.Dense(self.classes, kernel_init=nn.initializers.zeros)

    def features(self, inputs: TextInputs) -> jax.Array:
        """Pooled responses, ``float[batch, windows · filters]``."""
        responses = [getattr(self, f"conv{window}")(inputs) for window in self.windows]
        return nn.relu(jnp.concatenate(responses, axis=-1))

    def head(self, h: jax.Array, deterministic: bool = True) -> jax.Array:
        """Logits, ``float[batch, classes]``."""
        return self.output(self.head_dropout(h, deterministic=deterministic))

    def __call__(self, inputs: TextInputs) -> jax.Array:
        """``head ∘ features``."""
        return self.head(self.features(inputs))


def text_cnn(
    dim: int, classes: int, *, windows: Sequence[int] = (3, 4, 5), filters: int = 100, dropout: float = 0.5
) -> Model:
    """A TextCNN over `TextInputs` of ``dim``-dimensional word vectors.

    Kim 2014, eqs. (2)–(4), with a zero-initialised output layer (which makes hypergradients far
    calmer). All dropout lies after the pooling, in the head.

    Args:
      dim: size of a word vector.
      classes: number of logits.
      windows: words per window, one group of filters each.
      filters: filters per window size.
      dropout: rate in the head, active where a key is given.

    Returns:
      A `Model` whose parameters have one top-level entry per window size and one for the output.
    """
    network = TextCNN(classes, tuple(windows), filters, dropout)

    def init(key: jax.Array) -> Params:
        inputs = TextInputs(jnp.zeros((1, max(windows), dim)), jnp.ones((1, max(windows)), bool))
        return network.init(key, inputs)["params"]

    def features(params: Params, inputs: TextInputs, key: jax.Array | None = None) -> jax.Array:
        del key  # no dropout in the trunk
        return network.apply({"params": params}, inputs, method="features")

    def head(params: Params, h: jax.Array, key: jax.Array | None = None) -> jax.Array:
        rngs = None if key is None else {"dropout": key}
        return network.apply({"params": params}, h, deterministic=key is None, rngs=rngs, method="head")

    return Model(init, features, head)

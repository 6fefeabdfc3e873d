"""TextCNN: convolutions over word vectors and max-pooling over time (Kim 2014, arXiv 1408.5882)."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params

_MASKED = -1e9


class _MaxWindow(nn.Module):
    """The largest response of every filter over the windows of a text, plus a bias.

    A window may start on any word and reach past the last one into zeros, so a text shorter than the
    window still has one. The windows are unfolded and multiplied: a convolution primitive under vmap
    and two derivatives is several times slower on CPU.
    """

    window: int
    filters: int

    @nn.compact
    def __call__(self, inputs: TextInputs) -> jax.Array:
        length, dim = inputs.embedded.shape[-2:]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (self.window * dim, self.filters))
        bias = self.param("bias", nn.initializers.zeros, (self.filters,))
        padded = jnp.pad(inputs.embedded, ((0, 0), (0, self.window - 1), (0, 0)))
        windows = jnp.concatenate([padded[:, i : i + length] for i in range(self.window)], axis=-1)
        responses = jnp.where(inputs.mask[..., None], windows @ kernel, _MASKED)
        # One window per filter and text carries gradient. Taking it by index, rather than through the derivative
        # of a maximum, spares the passes over all responses in first- and second-order derivatives.
        best = jnp.argmax(jax.lax.stop_gradient(responses), axis=1, keepdims=True)
        return jnp.take_along_axis(responses, best, axis=1, mode="promise_in_bounds")[:, 0] + bias


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

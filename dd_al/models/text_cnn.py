"""TextCNN: convolutions over word vectors and max-pooling over time (Kim 2014, arXiv 1408.5882)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params
from dd_al.models.linen import Classifier, as_model, example_text
from dd_al.models.max_window import max_window, max_window_of, word_responses


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


class TextCNN(Classifier):
    """The network; see `text_cnn` for its pure functions."""

    windows: tuple[int, ...]
    filters: int

    def layers(self):
        """One per window size."""
        for window in self.windows:
            setattr(self, f"conv{window}", _MaxWindow(window, self.filters))

    def features(self, inputs: TextInputs) -> jax.Array:
        """Pooled responses, ``float[batch, windows · filters]``."""
        responses = [getattr(self, f"conv{window}")(inputs) for window in self.windows]
        return nn.relu(jnp.concatenate(responses, axis=-1))


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
    network = TextCNN(classes, dropout, tuple(windows), filters)

    def over_table(params: Params, table: jax.Array) -> Callable[..., jax.Array]:
        layers = [params[f"conv{window}"] for window in windows]
        responses = [word_responses(table, layer["kernel"]) for layer in layers]

        def features(ids: jax.Array, key: jax.Array | None = None, kept: jax.Array | None = None) -> jax.Array:
            del key  # no dropout in the trunk
            parts = [max_window_of(one, ids, kept) + layer["bias"] for one, layer in zip(responses, layers)]
            return nn.relu(jnp.concatenate(parts, axis=-1))

        return features

    return as_model(network, example_text(dim, max(windows)))._replace(over_table=over_table)

"""TextCNN: convolutions over word vectors and max-pooling over time (Kim 2014, arXiv 1408.5882)."""

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


class _TextCNN(Classifier):
    windows: tuple[int, ...]
    filters: int

    def layers(self):
        for window in self.windows:
            setattr(self, f"conv{window}", _MaxWindow(window, self.filters))

    def features(self, inputs: TextInputs) -> jax.Array:
        responses = [getattr(self, f"conv{window}")(inputs) for window in self.windows]
        return nn.relu(jnp.concatenate(responses, axis=-1))


def text_cnn(
    dim: int, classes: int, *, windows: Sequence[int] = (3, 4, 5), filters: int = 100, dropout: float = 0.5
) -> Model:
    """A TextCNN (Kim 2014, eqs. 2–4) with a layer "conv…" of ``filters`` filters for each number of words in a window.

    Words have ``dim`` numbers; for the other arguments see `Classifier`.
    """
    network = _TextCNN(classes, dropout, tuple(windows), filters)

    def over_table(params: Params, table: jax.Array) -> Callable[..., jax.Array]:
        layers = [params[f"conv{window}"] for window in windows]
        responses = [word_responses(table, layer["kernel"]) for layer in layers]

        def features(ids: jax.Array, key: jax.Array | None = None, kept: jax.Array | None = None) -> jax.Array:
            parts = [max_window_of(one, ids, kept) + layer["bias"] for one, layer in zip(responses, layers)]
            return nn.relu(jnp.concatenate(parts, axis=-1))

        return features

    return as_model(network, example_text(dim, max(windows)))._replace(over_table=over_table)

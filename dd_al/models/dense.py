"""Networks of dense layers: over the mean word vector, over rows of numbers, or over the pixels of images as a row."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model
from dd_al.models.linen import Classifier, Drawn, as_model, dense, example_text, masked_mean


class _Averaging(Classifier):
    width: int

    def layers(self):
        if self.width:
            self.hidden = nn.Dense(self.width)

    def features(self, inputs: TextInputs) -> jax.Array:
        mean = masked_mean(inputs.embedded, inputs.mask)
        return nn.relu(self.hidden(mean)) if self.width else mean


def averaging(dim: int, classes: int, *, width: int = 64, dropout: float = 0.5) -> Model:
    """A layer "hidden" with ReLU over the mean word vector, or a linear model where ``width`` is 0.

    The deep averaging network of Iyyer et al. 2015, to which order does not matter. Words have ``dim`` numbers; for the
    other arguments see `Classifier`.
    """
    return as_model(_Averaging(classes, dropout, width), example_text(dim))


class _MLP(Drawn):
    width: int = 10
    depth: int = 1

    def layers(self):
        for i in range(self.depth):
            setattr(self, f"hidden{i + 1}", dense(self.width, kernel_init=self.kernel_init))

    def features(self, inputs: jax.Array) -> jax.Array:
        h = inputs.reshape(len(inputs), -1)
        for i in range(self.depth):
            h = nn.relu(getattr(self, f"hidden{i + 1}")(h))
        return h


def mlp(
    shape: Sequence[int],
    classes: int,
    *,
    width: int = 10,
    depth: int = 1,
    dropout: float = 0.0,
    weights: str = "lecun",
    one_logit: bool = False,
) -> Model:
    """Layers "hidden1", … with ReLU, ``depth`` of them with ``width`` units each; linear without any.

    Examples have the shape ``shape``; for the other arguments see `Drawn`.
    """
    return as_model(_MLP(classes, dropout, weights, one_logit, width, depth), jnp.zeros((1, *shape)))

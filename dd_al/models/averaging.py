"""A network over the mean word vector (the deep averaging network of Iyyer et al. 2015), or a linear model."""

import jax
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model
from dd_al.models.linen import Classifier, as_model, example_text, masked_mean


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

    Order does not matter to it. Words have ``dim`` numbers; for the other arguments see `Classifier`.
    """
    return as_model(_Averaging(classes, dropout, width), example_text(dim))

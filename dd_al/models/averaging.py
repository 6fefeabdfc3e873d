"""A network over the mean word vector (the deep averaging network of Iyyer et al. 2015), or a linear model."""

from __future__ import annotations

import jax
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model
from dd_al.models.linen import Classifier, as_model, example_text, masked_mean


class Averaging(Classifier):
    """The network; see `averaging` for its pure functions."""

    width: int

    def layers(self):
        """A hidden layer, unless the model is linear."""
        if self.width:
            self.hidden = nn.Dense(self.width)

    def features(self, inputs: TextInputs) -> jax.Array:
        """``float[batch, width]``, or the mean word vector itself."""
        mean = masked_mean(inputs.embedded, inputs.mask)
        return nn.relu(self.hidden(mean)) if self.width else mean


def averaging(dim: int, classes: int, *, width: int = 64, dropout: float = 0.5) -> Model:
    """A hidden layer with ReLU over the mean word vector; order does not matter to it.

    Args:
      dim: size of a word vector.
      classes: number of logits.
      width: of the hidden layer; 0 for none, a linear model.
      dropout: rate in the head, active where a key is given.

    Returns:
      A `Model` with the layers "hidden" (if there is one) and "output" (which starts at zero).
    """
    return as_model(Averaging(classes, dropout, width), example_text(dim))

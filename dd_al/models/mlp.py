"""Networks of dense layers over rows of numbers, or over the pixels of images as a row."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.models.base import Model
from dd_al.models.linen import Drawn, as_model, dense


class MLP(Drawn):
    """The network; see `mlp` for its pure functions."""

    width: int = 10
    depth: int = 1

    def layers(self):
        """The hidden ones."""
        for i in range(self.depth):
            setattr(self, f"hidden{i + 1}", dense(self.width, kernel_init=self.kernel_init))

    def features(self, inputs: jax.Array) -> jax.Array:
        """``float[batch, width]``, or the row itself."""
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
    """Dense layers with ReLU; linear without hidden ones.

    Args:
      shape: of one example.
      classes: number of logits.
      width: of each hidden layer.
      depth: hidden layers.
      dropout: rate in the head, active where a key is given.
      weights: see `dd_al.models.linen.Drawn`.
      one_logit: one output unit for two classes, their log-odds.

    Returns:
      A `Model` with the layers "hidden1", … and "output".
    """
    return as_model(MLP(classes, dropout, weights, one_logit, width, depth), jnp.zeros((1, *shape)))

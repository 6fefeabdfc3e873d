"""Networks of dense layers over rows of numbers, or over the pixels of images as a row."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.models.base import Model
from dd_al.models.linen import Drawn, as_model, dense


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

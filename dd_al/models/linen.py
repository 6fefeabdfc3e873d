"""Flax Linen networks behind the model contract."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.errors import ConfigError
from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params

_TAKES = (
    "as_model takes a Flax Linen module with the methods features(inputs) and head(h, deterministic), such as one that "
    "inherits dd_al.models.linen.Classifier, and without state of its own (LayerNorm in place of BatchNorm)"
)
_FEW = 2048  # multiplications below which XLA's own product is mostly overhead on a CPU


def few_products(lhs: jax.Array, rhs: jax.Array, dimension_numbers: Any, **options: Any) -> jax.Array:
    """`jax.lax.dot_general` of two matrices, for `flax.linen.Dense`, written out as products and sums if it is small.

    Unrolled training of networks with ten units is thousands of tiny products. XLA calls a library for each of them;
    as products and sums they become part of the loops around them, which takes half of the time.
    """
    ((left,), (right,)), batch = dimension_numbers
    plain = (left, right) == (1, 0) and lhs.ndim == rhs.ndim == 2 and batch == ((), ())
    if not plain or math.prod(lhs.shape) * rhs.shape[1] > _FEW:
        return jax.lax.dot_general(lhs, rhs, dimension_numbers, **options)
    return jnp.sum(lhs[:, :, None] * rhs, axis=1)


dense = partial(nn.Dense, dot_general=few_products)


class Classifier(nn.Module):
    """A head to inherit: dropout, then a layer "output" that starts at zero, which makes hypergradients far calmer.

    A network defines ``features(inputs) -> float[batch, width]``, and makes its layers in ``layers``.

    Attributes:
      classes: number of logits.
      dropout: rate in the head, active where a key is given.
    """

    classes: int
    dropout: float

    def setup(self):
        """Makes the layers; their names are those of the parameters."""
        self.head_dropout = nn.Dropout(self.dropout)
        self.output = self.last()
        self.layers()

    def last(self) -> nn.Module:
        """The layer "output"."""
        return nn.Dense(self.classes, kernel_init=nn.initializers.zeros)

    def head(self, h: jax.Array, deterministic: bool = True) -> jax.Array:
        """Logits, ``float[batch, classes]``."""
        return self.output(self.head_dropout(h, deterministic=deterministic))

    def __call__(self, inputs: Any) -> jax.Array:
        """``head ∘ features``."""
        return self.head(self.features(inputs))


class Drawn(Classifier):
    """`Classifier` with a choice of how layers begin, for networks over rows and images.

    Attributes:
      weights: "lecun" draws kernels with the variance 1/fan_in and starts the output layer at zero; "xavier" draws all
        of them with 2/(fan_in + fan_out) (Glorot & Bengio 2010).
      one_logit: the output layer has one unit, the log-odds of the second of two classes; the first's logit is 0.
    """

    weights: str = "lecun"
    one_logit: bool = False

    @property
    def kernel_init(self) -> nn.initializers.Initializer:
        """Of the kernels that a network makes in ``layers``."""
        return nn.initializers.lecun_normal() if self.weights == "lecun" else nn.initializers.xavier_normal()

    def last(self) -> nn.Module:
        """See `Classifier.last`."""
        first = nn.initializers.zeros if self.weights == "lecun" else self.kernel_init
        return dense(1 if self.one_logit else self.classes, kernel_init=first)

    def head(self, h: jax.Array, deterministic: bool = True) -> jax.Array:
        """Logits, ``float[batch, classes]``."""
        logits = super().head(h, deterministic)
        return jnp.concatenate([jnp.zeros_like(logits), logits], -1) if self.one_logit else logits


def as_model(network: nn.Module, example: Any) -> Model:
    """A `Model` of a module with the methods ``features(inputs)`` and ``head(h, deterministic)``.

    Its top-level parameters are the layers that rates belong to; all of its dropout lies in the head. Of the example
    only the shapes are read.

    Raises:
      ConfigError: anything else, now, or once its parameters are made a module that keeps state beside them.
    """
    if not (isinstance(network, nn.Module) and hasattr(network, "features") and hasattr(network, "head")):
        raise ConfigError(f"{type(network).__module__}.{type(network).__name__} is no such network: {_TAKES}")

    def init(key: jax.Array) -> Params:
        made = network.init(key, example)
        if state := sorted(made.keys() - {"params", "intermediates"}):
            raise ConfigError(f"{type(network).__name__} keeps state ({', '.join(state)}): {_TAKES}")
        return made["params"]

    def features(params: Params, inputs: Any, key: jax.Array | None = None) -> jax.Array:
        return network.apply({"params": params}, inputs, method="features")

    def head(params: Params, h: jax.Array, key: jax.Array | None = None) -> jax.Array:
        rngs = None if key is None else {"dropout": key}
        return network.apply({"params": params}, h, deterministic=key is None, rngs=rngs, method="head")

    return Model(init, features, head)


def example_text(dim: int, length: int = 1) -> TextInputs:
    """A text for `as_model`."""
    return TextInputs(jnp.zeros((1, length, dim)), jnp.ones((1, length), bool))


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean of ``float[batch, length, width]`` over words, ``float[batch, width]``; zero where there are none."""
    counts = jnp.maximum(jnp.sum(mask, 1, keepdims=True), 1)
    return jnp.sum(values * mask[..., None], 1) / counts

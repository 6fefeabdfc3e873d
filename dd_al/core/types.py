"""The few array containers that every room shares, and a mark of arrays that are worth keeping."""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

T = TypeVar("T")
KEPT = "kept"


def keep(values: T) -> T:
    """Marks arrays that cost far more to compute than to hold, for the reverse pass of `dd_al.learner.unroll`."""
    return checkpoint_name(values, KEPT)


class TextInputs(NamedTuple):
    """Embedded text, the continuous form that learners see.

    Attributes:
      embedded: ``float32[batch, length, dim]``, zero where ``mask`` is false.
      mask: ``bool[batch, length]``, true on words and false on padding.
    """

    embedded: jax.Array
    mask: jax.Array


def as_inputs(values: jax.Array) -> Any:
    """What networks read of synthetic examples: images and rows of numbers as they are, and of texts every position.

    Texts are ``float32[items, length, dim]``, images ``[items, height, width, channels]``, rows ``[items, columns]``.
    """
    return TextInputs(values, jnp.ones(values.shape[:2], bool)) if values.ndim == 3 else values


class Batch(NamedTuple):
    """A minibatch.

    Attributes:
      inputs: a tuple of model inputs, one per length bucket; their batch axes are concatenated
        in order. (One bucket is the common case; several spare the arithmetic on padding.)
      targets: ``float32[batch, classes]``, a distribution per example in the order of the buckets.
      attention: ``float32[batch, blocks, heads, length]``, learned attention labels for synthetic examples (in one
        bucket), distributions over positions; None for real ones.
    """

    inputs: tuple[Any, ...]
    targets: jax.Array
    attention: jax.Array | None = None

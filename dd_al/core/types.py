"""The few array containers that every room shares."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax


class TextInputs(NamedTuple):
    """Embedded text, the continuous form that learners see.

    Attributes:
      embedded: ``float32[batch, length, dim]``, zero where ``mask`` is false.
      mask: ``bool[batch, length]``, true on words and false on padding.
    """

    embedded: jax.Array
    mask: jax.Array


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

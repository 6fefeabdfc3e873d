"""What the reverse pass of an unroll should keep rather than compute again."""

from __future__ import annotations

from typing import TypeVar

from jax.ad_checkpoint import checkpoint_name

T = TypeVar("T")

KEPT = "kept"


def keep(values: T) -> T:
    """Marks arrays that cost far more to compute than to hold; `dd_al.learner.unroll` honours it."""
    return checkpoint_name(values, KEPT)

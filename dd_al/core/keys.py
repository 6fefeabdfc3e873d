"""Named random streams: adding a consumer of randomness never changes another's numbers."""

import zlib

import jax
import numpy as np


def stream(key: jax.Array, name: str, index: int | jax.Array | None = None) -> jax.Array:
    """The key of one purpose, ``key<>[]``, a function of the arguments alone.

    The `name` says what the randomness is for ("inner_init", "real_batch", …), and an `index` counts within it, such as
    steps.
    """
    key = jax.random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)
    return key if index is None else jax.random.fold_in(key, index)


def generator(key: jax.Array, name: str) -> np.random.Generator:
    """The `stream` of one purpose for draws on the host: a generator of NumPy's."""
    return np.random.default_rng(np.asarray(jax.random.key_data(stream(key, name))))

"""What a training step changes in the examples that it sees."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def shifted(key: jax.Array, images: jax.Array, pixels: int) -> jax.Array:
    """Moves every image by a random number of whole pixels, what is left uncovered repeating the edge.

    It is linear in the images, so hypergradients pass through it: the differentiable augmentation of Zhao & Bilen 2021
    (arXiv 2102.08259), here with a draw for each image. Products with matrices of zeros and ones take the place of
    gathers, which are slow where they are differentiated under vmap.

    Args:
      key: draws the moves, each row and column number uniformly from −pixels to pixels.
      images: ``float[batch, height, width, channels]``.
      pixels: the furthest that an image goes, up and down as well as sideways.
    """
    moves = jax.random.randint(key, (2, images.shape[0]), 0, 2 * pixels + 1)
    rows, columns = (
        jnp.asarray(_moves(size, pixels), images.dtype)[move] for size, move in zip(images.shape[1:3], moves)
    )
    # Accelerators would round the pixels on the way.
    return jnp.einsum("bhy,byxc,bwx->bhwc", rows, images, columns, precision=jax.lax.Precision.HIGHEST)


def _moves(size: int, pixels: int) -> np.ndarray:
    """``[2 · pixels + 1, size, size]``: the matrix of each move along one axis."""
    places = np.arange(size)
    return np.stack([np.eye(size)[np.clip(places + move, 0, size - 1)] for move in range(-pixels, pixels + 1)])

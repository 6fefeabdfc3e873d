"""Convolutional networks over images ``float32[batch, height, width, channels]``.

Convolutions are products of matrices: under vmap over networks, differentiated twice, they take a fifth of the time of
XLA's convolution on a CPU.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from dd_al.core.errors import ConfigError
from dd_al.models.base import Model
from dd_al.models.linen import Drawn, as_model

NETWORKS = ("lenet", "convnet", "alex_cifar")
_FEW = 128  # channels times filters below which `convolve` takes whole rows of pixels


def convolve(images: jax.Array, kernel: jax.Array, size: int, padding: int) -> jax.Array:
    """Every filter over every window: ``float[batch, height', width', filters]``.

    Args:
      images: ``float[batch, height, width, channels]``.
      kernel: ``float[size · size · channels, filters]``, the pixels of a window row by row, the channels of each.
      size: of a window.
      padding: rows and columns of zeros on every side.
    """
    batch, height, width, channels = images.shape
    filters = kernel.shape[-1]
    if channels * filters < _FEW:
        # Products of so few numbers are slow: a whole row of pixels at a time, by a matrix that is mostly zeros.
        padded = jnp.pad(images.reshape(batch, height, -1), ((0, 0), (padding, padding), (0, 0)))
        rows = _side_by_side(padded, size, axis=1)
        result = rows @ _over_rows(kernel.reshape(size, size, channels, filters), width, padding)
        return result.reshape(*result.shape[:2], -1, filters)
    padded = jnp.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return _side_by_side(_side_by_side(padded, size, axis=2), size, axis=1) @ kernel


def _side_by_side(x: jax.Array, size: int, axis: int) -> jax.Array:
    """Joins ``size`` neighbours along an axis, at every place, into the last axis."""
    places = x.shape[axis] - size + 1
    return jnp.concatenate([jax.lax.slice_in_dim(x, i, i + places, axis=axis) for i in range(size)], axis=-1)


def _over_rows(kernel: jax.Array, width: int, padding: int) -> jax.Array:
    """The matrix from rows of pixels to a row of responses, ``float[size · width · channels, places · filters]``.

    The kernel is ``float[size, size, channels, filters]``; on either side of a row are ``padding`` zeros.
    """
    size, _, channels, filters = kernel.shape
    places = width + 2 * padding - size + 1
    # shifts[j, x, o]: whether the j-th column of the window at o is pixel x.
    shifts = np.stack([np.eye(width + 2 * padding, places, k=-j)[padding : padding + width] for j in range(size)])
    matrix = jnp.einsum("jxo,ijcf->ixcof", shifts.astype(kernel.dtype), kernel)
    return matrix.reshape(size * width * channels, places * filters)


def pool(images: jax.Array, reduce=jnp.max) -> jax.Array:
    """Reduces squares of 2 × 2 pixels to one; an odd last row or column is left out."""
    batch, height, width, channels = images.shape
    height, width = height // 2, width // 2
    squares = images[:, : 2 * height, : 2 * width].reshape(batch, height, 2, width, 2, channels)
    return reduce(squares, axis=(2, 4))


class _Convolution(nn.Module):
    """Filters over every window."""

    filters: int
    size: int
    padding: int
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        kernel = self.param("kernel", self.kernel_init, (self.size**2 * images.shape[-1], self.filters))
        bias = self.param("bias", nn.initializers.zeros, (self.filters,))
        return convolve(images, kernel, self.size, self.padding) + bias


class _LeNet(Drawn):
    """LeNet-5 with ReLU and max-pooling (LeCun et al. 1998), as Wang et al. 2018 distil for it."""

    sizes = ((6, 2, 120), (16, 0, 84))  # filters and padding of a convolution, units of a dense layer

    def layers(self):
        for i, (filters, padding, units) in enumerate(self.sizes, 1):
            setattr(self, f"conv{i}", _Convolution(filters, 5, padding, self.kernel_init))
            setattr(self, f"dense{i}", nn.Dense(units, kernel_init=self.kernel_init))

    def pooled(self, images: jax.Array) -> jax.Array:
        h = pool(nn.relu(self.conv1(images)))
        return pool(nn.relu(self.conv2(h)))

    def features(self, images: jax.Array) -> jax.Array:
        h = self.pooled(images)
        h = nn.relu(self.dense1(h.reshape(len(h), -1)))
        return nn.relu(self.dense2(h))


class _AlexCifarNet(_LeNet):
    """The AlexNet for CIFAR of Wang et al. 2018 (cuda-convnet's): two convolutions with normalisation, three dense."""

    sizes = ((64, 2, 384), (64, 2, 192))

    def pooled(self, images: jax.Array) -> jax.Array:
        h = _local_response(pool(nn.relu(self.conv1(images))))
        return pool(_local_response(nn.relu(self.conv2(h))))


def _local_response(images: jax.Array, size: int = 9, alpha: float = 0.001, beta: float = 0.75) -> jax.Array:
    """Divides by the energy of neighbouring channels (Krizhevsky et al. 2012, section 3.3)."""
    squares = jnp.pad(images**2, ((0, 0), (0, 0), (0, 0), (size // 2, size // 2)))
    energy = sum(squares[..., i : i + images.shape[-1]] for i in range(size))
    return images * (1 + alpha / size * energy) ** -beta


class _ConvNet(Drawn):
    """Blocks of 3 × 3 filters, instance norm, ReLU and mean-pooling (Gidaris & Komodakis 2018; Zhao et al. 2021)."""

    width: int = 128
    depth: int = 3

    def layers(self):
        for i in range(1, self.depth + 1):
            setattr(self, f"conv{i}", _Convolution(self.width, 3, 1, self.kernel_init))
            setattr(self, f"norm{i}", nn.GroupNorm(num_groups=None, group_size=1))

    def features(self, images: jax.Array) -> jax.Array:
        h = images
        for i in range(1, self.depth + 1):
            h = pool(nn.relu(getattr(self, f"norm{i}")(getattr(self, f"conv{i}")(h))), jnp.mean)
        return h.reshape(len(h), -1)


def image_network(
    kind: str,
    shape: Sequence[int],
    classes: int,
    *,
    width: int = 128,
    depth: int = 3,
    dropout: float = 0.0,
    weights: str = "lecun",
) -> Model:
    """One of `NETWORKS` over images of some height, width and channels.

    Its layers are "conv1", …, "norm1", … and "dense1", …, and "output". Of a convnet ``depth`` blocks have ``width``
    filters each; for the other arguments see `Drawn`.

    Raises:
      ConfigError: images too small for it.
    """
    network, halvings, smallest = {
        "lenet": (_LeNet, 2, 12), "convnet": (_ConvNet, depth, 2**depth), "alex_cifar": (_AlexCifarNet, 2, 8)
    }[kind]  # fmt: skip
    if min(shape[:2]) < smallest:
        raise ConfigError(
            f"config.model.kind = {kind!r}: halves images {halvings} times and needs {smallest} × {smallest} pixels; "
            f"these have {shape[0]} × {shape[1]}"
        )
    sizes = {"width": width, "depth": depth} if kind == "convnet" else {}
    return as_model(network(classes, dropout, weights, **sizes), jnp.zeros((1, *shape)))._replace(apart=True)

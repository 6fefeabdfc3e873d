"""The learner: a model with an inner optimizer and a loss, and the one training step that everything shares."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dd_al.core.keys import stream
from dd_al.core.losses import cross_entropy
from dd_al.core.types import Batch
from dd_al.models.base import Model, Params


class LearnerState(NamedTuple):
    """What training changes.

    Attributes:
      params: of the model.
      opt_state: the optimizer's moments.
      key: ``uint32[2]``, of the next step's shifts; None for a learner without.
    """

    params: Params
    opt_state: Any
    key: jax.Array | None = None


class Learner(NamedTuple):
    """How a model is trained.

    Attributes:
      model: the network.
      init: ``init(key) -> LearnerState``.
      train_step: ``train_step(key, state, batch, rates) -> LearnerState``. ``rates`` is ``float[layers]``, one rate per
        top-level entry of the parameters in sorted order (`layers`); ``key`` drives dropout, None switches it off.
    """

    model: Model
    init: Callable[[jax.Array], LearnerState]
    train_step: Callable[..., LearnerState]


def layers(model: Model) -> tuple[str, ...]:
    """The names that rates belong to, in order."""
    return tuple(sorted(jax.eval_shape(model.init, jax.random.key(0))))


def logits(model: Model, params: Params, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """Logits of a batch, ``float[batch, classes]``, its length buckets one after the other."""
    keys = [None] * len(batch.inputs) if key is None else jax.random.split(key, len(batch.inputs))
    return jnp.concatenate([model.apply(params, x, k) for x, k in zip(batch.inputs, keys)])


def features(model: Model, params: Params, batch: Batch) -> jax.Array:
    """Features of a batch, ``float[batch, width]``, its length buckets one after the other."""
    return jnp.concatenate([model.features(params, x) for x in batch.inputs])


BatchLoss = Callable[[Model, Params, Batch, jax.Array | None], jax.Array]


def label_loss(of: Callable[[jax.Array, jax.Array], jax.Array]) -> BatchLoss:
    """The loss of a batch that compares its targets with the model's logits: ``of(logits, targets) -> float[]``."""
    return lambda model, params, batch, key: of(logits(model, params, batch, key), batch.targets)


CROSS_ENTROPY = label_loss(cross_entropy)


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

    def matrices(size: int) -> np.ndarray:
        """Of each move along one axis, ``[2 · pixels + 1, size, size]``."""
        places = np.arange(size)
        return np.stack([np.eye(size)[np.clip(places + move, 0, size - 1)] for move in range(-pixels, pixels + 1)])

    moves = jax.random.randint(key, (2, images.shape[0]), 0, 2 * pixels + 1)
    rows, columns = (jnp.asarray(matrices(n), images.dtype)[move] for n, move in zip(images.shape[1:3], moves))
    # Accelerators would round the pixels on the way.
    return jnp.einsum("bhy,byxc,bwx->bhwc", rows, images, columns, precision=jax.lax.Precision.HIGHEST)


def make_learner(
    model: Model,
    optimizer: optax.GradientTransformation,
    *,
    shift: int = 0,
    loss: BatchLoss = CROSS_ENTROPY,
) -> Learner:
    """Joins a model and an optimizer's direction (see `dd_al.learner.optimizers`).

    Args:
      model: the network.
      optimizer: makes directions of gradients.
      shift: pixels by which every step moves the images that it sees, at most (see `shifted`), real and synthetic ones
        alike. Its randomness is the learner's own, drawn with the initialisation.
      loss: what a step goes down: `label_loss`, or another of a model and a batch, such as the one of
        `dd_al.learner.attention`.
    """

    def init(key: jax.Array) -> LearnerState:
        params = model.init(key)
        own = jax.random.key_data(stream(key, "shift")) if shift else None
        return LearnerState(params, optimizer.init(params), own)

    def train_step(key: jax.Array | None, state: LearnerState, batch: Batch, rates: jax.Array) -> LearnerState:
        own = state.key
        if shift:
            now, later = jax.random.split(jax.random.wrap_key_data(own))
            moved = (shifted(k, x, shift) for k, x in zip(jax.random.split(now, len(batch.inputs)), batch.inputs))
            batch, own = batch._replace(inputs=tuple(moved)), jax.random.key_data(later)

        gradient = jax.grad(lambda params: loss(model, params, batch, key))(state.params)
        direction, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        # The sign goes with the rate, a scalar, so that no derivative negates whole arrays.
        params = {
            name: jax.tree.map(lambda p, d, rate=rate: p + -rate * d, state.params[name], direction[name])
            for name, rate in zip(sorted(state.params), rates, strict=True)
        }
        return LearnerState(params, opt_state, own)

    # As one program: outside of another, the draws of an initialisation would each be compiled by themselves.
    return Learner(model, jax.jit(init), train_step)

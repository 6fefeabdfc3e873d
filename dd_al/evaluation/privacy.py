"""What a small training set, and learners trained on it, give away of the data behind it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.keys import generator
from dd_al.core.types import TextInputs
from dd_al.distillation.synthetic import Synthetic, as_batch
from dd_al.learner.examples import whole
from dd_al.learner.predict import predict
from dd_al.models.base import Model, Params
from dd_al.models.linen import masked_mean
from dd_al.task.task import Task

_MOST = 1000  # members, and others, that are compared


def membership(task: Task, params: Params, rows: np.ndarray, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses of learners on examples behind them and on others, ``float32[learners, n]`` each.

    In the attack of Yeom et al. 2018 (arXiv 1709.01604, section 3.3) what has a small loss is taken for a member: the
    area under the ROC curve of the losses says how well that tells the two apart.

    Args:
      task: the data and the network.
      params: stacked learners.
      rows: ``int[n]``, positions of the members in the training data.
      split: that the others are of.
      seed: draws members and others, if there are more than a thousand.
    """
    rng = generator(jax.random.key(seed), "membership")
    rows = rng.permutation(rows)[:_MOST]
    others = rng.permutation(len(task.labels(split)))[:_MOST]

    def losses(split: str, rows: np.ndarray) -> np.ndarray:
        filled = np.resize(rows, _MOST)  # one program whatever their number
        raw, labels = task.raw[split][filled], task.labels(split)[filled]
        found = _losses(task.learner.model, task.embed, params, jnp.asarray(raw), jnp.asarray(labels))
        return np.asarray(found)[:, : len(rows)]

    return losses("train", rows), losses(split, others)


@partial(jax.jit, static_argnums=0)
def _losses(model: Model, embed: Callable, params: Params, raw: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross-entropies of stacked learners, ``float32[learners, n]``."""
    z = predict(model, params, whole(raw, jnp.zeros((len(raw), 1))), embed)
    return -jnp.take_along_axis(jax.nn.log_softmax(z), labels[None, :, None], -1)[..., 0]


def nearness(task: Task, synthetic: Synthetic, start_rows: np.ndarray | None) -> dict[str, float]:
    """How near synthetic examples are to real ones, beside real ones that are no part of the training data.

    Examples are compared by cosines of what networks read, a text as the mean of its word vectors.

    Args:
      task: whose training data the set is made of.
      synthetic: one set.
      start_rows: ``int[items]``, the training examples that the items began as; None for noise.

    Returns:
      ``nearest``, the mean over items of the largest cosine with a training example; ``chance``, the same of validation
      examples; and where the items began as real ones, ``recovered``, the share whose nearest training example that is.
    """
    train = _unit(_means(task, jnp.asarray(task.raw["train"])))
    held_out = _unit(_means(task, jnp.asarray(task.raw["validation"])))
    items = _unit(np.concatenate([_mean(x) for x in as_batch(synthetic).inputs]))
    near = items @ train.T
    found = {"nearest": float(near.max(1).mean()), "chance": float((held_out @ train.T).max(1).mean())}
    if start_rows is not None:
        found["recovered"] = float(np.mean(near.argmax(1) == start_rows))
    return found


def _means(task: Task, raw: jax.Array) -> np.ndarray:
    return np.concatenate([_mean(task.embed(raw[first : first + 1024])) for first in range(0, len(raw), 1024)])


def _mean(inputs) -> np.ndarray:
    if isinstance(inputs, TextInputs):
        return np.asarray(masked_mean(inputs.embedded, inputs.mask))
    return np.asarray(inputs).reshape(len(inputs), -1)


def _unit(points: np.ndarray) -> np.ndarray:
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)

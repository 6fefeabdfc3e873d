"""What a small training set, and learners trained on it, give away of the data behind it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.keys import generator
from dd_al.core.types import TextInputs
from dd_al.distillation.synthetic import Synthetic, as_batch
from dd_al.experiments.compare.lab import Lab
from dd_al.learner.examples import whole
from dd_al.learner.predict import predict
from dd_al.models.base import Params
from dd_al.models.linen import masked_mean
from dd_al.report.statistics import ranked_apart
from dd_al.task.task import Task

_MOST = 1000  # members, and others, that are compared


def membership(lab: Lab, task: Task, params: Params, rows: np.ndarray, seed: int) -> np.ndarray:
    """How well a learner's loss tells examples behind it from others: areas under the ROC curve, ``float64[learners]``.

    The attack of Yeom et al. 2018 (arXiv 1709.01604, section 3.3): what has a small loss is taken for a member. 0.5 is
    chance. The others are of the judged split.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      params: stacked learners.
      rows: ``int[n]``, positions of the members in the training data.
      seed: draws members and others, if there are more than a thousand.
    """
    split, rng = lab.settings.evaluate.split, generator(jax.random.key(seed), "membership")
    rows = rng.permutation(rows)[:_MOST]
    others = rng.permutation(len(task.labels(split)))[:_MOST]
    inside = _losses(lab, params, task.raw["train"][rows], task.labels("train")[rows])
    outside = _losses(lab, params, task.raw[split][others], task.labels(split)[others])
    return np.asarray([ranked_apart(-ours, -theirs) for ours, theirs in zip(inside, outside)])


def _losses(lab: Lab, params: Params, raw: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropies of stacked learners, ``float32[learners, n]``, in one program whatever n."""
    model, embed, filled = lab.task.learner.model, lab.task.embed, np.resize(np.arange(len(raw)), _MOST)

    def losses(params: Params, raw: jax.Array, labels: jax.Array) -> jax.Array:
        z = predict(model, params, whole(raw, jnp.zeros((len(raw), 1))), embed)
        return -jnp.take_along_axis(jax.nn.log_softmax(z), labels[None, :, None], -1)[..., 0]

    found, _ = lab.run("losses", losses, params, jnp.asarray(raw[filled]), jnp.asarray(labels[filled]))
    return np.asarray(found)[:, : len(raw)]


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

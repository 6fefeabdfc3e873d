"""Real examples that instance selection chooses, as a baseline of the distilled set's size."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.core.keys import stream
from dd_al.core.types import Batch, TextInputs
from dd_al.coreset.methods import prototypes, select
from dd_al.distillation.synthetic import balanced_classes
from dd_al.evaluation.baselines import batch_of
from dd_al.learner.predict import on_every, trunk_of
from dd_al.models.base import Params
from dd_al.models.linen import masked_mean
from dd_al.task.task import Task, one_hot


def vectors_of(inputs: Any) -> jax.Array:
    """A vector for each of some examples as networks read them, ``float32[n, dim]``; of a text its mean word vector."""
    if isinstance(inputs, TextInputs):
        return masked_mean(inputs.embedded, inputs.mask)
    return inputs.reshape(len(inputs), -1)


def features_of(task: Task, params: Params | None, buckets: tuple) -> jax.Array:
    """What instance selection compares the training examples by, ``float32[n, dim]``.

    The features of a trained learner, or `vectors_of` what networks read where ``params`` is None. A pure function of
    those and of the buckets of the training examples, so that a compiled program does not hold them.
    """
    trunk = None if params is None else trunk_of(task.learner.model, params, task.train, task.embed)

    def one(raw: jax.Array, index: jax.Array) -> jax.Array:
        del index
        return vectors_of(task.embed(raw)) if trunk is None else trunk(raw)

    return on_every(task.train._replace(buckets=buckets), one)


def choose(task: Task, settings: Settings, name: str, items: int, full: Params) -> Batch:
    """The examples that a method keeps, or makes, as many of each class as can be.

    Args:
      task: the data.
      settings: of the run.
      name: one of `dd_al.coreset.methods.NAMES`, or "prototypes", means of images or rows.
      items: how many.
      full: learners that were trained on all data, stacked: the first is asked for features.

    Raises:
      ConfigError: a class has fewer examples than are wanted of it.
    """
    labels, compute = task.labels("train"), jax.jit(partial(features_of, task))
    per_class = np.bincount(balanced_classes(items, task.classes), minlength=task.classes)
    try:
        if name == "prototypes":
            made = prototypes(settings.seed, np.asarray(compute(None, task.train.buckets)), labels, per_class)
            classes = np.repeat(np.arange(task.classes), per_class)
            return Batch((jnp.asarray(made.reshape(-1, *task.shape)),), jnp.asarray(one_hot(classes, task.classes)))
        network = settings.coreset.features == "network"
        first = jax.tree.map(lambda x: x[0], full) if network else None
        features = np.asarray(compute(first, task.train.buckets))
        rows = select(name, stream(task.key, "coreset"), features, labels, per_class)
        return batch_of(task, rows)
    except ValueError as error:
        raise ConfigError(f"config.coreset.methods, {name!r}: {error}; lower config.distill.examples") from error

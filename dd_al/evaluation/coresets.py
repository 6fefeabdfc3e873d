"""Real examples that instance selection chooses, as a baseline of the distilled set's size."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.core.keys import stream
from dd_al.core.types import Batch, TextInputs
from dd_al.coreset.methods import prototypes, select
from dd_al.distillation.synthetic import balanced_classes
from dd_al.evaluation.baselines import Trained, batches_of, choose_schedule
from dd_al.io.signals import Stop
from dd_al.learner.learner import LearnerState
from dd_al.learner.predict import on_every, trunk_of
from dd_al.models.base import Params
from dd_al.models.linen import masked_mean
from dd_al.task.task import Task, one_hot

_LOG = logging.getLogger(__name__)


def features_of(task: Task, params: Params | None, buckets: tuple) -> jax.Array:
    """What instance selection compares the training examples by, ``float32[n, dim]``; a pure function of the last two.

    Args:
      task: the data.
      params: of a trained learner, whose features they are; None for what networks read, a text as the mean of its word
        vectors.
      buckets: those of the training examples, an argument so that a compiled program does not hold them.
    """
    trunk = None if params is None else trunk_of(task.learner.model, params, task.train, task.embed)

    def one(raw: jax.Array, index: jax.Array) -> jax.Array:
        del index
        if trunk is not None:
            return trunk(raw)
        inputs = task.embed(raw)
        if isinstance(inputs, TextInputs):
            return masked_mean(inputs.embedded, inputs.mask)
        return inputs.reshape(len(inputs), -1)

    return on_every(task.train._replace(buckets=buckets), one)


def choose(task: Task, settings: Settings, name: str, items: int, full: Params) -> Batch:
    """The examples that a method keeps, or makes.

    Args:
      task: the data.
      settings: of the run.
      name: of the method: one of `dd_al.coreset.methods.NAMES`, or "prototypes", means of images or rows.
      items: as many of each class as can be.
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
        return jax.tree.map(lambda x: x[0], batches_of(task, rows[None]))
    except ValueError as error:
        raise ConfigError(f"config.coreset.methods, {name!r}: {error}; lower config.distill.examples") from error


def fit_chosen(
    task: Task,
    settings: Settings,
    name: str,
    items: int,
    full: Params,
    states: LearnerState,
    *,
    stop: Stop,
    train: Callable | None = None,
) -> Trained:
    """Trains on what a method chooses, as on random subsets: the same for every learner.

    Args:
      task: the data and the learner.
      settings: of the run; its `config.random` has the schedules to choose among.
      name: of the method that chooses; see `choose`.
      items: examples to choose, as many of each class as can be.
      full: learners that were trained on all data, stacked: the first is asked for features.
      states: stacked initial states.
      stop: asked between schedules.
      train: see `choose_schedule`.
    """
    batch = choose(task, settings, name, items, full)
    _LOG.info("%s: %d of %d examples", name, len(batch.targets), len(task.raw["train"]))
    title = name.replace("_", " ")
    return choose_schedule(task, settings.random, batch, states, stop=stop, title=title, train=train)

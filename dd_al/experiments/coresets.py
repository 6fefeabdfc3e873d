"""Real examples that instance selection chooses, as a baseline of the distilled set's size."""

from __future__ import annotations

import logging

import jax
import numpy as np

from dd_al.core.errors import ConfigError
from dd_al.core.keys import stream
from dd_al.core.types import TextInputs
from dd_al.coreset.methods import select
from dd_al.distill.synthetic import balanced_classes
from dd_al.experiments.baselines import Trained, batches_of, fit_constant
from dd_al.experiments.settings import Settings
from dd_al.experiments.task import Task
from dd_al.io.signals import Stop
from dd_al.learner.learner import LearnerState
from dd_al.learner.predict import on_every, trunk_of
from dd_al.models.base import Params
from dd_al.models.linen import masked_mean

_LOG = logging.getLogger(__name__)


def features_of(task: Task, params: Params | None) -> np.ndarray:
    """What instance selection compares the training examples by, ``float32[n, dim]``.

    Args:
      task: the data.
      params: of a trained learner, whose features they are; None for what networks read, a text as the mean of its word
        vectors.
    """

    @jax.jit
    def compute(params: Params | None, buckets: tuple) -> jax.Array:
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

    return np.asarray(compute(params, task.train.buckets))


def choose(task: Task, settings: Settings, name: str, items: int, full: Params) -> np.ndarray:
    """The training rows that a method keeps, ``int64[items]``.

    Args:
      task: the data.
      settings: of the run.
      name: of the method, one of `dd_al.coreset.methods.NAMES`.
      items: as many of each class as can be.
      full: learners that were trained on all data, stacked: the first is asked for features.

    Raises:
      ConfigError: a class has fewer examples than are wanted of it.
    """
    network = settings.coreset.features == "network"
    features = features_of(task, jax.tree.map(lambda x: x[0], full) if network else None)
    per_class = np.bincount(balanced_classes(items, task.classes), minlength=task.classes)
    try:
        return select(name, stream(task.key, "coreset"), features, task.labels("train"), per_class)
    except ValueError as error:
        raise ConfigError(f"config.coreset.methods, {name!r}: {error}; lower config.distill.items") from error


def fit_chosen(
    task: Task, settings: Settings, name: str, items: int, full: Params, states: LearnerState, *, stop: Stop
) -> Trained:
    """Trains on what a method chooses, as on random subsets: the same for every learner.

    Args:
      task: see `choose`, likewise the next four.
      settings: whose `config.random` has the schedules to choose among.
      name: of the method.
      items: to choose.
      full: trained learners.
      states: stacked initial states.
      stop: asked between schedules.
    """
    rows = choose(task, settings, name, items, full)
    _LOG.info("%s: %d of %d examples", name, len(rows), len(task.raw["train"]))
    batches = batches_of(task, np.tile(rows, (len(jax.tree.leaves(states)[0]), 1)))
    return fit_constant(task, settings.random, batches, states, stop=stop, title=name.replace("_", " "))

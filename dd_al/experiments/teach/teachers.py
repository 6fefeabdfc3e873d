"""Soft predictions of learners that were trained on all of the data, as labels for others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.grid import of_teachers
from dd_al.config.settings import Settings
from dd_al.data.dataset import Dataset
from dd_al.experiments.baselines import Trained, fit_full
from dd_al.experiments.task import Task, make_task
from dd_al.io.signals import Stop
from dd_al.learner.predict import predict
from dd_al.models.base import Params

_LOG = logging.getLogger(__name__)


def make_teachers(settings: Settings, dataset: Dataset, *, stop: Stop) -> tuple[Task, Callable[[], Trained]]:
    """The teachers of `config.teach`, which may read the examples otherwise than their student.

    Args:
      settings: of the student's run.
      dataset: its data.
      stop: asked between epochs.

    Returns:
      Their task, and a function that trains them.
    """
    own, count = of_teachers(settings), settings.teach.teachers
    task = make_task(own, dataset)
    _LOG.info("teachers: %d of %s over %s", count, own.model.kind, own.inputs)
    return task, lambda: fit_full(task, own.full, task.inits("teachers", count), stop=stop)


def soft_labels(task: Task, params: Params, temperature: float = 1.0) -> np.ndarray:
    """The mean probabilities of an ensemble on the training examples, ``float32[n, classes]`` in their order.

    Args:
      task: its learner's network is the ensemble's.
      params: stacked.
      temperature: what logits are divided by.
    """

    @jax.jit
    def probabilities(params: Params, buckets: tuple) -> jax.Array:
        logits = predict(task.learner.model, params, task.train._replace(buckets=buckets), task.embed)
        return jnp.mean(jax.nn.softmax(logits / temperature), 0)

    return np.asarray(probabilities(params, task.train.buckets))


def relabelled(task: Task, targets: np.ndarray) -> Task:
    """The task with other training targets, ``float32[n, any]`` in the order of the examples."""
    ends = np.cumsum([len(bucket.targets) for bucket in task.train.buckets])[:-1]
    parts = np.split(targets[task.train.order], ends)
    buckets = tuple(
        bucket._replace(targets=jnp.asarray(part)) for bucket, part in zip(task.train.buckets, parts, strict=True)
    )
    return replace(task, train=task.train._replace(buckets=buckets))


def labels_of(task: Task) -> np.ndarray:
    """The training targets in the order of the examples, ``float32[n, classes]``."""
    targets = np.concatenate([np.asarray(bucket.targets) for bucket in task.train.buckets])
    ordered = np.empty_like(targets)
    ordered[task.train.order] = targets
    return ordered


def taught(task: Task, soft: np.ndarray, weight: float) -> Task:
    """The task with training labels that lean towards what teachers say of the training examples.

    An outer loop that is told how sure to be of each example fits fewer accidents of the single labels (Hinton et al.
    2015, arXiv 1503.02531).

    Args:
      task: of the student.
      soft: from `soft_labels`.
      weight: of those, between 0 and 1; the labels have the rest.
    """
    return relabelled(task, weight * soft + (1 - weight) * labels_of(task))

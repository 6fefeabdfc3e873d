"""Soft predictions of learners that were trained on all of the data, as labels for others."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.learner.predict import predict
from dd_al.models.base import Params
from dd_al.task.task import Task, one_hot


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


def taught(task: Task, soft: np.ndarray, weight: float) -> Task:
    """The task with training labels that lean towards what teachers say of the training examples.

    ``soft``, from `soft_labels`, has the weight, between 0 and 1, and the labels have the rest. An outer loop that
    knows how sure to be of each example fits fewer accidents of single labels (Hinton et al. 2015, arXiv 1503.02531).
    """
    return relabelled(task, weight * soft + (1 - weight) * one_hot(task.labels("train"), task.classes))

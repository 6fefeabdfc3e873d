"""Soft predictions of learners that were trained on all of the data, as labels for the outer loop."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.experiments.task import Task
from dd_al.learner.predict import predict
from dd_al.models.base import Params


def taught(task: Task, params: Params, weight: float) -> Task:
    """The task with training labels that lean towards what an ensemble says of the training sentences.

    An outer loop that is told how sure to be of each sentence fits fewer accidents of the single labels (Hinton et al.
    2015, arXiv 1503.02531).

    Args:
      task: its learner's network is the teachers'.
      params: of the teachers, stacked.
      weight: of their mean probabilities, between 0 and 1; the labels have the rest.
    """

    @jax.jit
    def probabilities(params: Params, buckets: tuple) -> jax.Array:
        logits = predict(task.learner.model, params, task.train._replace(buckets=buckets), task.embed)
        return jnp.mean(jax.nn.softmax(logits), 0)

    soft = probabilities(params, task.train.buckets)[task.train.order]
    ends = np.cumsum([len(bucket.targets) for bucket in task.train.buckets])[:-1]
    parts = jnp.split(soft, ends)
    buckets = tuple(
        bucket._replace(targets=weight * part + (1 - weight) * bucket.targets)
        for bucket, part in zip(task.train.buckets, parts)
    )
    return replace(task, train=task.train._replace(buckets=buckets))

"""The loop of active learning by a config: how it trains and looks, and the labels it begins with."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.loop import Loop, make_loop
from dd_al.active.selectors import clustered
from dd_al.core.keys import stream
from dd_al.experiments.baselines import balanced_draw
from dd_al.experiments.settings import ActiveSettings
from dd_al.experiments.task import Task
from dd_al.learner.examples import Examples
from dd_al.learner.fit import cosine
from dd_al.learner.learner import Learner
from dd_al.learner.predict import on_every
from dd_al.models.linen import masked_mean


def configured_loop(
    settings: ActiveSettings, learner: Learner, ids: np.ndarray, pool: Examples, embed: Callable, classes: int
) -> Loop:
    """`make_loop` by the settings.

    Args:
      settings: how to train and what queries look at.
      learner: the network and its training step.
      ids: ``int32[n, length]``, the pool.
      pool: the same in buckets.
      embed: rows of ids to model inputs.
      classes: how many.
    """
    return make_loop(
        learner,
        jnp.asarray(ids),
        pool,
        embed,
        classes,
        schedule=lambda step, steps: cosine(settings.rate, steps)(step),
        steps=lambda count: jnp.maximum(settings.steps, -(-settings.epochs * count // settings.batch_size)),
        batch_size=settings.batch_size,
        passes=settings.passes,
        warm=settings.warm,
        subset=settings.subset,
        score=settings.score,
        rate=settings.rate,
    )


def first_labels(task: Task, settings: ActiveSettings, size: int) -> np.ndarray:
    """Rows of the training split for each seed, the same for every query: ``int32[seeds, size]``.

    "stratified" looks at labels that nobody has paid for yet: for studies, not for annotation.
    """
    if settings.start == "k_means":
        means = on_every(task.train, lambda raw, _: masked_mean(*task.embed(raw)))
        draw = jax.jit(lambda key: clustered(key, means, jnp.ones(len(means), bool), size))
        keys = [stream(jax.random.key(seed), "first_labels") for seed in settings.seeds]
        return np.stack([np.asarray(draw(key)) for key in keys])
    labels = task.labels("train")
    by_class = [np.flatnonzero(labels == c) for c in range(task.classes)]
    rngs = [np.random.default_rng([seed, 1]) for seed in settings.seeds]
    if settings.start == "stratified":
        return np.stack([balanced_draw(rng, by_class, size) for rng in rngs]).astype(np.int32)
    return np.stack([rng.permutation(len(labels))[:size] for rng in rngs]).astype(np.int32)

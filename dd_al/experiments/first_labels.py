"""The texts whose labels active learning begins with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.selectors import clustered
from dd_al.core.keys import stream
from dd_al.experiments.baselines import balanced_draw
from dd_al.experiments.settings import ActiveSettings
from dd_al.experiments.task import Task
from dd_al.learner.predict import on_every
from dd_al.models.linen import masked_mean


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

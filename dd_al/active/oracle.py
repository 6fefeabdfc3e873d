"""The simulated oracle, and what a run with it begins with: its labels in each round, and which of them come first."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.selectors import clustered
from dd_al.config.active import ActiveSettings
from dd_al.core.errors import ConfigError
from dd_al.core.keys import stream
from dd_al.data.splits import balanced_draw
from dd_al.learner.predict import on_every
from dd_al.models.linen import masked_mean
from dd_al.task.task import Task

_clustered = jax.jit(clustered, static_argnames="k")


def noisy_labels(rng: np.random.Generator, labels: np.ndarray, classes: int, share: float) -> np.ndarray:
    """The oracle's answer for each text, a new ``int32[n]``: its class, or for a share of them any other one.

    ``rng`` draws which answers are wrong and which class each of those names; for a share of 0 it draws nothing.
    """
    if not share:
        return labels.astype(np.int32)
    wrong = (labels + rng.integers(1, max(classes, 2), len(labels))) % classes
    return np.where(rng.random(len(labels)) < share, wrong, labels).astype(np.int32)


class Plan(NamedTuple):
    """How many labels a run begins with, asks for and ends with."""

    first: int
    size: int  # of a query; the last one has what is left, where that is less
    rounds: int  # queries
    budget: int  # labels in the end

    @property
    def counts(self) -> list[int]:
        """The labels that each round of training has, before the first query and after each."""
        return label_counts([self.first, self.budget], self.size)


def plan_of(settings: ActiveSettings, train: int) -> Plan:
    """The plan for ``train`` texts; ConfigError where they do not suffice."""
    size = settings.query_size(train)
    first = settings.start_size or size
    if first >= train:
        raise ConfigError(f"{first} first labels of {train} training texts leave nothing to ask for")
    rounds = settings.rounds or -(-(train - first) // size)
    budget = first + rounds * size
    if settings.rounds and budget > train:
        raise ConfigError(
            f"config.active.rounds = {rounds} queries of {size} labels after {first} first ones are more than the "
            f"{train} training texts: at most {(train - first) // size} rounds, or None for as many as there are labels"
        )
    if settings.subset and settings.subset < size:
        raise ConfigError(f"config.active.subset = {settings.subset}: fewer texts than the {size} labels of a query")
    return Plan(first, size, rounds, min(budget, train))


def label_counts(budgets: Sequence[int], size: int) -> list[int]:
    """The labels of each round of training: rising budgets, and between each two as many queries as it takes."""
    found = [budgets[0]]
    for budget in budgets[1:]:
        while found[-1] < budget:
            found.append(min(found[-1] + size, budget))
    return found


def seed_set(task: Task, start: str, size: int, seed: int, rng: np.random.Generator) -> np.ndarray:
    """The positions in the training split that a run's first labels are for, ``int32[size]``.

    They are "random" texts; "stratified" ones, which go round the classes; or "k_means", the texts nearest to the
    centers of clusters, whose start is drawn by the run's ``seed``. ``rng`` draws the others. Stratified ones look at
    labels that nobody has paid for: they are for studies alone.
    """
    labels = task.labels("train")
    if start == "k_means":
        means = on_every(task.train, lambda raw, _: masked_mean(*task.embed(raw)))
        key = stream(jax.random.key(seed), "first_labels")
        return np.asarray(_clustered(key, means, jnp.ones(len(means), bool), k=size))
    if start == "stratified":
        return balanced_draw(rng, labels, task.classes, size).astype(np.int32)
    return rng.permutation(len(labels))[:size].astype(np.int32)

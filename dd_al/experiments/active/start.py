"""What a run of active learning begins with: how many labels there are when, and which come first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.selectors import clustered
from dd_al.config.active import ActiveSettings
from dd_al.core.errors import ConfigError, DataError
from dd_al.core.keys import stream
from dd_al.data.formats import lines_of, read_text
from dd_al.experiments.baselines import balanced_draw
from dd_al.experiments.task import Task
from dd_al.learner.predict import on_every
from dd_al.models.linen import masked_mean


class Plan(NamedTuple):
    """How many labels there are when.

    Attributes:
      first: in the beginning.
      size: in a query; the last one has what is left, where that is less.
      rounds: queries.
      budget: in the end.
    """

    first: int
    size: int
    rounds: int
    budget: int

    @property
    def counts(self) -> list[int]:
        """The labels that each round of training has, before the first query and after each."""
        return [min(self.first + index * self.size, self.budget) for index in range(self.rounds + 1)]


def plan_of(settings: ActiveSettings, train: int, given: int | None = None) -> Plan:
    """The plan for so many training texts.

    Args:
      settings: sizes and rounds.
      train: how many there are.
      given: first labels, where those are given.

    Raises:
      ConfigError: they do not suffice.
    """
    size = settings.query_size(train)
    first = given or settings.start_size or size
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


def given_labels(settings: ActiveSettings, rows: np.ndarray) -> np.ndarray:
    """The first labels that `config.active.given` names, positions in the training split: ``int32[seeds, size]``.

    A line is an object with a "row". It is for one "seed" if it has one, else for all; where lines have a "round" those
    of round 0 count. So the selected.jsonl of another run gives what that run began with.

    Args:
      settings: the file, and the seeds.
      rows: ``int[n]``, the row in the source of each training text.

    Raises:
      DataError: the file is no such one, a row is no training text, or seeds have different numbers of labels.
    """
    path, places = Path(settings.given).expanduser(), {int(row): place for place, row in enumerate(rows)}
    found: dict[int, dict[int, None]] = {seed: {} for seed in settings.seeds}  # in order, each once
    for number, line in lines_of(read_text(path)):
        try:
            value = json.loads(line)
            row, seed, late = value["row"], value.get("seed"), value.get("round", 0) > 0
            if not all(type(number) is int for number in (row, 0 if seed is None else seed)):
                raise TypeError
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            where = f"{path}, line {number}"
            raise DataError(f'{where}: must be an object such as {{"row": 7, "seed": 0}}, not {line[:60]!r}') from None
        if row not in places:
            raise DataError(
                f"{path}, line {number}: row {row!r} is none of the {len(places)} training texts (a row that was "
                "removed, or another source)"
            )
        for one in found if seed is None else [seed]:
            if one in found and not late:
                found[one][places[row]] = None
    sizes = {seed: len(chosen) for seed, chosen in found.items()}
    if not all(sizes.values()) or len(set(sizes.values())) > 1:
        counts = ", ".join(f"{size} for seed {seed}" for seed, size in sizes.items())
        raise DataError(f"{path} gives different numbers of first labels, or none, for config.active.seeds: {counts}")
    return np.asarray([list(chosen) for chosen in found.values()], np.int32)

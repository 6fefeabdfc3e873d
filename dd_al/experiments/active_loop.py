"""The loop of active learning by a config: how it trains and looks, and the labels it begins with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.loop import Loop, make_loop
from dd_al.active.selectors import clustered
from dd_al.core.errors import DataError
from dd_al.core.keys import stream
from dd_al.data.formats import lines_of, read_text
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
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            where = f"{path}, line {number}"
            raise DataError(f'{where}: must be an object such as {{"row": 7}}, not {line[:60]!r}') from None
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

"""The loop of active learning by a config, and what its runs are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active import stopping
from dd_al.active.loop import Loop, LoopState, make_loop
from dd_al.config.active import ActiveSettings
from dd_al.learner.examples import Examples
from dd_al.learner.fit import cosine
from dd_al.learner.learner import Learner


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


class History(NamedTuple):
    """A query's runs so far, one for each seed; a checkpoint of the loop.

    Attributes:
      state: of the loops, stacked over seeds.
      round: ``int32[]``, rounds of training that are done.
      scores: ``float32[seeds, budget]``, of each label when it was asked for; NaN for the first ones.
      predicted: ``int16[rounds + 1, seeds, n]``, classes predicted for the judged split after each round of training.
      validation: ``float32[rounds + 1, seeds]``, accuracies.
      agreement: ``float32[rounds + 1, seeds]``, kappa of the predictions for validation and those of the round before.
      uncertainty: ``float32[rounds + 1, seeds]``, mean entropy of the predictions for validation, in nats.
      last: ``int16[seeds, n]``, the last round's predictions for validation.
      seconds: ``float32[rounds + 1, 3]``, training, scoring, selecting.
      cold: ``bool[rounds + 1]``, rounds that were the first of their kind since a process started, whose seconds are of
        compilation, too.
    """

    state: LoopState
    round: jax.Array
    scores: jax.Array
    predicted: jax.Array
    validation: jax.Array
    agreement: jax.Array
    uncertainty: jax.Array
    last: jax.Array
    seconds: jax.Array
    cold: jax.Array


def stops(settings: ActiveSettings, history: History) -> dict[str, list[int | None]]:
    """For each rule that has what it needs, the round at which each seed could have stopped; None if not yet."""
    done = slice(int(history.round))
    rules = {"stable": (history.agreement, partial(stopping.stable, threshold=settings.stop_agreement))}
    if settings.stop_uncertainty is not None:
        rules["certain"] = history.uncertainty, partial(stopping.certain, threshold=settings.stop_uncertainty)
    if settings.stop_accuracy is not None:
        rules["accurate"] = history.validation, partial(stopping.reached, target=settings.stop_accuracy)
    return {name: [rule(one) for one in np.asarray(values)[done].T] for name, (values, rule) in rules.items()}


def ended(settings: ActiveSettings, history: History) -> bool:
    """Whether all rounds are done, or all seeds have met the rule that ends them."""
    if int(history.round) == len(history.predicted):
        return True
    return settings.stop is not None and None not in stops(settings, history)[settings.stop]

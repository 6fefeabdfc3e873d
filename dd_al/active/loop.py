"""The loop of active learning: train on what is labelled, ask for labels, be told them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.queries import Query, Seen, View
from dd_al.active.selectors import top_k
from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.learner.examples import Bucket, Examples
from dd_al.learner.learner import Learner, LearnerState


class LoopState(NamedTuple):
    """What a run of the loop knows.

    Attributes:
      key: of the run.
      learner: trained in the last round; before that as it was initialised.
      labelled: ``int32[budget]``, positions in the pool in the order in which labels came; the first ``count`` hold.
      answers: ``int32[budget]``, their classes as the oracle says.
      available: ``bool[pool]``, what can be asked for: neither labelled nor set aside.
    """

    key: jax.Array
    learner: LearnerState
    labelled: jax.Array
    answers: jax.Array
    available: jax.Array


class Loop(NamedTuple):
    """Pure functions of one run; ``count`` is the number of labels that the state holds, an ``int`` or ``int32[]``.

    Attributes:
      init: ``init(key, budget) -> LoopState``, without labels.
      fit: ``fit(state, count, first) -> LoopState``, trained on the labels. ``first`` is the learner as `init` made it:
        an argument, because weights that a compiled program holds as constants (a pretrained encoder's) cost minutes.
      look: ``look(state, count, needs) -> Seen``, what a query with those needs looks at.
      ask: ``ask(state, count, seen, query, k) -> (int32[k], float[k])``: positions to label next by a `queries.Query`,
        and their scores (NaN where it has none).
      tell: ``tell(state, count, rows, answers) -> LoopState`` with ``len(rows)`` labels more.
    """

    init: Callable[..., LoopState]
    fit: Callable[..., LoopState]
    look: Callable[..., Seen]
    ask: Callable[..., tuple[jax.Array, jax.Array]]
    tell: Callable[..., LoopState]


def make_loop(
    learner: Learner,
    raw: jax.Array,
    pool: Examples,
    embed: Callable[[jax.Array], Any],
    classes: int,
    *,
    schedule: Callable[[jax.Array, jax.Array], jax.Array],
    steps: Callable[[jax.Array], jax.Array],
    batch_size: int,
    passes: int,
    warm: bool = False,
    subset: int | None = None,
    score: str = "predictive_entropy",
    rate: float = 1e-3,
) -> Loop:
    """Closes over what does not change.

    Args:
      learner: its dropout is active in training and in the passes.
      raw: ``int32[n, length]``, the pool.
      pool: the same in buckets.
      embed: raw rows to model inputs.
      classes: how many.
      schedule: ``(step, steps) -> rate``, for every layer alike.
      steps: ``count -> int32[]``, training steps on so many labels.
      batch_size: texts in a minibatch.
      passes: with dropout, for the queries that look at them.
      warm: training goes on from the last round's weights; else it starts from the run's own first ones again.
      subset: queries look at so many random texts of those available; None for all.
      score: see `View`.
      rate: see `View`.
    """

    def init(key: jax.Array, budget: int) -> LoopState:
        none = jnp.zeros(budget, jnp.int32)
        return LoopState(key, learner.init(stream(key, "init")), none, none, jnp.ones(len(raw), bool))

    def fit(state: LoopState, count: jax.Array, first: LearnerState) -> LoopState:
        total = steps(count)
        start = first._replace(params=state.learner.params) if warm else first
        key = jax.random.fold_in(state.key, count)  # every round has shuffles and masks of its own

        def step(i: jax.Array, learner_state: LearnerState) -> LearnerState:
            places = minibatch_places(stream(key, "order"), i, count, len(state.labelled), batch_size)
            batch = Batch((embed(raw[state.labelled[places]]),), jax.nn.one_hot(state.answers[places], classes))
            rates = jnp.full(len(learner_state.params), schedule(i, total))
            return learner.train_step(stream(key, "dropout", i), learner_state, batch, rates)

        return state._replace(learner=jax.lax.fori_loop(0, total, step, start))

    def view(state: LoopState, count: jax.Array) -> tuple[View, jax.Array]:
        """The pool as queries see it, and the position in the whole pool of each of its texts."""
        key = jax.random.fold_in(state.key, count)
        targets = jax.nn.one_hot(state.answers, classes) * (jnp.arange(len(state.labelled)) < count)[:, None]
        whole = subset is None or subset >= len(raw)
        if whole:
            rows, texts, everything = jnp.arange(len(raw)), pool, pool
            available, labelled = state.available, state.labelled
        else:
            drawn = top_k(stream(key, "subset"), jnp.zeros(len(raw)), state.available, subset)
            # The labelled texts come behind those drawn: some queries compare with them.
            rows = jnp.concatenate([drawn, state.labelled])
            texts, everything = (
                Examples((Bucket(raw[some], targets[:0]),), np.arange(len(some))) for some in (drawn, rows)
            )
            available = state.available[rows] & (jnp.arange(len(rows)) < subset)
            labelled = subset + jnp.arange(len(state.labelled))
        masks = stream(key, "passes")
        return View(
            learner, state.learner, raw if whole else raw[rows], texts, everything, embed, masks, passes, available,
            labelled, targets, score, rate,
        ), rows  # fmt: skip

    def look(state: LoopState, count: jax.Array, needs: tuple[str, ...]) -> Seen:
        return view(state, count)[0].look(needs)

    def ask(state: LoopState, count: jax.Array, seen: Seen, query: Query, k: int) -> tuple[jax.Array, jax.Array]:
        whole, rows = view(state, count)
        picks = query.select(stream(jax.random.fold_in(state.key, count), "query"), whole, seen, k)
        nothing = jnp.full(k, jnp.nan)
        return rows[picks], nothing if query.score is None else query.score(seen.statistics)[picks]

    def tell(state: LoopState, count: jax.Array, rows: jax.Array, answers: jax.Array) -> LoopState:
        place = (count,)
        return state._replace(
            labelled=jax.lax.dynamic_update_slice(state.labelled, rows.astype(jnp.int32), place),
            answers=jax.lax.dynamic_update_slice(state.answers, answers.astype(jnp.int32), place),
            available=state.available.at[rows].set(False),
        )

    return Loop(init, fit, look, ask, tell)


def minibatch_places(key: jax.Array, step: jax.Array, count: jax.Array, budget: int, batch_size: int) -> jax.Array:
    """Which of ``count`` labels the ``step``-th minibatch takes, ``int32[batch_size]``, of an endless shuffled stream.

    Every epoch goes through all of them in an order of its own, and fills its last minibatch from its beginning.

    Args:
      key: of the stream.
      step: ``int32[]``, counted from 0.
      count: ``int32[]``, 1 at least.
      budget: the largest count there can be.
      batch_size: places.
    """
    per_epoch = -(-count // batch_size)
    epoch, position = step // per_epoch, step % per_epoch
    noise = jax.random.uniform(stream(key, "epoch", epoch), (budget,))
    order = jnp.argsort(jnp.where(jnp.arange(budget) < count, noise, 2.0))
    return order[(position * batch_size + jnp.arange(batch_size)) % count]

"""The active-learning loop: train on what is labelled, ask for labels, be told them, round after round.

`Loop` has the steps of a round as pure functions. `simulate` is the loop itself, with an oracle that knows every
label; `dd_al.ActiveLearner` calls the same steps one by one, since a person answers in between.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.acquisition import ACQUISITIONS, Acquisition, Seen, View
from dd_al.active.selectors import uniform
from dd_al.config.active import ActiveSettings
from dd_al.core.errors import UserError
from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.learner.examples import Bucket, Examples
from dd_al.learner.fit import cosine
from dd_al.learner.learner import Learner, LearnerState
from dd_al.task.task import Task


class LoopState(NamedTuple):
    """What a run of the loop knows; ``count`` labels of a ``budget`` hold."""

    key: jax.Array  # of the run
    learner: LearnerState  # trained in the last round; before that as it was initialised
    labelled: jax.Array  # int32[budget], positions in the pool in the order in which labels came
    answers: jax.Array  # int32[budget], their classes as the oracle says
    available: jax.Array  # bool[pool], what can be asked for: neither labelled nor set aside


@dataclass(frozen=True, eq=False)
class Loop:
    """The steps of a round as pure functions of one run's state.

    ``count`` is the number of labels that the state holds, an ``int`` or ``int32[]``. Dropout is active in training and
    in the passes over the pool.
    """

    settings: ActiveSettings  # how to train and what acquisition functions look at; its ``rate`` may be traced
    learner: Learner
    raw: jax.Array  # int32[n, length], the pool
    pool: Examples  # the same in buckets
    embed: Callable[[jax.Array], Any]  # raw rows to model inputs
    classes: int

    @classmethod
    def over(cls, task: Task, settings: ActiveSettings) -> Self:
        """The loop over the training examples of a task."""
        pool = jnp.asarray(task.raw["train"])
        return cls(settings, task.learner, pool, task.train, task.embed_train, task.classes)

    def init(self, key: jax.Array, budget: int) -> LoopState:
        """A run without labels, with room for ``budget`` of them."""
        none = jnp.zeros(budget, jnp.int32)
        return LoopState(key, self.learner.init(stream(key, "init")), none, none, jnp.ones(len(self.raw), bool))

    def fit(self, state: LoopState, count: jax.Array, first: LearnerState) -> LoopState:
        """Trains on the labels.

        ``first`` is the learner as `init` made it: an argument, because a compiled program that holds the weights of a
        pretrained encoder as constants costs minutes.
        """
        settings, total = self.settings, training_steps(self.settings, count)
        rate = cosine(settings.rate, total)
        key = jax.random.fold_in(state.key, count)  # every round has shuffles and masks of its own

        def step(i: jax.Array, learner: LearnerState) -> LearnerState:
            places = minibatch_places(stream(key, "order"), i, count, len(state.labelled), settings.batch_size)
            targets = jax.nn.one_hot(state.answers[places], self.classes)
            batch = Batch((self.embed(self.raw[state.labelled[places]]),), targets)
            rates = jnp.full(len(learner.params), rate(i))
            return self.learner.train_step(stream(key, "dropout", i), learner, batch, rates)

        return state._replace(learner=jax.lax.fori_loop(0, total, step, first))

    def look(self, state: LoopState, count: jax.Array, needs: tuple[str, ...]) -> Seen:
        """Computes the fields of `Seen` that an acquisition function needs."""
        return self._view(state, count)[0].look(needs)

    def ask(
        self, state: LoopState, count: jax.Array, seen: Seen, query: Acquisition, k: int
    ) -> tuple[jax.Array, jax.Array]:
        """The positions to label next, ``int32[k]``, and their scores, ``float[k]``: NaN where there are none."""
        view, rows = self._view(state, count)
        picks = query.select(stream(jax.random.fold_in(state.key, count), "query"), view, seen, k)
        nothing = jnp.full(k, jnp.nan)
        return rows[picks], nothing if query.score is None else query.score(seen.statistics)[picks]

    def tell(self, state: LoopState, count: jax.Array, rows: jax.Array, answers: jax.Array) -> LoopState:
        """The state with ``len(rows)`` labels more."""
        return state._replace(
            labelled=jax.lax.dynamic_update_slice(state.labelled, rows.astype(jnp.int32), (count,)),
            answers=jax.lax.dynamic_update_slice(state.answers, answers.astype(jnp.int32), (count,)),
            available=state.available.at[rows].set(False),
        )

    def _view(self, state: LoopState, count: jax.Array) -> tuple[View, jax.Array]:
        """The pool as acquisition functions see it, and the position in the whole pool of each of its texts."""
        key, raw, subset = jax.random.fold_in(state.key, count), self.raw, self.settings.subset
        targets = jax.nn.one_hot(state.answers, self.classes) * (jnp.arange(len(state.labelled)) < count)[:, None]
        rows, texts, everything = jnp.arange(len(raw)), self.pool, self.pool
        available, labelled = state.available, state.labelled
        if subset is not None and subset < len(raw):
            drawn = uniform(stream(key, "subset"), state.available, subset)
            # The labelled texts come behind those drawn: some acquisition functions compare with them.
            rows = jnp.concatenate([drawn, state.labelled])
            texts, everything = (
                Examples((Bucket(raw[some], targets[:0]),), np.arange(len(some))) for some in (drawn, rows)
            )
            available = state.available[rows] & (jnp.arange(len(rows)) < subset)
            labelled, raw = subset + jnp.arange(len(state.labelled)), raw[rows]
        return View(
            self.settings, self.learner, state.learner, raw, texts, everything, self.embed, stream(key, "passes"),
            available, labelled, targets,
        ), rows  # fmt: skip


def training_steps(settings: ActiveSettings, count: int | jax.Array) -> int | jax.Array:
    """How many training steps a round with ``count`` labels takes: the rule for every loop, and for what it costs."""
    steps = -(-settings.epochs * count // settings.batch_size)
    return max(settings.steps, steps) if isinstance(count, int) else jnp.maximum(settings.steps, steps)


class Round(NamedTuple):
    """A round of `simulate`: its index from 0, and the state, trained in it and told the answers to its question.

    The scores, ``float[..., k]``, are of the texts that were asked for, NaN without scores; None where nothing was.
    """

    index: int
    state: LoopState
    scores: jax.Array | None
    seconds: tuple[float, float, float]  # of training, of looking at the pool, and of selecting


def simulate(
    name: str,
    loop: Loop,
    state: LoopState,
    first: LearnerState,
    counts: Sequence[int],
    oracle: np.ndarray,
    *,
    run: Callable[..., tuple[Any, float]],
    judge: Callable[[int, LoopState], bool],
    done: int = 0,
) -> Iterator[Round]:
    """Runs active learning against an oracle: each round trains, is judged, asks, and is told the answers.

    Runs with several seeds go side by side where ``run`` maps its functions over them: the state, ``first``, the
    oracle and all scores then have a leading axis of seeds.

    Args:
      name: of the acquisition function, in `ACQUISITIONS`.
      loop: the steps of a round.
      state: with the labels of the rounds that are done; ``counts[done]`` of them.
      first: the learners before their first label.
      counts: labels at each round of training.
      oracle: ``int[..., n]``, its answer for each text of the pool.
      run: ``run(program, function, state, count, *more) -> (result, seconds)`` compiles and calls a function;
        ``program`` names what it compiles.
      judge: ``judge(index, state)`` looks at the learners of a round; nothing is asked any more where it returns False.
      done: rounds that an earlier start has finished.

    Raises:
      UserError: the networks diverge.
    """
    query = ACQUISITIONS[name]
    for index in range(done, len(counts)):
        count = jnp.int32(counts[index])
        state, training = run("fit", loop.fit, state, count, first)
        if not judge(index, state) or index + 1 == len(counts):
            yield Round(index, state, None, (training, 0.0, 0.0))
            return
        k = counts[index + 1] - counts[index]
        seen, looking = run(("look", query.needs), partial(loop.look, needs=query.needs), state, count)
        ask = partial(loop.ask, query=query, k=k)
        (rows, scores), selecting = run(("ask", name, k), ask, state, count, seen)
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((seen, state.learner.params))):
            raise UserError(
                f"{name}: scores that are not finite after training on {counts[index]} labels: the networks have "
                "diverged; lower config.active.rate"
            )
        answers = np.take_along_axis(oracle, np.asarray(rows), -1)
        state, _ = run("tell", loop.tell, state, count, rows, jnp.asarray(answers))
        yield Round(index, state, scores, (training, looking, selecting))


def minibatch_places(key: jax.Array, step: jax.Array, count: jax.Array, budget: int, batch_size: int) -> jax.Array:
    """Which of ``count`` labels the ``step``-th minibatch takes, ``int32[batch_size]``, of an endless shuffled stream.

    Every epoch goes through all of them in an order of its own, and fills its last minibatch from its beginning. There
    is one label at least; ``budget`` is the largest count there can be.
    """
    per_epoch = -(-count // batch_size)
    epoch, position = step // per_epoch, step % per_epoch
    noise = jax.random.uniform(stream(key, "epoch", epoch), (budget,))
    order = jnp.argsort(jnp.where(jnp.arange(budget) < count, noise, 2.0))
    return order[(position * batch_size + jnp.arange(batch_size)) % count]

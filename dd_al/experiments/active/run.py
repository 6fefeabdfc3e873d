"""Which texts are worth their labels? Active learning with every query and seed, beside random sampling."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from dd_al.active import stopping
from dd_al.active.loop import Loop, LoopState
from dd_al.active.queries import QUERIES, Seen
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, UserError
from dd_al.core.files import sha256_of
from dd_al.core.keys import stream
from dd_al.evaluation.baselines import fit_full, stage
from dd_al.experiments import record
from dd_al.experiments.active.loop import History, configured_loop, ended
from dd_al.experiments.active.results import finish
from dd_al.experiments.active.start import Plan, first_labels, given_labels, plan_of
from dd_al.io import checkpoint
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner.predict import predict
from dd_al.task.task import Task, make_task

_LOG = logging.getLogger(__name__)


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains on all of the data, then runs the loop of every query, and compares."""
    began = time.perf_counter()
    active = settings.active
    pinned = {}
    if active.given:
        try:
            pinned["given"] = sha256_of(Path(active.given).expanduser())[:12]
        except OSError as error:
            raise ConfigError(f"config.active.given: cannot read {active.given}: {error.strerror or error}") from None
    dataset = record.load_dataset(settings, workdir, **pinned)
    given = given_labels(active, dataset.train.rows) if active.given else None
    plan = plan_of(active, len(dataset.train), None if given is None else given.shape[1])
    task = make_task(settings, dataset, time.perf_counter() - began)
    with catch_stop() as stop, MetricsWriter(workdir.metrics, workdir.events) as metrics:
        states = task.inits("evaluation", len(active.seeds))
        full, full_s = stage(workdir, "full", partial(fit_full, task, settings.full, states, stop=stop))
        first = first_labels(task, active, plan.first) if given is None else given
        programs = _programs(task, settings, plan)
        begin = partial(_begin, task, settings, programs, first, plan)
        histories = {
            name: _rounds(task, settings, programs, name, begin, plan, workdir, metrics, stop)
            for name in active.queries
        }
        stop.check()
    finish(settings, workdir, task, full, full_s, histories, plan)


class _Judged(NamedTuple):
    """What a round's networks predict.

    Attributes:
      predicted: ``int16[seeds, n]``, classes for the judged split.
      validation: ``int16[seeds, n]``, classes for validation.
      uncertainty: ``float[seeds]``, mean entropy of the distributions for validation, in nats.
    """

    predicted: jax.Array
    validation: jax.Array
    uncertainty: jax.Array


class _Programs(NamedTuple):
    """What is compiled, each for all seeds at once; queries share all of it but ``ask`` and ``look``.

    Attributes:
      loop: the pure functions.
      first: the runs before their first label; every query begins there.
      fit: ``fit(states, count) -> states``.
      judge: ``judge(states) -> _Judged``.
      tell: ``tell(states, count, rows, answers) -> states``.
      oracle: ``int32[seeds, n]``, the class that each seed's oracle gives each text.
      deal: ``deal(states) -> states``, with every device holding some of the seeds.
    """

    loop: Loop
    first: LoopState
    fit: Callable
    judge: Callable
    tell: Callable
    oracle: np.ndarray
    deal: Callable


def _programs(task: Task, settings: Settings, plan: Plan) -> _Programs:
    active = settings.active
    loop = configured_loop(active, task.learner, task.raw["train"], task.train, task.embed_train, task.classes)
    judged = task.examples(settings.evaluate.split)

    def judge(states: LoopState) -> _Judged:
        params = states.learner.params
        validation = predict(task.learner.model, params, task.validation, task.embed)
        predicted = predict(task.learner.model, params, judged, task.embed)
        log_probs = jax.nn.log_softmax(validation)
        entropy = -jnp.sum(jnp.exp(log_probs) * log_probs, -1)
        classes = (x.argmax(-1).astype(jnp.int16) for x in (predicted, validation))
        return _Judged(*classes, entropy.mean(-1))

    keys = jnp.stack([stream(jax.random.key(seed), "active") for seed in active.seeds])
    deal = partial(jax.device_put, device=_over_devices(len(active.seeds)))
    first = deal(jax.vmap(lambda key: loop.init(key, plan.budget))(keys))
    fit = jax.jit(jax.vmap(loop.fit, (0, None, 0)))
    return _Programs(
        loop,
        first,
        lambda states, count: fit(states, count, first.learner),
        jax.jit(judge),
        jax.jit(jax.vmap(loop.tell, (0, None, 0, 0))),
        np.stack([_oracle(task, active.noise, seed) for seed in active.seeds]),
        deal,
    )


def _over_devices(seeds: int) -> NamedSharding:
    """Seeds on as many devices as can have the same number of them; they never meet."""
    devices = jax.devices()
    count = max(n for n in range(1, len(devices) + 1) if seeds % n == 0)
    if count > 1:
        _LOG.info("%d seeds on %d devices", seeds, count)
    return NamedSharding(Mesh(np.asarray(devices[:count]), ("seeds",)), P("seeds"))


def _oracle(task: Task, noise: float, seed: int) -> np.ndarray:
    """What the oracle of a seed answers for each text: its class, or for a share of them any other one."""
    labels = task.labels("train")
    rng = np.random.default_rng([seed, 0])
    wrong = (labels + rng.integers(1, max(task.classes, 2), len(labels))) % task.classes
    return np.where(rng.random(len(labels)) < noise, wrong, labels).astype(np.int32)


def _begin(task: Task, settings: Settings, programs: _Programs, first: np.ndarray, plan: Plan) -> History:
    """The runs with their first labels."""
    answers = np.take_along_axis(programs.oracle, first, 1)
    points, seeds = plan.rounds + 1, len(settings.active.seeds)
    return History(
        programs.tell(programs.first, 0, jnp.asarray(first), jnp.asarray(answers)),
        jnp.zeros((), jnp.int32),
        jnp.full((seeds, plan.budget), jnp.nan),
        jnp.zeros((points, seeds, len(task.labels(settings.evaluate.split))), jnp.int16),
        jnp.zeros((points, seeds)),
        jnp.full((points, seeds), jnp.nan),
        jnp.zeros((points, seeds)),
        jnp.zeros((seeds, len(task.labels("validation"))), jnp.int16),
        jnp.zeros((points, 3)),
        jnp.zeros(points, bool),
    )


def _agreement(history: History, judged: _Judged, index: int, classes: int) -> list[float]:
    """Kappa with the round before for each seed; NaN in the first round."""
    pairs = zip(np.asarray(history.last), np.asarray(judged.validation))
    return [stopping.kappa(*pair, classes) if index else float("nan") for pair in pairs]


def _rounds(
    task: Task,
    settings: Settings,
    programs: _Programs,
    name: str,
    begin: Callable[[], History],
    plan: Plan,
    workdir: Workdir,
    metrics: MetricsWriter,
    stop: Stop,
) -> History:
    """Runs one query to its end, saving after every round; goes on where an earlier start of the run was stopped.

    Returns:
      The history in NumPy, without the learners.
    """
    query, folder = QUERIES[name], workdir.checkpoints / "active" / name
    truth, classes = task.labels("validation"), task.classes
    look = jax.jit(jax.vmap(partial(programs.loop.look, needs=query.needs), (0, None)))
    ask = cache(lambda k: jax.jit(jax.vmap(partial(programs.loop.ask, query=query, k=k), (0, None, 0))))
    history = begin()

    def saved(history: History) -> History:
        """What of it is worth keeping: where every round starts anew, nothing reads the last learner."""
        return history if settings.active.warm else history._replace(state=history.state._replace(learner=None))

    if (restored := checkpoint.restore_latest(folder, saved(history))) is not None:
        state = restored[1].state
        state = state if settings.active.warm else state._replace(learner=programs.first.learner)
        # What comes back lies on the first device; the rest of it has to be free to go where the seeds are.
        free = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), restored[1]._replace(state=None))
        history = free._replace(state=programs.deal(state))
    before = settings.active.queries.index(name) * (plan.rounds + 1)  # lines of metrics.jsonl
    if workdir.resumed and not ended(settings.active, history):
        metrics.resume(before + int(history.round))
    counts, compiled = plan.counts, set()  # sizes of queries
    with Progress(plan.rounds + 1, name, done=int(history.round)) as progress:
        while not ended(settings.active, history):
            index = int(history.round)
            count = counts[index]
            state, seconds = _timed(programs.fit, history.state, count)
            judged = programs.judge(state)
            accuracies = np.mean(np.asarray(judged.validation) == truth, -1)
            history = history._replace(
                state=state,
                round=jnp.int32(index + 1),
                predicted=history.predicted.at[index].set(judged.predicted),
                validation=history.validation.at[index].set(accuracies),
                agreement=history.agreement.at[index].set(_agreement(history, judged, index, classes)),
                uncertainty=history.uncertainty.at[index].set(judged.uncertainty),
                last=judged.validation,
            )
            spent, cold = [seconds, 0.0, 0.0], not compiled
            if not ended(settings.active, history):
                size = counts[index + 1] - count
                cold = size not in compiled
                compiled.add(size)
                seen, spent[1] = _timed(look, state, count)
                (rows, scores), spent[2] = _timed(ask(size), state, count, seen)
                if not _finite(seen) or (query.score is not None and not np.isfinite(scores).all()):
                    raise UserError(
                        f"{name}: scores that are not finite after training on {count} labels: the networks have "
                        "diverged; lower config.active.rate"
                    )
                answers = np.take_along_axis(programs.oracle, np.asarray(rows), 1)
                history = history._replace(
                    state=programs.tell(state, count, rows, jnp.asarray(answers)),
                    scores=history.scores.at[:, count : count + size].set(scores),
                )
            history = history._replace(
                seconds=history.seconds.at[index].set(jnp.asarray(spent)),
                cold=history.cold.at[index].set(cold),
            )
            checkpoint.save(folder, index + 1, saved(history), {})
            accuracy = float(accuracies.mean())
            metrics.write(
                before + index + 1, query=name, labels=count, validation_accuracy=accuracy, seconds=sum(spent)
            )
            progress.update(1, labels=count, validation_accuracy=accuracy)
            stop.check("the same command goes on with the next round")
    return jax.tree.map(np.asarray, history._replace(state=history.state._replace(key=None, learner=None)))


def _finite(seen: Seen) -> bool:
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(seen))


def _timed(function: Callable, *args):
    start = time.perf_counter()
    result = jax.block_until_ready(function(*args))
    return result, time.perf_counter() - start

"""Which texts are worth their labels? Active learning with every acquisition function and seed, against an oracle."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from dd_al.active import selected, stopping
from dd_al.active.loop import Loop, LoopState, simulate
from dd_al.active.oracle import Plan, noisy_labels, plan_of, seed_set
from dd_al.config.active import ActiveSettings
from dd_al.config.settings import Settings
from dd_al.core.files import atomic_write
from dd_al.core.keys import stream
from dd_al.evaluation.baselines import Trained, fit_full, stage
from dd_al.evaluation.protocol import Score, evaluate
from dd_al.experiments import record
from dd_al.io import checkpoint
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner.predict import predict
from dd_al.report import statistics
from dd_al.task.task import Task, make_task

_LOG = logging.getLogger(__name__)


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains on all of the data, then runs the loop with every acquisition function, and compares."""
    active, (dataset, seconds) = settings.active, record.load_dataset(settings, workdir)
    plan = plan_of(active, len(dataset.train))
    task = make_task(settings, dataset, seconds)
    with catch_stop() as stop, MetricsWriter(workdir.metrics, workdir.events) as metrics:
        states = task.inits("evaluation", len(active.seeds))
        full, full_s = stage(workdir, "full", partial(fit_full, task, settings.full, states, stop=stop))
        runs = _Runs(task, settings, plan)
        histories = {name: runs.simulate(name, workdir, metrics, stop) for name in active.queries}
        stop.check()
    _finish(runs, workdir, full, full_s, histories)


class History(NamedTuple):
    """The runs with one acquisition function so far, one for each seed; a checkpoint of the loop.

    Attributes:
      state: of the loops, stacked over seeds, without the learners: every round trains anew. All other attributes are
        NumPy arrays, filled in round by round.
      round: ``int32[]``, rounds of training that are done.
      scores: ``float32[seeds, budget]``, of each label when it was asked for; NaN for the first ones.
      predicted: ``int16[rounds + 1, seeds, n]``, classes predicted for the judged split after each round of training.
      validation: ``int16[rounds + 1, seeds, n]``, the same for validation.
      uncertainty: ``float32[rounds + 1, seeds]``, mean entropy of the predictions for validation, in nats.
      seconds: ``float32[rounds + 1, 3]``, training, scoring, selecting.
      cold: ``bool[rounds + 1]``, rounds that were the first of their kind since a process started, whose seconds are of
        compilation, too.
    """

    state: LoopState
    round: np.ndarray
    scores: np.ndarray
    predicted: np.ndarray
    validation: np.ndarray
    uncertainty: np.ndarray
    seconds: np.ndarray
    cold: np.ndarray

    def accuracies(self, task: Task) -> np.ndarray:
        """On validation in the rounds that are done, ``float32[rounds, seeds]``."""
        right = self.validation[: int(self.round)] == task.labels("validation")
        return right.mean(-1).astype(np.float32)

    def stops(self, task: Task, active: ActiveSettings, counts: Sequence[int]) -> dict[str, list[int | None]]:
        """`stopping.stops` in the rounds that are done, which had so many labels.

        No rule says anything while a class has no label, or all predictions are of one class.
        """
        done = int(self.round)
        silent = np.ptp(self.validation[:done], axis=-1) == 0
        for index, count in enumerate(counts[:done]):
            silent[index] |= [len(np.unique(one)) < task.classes for one in self.state.answers[:, :count]]
        unsaid = np.where(silent, np.nan, 0.0)
        agreement = np.full((done, len(active.seeds)), np.nan, np.float32)  # with the round before
        for index in range(1, done):
            pairs = zip(self.validation[index - 1], self.validation[index])
            agreement[index] = [stopping.kappa(*pair, task.classes) for pair in pairs]
        found = agreement, self.uncertainty[:done], self.accuracies(task)
        return stopping.stops(active, *(values + unsaid for values in found))


class _Runs:
    """The loops of all seeds, side by side; acquisition functions share what is compiled."""

    def __init__(self, task: Task, settings: Settings, plan: Plan):
        active, labels = settings.active, task.labels("train")
        self.task, self.settings, self.plan = task, settings, plan
        # The same first labels for every acquisition function, as the weights are.
        draws = [(seed, np.random.default_rng([seed, 1])) for seed in active.seeds]
        self._first = np.stack([seed_set(task, active.start, plan.first, *draw) for draw in draws])
        self._loop = Loop.over(task, active)
        self._deal = partial(jax.device_put, device=_over_devices(len(active.seeds)))
        keys = jnp.stack([stream(jax.random.key(seed), "active") for seed in active.seeds])
        self._unlabelled = self._deal(jax.vmap(lambda key: self._loop.init(key, plan.budget))(keys))
        rngs = [np.random.default_rng([seed, 0]) for seed in active.seeds]
        self._oracle = np.stack([noisy_labels(rng, labels, task.classes, active.noise) for rng in rngs])
        self._programs: dict[Any, Callable] = {}
        judged = task.examples(settings.evaluate.split)

        @jax.jit
        def judge(states: LoopState) -> tuple[jax.Array, jax.Array, jax.Array]:
            params = states.learner.params
            validation = predict(task.learner.model, params, task.validation, task.embed)
            predicted = predict(task.learner.model, params, judged, task.embed)
            log_probs = jax.nn.log_softmax(validation)
            entropy = -jnp.sum(jnp.exp(log_probs) * log_probs, -1)
            classes = (x.argmax(-1).astype(jnp.int16) for x in (predicted, validation))
            return *classes, entropy.mean(-1)

        self._judge = judge

    def simulate(self, name: str, workdir: Workdir, metrics: MetricsWriter, stop: Stop) -> History:
        """Runs one acquisition function to its end, saved after every round, from where an earlier start stopped."""
        active, counts, folder = self.settings.active, self.plan.counts, workdir.checkpoints / "active" / name
        history, unlabelled = self._begin(), self._unlabelled.learner
        if (restored := checkpoint.restore_latest(folder, history)) is not None:
            state = self._deal(restored[1].state)
            history = jax.tree.map(np.array, restored[1]._replace(state=None))._replace(state=state)
        done, before = int(history.round), active.queries.index(name) * len(counts)  # lines of metrics.jsonl
        if self._ended(history):
            counts = []
        elif workdir.resumed:
            metrics.resume(before + done)
        compiled = len(self._programs)

        def judge(index: int, state: LoopState) -> bool:
            for kept, found in zip((history.predicted, history.validation, history.uncertainty), self._judge(state)):
                kept[index] = found
            history.round[...] = index + 1
            return not self._ended(history)

        given = self._loop, history.state._replace(learner=unlabelled), unlabelled, counts, self._oracle
        with Progress(len(self.plan.counts), name, done=done) as progress:
            for one in simulate(name, *given, run=self._run, judge=judge, done=done):
                index, count = one.index, counts[one.index]
                if one.scores is not None:
                    history.scores[:, count : counts[index + 1]] = one.scores
                history.seconds[index], history.cold[index] = one.seconds, len(self._programs) > compiled
                compiled, history = len(self._programs), history._replace(state=one.state._replace(learner=None))
                checkpoint.save(folder, index + 1, history, {})
                right = history.validation[index] == self.task.labels("validation")
                found = {"labels": count, "validation_accuracy": float(right.mean(-1).mean())}
                metrics.write(before + index + 1, query=name, **found, seconds=sum(one.seconds))
                progress.update(1, **found)
                stop.check("the same command goes on with the next round")
        return history._replace(state=jax.tree.map(np.asarray, history.state._replace(key=None)))

    def _run(self, program: Any, function: Callable, *args: Any) -> tuple[Any, float]:
        """What a function of one loop's state, a count and more gives for all seeds, and the seconds that it took."""
        if program not in self._programs:
            self._programs[program] = jax.jit(jax.vmap(function, (0, None, *[0] * (len(args) - 2))))
        start = time.perf_counter()
        return jax.block_until_ready(self._programs[program](*args)), time.perf_counter() - start

    def _begin(self) -> History:
        """The runs with their first labels."""
        points, seeds, task = self.plan.rounds + 1, len(self.settings.active.seeds), self.task
        answers = np.take_along_axis(self._oracle, self._first, 1)
        told = self._unlabelled, jnp.int32(0), jnp.asarray(self._first), jnp.asarray(answers)
        return History(
            self._run("first labels", self._loop.tell, *told)[0]._replace(learner=None),
            round=np.zeros((), np.int32),
            scores=np.full((seeds, self.plan.budget), np.nan, np.float32),
            predicted=np.zeros((points, seeds, len(task.labels(self.settings.evaluate.split))), np.int16),
            validation=np.zeros((points, seeds, len(task.labels("validation"))), np.int16),
            uncertainty=np.zeros((points, seeds), np.float32),
            seconds=np.zeros((points, 3), np.float32),
            cold=np.zeros(points, bool),
        )

    def _ended(self, history: History) -> bool:
        """Whether all rounds are done, or all seeds have met the rule that ends them."""
        active = self.settings.active
        if int(history.round) == len(history.predicted):
            return True
        return active.stop is not None and None not in history.stops(self.task, active, self.plan.counts)[active.stop]


def _over_devices(seeds: int) -> NamedSharding:
    """Seeds on as many devices as can have the same number of them; they never meet."""
    devices = jax.devices()
    count = max(n for n in range(1, len(devices) + 1) if seeds % n == 0)
    if count > 1:
        _LOG.info("%d seeds on %d devices", seeds, count)
    return NamedSharding(Mesh(np.asarray(devices[:count]), ("seeds",)), P("seeds"))


def _finish(runs: _Runs, workdir: Workdir, full: Trained, full_s: float, histories: dict[str, History]) -> None:
    """Reads the labels of the judged split, for the first time, and writes what the run has found."""
    settings, task, plan, start = runs.settings, runs.task, runs.plan, time.perf_counter()
    split, active = settings.evaluate.split, settings.active
    everything = evaluate(task, task.learner.model, {"full": full.params}, split)["full"]
    curve = record.curve(full.steps, full.accuracy)
    methods = {"full": record.entry(split, everything, task.classes, None, curve=curve)}
    train, truth, lines, budget = task.dataset.train, task.labels(split), [], {"full": record.given_all(task)}
    for name, history in histories.items():
        counts = plan.counts[: int(history.round)]  # a rule may have ended the rounds before the plan does
        found = history.state.labelled, history.scores, history.state.answers
        labelled, scores, answers = (x[:, : counts[-1]] for x in found)
        last = Score(history.predicted[len(counts) - 1], truth, history.accuracies(task)[-1])
        extra = {"picked": selected.picked(train, task.classes, labelled[:, plan.first :])}
        extra |= _course(task, active, history, truth, counts)
        methods[name] = record.entry(split, last, task.classes, everything, **extra)
        budget[name] = record.given(counts[-1], len(train), counts[-1], counts[-1] * task.numbers)
        for seed, *run in zip(active.seeds, labelled, scores, answers, strict=True):
            lines += selected.lines(name, seed, counts, *run, train.rows)
    statistics.compare_queries(methods)
    atomic_write(workdir.selected, "".join(lines))
    how = {"inits": len(active.seeds), "init": "random"}
    about = {
        "seeds": list(active.seeds), "first": plan.first, "size": plan.size, "rounds": plan.rounds,
        "labels": plan.budget, "validation_labels": len(task.labels("validation")), "charged": 0,
        **({"stop": active.stop} if active.stop else {}),
    }  # fmt: skip
    spent = {"baselines_s": full_s, "optimise_s": float(sum(history.seconds.sum() for history in histories.values()))}
    spent["evaluate_s"] = time.perf_counter() - start
    record.finish(workdir, settings, task, evaluate=how, budget=budget, methods=methods, active=about, time=spent)


def _course(task: Task, active: ActiveSettings, history: History, truth: np.ndarray, labels: list[int]) -> dict:
    """What happened in the rounds with one acquisition function, which had so many ``labels`` each.

    A curve; for each stopping rule and seed the labels at which asking could have stopped, and the accuracy there (None
    if never); and the seconds of a round, without compilation where there are rounds without.
    """
    predicted, stops = history.predicted[: len(labels)], {}
    right = (predicted == truth).mean(-1)  # [rounds done, seeds]
    f1 = statistics.macro_f1(predicted, truth, task.classes)
    for name, rounds in history.stops(task, active, labels).items():
        stops[name] = {
            "labels": [None if at is None else labels[at] for at in rounds],
            "accuracy": [None if at is None else float(right[at, seed]) for seed, at in enumerate(rounds)],
        }
    seconds, cold = history.seconds[: len(labels)], history.cold[: len(labels)]
    asking = np.arange(len(labels)) < max(len(labels) - 1, 1)  # in the last round nothing is asked
    counted = seconds[asking & ~cold if (asking & ~cold).any() else asking]
    curve = {"labels": labels, "accuracy": right.mean(1).tolist(), "values": right.tolist()}
    curve |= {"macro_f1": f1.mean(1).tolist(), "macro_f1_values": f1.tolist()}
    per_round = dict(zip(("train", "score", "select"), counted.mean(0).tolist()))
    return {"curve": curve, "stopping": stops, "seconds_per_round": per_round}

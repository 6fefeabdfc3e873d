"""A data set of a comparison in this process: its task, what has been compiled for it, and learners trained on sets."""

import itertools
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.loop import Loop, LoopState, training_steps
from dd_al.active.oracle import noisy_labels
from dd_al.config.distill import DistillSettings
from dd_al.config.learner import network
from dd_al.config.settings import Settings
from dd_al.core.keys import generator, stream
from dd_al.core.types import Batch
from dd_al.distillation.synthetic import Synthetic, as_batch, own_rates, train_on
from dd_al.evaluation import baselines, costs, protocol
from dd_al.experiments.compare.plan import Point
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.learner.learner import LearnerState
from dd_al.learner.predict import accuracy
from dd_al.models.base import Params
from dd_al.report import compare
from dd_al.task.task import Task, known_inits, make_learners, with_training

_FEW = 3  # learners that judge each set, if nothing else is said: the seeds are what counts


class Lab:
    """A task with its settings, its budgets in examples, and what was compiled for it: seeds share all programs."""

    def __init__(self, settings: Settings, task: Task, budgets: Mapping[str, int]):
        self.settings, self.task, self.budgets = settings, task, budgets
        self.inits = settings.evaluate.inits or _FEW
        self.most = max(budgets.values())
        self.made: dict[Hashable, Any] = {}  # of `once`, and the programs of `distil`
        self._spoilt: tuple[tuple, Task] | None = None  # one is in use at a time

    def once(self, name: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, made by the first call with this name."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def run(self, name: Hashable, function: Callable, *args: Any) -> tuple[Any, float]:
        """What the function returns, and its seconds; compiled once for a name and shapes, which is not counted."""
        shapes = tuple((x.shape, str(x.dtype)) for x in map(jnp.asarray, jax.tree.leaves(args)))
        compiled = self.once(("program", name, shapes), lambda: jax.jit(function).lower(*args).compile())
        start = time.perf_counter()
        return jax.block_until_ready(compiled(*args)), time.perf_counter() - start

    def other(self, name: str) -> "Lab":
        """The same with another network, by its name as of `config.distill.also`."""

        def make() -> Lab:
            model = network(self.settings.model, name, "compare.networks")
            settings = replace(self.settings, model=model)
            learners = make_learners(settings, [model.kind], self.task.shape, self.task.classes)
            return Lab(settings, replace(self.task, learner=learners[model.kind], others={}), self.budgets)

        return self.once(("network", name), make)

    def task_of(self, point: Point) -> Task:
        """The task with a point's seed, and with its wrong labels and outliers."""
        task, changes = self.task, (point.noise, point.outliers, point.seed)
        if point.noise or point.outliers:
            if self._spoilt is None or self._spoilt[0] != changes:
                self._spoilt = changes, spoilt(self.task, *changes)
            task = self._spoilt[1]
        return replace(task, key=jax.random.key(point.seed))

    def states(self, task: Task) -> LearnerState:
        """The learners that judge every set of a seed: those that a set for a known initialisation knows."""
        return known_inits(task, self.inits)

    def validation(self, params: Params) -> np.ndarray:
        """Accuracies of stacked learners."""
        task = self.task
        look = partial(accuracy, task.learner.model, examples=task.validation, embed=task.embed)
        return np.asarray(self.run("validation", look, params)[0])

    def predicted(self, params: Params) -> np.ndarray:
        """Classes that stacked learners predict for the judged split, ``int32[learners, n]``."""
        model, split = self.task.learner.model, self.settings.evaluate.split
        return protocol.evaluate(self.task, model, {"": params}, split, validation=False)[""].predicted


@dataclass(frozen=True)
class Job:
    """A point and what computes it."""

    lab: Lab  # its data set
    point: Point
    task: Task  # with the point's seed, wrong labels and outliers
    workdir: Workdir  # its own, begun
    stop: Stop  # asked along the way

    @property
    def data(self) -> Hashable:
        """A name for the training texts where they are not those of the data set."""
        return (self.point.outliers, self.point.seed) if self.point.outliers else ""

    def sibling(self, method: str) -> Path | None:
        """The folder of the point that has another method, not of distillation, and all else the same; if finished."""
        folder = self.workdir.path.parent / replace(self.point, method=method).name
        return folder if finished(folder) else None


def finished(folder: Path) -> bool:
    """Whether the folder of a point holds its results."""
    return compare.read_point(folder)["state"] == "finished"


def spoilt(task: Task, noise: float, outliers: float, seed: int) -> Task:
    """The task with a share of wrong labels in its training data, and of texts that are words drawn at random.

    Wrong labels are any other class; outliers are as long as before, of words drawn as often as they occur, with labels
    of chance.
    """
    split, raw = task.dataset.train, task.raw["train"].copy()
    rng = generator(jax.random.key(seed), "spoilt")
    labels, texts = noisy_labels(rng, split.labels, task.classes, noise), split.texts
    if outliers:
        rows, words = outlier_rows(len(raw), outliers, seed), task.vectors.vocabulary.words
        drawn = rng.choice(raw[raw > 0], raw[rows].shape)
        raw[rows] = np.where(raw[rows] > 0, drawn, 0)
        labels[rows] = rng.integers(0, task.classes, len(rows))
        shown = {row: " ".join(words[i] for i in raw[row] if i) for row in rows.tolist()}
        texts = tuple(shown.get(row, text) for row, text in enumerate(texts))
    return with_training(task, raw, replace(split, texts=texts, labels=labels))


def outlier_rows(train: int, share: float, seed: int) -> np.ndarray:
    """Which training texts are outliers: positions, rising."""
    rng = generator(jax.random.key(seed), "outliers")
    return np.sort(rng.permutation(train)[: round(share * train)])


class Judged(NamedTuple):
    """Learners that were trained on a set."""

    params: Params  # stacked over learners
    validation: np.ndarray  # float[learners], their accuracy there
    recipe: dict[str, Any]  # what validation chose
    work: costs.Work  # of one learner's training, where all of them are trained together
    curve: Mapping[str, list[float]] = {}  # "epochs" over the set, and the mean "validation" accuracy after each


def judge_rows(lab: Lab, task: Task, rows: np.ndarray, data: Hashable = "") -> Judged:
    """Trains fresh learners on training examples, by the recipe that validation prefers.

    Sets of up to a minibatch are trained on whole, at one of the rates, numbers of steps and with or without
    dropout as of `config.random`; sets above `config.compare.full_batch` in minibatches at rates that fall from
    one of `config.compare.rates`, for as many steps as `config.active` says; those between in both ways.

    ``rows`` are positions in the training data, ``int[n]``; ``data`` is a name for the task's training texts where they
    are not those of the data set.
    """
    found, size = [], lab.settings.active.batch_size
    if len(rows) <= max(lab.settings.compare.full_batch, size):
        found.append(judge_batch(lab, task, baselines.batch_of(task, rows)))
    if len(rows) > size:
        found.append(_best(_minibatches(lab, task, rows, data)))
    return _best(found)


def _best(tried: Iterable[Judged]) -> Judged:
    """The learners that validation prefers, the first of equals; of an iterator two are held at a time."""
    return max(tried, key=lambda one: one.validation.mean())


def judge_batch(lab: Lab, task: Task, batch: Batch) -> Judged:
    """Trains fresh learners on a whole set at the constant rate, with the steps and dropout, that validation prefers.

    The set is one of real examples, or was distilled for another network.
    """
    settings, states = lab.settings.random, lab.states(task)
    batches, last = baselines.for_each(states, batch), max(settings.steps)

    def program(key, batches, states, rate, first, until, dropout):
        return baselines.at_constant_rate(lab.task, key, batches, rate, dropout, last)(states, first, until)

    def advance(rate, dropout, states, first, until):
        args = (task.key, batches, states, jnp.float32(rate), jnp.int32(first), jnp.int32(until))
        return lab.run(("whole", dropout), partial(program, dropout=dropout), *args)

    def tried() -> Iterator[Judged]:
        shape, count = jax.tree.leaves(batch)[0].shape, len(batch.targets)
        step = lab.once(("whole", shape), lambda: costs.training_step(task, batch))
        for dropout, rate in itertools.product(settings.dropout, settings.rates):
            state, first, spent = states, 0, 0.0
            for until in sorted(settings.steps):
                state, seconds = advance(rate, dropout, state, first, until)
                first, spent = until, spent + seconds
                recipe = {"steps": until, "rate": rate, "dropout": dropout, "batch": count}
                work = costs.Work(spent / lab.inits, until * step, until * count)
                yield Judged(state.params, lab.validation(state.params), recipe, work)

    found = _best(tried())
    again = partial(advance, found.recipe["rate"], found.recipe["dropout"])
    return found._replace(curve=_curve(lab, again, states, last, 1))


def _curve(lab: Lab, advance: Callable, states: LearnerState, steps: int, parts: int) -> dict[str, list[float]]:
    """Validation along training on a whole set, at every step up to ten, then 20, 50, 100, …: see `Judged.curve`."""
    first, reached = 0, []
    later = (d * 10**e for e in range(1, 6) for d in (2, 5, 10))
    looks = [step for step in (*range(1, 11), *later) if step < steps] + [steps]
    for until in looks:
        (states, _), first = advance(states, first, until), until
        reached.append(float(lab.validation(states.params).mean()))
    return {"epochs": [until / parts for until in looks], "validation": reached}


def _minibatches(lab: Lab, task: Task, rows: np.ndarray, data: Hashable) -> Iterator[Judged]:
    """Learners trained as active learning trains its own, at each of the rates."""
    active, count, states = lab.settings.active, len(rows), lab.states(task)
    size, steps = active.batch_size, training_steps(active, count)
    padded = (np.pad(x, (0, lab.most - count)).astype(np.int32) for x in (rows, task.labels("train")[rows]))
    labelled, answers = (jnp.broadcast_to(x, (lab.inits, lab.most)) for x in padded)
    keys = jax.random.split(stream(task.key, "minibatches"), lab.inits)
    begun = LoopState(keys, states, labelled, answers, jnp.ones((lab.inits, 1), bool))
    step = lab.once(("real", size), lambda: costs.real_step(task, size))

    def fit(rate: jax.Array, state: LoopState, count: jax.Array, first: LearnerState) -> LearnerState:
        loop = Loop.over(task, replace(active, rate=rate))
        return jax.vmap(loop.fit, (0, None, 0))(state, count, first).learner

    for rate in lab.settings.compare.rates:
        args = (jnp.float32(rate), begun, jnp.int32(count), states)
        learners, seconds = lab.run(("minibatches", data), fit, *args)
        recipe = {"steps": steps, "rate": rate, "dropout": True, "batch": size}
        work = costs.Work(seconds / lab.inits, steps * step, steps * size)
        yield Judged(learners.params, lab.validation(learners.params), recipe, work)


def judge_sets(lab: Lab, task: Task, distill: DistillSettings, synthetic: Synthetic) -> Judged:
    """Trains learners on stacked distilled sets by their own schedule: all on one, or each on a set of its own."""
    own, states = own_rates(task, synthetic), lab.states(task)
    own = jax.tree.map(lambda x: jnp.broadcast_to(x, (lab.inits, *x.shape[1:])), own)

    def train(states: LearnerState, synthetic: Synthetic, first: jax.Array, until: jax.Array) -> LearnerState:
        learner = lab.task.learner
        return train_on(learner, synthetic, states, distill.labels, first, until, parts=distill.batches)

    def advance(states: LearnerState, first: int, until: int) -> tuple[LearnerState, float]:
        name = ("distilled", distill.labels, distill.batches)
        return lab.run(name, train, states, own, jnp.int32(first), jnp.int32(until))

    steps, count = own.log_rates.shape[1], own.inputs.shape[1] // distill.batches
    learners, seconds = advance(states, 0, steps)
    curve = _curve(lab, advance, states, steps, distill.batches)
    part = jax.eval_shape(lambda: as_batch(jax.tree.map(lambda x: x[0, :count], own), distill.labels))
    step = lab.once(("distilled", own.inputs.shape[1:]), lambda: costs.training_step(task, part))
    work = costs.Work(seconds / lab.inits, steps * step, steps * count)
    recipe = {"steps": steps, "rate": "learned"}
    return Judged(learners.params, lab.validation(learners.params), recipe, work, curve)

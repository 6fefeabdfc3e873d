"""A data set in this process: its task, and learners trained on any part of it by one recipe."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.loop import Loop, LoopState
from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.data.dataset import Dataset
from dd_al.distill.synthetic import Synthetic, as_batch, rates
from dd_al.experiments import compare_costs as costs
from dd_al.experiments import record
from dd_al.experiments.active_loop import configured_loop
from dd_al.experiments.baselines import batches_of, constant_steps, for_each
from dd_al.experiments.compare_plan import Point, in_examples
from dd_al.experiments.compare_spoilt import spoilt
from dd_al.experiments.learner_settings import network
from dd_al.experiments.settings import Settings
from dd_al.experiments.task import Task, make_learners, make_task, own_rates
from dd_al.learner.learner import LearnerState
from dd_al.learner.predict import accuracy, for_each_learner
from dd_al.learner.unroll import part_of
from dd_al.models.base import Params

_FEW = 3  # learners that judge each set, if nothing else is said: the seeds are what counts


class Judged(NamedTuple):
    """Learners that were trained on a set.

    Attributes:
      params: stacked over learners.
      validation: ``float[learners]``, their accuracy there.
      recipe: what validation chose.
      seconds: of one learner's training, compilation apart, where all of them are trained together.
      flops: of one learner's training.
      seen: real or synthetic examples that one learner's steps went through.
      curve: "epochs" over the set and the mean "validation" accuracy after each; empty where there is none.
    """

    params: Params
    validation: np.ndarray
    recipe: dict[str, Any]
    seconds: float
    flops: float
    seen: int
    curve: Mapping[str, list[float]] = {}


class Lab:
    """A task, its budgets in numbers, and what has been compiled for it: seeds share all programs.

    Args:
      settings: of the data set; see `compare_plan.datasets`.
      dataset: loaded.
      load_seconds: what that took.
    """

    def __init__(self, settings: Settings, dataset: Dataset, load_seconds: float):
        self.settings = settings
        self.task = make_task(settings, dataset, load_seconds)
        self.budgets = in_examples(settings.compare.budgets, len(dataset.train), dataset.num_classes)
        self.inits = settings.evaluate.inits or _FEW
        self._compiled: dict[Hashable, Callable] = {}
        self._variants: dict[Hashable, Task] = {}
        self._flops: dict[Hashable, float] = {}
        self._others: dict[str, Lab] = {}

    def other(self, name: str) -> Lab:
        """The same with another network, by its name as of `config.distill.also`."""
        if name not in self._others:
            lab, task = copy.copy(self), self.task
            lab.settings = replace(self.settings, model=network(self.settings.model, name, "compare.networks"))
            learner = make_learners(lab.settings, [lab.settings.model.kind], task.shape, task.classes)
            lab.task = replace(task, learner=learner[lab.settings.model.kind], others={})
            lab._compiled, lab._variants, lab._flops, lab._others = {}, {}, {}, {}
            self._others[name] = lab
        return self._others[name]

    @property
    def most(self) -> int:
        """Examples of the largest budget."""
        return max(self.budgets.values())

    def task_of(self, point: Point) -> Task:
        """The task with a point's seed, and with its wrong labels and outliers."""
        task = replace(self.task, key=jax.random.key(point.seed))
        varied = (point.noise, point.outliers, point.seed)
        if any(varied[:2]):
            if varied not in self._variants:
                self._variants = {varied: spoilt(self.task, *varied)}  # one is in use at a time
            task = replace(self._variants[varied], key=task.key)
        return task

    def compiled(self, name: Hashable, function: Callable, *args: Any) -> Callable:
        """The function for arguments of these shapes, compiled on the first call with this name."""
        shapes = tuple((x.shape, str(x.dtype)) for x in map(jnp.asarray, jax.tree.leaves(args)))
        if (name, shapes) not in self._compiled:
            self._compiled[name, shapes] = jax.jit(function).lower(*args).compile()
        return self._compiled[name, shapes]

    def run(self, name: Hashable, function: Callable, *args: Any) -> tuple[Any, float]:
        """What the function returns, and the seconds that it took without compilation."""
        compiled, start = self.compiled(name, function, *args), time.perf_counter()
        return jax.block_until_ready(compiled(*args)), time.perf_counter() - start

    def count(self, name: Hashable, count: Callable[[], float]) -> float:
        """Operations, counted once for each name."""
        if name not in self._flops:
            self._flops[name] = count()
        return self._flops[name]

    def states(self, task: Task) -> LearnerState:
        """The fresh learners that judge every set of a seed."""
        return task.inits("evaluation", self.inits)

    def validation(self, params: Params) -> np.ndarray:
        """Accuracies of stacked learners."""
        task = self.task
        look = partial(accuracy, task.learner.model, examples=task.validation, embed=task.embed)
        return np.asarray(self.run("validation", look, params)[0])

    def predicted(self, params: Params) -> np.ndarray:
        """Classes that stacked learners predict for the judged split: the place that reads test."""
        if "predict" not in self._compiled:
            self._compiled["predict"] = record.predicting(self.task, self.task.learner.model)
        return self._compiled["predict"](params, self.settings.evaluate.split)

    def loop(self, task: Task, rate: float | jax.Array | None = None) -> Loop:
        """Active learning on the task; its training is how sets larger than a minibatch are trained on, too."""
        active = self.settings.active
        active = active if rate is None else replace(active, rate=rate)
        return configured_loop(active, task.learner, task.raw["train"], task.train, task.embed_train, task.classes)

    def judge_rows(self, task: Task, rows: np.ndarray, data: Hashable = "") -> Judged:
        """Trains fresh learners on training examples, by the recipe that validation prefers.

        Sets of up to a minibatch are trained on whole, at one of the rates, numbers of steps and with or without
        dropout as of `config.random`; sets above `config.compare.full_batch` in minibatches at rates that fall from
        one of `config.compare.rates`, for as many steps as `config.active` says; those between in both ways.

        Args:
          task: see `task_of`.
          rows: ``int[n]``, positions in the training data.
          data: a name for the task's training texts where they are not those of the data set.
        """
        states, found = self.states(task), []
        if len(rows) <= self.settings.compare.full_batch or len(rows) <= self.settings.active.batch_size:
            found.append(self._whole(task, jax.tree.map(lambda x: x[0], batches_of(task, rows[None])), states))
        if len(rows) > self.settings.active.batch_size:
            found.append(self._minibatches(task, rows, states, data))
        return max(found, key=lambda one: one.validation.mean())

    def judge_foreign(self, task: Task, settings: Settings, synthetic: Synthetic) -> Judged:
        """Trains fresh learners of another network than it was distilled for on one set, at one rate.

        Args:
          task: see `task_of`.
          settings: of the distillation.
          synthetic: one set.
        """
        return self._whole(task, as_batch(synthetic, settings.distill.labels), self.states(task))

    def _whole(self, task: Task, batch: Batch, states: LearnerState) -> Judged:
        settings, count, best = self.settings.random, len(batch.targets), None
        batches = for_each(states, batch)

        def advance(key, batches, states, rate, first, until, dropout):
            return jax.lax.fori_loop(first, until, constant_steps(self.task, key, batches, rate, dropout), states)

        for dropout in settings.dropout:
            for rate in settings.rates:
                state, first, spent = states, 0, 0.0
                for until in sorted(settings.steps):
                    args = (task.key, batches, state, jnp.float32(rate), jnp.int32(first), jnp.int32(until))
                    state, seconds = self.run(("whole", dropout), partial(advance, dropout=dropout), *args)
                    first, spent = until, spent + seconds
                    reached = self.validation(state.params)
                    if best is None or reached.mean() > best[0].mean():
                        best = reached, state.params, rate, until, dropout, spent
        validation, params, rate, length, dropout, seconds = best
        again = lambda state, first, until: self.run(  # noqa: E731
            ("whole", dropout), partial(advance, dropout=dropout), task.key, batches, state, jnp.float32(rate),
            jnp.int32(first), jnp.int32(until),
        )[0]  # fmt: skip
        curve = self._curve(again, states, max(settings.steps), 1)
        shape = jax.tree.leaves(batch)[0].shape
        step = self.count(("whole", shape), lambda: costs.training_step(task, batch))
        recipe = {"steps": length, "rate": rate, "dropout": dropout, "batch": count}
        return Judged(params, validation, recipe, seconds / self.inits, length * step, length * count, curve)

    def _curve(self, advance: Callable, states: LearnerState, steps: int, parts: int) -> dict[str, list[float]]:
        """Validation along training on a whole set, at 1, 2, 5, 10, … steps: see `Judged.curve`."""
        first, reached = 0, []
        looks = [d * 10**e for e in range(6) for d in (1, 2, 5) if d * 10**e < steps] + [steps]
        for until in looks:
            states, first = advance(states, first, until), until
            reached.append(float(self.validation(states.params).mean()))
        return {"epochs": [until / parts for until in looks], "validation": reached}

    def _minibatches(self, task: Task, rows: np.ndarray, states: LearnerState, data: Hashable) -> Judged:
        active, count, best = self.settings.active, len(rows), None
        labelled = np.zeros(self.most, np.int32)
        labelled[:count] = rows
        answers = np.where(np.arange(self.most) < count, task.labels("train")[labelled], 0).astype(np.int32)
        keys = jax.random.split(stream(task.key, "minibatches"), self.inits)
        labelled, answers = (jnp.broadcast_to(x, (self.inits, self.most)) for x in (labelled, answers))
        begun = LoopState(keys, states, labelled, answers, jnp.ones((self.inits, 1), bool))

        def fit(rate: jax.Array, state: LoopState, count: jax.Array, first: LearnerState) -> LearnerState:
            return jax.vmap(self.loop(task, rate).fit, (0, None, 0))(state, count, first).learner

        for rate in self.settings.compare.rates:
            args = (jnp.float32(rate), begun, jnp.int32(count), states)
            learners, seconds = self.run(("minibatches", data), fit, *args)
            validation = self.validation(learners.params)
            if best is None or validation.mean() > best[0].mean():
                best = validation, learners.params, rate, seconds
        validation, params, rate, seconds = best
        steps, size = rounds_of_training(self.settings, count), active.batch_size
        step = self.count(("real", size), lambda: costs.real_step(task, size))
        recipe = {"steps": steps, "rate": rate, "dropout": True, "batch": size}
        return Judged(params, validation, recipe, seconds / self.inits, steps * step, steps * size)

    def judge_sets(self, task: Task, settings: Settings, synthetic: Synthetic, states: LearnerState) -> Judged:
        """Trains learners on distilled sets by their own schedule: all on one, or each on a set of its own.

        Args:
          task: see `task_of`.
          settings: of the distillation.
          synthetic: stacked sets.
          states: stacked learners.
        """
        distill, own = settings.distill, own_rates(task, synthetic)
        own = jax.tree.map(lambda x: jnp.broadcast_to(x, (self.inits, *x.shape[1:])), own)

        def train(states: LearnerState, synthetic: Synthetic, first: jax.Array, until: jax.Array) -> LearnerState:
            def one(state: LearnerState, one: Synthetic) -> LearnerState:
                batch, learned = as_batch(one, distill.labels), rates(one)

                def step(index: jax.Array, state: LearnerState) -> LearnerState:
                    part = part_of(batch, index, distill.batches)
                    return self.task.learner.train_step(None, state, part, learned[index])

                return jax.lax.fori_loop(first, until, step, state)

            return for_each_learner(self.task.learner.model, one)(states, synthetic)

        def advance(states: LearnerState, first: int, until: int) -> tuple[LearnerState, float]:
            name = ("distilled", distill.labels, distill.batches)
            return self.run(name, train, states, own, jnp.int32(first), jnp.int32(until))

        steps, count = own.log_rates.shape[1], own.inputs.shape[1] // distill.batches
        learners, seconds = advance(states, 0, steps)
        curve = self._curve(lambda *args: advance(*args)[0], states, steps, distill.batches)
        batch = part = jax.eval_shape(lambda: as_batch(jax.tree.map(lambda x: x[0], own), distill.labels))
        if distill.batches > 1:
            part = jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype), batch)
        step = self.count(("distilled", own.inputs.shape[1:]), lambda: costs.training_step(task, part))
        return Judged(
            learners.params, self.validation(learners.params), {"steps": steps, "rate": "learned"},
            seconds / self.inits, steps * step, steps * count, curve,
        )  # fmt: skip


def rounds_of_training(settings: Settings, count: int) -> int:
    """Steps that training on so many labels takes in minibatches; see `configured_loop`."""
    active = settings.active
    return max(active.steps, -(-active.epochs * count // active.batch_size))

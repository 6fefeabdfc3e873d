"""A data set in this process: its task, its seeds' learners, and what has been compiled for it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.loop import Loop
from dd_al.config.learner import network
from dd_al.config.settings import Settings
from dd_al.data.dataset import Dataset
from dd_al.evaluation.protocol import evaluate
from dd_al.evaluation.spoilt import spoilt
from dd_al.experiments.compare.plan import Point
from dd_al.learner.learner import LearnerState
from dd_al.learner.predict import accuracy
from dd_al.models.base import Params
from dd_al.task.task import Task, known_inits, make_learners, make_task

_FEW = 3  # learners that judge each set, if nothing else is said: the seeds are what counts


class Lab:
    """A task, its budgets in numbers, and what has been compiled for it: seeds share all programs.

    Args:
      settings: of the data set; see `plan.datasets`.
      dataset: loaded.
      budgets: in examples; see `dd_al.config.grid.in_examples`.
      load_seconds: what that took.
    """

    def __init__(self, settings: Settings, dataset: Dataset, budgets: dict[str, int], load_seconds: float):
        self.settings = settings
        self.task = make_task(settings, dataset, load_seconds)
        self.budgets = budgets
        self.inits = settings.evaluate.inits or _FEW
        self._compiled: dict[Hashable, Callable] = {}
        self._variants: dict[Hashable, Task] = {}
        self._flops: dict[Hashable, float] = {}
        self.programs: dict[Hashable, Callable] = {}  # of `distil`
        self._others: dict[str, Lab] = {}

    def other(self, name: str) -> Lab:
        """The same with another network, by its name as of `config.distill.also`."""
        if name not in self._others:
            lab, task = copy.copy(self), self.task
            lab.settings = replace(self.settings, model=network(self.settings.model, name, "compare.networks"))
            learner = make_learners(lab.settings, [lab.settings.model.kind], task.shape, task.classes)
            lab.task = replace(task, learner=learner[lab.settings.model.kind], others={})
            lab._compiled, lab._variants, lab._flops, lab._others, lab.programs = {}, {}, {}, {}, {}
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
        """The learners that judge every set of a seed.

        They are those that a set for a known initialisation knows, so that all sets are judged by the same ones; the
        other methods have never seen them.
        """
        return known_inits(task, self.inits)

    def validation(self, params: Params) -> np.ndarray:
        """Accuracies of stacked learners."""
        task = self.task
        look = partial(accuracy, task.learner.model, examples=task.validation, embed=task.embed)
        return np.asarray(self.run("validation", look, params)[0])

    def predicted(self, params: Params) -> np.ndarray:
        """Classes that stacked learners predict for the judged split, ``int32[learners, n]``."""
        split = self.settings.evaluate.split
        return evaluate(self.task, self.task.learner.model, {"": params}, split, validation=False)[""].predicted

    def loop(self, task: Task, rate: float | jax.Array | None = None) -> Loop:
        """Active learning on the task; its training is how sets larger than a minibatch are trained on, too."""
        active = self.settings.active
        active = active if rate is None else replace(active, rate=rate)
        return Loop.over(task, active)

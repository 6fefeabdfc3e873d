"""Distillation for a task: the sets to start from, then the outer loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.distillation.outer_loop import Problem, compiled, outer_loop, run
from dd_al.distillation.starts import starting_sets
from dd_al.distillation.synthetic import Synthetic, all_rates, columns
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.task.task import Task, known_inits


@dataclass(frozen=True)
class Distillation:
    """What the outer loop came to.

    Attributes:
      synthetic: the best sets; every array has a leading axis of sets.
      best_step: ``int32[sets]``.
      best_accuracy: ``float32[sets]``, mean validation accuracy there.
      start_rows: ``int32[sets, items]``, the training rows that the items began as; None for noise.
      compile_s: seconds of compilation.
      optimise_s: seconds of everything else, over all of the run's resumptions.
      teachers_s: seconds of training teachers in a work directory; 0 without such.
    """

    synthetic: Synthetic
    best_step: np.ndarray
    best_accuracy: np.ndarray
    start_rows: np.ndarray | None
    compile_s: float
    optimise_s: float
    teachers_s: float = 0.0


def problem_of(task: Task, settings: DistillSettings, sets: int) -> Problem:
    """What the outer loop reads of a task.

    Args:
      task: data and learners.
      settings: of the method.
      sets: how many are distilled; with known initialisations each has its own.
    """
    return Problem(
        task.key,
        task.train,
        task.validation,
        task.embed,
        (task.learner, *task.others.values()),
        tuple(columns(task, shared=settings.shared_rates).values()),
        known_inits(task, sets) if settings.init == "known" else None,
    )


def optimise(
    task: Task,
    settings: DistillSettings,
    *,
    items: int,
    sets: int = 1,
    select_inits: int = 10,
    workdir: Workdir | None = None,
    pictures: Path | None = None,
    quick: bool = False,
    programs: dict[Hashable, Callable] | None = None,
    stop: Stop | None = None,
) -> Distillation:
    """Distils sets side by side, from the last checkpoint if the work directory has one.

    Args:
      task: data and learners.
      settings: of the method.
      items: synthetic examples in a set.
      sets: how many; with known initialisations each set has its own.
      select_inits: initialisations that judge a set on validation, never trained on; a known one is its only judge.
      workdir: where checkpoints and metrics go; None keeps nothing.
      pictures: folder for what the first set looks like along the way; None keeps nothing of it.
      quick: compile in half the time what then runs a little more slowly, for loops of seconds.
      programs: see `dd_al.distillation.outer_loop.run`.
      stop: asked after every stretch; the state is saved before it raises.

    Raises:
      UserError: every step of a stretch had a loss or hypergradient that is not finite.
      Interrupted: from ``stop``.
    """
    began = time.perf_counter()
    synthetic, start_rows = starting_sets(task, settings, items, sets, programs)
    spent = time.perf_counter() - began
    ended = run(
        problem_of(task, settings, sets),
        settings,
        synthetic,
        judges=select_inits,
        workdir=workdir,
        pictures=pictures,
        options=_compiler_options(task, quick),
        programs=programs,
        stop=stop,
    )
    return Distillation(
        synthetic=all_rates(task, ended.state.best, shared=settings.shared_rates),
        best_step=np.asarray(ended.state.best_step),
        best_accuracy=np.asarray(ended.state.best_accuracy),
        start_rows=start_rows,
        compile_s=ended.compile_s,
        optimise_s=spent + ended.optimise_s,
    )


class TimedStep(NamedTuple):
    """What the outer loop takes on this machine.

    Attributes:
      step: seconds of an outer step.
      look: seconds of a look at validation.
      compile: seconds of compilation.
      bytes: arguments, results and what XLA holds in between; None where it does not say.
    """

    step: float
    look: float
    compile: float
    bytes: int | None


def timed_step(
    task: Task, settings: DistillSettings, *, items: int, sets: int, select_inits: int, steps: int = 10
) -> TimedStep:
    """Compiles the outer loop and takes a few steps of it from the first start that comes.

    Args:
      task: data and learners.
      settings: of the method.
      items: synthetic examples in a set.
      sets: how many.
      select_inits: judges of a set.
      steps: to take.
    """
    synthetic, _ = starting_sets(task, replace(settings, candidates=1), items, sets)
    problem = problem_of(task, settings, sets)
    init, advance = outer_loop(problem, settings, sets, select_inits)
    arguments = problem.key, problem.arrays, init(synthetic)
    program, compile_s = compiled(advance, arguments, _compiler_options(task, quick=False))

    def seconds(until: int, look: bool) -> float:
        start = time.perf_counter()
        jax.block_until_ready(program(*arguments, until, look))
        return time.perf_counter() - start

    seconds(1, True)
    step = seconds(steps, False) / steps
    memory = program.memory_analysis()
    held = memory and memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    return TimedStep(step, max(seconds(1, True) - step, 0.0), compile_s, held or None)


def _compiler_options(task: Task, quick: bool) -> dict[str, bool | str]:
    """What XLA should do otherwise on a CPU."""
    if jax.default_backend() != "cpu":
        return {}
    options = {"xla_cpu_use_fusion_emitters": False} if quick else {}  # its older code
    if task.inputs == "rows":
        # Its library for sums would have small networks' products in memory first, which takes twice as long.
        options["xla_cpu_experimental_ynn_fusion_type"] = "LIBRARY_FUSION_TYPE_DOT"
    return options

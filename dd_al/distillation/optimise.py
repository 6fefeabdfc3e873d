"""A distillation on this machine: the outer loop compiled once, run in stretches, logged, checkpointed and stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.core.errors import UserError
from dd_al.distillation import snapshots
from dd_al.distillation.outer_loop import outer_loop
from dd_al.distillation.starts import starting_sets
from dd_al.distillation.synthetic import Synthetic, all_rates
from dd_al.io import checkpoint
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.task.task import Task

_LOG = logging.getLogger(__name__)


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
    starts: np.ndarray | None = None,
    programs: dict[Hashable, Callable] | None = None,
    stop: Stop | None = None,
) -> Distillation:
    """Distils ``sets`` sets side by side, from the last checkpoint if the work directory has one.

    Args:
      task: data and learner.
      settings: of the method.
      items: synthetic examples in a set.
      sets: how many; with known initialisations each set has its own.
      select_inits: initialisations that judge a set on validation, never trained on; a known one is its only judge.
      workdir: where checkpoints and metrics go; None keeps nothing.
      pictures: folder for what the first set looks like along the way; None keeps nothing of it.
      quick: compile in half the time what then runs a little more slowly, for loops of seconds.
      starts: ``int[sets, items]``, the training rows to start from; as the settings say if None.
      programs: what earlier calls compiled, and where this one leaves what it compiles: for calls whose tasks differ in
        nothing but the key and the training data. None to compile anew.
      stop: asked after every stretch; the state is saved before it raises.

    Raises:
      UserError: every step of a stretch had a loss or hypergradient that is not finite.
      Interrupted: from ``stop``.
    """
    clock = time.perf_counter()
    synthetic, start_rows = starting_sets(task, settings, items, sets, starts, programs)
    init, advance = outer_loop(task, settings, sets, select_inits)
    state = init(synthetic)
    meta = {"optimise_s": 0.0, "compile_s": 0.0}
    step = 0
    if workdir is not None and (saved := checkpoint.restore_latest(workdir.checkpoints / "outer", state)):
        step, state, meta = saved
    metrics = MetricsWriter(workdir.metrics, workdir.events) if workdir is not None else None
    if metrics is not None and workdir.resumed:
        metrics.resume(step)
    key, data = task.key, task.arrays
    compiled, compile_s = _compiled(task, settings, advance, (key, data, state), select_inits, quick, programs)
    meta["compile_s"] += compile_s
    if workdir is not None and stop is not None and stop.requested:
        checkpoint.save(workdir.checkpoints / "outer", step, state, meta)
        stop.check()
    began = time.perf_counter() - (time.perf_counter() - clock - compile_s)
    if pictures is not None:
        snapshots.keep(pictures, step, settings, state.outer.average)

    stuck, patience = 0, min(settings.log_every, settings.iterations - step)  # steps without a finite number
    with Progress(settings.iterations, "distilling", done=step, compiled=True) as progress:
        while step < settings.iterations:
            ends = [(step // every + 1) * every for every in (settings.log_every, settings.evaluate_every)]
            until = min(settings.iterations, *ends)
            state, info, validation = compiled(key, data, state, until, _look(settings, until))
            values = {name: float(np.mean(value)) for name, value in info._asdict().items()}
            stuck = np.where(np.asarray(info.skipped) >= until - step, stuck + until - step, 0)
            if stuck.max() >= patience:  # a set that has stopped moving stays where it is for good
                raise UserError(
                    "distillation diverged: no finite loss or hypergradient in outer steps "
                    f"{until - stuck.max()} to {until}; "
                    "lower config.distill.rate or config.distill.inner_rate"
                )
            if _look(settings, until):
                values["validation_accuracy"] = float(np.mean(validation))
                values["validation_std"] = float(np.std(validation))
            progress.update(until - step, **{k: v for k, v in values.items() if k in ("loss", "validation_accuracy")})
            step = until
            seconds = meta["optimise_s"] + time.perf_counter() - began
            if metrics is not None:
                metrics.write(step, **values, seconds=seconds)
            if pictures is not None:
                snapshots.keep(pictures, step, settings, state.outer.average)
            asked = stop is not None and stop.requested
            if workdir is not None and (asked or _look(settings, step)):
                checkpoint.save(workdir.checkpoints / "outer", step, state, {**meta, "optimise_s": seconds})
            if asked and workdir is None:
                stop.check("the same command begins this distillation anew; earlier ones are saved")
            elif asked:
                stop.check()
    return Distillation(
        synthetic=all_rates(task, state.best, shared=settings.shared_rates),
        best_step=np.asarray(state.best_step),
        best_accuracy=np.asarray(state.best_accuracy),
        start_rows=start_rows,
        compile_s=meta["compile_s"],
        optimise_s=meta["optimise_s"] + time.perf_counter() - began,
    )


class TimedStep(NamedTuple):
    """What the outer loop takes: seconds of an outer step, of a look at validation and of compilation, and memory.

    Attributes:
      step: see above, likewise the next two.
      look: see above.
      compile: see above.
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
      task: see `optimise`, likewise the next four.
      settings: of the method.
      items: of a set.
      sets: how many.
      select_inits: judges of a set.
      steps: to take.
    """
    synthetic, _ = starting_sets(task, replace(settings, candidates=1), items, sets)
    init, advance = outer_loop(task, settings, sets, select_inits)
    key, data, state = task.key, task.arrays, init(synthetic)
    compiled, compile_s = _compile(advance, (key, data, state), _compiler_options(task, False))

    def seconds(until: int, look: bool) -> float:
        start = time.perf_counter()
        jax.block_until_ready(compiled(key, data, state, until, look))
        return time.perf_counter() - start

    seconds(1, True)
    step = seconds(steps, False) / steps
    memory = compiled.memory_analysis()
    held = memory and memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    return TimedStep(step, max(seconds(1, True) - step, 0.0), compile_s, held or None)


def _look(settings: DistillSettings, step: int) -> bool:
    """Whether validation is looked at after this step."""
    return step % settings.evaluate_every == 0 or step == settings.iterations


def _compiler_options(task: Task, quick: bool) -> dict[str, bool | str]:
    """What XLA should do otherwise on a CPU."""
    if jax.default_backend() != "cpu":
        return {}
    options = {"xla_cpu_use_fusion_emitters": False} if quick else {}  # its older code
    if task.inputs == "rows":
        # Its library for sums would have small networks' products in memory first, which takes twice as long.
        options["xla_cpu_experimental_ynn_fusion_type"] = "LIBRARY_FUSION_TYPE_DOT"
    return options


def _compiled(
    task: Task,
    settings: DistillSettings,
    advance: Callable,
    arguments: tuple,
    select_inits: int,
    quick: bool,
    programs: dict[Hashable, Callable] | None,
) -> tuple[Callable, float]:
    """The outer loop for arguments of these shapes, and the seconds of its compilation; 0 if that was done before."""
    programs = {} if programs is None else programs
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((x.shape, str(x.dtype)) for x in leaves)
    known = jax.random.key_data(task.key).tobytes() if settings.init == "known" else None  # its learners are constants
    name = ("outer loop", settings, select_inits, quick, known, structure, shapes)
    if name in programs:
        return programs[name], 0.0
    _LOG.info("compiling the outer loop")
    programs[name], seconds = _compile(advance, arguments, _compiler_options(task, quick))
    return programs[name], seconds


def _compile(advance: Callable, arguments: tuple, options: dict[str, bool | str]) -> tuple[Callable, float]:
    start = time.perf_counter()
    # From shapes: a state out of a checkpoint is laid out otherwise, and would be compiled for a second time.
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
    lowered = jax.jit(advance).lower(*shapes, 0, False)
    try:
        compiled = lowered.compile(compiler_options=options or None)
    except jax.errors.JaxRuntimeError:  # an XLA that does not know an option
        compiled = lowered.compile()
    return compiled, time.perf_counter() - start

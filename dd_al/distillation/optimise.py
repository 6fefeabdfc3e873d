"""Distillation for a task: the sets to start from, then the outer loop, compiled once and driven in stretches.

Between two stretches it logs, saves a checkpoint and can be stopped.
"""

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.core.errors import UserError
from dd_al.distillation.outer_loop import OuterLoop, Problem
from dd_al.distillation.starts import starting_sets
from dd_al.distillation.synthetic import Synthetic, all_rates, columns
from dd_al.io import checkpoint
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop
from dd_al.io.tensors import write_safetensors
from dd_al.io.workdir import Workdir
from dd_al.task.task import Task, known_inits

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


def problem_of(task: Task, settings: DistillSettings, sets: int) -> Problem:
    """What the outer loop reads of a task; with known initialisations each of its sets has its own."""
    learners, parts = (task.learner, *task.others.values()), columns(task, shared=settings.shared_rates)
    known = known_inits(task, sets) if settings.init == "known" else None
    return Problem(task.key, task.train, task.validation, task.embed, learners, tuple(parts.values()), known)


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
      programs: where calls find what earlier ones compiled, and leave what they compile, for tasks that differ in
        nothing but the key and the training data; None to compile anew.
      stop: asked after every stretch; the state is saved before it raises.

    Raises:
      UserError: every step of a stretch had a loss or hypergradient that is not finite.
      Interrupted: from ``stop``.
    """
    began, stop, programs = time.perf_counter(), stop or Stop(), {} if programs is None else programs
    synthetic, start_rows = starting_sets(task, settings, items, sets, programs)
    loop = OuterLoop(problem_of(task, settings, sets), settings, sets, select_inits)
    state, step, meta = loop.init(synthetic), 0, {"optimise_s": 0.0, "compile_s": 0.0}
    folder = metrics = None
    if workdir is not None:
        folder, metrics = workdir.checkpoints / "outer", MetricsWriter(workdir.metrics, workdir.events)
        if saved := checkpoint.restore_latest(folder, state):
            step, state, meta = saved
        if workdir.resumed:
            metrics.resume(step)
    name = _program_name(task, settings, select_inits, quick, state)
    if name not in programs:
        _LOG.info("compiling the outer loop")
        programs[name], compile_s = compiled(loop, (task.key, task.arrays, state), compiler_options(task, quick))
        meta["compile_s"] += compile_s
        began += compile_s
    if folder is not None and stop.requested:
        checkpoint.save(folder, step, state, meta)
        stop.check()
    _keep_picture(pictures, step, settings, state.outer.average)
    stuck, patience = 0, min(settings.log_every, settings.iterations - step)  # steps without a finite number
    with Progress(settings.iterations, "distilling", done=step, compiled=True) as progress:
        while step < settings.iterations:
            ends = [(step // every + 1) * every for every in (settings.log_every, settings.evaluate_every)]
            until = min(settings.iterations, *ends)
            looks = until % settings.evaluate_every == 0 or until == settings.iterations
            state, info, validation = programs[name](task.key, task.arrays, state, until, looks)
            stuck = np.where(np.asarray(info.skipped) >= until - step, stuck + until - step, 0)
            if stuck.max() >= patience:  # a set that has stopped moving stays where it is for good
                raise UserError(
                    "distillation diverged: no finite loss or hypergradient in outer steps "
                    f"{until - stuck.max()} to {until}; "
                    "lower config.distill.rate or config.distill.inner_rate"
                )
            values = {name: float(np.mean(value)) for name, value in info._asdict().items()}
            if looks:
                values["validation_accuracy"] = float(np.mean(validation))
                values["validation_std"] = float(np.std(validation))
            progress.update(until - step, **{k: v for k, v in values.items() if k in ("loss", "validation_accuracy")})
            step, seconds = until, meta["optimise_s"] + time.perf_counter() - began
            if metrics is not None:
                metrics.write(step, **values, seconds=seconds)
            _keep_picture(pictures, step, settings, state.outer.average)
            asked = stop.requested
            if folder is not None and (asked or looks):
                checkpoint.save(folder, step, state, {**meta, "optimise_s": seconds})
            if asked:
                lost = "the same command begins this distillation anew; earlier ones are saved"
                stop.check(*([lost] if folder is None else []))
    return Distillation(
        synthetic=all_rates(task, state.best, shared=settings.shared_rates),
        best_step=np.asarray(state.best_step),
        best_accuracy=np.asarray(state.best_accuracy),
        start_rows=start_rows,
        compile_s=meta["compile_s"],
        optimise_s=meta["optimise_s"] + time.perf_counter() - began,
    )


def _program_name(task: Task, settings: DistillSettings, judges: int, quick: bool, state: Any) -> tuple:
    """What tells compiled outer loops apart: known learners are written into theirs."""
    known = jax.random.key_data(task.key).tobytes() if settings.init == "known" else None
    leaves, structure = jax.tree.flatten((task.key, task.arrays, state))
    return "outer loop", settings, judges, quick, known, structure, tuple((x.shape, str(x.dtype)) for x in leaves)


def compiled(loop: OuterLoop, arguments: tuple, options: dict[str, bool | str]) -> tuple[Callable, float]:
    """`OuterLoop.advance` compiled for first arguments of these shapes, and the seconds that it took."""
    start = time.perf_counter()
    # From shapes: a state out of a checkpoint is laid out otherwise, and would be compiled for a second time.
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
    lowered = jax.jit(loop.advance).lower(*shapes, 0, False)
    try:
        program = lowered.compile(compiler_options=options or None)
    except jax.errors.JaxRuntimeError:  # an XLA that does not know an option
        program = lowered.compile()
    return program, time.perf_counter() - start


def compiler_options(task: Task, quick: bool) -> dict[str, bool | str]:
    """What XLA should do otherwise on a CPU."""
    if jax.default_backend() != "cpu":
        return {}
    options = {"xla_cpu_use_fusion_emitters": False} if quick else {}  # its older code
    if task.inputs == "rows":
        # Its library for sums would have small networks' products in memory first, which takes twice as long.
        options["xla_cpu_experimental_ynn_fusion_type"] = "LIBRARY_FUSION_TYPE_DOT"
    return options


def _keep_picture(folder: Path | None, step: int, settings: DistillSettings, synthetic: Synthetic) -> None:
    """Writes the first set at the start, a 64th, a 16th and a quarter of the way (ends of stretches), and at the end.

    A run that repeats a step writes the same again.
    """
    every, last = settings.log_every, settings.iterations
    steps = {0, last, *(min(last, max(1, round(last / part / every)) * every) for part in (64, 16, 4))}
    if folder is not None and step in steps:
        folder.mkdir(parents=True, exist_ok=True)
        write_safetensors(folder / f"{step}.safetensors", picture(synthetic))


def picture(synthetic: Synthetic) -> dict[str, np.ndarray]:
    """What is kept of stacked sets along the way: ``inputs`` and ``label_logits`` of the first."""
    return {"inputs": np.asarray(synthetic.inputs[0]), "label_logits": np.asarray(synthetic.label_logits[0])}

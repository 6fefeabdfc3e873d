"""The outer loop of distillation: jitted stretches, validation, checkpoints, and the best step kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dd_al.core.errors import UserError
from dd_al.core.keys import stream
from dd_al.distill.kernel import kernel_regression
from dd_al.distill.matching import matching
from dd_al.distill.outer import OuterState, Student, for_student, of_softplus
from dd_al.distill.pool import Pool, make_pool
from dd_al.distill.synthetic import Synthetic, as_batch, rates
from dd_al.distill.unrolled import unrolled
from dd_al.experiments import snapshots
from dd_al.experiments.distill_settings import DistillSettings
from dd_al.experiments.starts import starting_sets
from dd_al.experiments.task import Task, all_rates, known_inits, learned_columns
from dd_al.io import checkpoint
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.learner.examples import Bucket, minibatch
from dd_al.learner.fit import cosine
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import accuracy, for_each_learner
from dd_al.learner.unroll import unroll
from dd_al.models.embedding import drop_words

_LOG = logging.getLogger(__name__)


class LoopState(NamedTuple):
    """The whole state of the outer loop; what checkpoints hold. Every array has a leading axis of sets.

    Attributes:
      outer: of each set.
      best: each set at its best validation accuracy.
      best_accuracy: ``float32[sets]``.
      best_step: ``int32[sets]``.
    """

    outer: OuterState
    best: Synthetic
    best_accuracy: jax.Array
    best_step: jax.Array


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


def train_on(
    learner: Learner, synthetic: Synthetic, states: LearnerState, labels: str = "soft", *, parts: int = 1
) -> LearnerState:
    """Trains stacked learners on one distilled set, by its own schedule; see `targets` and `part_of`."""

    def train(state: LearnerState) -> LearnerState:
        return unroll(learner, state, as_batch(synthetic, labels), rates(synthetic), parts=parts)

    return for_each_learner(learner.model, train)(states)


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
      stop: asked after every stretch; the state is saved before it raises.

    Raises:
      UserError: every step of a stretch had a loss or hypergradient that is not finite.
      Interrupted: from ``stop``.
    """
    clock = time.perf_counter()
    synthetic, start_rows = starting_sets(task, settings, items, sets, starts)
    init, advance = _loop(task, settings, sets, select_inits)
    state = init(synthetic)
    meta = {"optimise_s": 0.0, "compile_s": 0.0}
    step = 0
    if workdir is not None and (saved := checkpoint.restore_latest(workdir.checkpoints / "outer", state)):
        step, state, meta = saved
    metrics = MetricsWriter(workdir.metrics, workdir.events) if workdir is not None else None
    if metrics is not None and workdir.resumed:
        metrics.resume(step)
    _LOG.info("compiling the outer loop")
    key, data = task.key, task.train.buckets
    compiled, compile_s = _compile(advance, (key, data, state), _compiler_options(task, quick))
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
        synthetic=all_rates(task, settings, state.best),
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
    init, advance = _loop(task, settings, sets, select_inits)
    key, data, state = task.key, task.train.buckets, init(synthetic)
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


class _Means(NamedTuple):
    """What a stretch of outer steps averages to, over those that were not skipped: ``float32[sets]`` each."""

    loss: jax.Array
    accuracy: jax.Array
    grad_norm: jax.Array
    skipped: jax.Array


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


def make_outer_optimizer(settings: DistillSettings) -> optax.GradientTransformation:
    """Clipped Adam with the rate of the config."""
    falling = cosine(settings.rate, settings.iterations)
    optimizer = optax.chain(
        optax.clip_by_global_norm(settings.clip),
        optax.scale_by_adam(b1=settings.b1, b2=settings.b2),
        optax.scale_by_learning_rate(falling if settings.schedule == "cosine" else settings.rate),
    )
    return optimizer if settings.rate_map == "exp" else of_softplus(optimizer)


def _loop(task: Task, settings: DistillSettings, sets: int, select_inits: int):
    """``init(synthetic) -> LoopState`` and ``advance(key, data, state, until, look) -> (state, means, validation)``.

    The key of the run and the buckets of the training data are arguments: other ones of the same shapes need not be
    compiled anew.
    """
    known = known_inits(task, sets) if settings.init == "known" else None
    optimizer = make_outer_optimizer(settings)

    def pool(learner: Learner) -> Pool | None:
        if settings.init != "pool":
            return None
        return make_pool(learner, size=settings.pool, nets=settings.nets, last_age=settings.pool_age)

    def students(index: jax.Array) -> list[Student]:
        def fresh(learner: Learner, key: jax.Array) -> LearnerState:
            return jax.vmap(learner.init)(jax.random.split(key, settings.nets))

        def the_known_one(learner: Learner, key: jax.Array) -> LearnerState:
            return jax.tree.map(lambda x: x[index][None], known)

        return [
            Student(
                learner,
                partial(fresh if known is None else the_known_one, learner),
                differentiable_training(
                    learner,
                    settings.hypergradient,
                    window=settings.window,
                    segment=settings.segment,
                    parts=settings.batches,
                ),
                part,
                pool(learner),
            )
            for learner, part in zip((task.learner, *task.others.values()), learned_columns(task, settings).values())
        ]

    def method(index: jax.Array):
        common = {"average_decay": settings.average, "labels": settings.labels}
        if settings.method == "kernel_regression":
            return kernel_regression(students(index), optimizer, **common)
        if settings.method != "unrolled":
            return matching(students(index), optimizer, settings.method, **common)
        return unrolled(
            students(index),
            optimizer,
            inner_dropout=settings.inner_dropout,
            rate_noise=settings.rate_noise,
            flat_rates=settings.flat_rates,
            shuffled_rates=settings.shuffled_rates,
            **common,
        )

    def one_step(key: jax.Array, data: tuple[Bucket, ...], index: jax.Array, outer: OuterState):
        key, train = jax.random.fold_in(key, index), task.train._replace(buckets=data)
        batch = minibatch(train, task.embed, stream(key, "real_batch"), outer.step, settings.batch_size)
        if settings.word_dropout:
            keys = jax.random.split(stream(key, "word_dropout", outer.step), len(batch.inputs))
            dropped = tuple(drop_words(k, x, settings.word_dropout) for k, x in zip(keys, batch.inputs))
            batch = batch._replace(inputs=dropped)
        return method(index)[1](stream(key, "outer", outer.step), outer, batch)

    def validate(key: jax.Array, index: jax.Array, outer: OuterState) -> jax.Array:
        """The accuracy of every judge: `select_inits` fresh ones of every learner, or the known one."""
        scores = []
        for student in students(index):
            if known is not None:
                states = student.initial_states(key)
            else:
                keys = jax.random.split(stream(key, "selection", outer.step), select_inits)
                states = jax.vmap(student.learner.init)(keys)
            synthetic = for_student(outer.average, student)
            trained = train_on(student.learner, synthetic, states, settings.labels, parts=settings.batches)
            scores.append(accuracy(student.learner.model, trained.params, task.validation, task.embed))
        return jnp.concatenate(scores)

    indices = jnp.arange(sets)

    def init(synthetic: Synthetic) -> LoopState:
        keys = jax.vmap(partial(jax.random.fold_in, task.key))(indices)
        outer = jax.vmap(lambda i, s, key: method(i)[0](s, key))(indices, synthetic, keys)
        return LoopState(outer, synthetic, jnp.full(sets, -1.0, jnp.float32), jnp.zeros(sets, jnp.int32))

    def advance(key: jax.Array, data: tuple[Bucket, ...], state: LoopState, until: jax.Array, look: jax.Array):
        first = state.outer.step[0]

        def body(_, carry):
            outer, means = carry
            outer, info = jax.vmap(one_step, (None, None, 0, 0))(key, data, indices, outer)
            seen = _Means(info.loss, info.accuracy, info.grad_norm, 1.0 - info.finite)
            # A step that was skipped has no numbers worth averaging.
            kept = jax.tree.map(lambda x: jnp.where(info.finite, x, 0.0), seen)._replace(skipped=seen.skipped)
            return outer, jax.tree.map(jnp.add, means, kept)

        zeros = _Means(*[jnp.zeros(sets)] * len(_Means._fields))
        outer, sums = jax.lax.fori_loop(first, until, body, (state.outer, zeros))
        count = jnp.maximum(until - first - sums.skipped, 1)
        means = jax.tree.map(lambda x: x / count, sums)._replace(skipped=sums.skipped)

        def looked() -> jax.Array:
            # One set after the other: their learners together would hold sets times the memory.
            return jax.lax.map(lambda args: validate(key, *args), (indices, outer))

        shape = jax.eval_shape(looked)
        validation = jax.lax.cond(look, looked, lambda: jnp.zeros(shape.shape, shape.dtype))
        score = jnp.mean(validation, axis=1)
        better = look & (score > state.best_accuracy)

        def keep(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        best = jax.tree.map(keep, outer.average, state.best)
        best_accuracy = keep(score, state.best_accuracy)
        return LoopState(outer, best, best_accuracy, keep(outer.step, state.best_step)), means, validation

    return init, advance

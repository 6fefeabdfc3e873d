"""The outer loop: hypergradient steps on real batches, looks at validation, and the best set kept.

`outer_loop` is the loop as two pure functions. `run` compiles it once and drives it on this machine in stretches, so
that it can log, save a checkpoint and be stopped between two of them. Neither knows where data come from or what a
config is: they take arrays, learners and the hyperparameters of the method.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dd_al.config.distill import DistillSettings
from dd_al.core.errors import UserError
from dd_al.core.keys import stream
from dd_al.distillation import snapshots
from dd_al.distillation.kernel import kernel_regression
from dd_al.distillation.matching import feature_distance, gradient_distance, matching
from dd_al.distillation.network_pool import make_pool
from dd_al.distillation.outer_step import Objective, OuterState, Student, for_student, of_softplus, outer_method
from dd_al.distillation.synthetic import Synthetic, train_on
from dd_al.distillation.unrolled import unrolled
from dd_al.io import checkpoint
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.learner.examples import Bucket, Examples, minibatch
from dd_al.learner.fit import cosine
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import accuracy

_LOG = logging.getLogger(__name__)

# By `config.distill.method`.
OBJECTIVES: dict[str, Callable[[DistillSettings], Objective]] = {
    "unrolled": lambda hyper: unrolled(hyper.labels, hyper.rate_noise),
    "kernel_regression": lambda hyper: kernel_regression(hyper.labels),
    "gradient_matching": lambda hyper: matching(gradient_distance, hyper.labels),
    "distribution_matching": lambda hyper: matching(feature_distance, hyper.labels),
}


class Problem(NamedTuple):
    """What sets are distilled from, and for whom.

    Attributes:
      key: of the run.
      train: real examples.
      validation: real examples that choose the best outer step.
      embed: raw examples to what networks read; a pytree of arrays that can be called.
      learners: the networks that a set must train, with their optimizers.
      columns: of each learner, the columns of a set's rates that are its layers'.
      known: stacked initial states of the first learner, one for each set that knows it; None for fresh ones.
    """

    key: jax.Array
    train: Examples
    validation: Examples
    embed: Callable[[jax.Array], Any]
    learners: tuple[Learner, ...]
    columns: tuple[slice | np.ndarray, ...]
    known: LearnerState | None = None

    @property
    def arrays(self) -> tuple[tuple[Bucket, ...], Any]:
        """What the compiled loop takes as arguments: constants would be written into the program."""
        return self.train.buckets, self.embed

    def given(self, arrays: tuple[tuple[Bucket, ...], Any]) -> Problem:
        """The problem with other arrays than its own, such as the arguments of a compiled program."""
        buckets, embed = arrays
        return self._replace(train=self.train._replace(buckets=buckets), embed=embed)


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


class Means(NamedTuple):
    """What a stretch of outer steps averages to, over those that were not skipped: ``float32[sets]`` each."""

    loss: jax.Array
    accuracy: jax.Array
    grad_norm: jax.Array
    skipped: jax.Array


def outer_loop(problem: Problem, hyper: DistillSettings, sets: int, judges: int) -> tuple[Callable, Callable]:
    """The outer loop over sets that are distilled side by side, as two pure functions.

    Args:
      problem: the data and the learners.
      hyper: of the method.
      sets: how many there are.
      judges: fresh initialisations of each learner that try a set on validation; a known one is its set's only judge.

    Returns:
      ``init(synthetic) -> LoopState`` and ``advance(key, arrays, state, until, look) -> (state, Means, validation)``.
      The key of the run and `Problem.arrays` are arguments: other ones of the same shapes need not be compiled anew.
      ``validation`` is ``float32[sets, judges]``, zero where it is not looked at.
    """
    optimizer, indices = _outer_optimizer(hyper), jnp.arange(sets)

    def init(synthetic: Synthetic) -> LoopState:
        keys = jax.vmap(partial(jax.random.fold_in, problem.key))(indices)
        outer = jax.vmap(lambda i, s, key: _method(problem, hyper, optimizer, i)[0](s, key))(indices, synthetic, keys)
        return LoopState(outer, synthetic, jnp.full(sets, -1.0, jnp.float32), jnp.zeros(sets, jnp.int32))

    def one_step(problem: Problem, key: jax.Array, index: jax.Array, outer: OuterState):
        key = jax.random.fold_in(key, index)
        real = minibatch(problem.train, problem.embed, stream(key, "real_batch"), outer.step, hyper.batch_size)
        return _method(problem, hyper, optimizer, index)[1](stream(key, "outer", outer.step), outer, real)

    def advance(key: jax.Array, arrays: Any, state: LoopState, until: jax.Array, look: jax.Array):
        first, given = state.outer.step[0], problem.given(arrays)

        def body(_, carry):
            outer, means = carry
            outer, info = jax.vmap(partial(one_step, given, key))(indices, outer)
            seen = Means(info.loss, info.accuracy, info.grad_norm, 1.0 - info.finite)
            # A step that was skipped has no numbers worth averaging.
            kept = jax.tree.map(lambda x: jnp.where(info.finite, x, 0.0), seen)._replace(skipped=seen.skipped)
            return outer, jax.tree.map(jnp.add, means, kept)

        zeros = Means(*[jnp.zeros(sets)] * len(Means._fields))
        outer, sums = jax.lax.fori_loop(first, until, body, (state.outer, zeros))
        count = jnp.maximum(until - first - sums.skipped, 1)
        means = jax.tree.map(lambda x: x / count, sums)._replace(skipped=sums.skipped)

        def looked() -> jax.Array:
            # One set after the other: their learners together would hold sets times the memory.
            return jax.lax.map(lambda args: _validate(given, hyper, judges, key, *args), (indices, outer))

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


def _outer_optimizer(hyper: DistillSettings) -> optax.GradientTransformation:
    """Clipped Adam with the rate of the config."""
    falling = cosine(hyper.rate, hyper.iterations)
    optimizer = optax.chain(
        optax.clip_by_global_norm(hyper.clip),
        optax.scale_by_adam(b1=hyper.b1, b2=hyper.b2),
        optax.scale_by_learning_rate(falling if hyper.schedule == "cosine" else hyper.rate),
    )
    return optimizer if hyper.rate_map == "exp" else of_softplus(optimizer)


def _method(
    problem: Problem, hyper: DistillSettings, optimizer: optax.GradientTransformation, index: jax.Array
) -> tuple[Callable, Callable]:
    """The method of `config.distill.method` for the set of this index, as ``(init, step)``."""
    students, objective = _students(problem, hyper, index), OBJECTIVES[hyper.method](hyper)
    return outer_method(students, objective, optimizer, average_decay=hyper.average, labels=hyper.labels)


def _students(problem: Problem, hyper: DistillSettings, index: jax.Array) -> list[Student]:
    """The networks that the set of this index must train, and where each of them starts."""

    def initial(learner: Learner, key: jax.Array) -> LearnerState:
        if problem.known is not None:
            return jax.tree.map(lambda x: x[index][None], problem.known)
        return jax.vmap(learner.init)(jax.random.split(key, hyper.nets))

    return [
        Student(
            learner,
            partial(initial, learner),
            differentiable_training(learner, hyper.hypergradient, window=hyper.window, parts=hyper.batches),
            part,
            make_pool(learner, size=hyper.pool, nets=hyper.nets, last_age=hyper.pool_age)
            if hyper.init == "pool"
            else None,
        )
        for learner, part in zip(problem.learners, problem.columns)
    ]


def _validate(
    problem: Problem, hyper: DistillSettings, judges: int, key: jax.Array, index: jax.Array, outer: OuterState
) -> jax.Array:
    """The validation accuracy of every judge of one set, ``float32[judges]``: fresh ones, or the known one."""
    scores = []
    for student in _students(problem, hyper, index):
        if problem.known is not None:
            states = student.initial_states(key)
        else:
            # Without the set's index: all sets of a run are tried by the same networks.
            keys = jax.random.split(stream(key, "selection", outer.step), judges)
            states = jax.vmap(student.learner.init)(keys)
        own = for_student(outer.average, student)
        trained = train_on(student.learner, own, states, hyper.labels, parts=hyper.batches)
        scores.append(accuracy(student.learner.model, trained.params, problem.validation, problem.embed))
    return jnp.concatenate(scores)


class Run(NamedTuple):
    """How a run of the outer loop ended.

    Attributes:
      state: the last one, which has the best sets.
      compile_s: seconds of compilation.
      optimise_s: seconds of everything else, over all of the run's resumptions.
    """

    state: LoopState
    compile_s: float
    optimise_s: float


def run(
    problem: Problem,
    hyper: DistillSettings,
    synthetic: Synthetic,
    *,
    judges: int = 10,
    workdir: Workdir | None = None,
    pictures: Path | None = None,
    options: dict[str, bool | str] | None = None,
    programs: dict[Hashable, Callable] | None = None,
    stop: Stop | None = None,
) -> Run:
    """Runs the outer loop from given sets, or from the last checkpoint if the work directory has one.

    Args:
      problem: the data and the learners.
      hyper: of the method.
      synthetic: the sets to start from, stacked.
      judges: see `outer_loop`.
      workdir: where checkpoints and metrics go; None keeps nothing.
      pictures: folder for what the first set looks like along the way; None keeps nothing of it.
      options: of XLA's compiler.
      programs: where calls find what earlier ones compiled, and leave what they compile, for problems that differ in
        nothing but the key and the training data; None to compile anew.
      stop: asked after every stretch; the state is saved before it raises.

    Raises:
      UserError: every step of a stretch had a loss or hypergradient that is not finite.
      Interrupted: from ``stop``.
    """
    clock = time.perf_counter()
    init, advance = outer_loop(problem, hyper, len(synthetic.log_rates), judges)
    state, step, meta = init(synthetic), 0, {"optimise_s": 0.0, "compile_s": 0.0}
    folder = None if workdir is None else workdir.checkpoints / "outer"
    if folder is not None and (saved := checkpoint.restore_latest(folder, state)):
        step, state, meta = saved
    metrics = None if workdir is None else MetricsWriter(workdir.metrics, workdir.events)
    if metrics is not None and workdir.resumed:
        metrics.resume(step)
    arguments = problem.key, problem.arrays, state
    name = ("outer loop", hyper, judges, tuple((options or {}).items()), _constants(problem), _shapes(arguments))
    programs, compile_s = {} if programs is None else programs, 0.0
    if name not in programs:
        _LOG.info("compiling the outer loop")
        programs[name], compile_s = compiled(advance, arguments, options)
        meta["compile_s"] += compile_s
    if folder is not None and stop is not None and stop.requested:
        checkpoint.save(folder, step, state, meta)
        stop.check()
    began = clock + compile_s
    if pictures is not None:
        snapshots.keep(pictures, step, hyper, state.outer.average)
    stuck, patience = 0, min(hyper.log_every, hyper.iterations - step)  # steps without a finite number
    with Progress(hyper.iterations, "distilling", done=step, compiled=True) as progress:
        while step < hyper.iterations:
            ends = [(step // every + 1) * every for every in (hyper.log_every, hyper.evaluate_every)]
            until = min(hyper.iterations, *ends)
            state, info, validation = programs[name](problem.key, problem.arrays, state, until, _looks(hyper, until))
            stuck = np.where(np.asarray(info.skipped) >= until - step, stuck + until - step, 0)
            if stuck.max() >= patience:  # a set that has stopped moving stays where it is for good
                raise UserError(
                    "distillation diverged: no finite loss or hypergradient in outer steps "
                    f"{until - stuck.max()} to {until}; "
                    "lower config.distill.rate or config.distill.inner_rate"
                )
            values = {name: float(np.mean(value)) for name, value in info._asdict().items()}
            if _looks(hyper, until):
                values["validation_accuracy"] = float(np.mean(validation))
                values["validation_std"] = float(np.std(validation))
            progress.update(until - step, **{k: v for k, v in values.items() if k in ("loss", "validation_accuracy")})
            step, seconds = until, meta["optimise_s"] + time.perf_counter() - began
            if metrics is not None:
                metrics.write(step, **values, seconds=seconds)
            if pictures is not None:
                snapshots.keep(pictures, step, hyper, state.outer.average)
            asked = stop is not None and stop.requested
            if folder is not None and (asked or _looks(hyper, step)):
                checkpoint.save(folder, step, state, {**meta, "optimise_s": seconds})
            if asked:
                lost = "the same command begins this distillation anew; earlier ones are saved"
                stop.check(*([lost] if folder is None else []))
    return Run(state, meta["compile_s"], meta["optimise_s"] + time.perf_counter() - began)


def _looks(hyper: DistillSettings, step: int) -> bool:
    """Whether validation is looked at after this step."""
    return step % hyper.evaluate_every == 0 or step == hyper.iterations


def _constants(problem: Problem) -> bytes | None:
    """What tells problems apart whose program has their learners written into it."""
    return None if problem.known is None else jax.random.key_data(problem.key).tobytes()


def _shapes(arguments: Any) -> tuple:
    leaves, structure = jax.tree.flatten(arguments)
    return structure, tuple((x.shape, str(x.dtype)) for x in leaves)


def compiled(advance: Callable, arguments: tuple, options: dict[str, bool | str] | None) -> tuple[Callable, float]:
    """A loop's ``advance`` compiled for arguments of these shapes, and the seconds that it took."""
    start = time.perf_counter()
    # From shapes: a state out of a checkpoint is laid out otherwise, and would be compiled for a second time.
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
    lowered = jax.jit(advance).lower(*shapes, 0, False)
    try:
        program = lowered.compile(compiler_options=options or None)
    except jax.errors.JaxRuntimeError:  # an XLA that does not know an option
        program = lowered.compile()
    return program, time.perf_counter() - start

"""The outer loop: hypergradient steps on real batches, looks at validation, and the best set kept.

Pure functions of arrays, learners and the method's hyperparameters, which `dd_al.distillation.optimise` compiles once
and drives in stretches.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dd_al.config.distill import DistillSettings
from dd_al.core.keys import stream
from dd_al.distillation.outer_step import Objective, OuterInfo, OuterState, Pool, Student, of_softplus, outer_method
from dd_al.distillation.synthetic import Synthetic, train_on
from dd_al.distillation.unrolled import unrolled
from dd_al.distillation.without_unroll import feature_distance, gradient_distance, kernel_regression, matching
from dd_al.learner.examples import Bucket, Examples, minibatch
from dd_al.learner.fit import cosine, where_better
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import accuracy

# By `config.distill.method`.
OBJECTIVES: dict[str, Callable[[DistillSettings], Objective]] = {
    "unrolled": lambda settings: unrolled(settings.labels, settings.rate_noise),
    "kernel_regression": lambda settings: kernel_regression(settings.labels),
    "gradient_matching": lambda settings: matching(gradient_distance, settings.labels),
    "distribution_matching": lambda settings: matching(feature_distance, settings.labels),
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


class OuterLoop:
    """The outer loop over sets that are distilled side by side.

    Args:
      problem: the data and the learners.
      settings: hyperparameters of the method.
      sets: how many there are; with known initialisations each set has its own.
      judges: fresh initialisations of each learner that try a set on validation; a known one is its set's only judge.
    """

    def __init__(self, problem: Problem, settings: DistillSettings, sets: int, judges: int):
        self._problem, self._settings, self._judges, self._indices = problem, settings, judges, jnp.arange(sets)
        falling = cosine(settings.rate, settings.iterations)
        optimizer = optax.chain(
            optax.clip_by_global_norm(settings.clip),
            optax.scale_by_adam(b1=settings.b1, b2=settings.b2),
            optax.scale_by_learning_rate(falling if settings.schedule == "cosine" else settings.rate),
        )
        self._optimizer = optimizer if settings.rate_map == "exp" else of_softplus(optimizer)

    def init(self, synthetic: Synthetic) -> LoopState:
        """The state before the first step, from stacked sets."""
        keys = jax.vmap(partial(jax.random.fold_in, self._problem.key))(self._indices)
        outer = jax.vmap(lambda i, one, key: self._method(i)[0](one, key))(self._indices, synthetic, keys)
        count = len(self._indices)
        return LoopState(outer, synthetic, jnp.full(count, -1.0, jnp.float32), jnp.zeros(count, jnp.int32))

    def advance(
        self,
        key: jax.Array,
        arrays: tuple[tuple[Bucket, ...], Any],
        state: LoopState,
        until: jax.Array,
        look: jax.Array,
    ) -> tuple[LoopState, OuterInfo, jax.Array]:
        """Goes on to the step ``until``, and looks at validation there where ``look`` is true.

        The key of the run and the arrays (the buckets of train, and `Problem.embed`) are arguments: other ones of the
        same shapes need not be compiled anew.

        Returns:
          The state; means over the steps that were not skipped, and how many were, ``float32[sets]`` each; and the
          judges' validation accuracy, ``float32[sets, judges]``, zero without a look.
        """
        (buckets, embed), settings, first, sets = arrays, self._settings, state.outer.step[0], len(self._indices)
        train = self._problem.train._replace(buckets=buckets)

        def one_step(index: jax.Array, outer: OuterState):
            own = jax.random.fold_in(key, index)
            real = minibatch(train, embed, stream(own, "real_batch"), outer.step, settings.batch_size)
            return self._method(index)[1](stream(own, "outer", outer.step), outer, real)

        def body(_, carry):
            outer, sums = carry
            outer, info = jax.vmap(one_step)(self._indices, outer)
            # A step that was skipped has no numbers worth averaging.
            kept = jax.tree.map(lambda x: jnp.where(info.skipped, 0.0, x), info)._replace(skipped=info.skipped)
            return outer, jax.tree.map(jnp.add, sums, kept)

        zeros = OuterInfo(*[jnp.zeros(sets)] * len(OuterInfo._fields))
        outer, sums = jax.lax.fori_loop(first, until, body, (state.outer, zeros))
        count = jnp.maximum(until - first - sums.skipped, 1)
        means = jax.tree.map(lambda x: x / count, sums)._replace(skipped=sums.skipped)

        def looked() -> jax.Array:
            # One set after the other: their learners together would hold sets times the memory.
            return jax.lax.map(lambda args: self._validate(embed, key, *args), (self._indices, outer))

        shape = jax.eval_shape(looked)
        validation = jax.lax.cond(look, looked, lambda: jnp.zeros(shape.shape, shape.dtype))
        score = jnp.mean(validation, axis=1)
        better = look & (score > state.best_accuracy)
        new, old = (outer.average, score, outer.step), (state.best, state.best_accuracy, state.best_step)
        return LoopState(outer, *where_better(better, new, old)), means, validation

    def _method(self, index: jax.Array) -> tuple[Callable, Callable]:
        """The method of `config.distill.method` for the set of this index, as ``(init, step)``."""
        settings = self._settings
        objective = OBJECTIVES[settings.method](settings)
        return outer_method(
            self._students(index), objective, self._optimizer, average_decay=settings.average, labels=settings.labels
        )

    def _students(self, index: jax.Array) -> list[Student]:
        """The networks that the set of this index must train, and where each of them starts."""
        problem, settings, nets = self._problem, self._settings, self._settings.nets

        def student(learner, part) -> Student:
            def initial(key: jax.Array):
                if problem.known is not None:
                    return jax.tree.map(lambda x: x[index][None], problem.known)
                return jax.vmap(learner.init)(jax.random.split(key, nets))

            train = differentiable_training(
                learner, settings.hypergradient, window=settings.window, parts=settings.batches
            )
            pool = Pool(learner, settings.pool, nets, settings.pool_age) if settings.init == "pool" else None
            return Student(learner, initial, train, part, pool)

        return [student(learner, part) for learner, part in zip(problem.learners, problem.columns)]

    def _validate(self, embed: Callable, key: jax.Array, index: jax.Array, outer: OuterState) -> jax.Array:
        """The validation accuracy of every judge of one set, ``float32[judges]``: fresh ones, or the known one."""
        scores = []
        for student in self._students(index):
            if self._problem.known is not None:
                states = student.initial_states(key)
            else:
                # Without the set's index: all sets of a run are tried by the same networks.
                keys = jax.random.split(stream(key, "selection", outer.step), self._judges)
                states = jax.vmap(student.learner.init)(keys)
            own, settings = student.own(outer.average), self._settings
            trained = train_on(student.learner, own, states, settings.labels, parts=settings.batches)
            scores.append(accuracy(student.learner.model, trained.params, self._problem.validation, embed))
        return jnp.concatenate(scores)

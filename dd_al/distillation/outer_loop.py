"""The outer loop of distillation as pure functions: a stretch of steps, a look at validation, the best set kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from dd_al.config.distill import DistillSettings
from dd_al.core.keys import stream
from dd_al.distillation.kernel import kernel_regression
from dd_al.distillation.matching import matching
from dd_al.distillation.network_pool import Pool, make_pool
from dd_al.distillation.outer_step import OuterState, Student, for_student, of_softplus
from dd_al.distillation.synthetic import Synthetic, columns, train_on
from dd_al.distillation.unrolled import unrolled
from dd_al.learner.examples import minibatch
from dd_al.learner.fit import cosine
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import accuracy
from dd_al.models.embedding import drop_words
from dd_al.task.task import Arrays, Task, known_inits

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


class Means(NamedTuple):
    """What a stretch of outer steps averages to, over those that were not skipped: ``float32[sets]`` each."""

    loss: jax.Array
    accuracy: jax.Array
    grad_norm: jax.Array
    skipped: jax.Array


def make_outer_optimizer(settings: DistillSettings) -> optax.GradientTransformation:
    """Clipped Adam with the rate of the config."""
    falling = cosine(settings.rate, settings.iterations)
    optimizer = optax.chain(
        optax.clip_by_global_norm(settings.clip),
        optax.scale_by_adam(b1=settings.b1, b2=settings.b2),
        optax.scale_by_learning_rate(falling if settings.schedule == "cosine" else settings.rate),
    )
    return optimizer if settings.rate_map == "exp" else of_softplus(optimizer)


def outer_loop(task: Task, settings: DistillSettings, sets: int, select_inits: int) -> tuple[Callable, Callable]:
    """``init(synthetic) -> LoopState`` and ``advance(key, data, state, until, look) -> (state, Means, validation)``.

    The key of the run and `Task.arrays` are arguments: other ones of the same shapes need not be compiled anew.
    Validation is ``float32[sets, judges]``, zero where it is not to be looked at.

    Args:
      task: data and learner.
      settings: of the method.
      sets: how many are distilled side by side.
      select_inits: judges of a set on validation.
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
            for learner, part in zip(
                (task.learner, *task.others.values()), columns(task, shared=settings.shared_rates).values()
            )
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

    def one_step(task: Task, key: jax.Array, index: jax.Array, outer: OuterState):
        key = jax.random.fold_in(key, index)
        batch = minibatch(task.train, task.embed, stream(key, "real_batch"), outer.step, settings.batch_size)
        if settings.word_dropout:
            keys = jax.random.split(stream(key, "word_dropout", outer.step), len(batch.inputs))
            dropped = tuple(drop_words(k, x, settings.word_dropout) for k, x in zip(keys, batch.inputs))
            batch = batch._replace(inputs=dropped)
        return method(index)[1](stream(key, "outer", outer.step), outer, batch)

    def validate(task: Task, key: jax.Array, index: jax.Array, outer: OuterState) -> jax.Array:
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

    def advance(key: jax.Array, data: Arrays, state: LoopState, until: jax.Array, look: jax.Array):
        first, given = state.outer.step[0], task.given(data)

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
            return jax.lax.map(lambda args: validate(given, key, *args), (indices, outer))

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

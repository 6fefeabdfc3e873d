"""The outer loop's step, which every objective shares: gradient, clipping, averaging, and what it starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.distillation.network_pool import Pool, PoolState
from dd_al.distillation.synthetic import Synthetic, as_batch, rates
from dd_al.learner.learner import Learner, LearnerState


class OuterState(NamedTuple):
    """The outer loop's state; all arrays.

    Attributes:
      synthetic: the set being optimised.
      average: its exponential moving average, which is what gets evaluated and kept.
      opt_state: the outer optimizer's moments.
      step: ``int32[]``, outer steps taken.
      pools: of each student the learners that it starts from; empty where it has no `Pool`.
    """

    synthetic: Synthetic
    average: Synthetic
    opt_state: Any
    step: jax.Array
    pools: tuple[PoolState | tuple, ...] = ()


class OuterInfo(NamedTuple):
    """Diagnostics of one outer step; ``float32[]`` each.

    Attributes:
      loss: the objective: of unrolled training the cross-entropy on the real batch, in nats.
      accuracy: of what the objective trains, on the real batch.
      grad_norm: of the hypergradient before clipping.
      skipped: 1 where loss or hypergradient is not finite, so that the step is skipped; else 0.
    """

    loss: jax.Array
    accuracy: jax.Array
    grad_norm: jax.Array
    skipped: jax.Array


class Student(NamedTuple):
    """A network that the set must train.

    Attributes:
      learner: the network and its inner optimizer.
      initial_states: ``initial_states(key) -> LearnerState`` stacked over the nets of one outer step: fresh draws, or
        the same known ones for every key.
      train: from `dd_al.learner.hypergradient.differentiable_training`; in full if None.
      columns: which columns of the set's rates are those of this student's layers.
      pool: where it starts from instead of ``initial_states``, if not None.
    """

    learner: Learner
    initial_states: Callable[[jax.Array], LearnerState]
    train: Callable[..., LearnerState] | None = None
    columns: slice | np.ndarray = slice(None)
    pool: Pool | None = None


# objective(student, synthetic, states, real, key) -> (loss, accuracy): the set has the student's rates alone.
Objective = Callable[[Student, Synthetic, LearnerState, Batch, jax.Array], tuple[jax.Array, jax.Array]]


def for_student(synthetic: Synthetic, student: Student) -> Synthetic:
    """The set with this student's rates alone."""
    return synthetic._replace(log_rates=synthetic.log_rates[..., student.columns])


def outer_method(
    students: Sequence[Student],
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    average_decay: float = 0.0,
    labels: str = "soft",
) -> tuple[Callable, Callable]:
    """A distillation method as ``(init, step)``.

    Args:
      students: what the set is distilled for; the mean of the objective over them is minimised.
      objective: what is minimised.
      optimizer: the outer optimizer, schedule and clipping included.
      average_decay: decay of the moving average that `OuterState.average` holds; 0 keeps the set itself.
      labels: see `dd_al.distillation.synthetic.targets`; what learners of pools train on.

    Returns:
      ``init(synthetic, key=None) -> OuterState``, where pools need the key, and ``step(key, state, real) ->
      (OuterState, OuterInfo)``. A step whose loss or gradient is not finite leaves all but its number and the pools
      unchanged.
    """

    def init(synthetic: Synthetic, key: jax.Array | None = None) -> OuterState:
        pools = tuple(() if s.pool is None else s.pool.init(stream(key, "pool", i)) for i, s in enumerate(students))
        return OuterState(synthetic, synthetic, optimizer.init(synthetic), jnp.zeros((), jnp.int32), pools)

    def step(key: jax.Array, state: OuterState, real: Batch) -> tuple[OuterState, OuterInfo]:
        # The first student's numbers do not depend on there being others.
        keys = [key, *(stream(key, "student", i) for i in range(1, len(students)))]
        drawn = [
            (None, student.initial_states(stream(k, "inner_init")))
            if student.pool is None
            else student.pool.draw(stream(k, "pool"), pool)
            for student, k, pool in zip(students, keys, state.pools)
        ]

        def mean_objective(synthetic: Synthetic):
            results = [
                objective(student, for_student(synthetic, student), states, real, k)
                for student, (_, states), k in zip(students, drawn, keys)
            ]
            losses, hits = zip(*results)
            return sum(losses) / len(students), sum(hits) / len(students)

        (loss, accuracy), grads = jax.value_and_grad(mean_objective, has_aux=True)(state.synthetic)
        norm = optax.tree.norm(grads)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.synthetic)
        synthetic = optax.apply_updates(state.synthetic, updates)
        # Bias-corrected like Adam's moments, so that early averages are not dragged to the start.
        decay = jnp.minimum(average_decay, state.step / (state.step + 10.0))
        average = jax.tree.map(lambda a, s: decay * a + (1 - decay) * s, state.average, synthetic)
        moved = OuterState(synthetic, average, opt_state, state.step, state.pools)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, state)
        # Pools move on in every step: a learner that made the loss infinite has to be replaced.
        batch = as_batch(kept.synthetic, labels)
        pools = tuple(
            ()
            if student.pool is None
            else student.pool.refresh(k, pool, rows, batch, rates(for_student(kept.synthetic, student)))
            for student, k, pool, (rows, _) in zip(students, keys, state.pools, drawn)
        )
        return kept._replace(step=state.step + 1, pools=pools), OuterInfo(loss, accuracy, norm, 1.0 - finite)

    return init, step


def of_softplus(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The outer optimizer for rates that are softplus(x) = log(1 + eˣ): it moves x in place of the rates' logarithms.

    A step in x moves a small rate by a share of it, and a large one by an amount (Medvedev & D'yakonov 2020, arXiv
    2010.09839). Its moments and clipping are of gradients with regard to x.
    """

    def update(grads: Synthetic, state: Any, synthetic: Synthetic) -> tuple[Synthetic, Any]:
        rate = jnp.exp(synthetic.log_rates)
        share = -jnp.expm1(-rate)  # of 1, the derivative of softplus; the inverse is x = rate + log(share)
        x = rate + jnp.log(share)
        grads = grads._replace(log_rates=grads.log_rates * share / rate)
        updates, state = optimizer.update(grads, state, synthetic._replace(log_rates=x))
        # A difference of the same formula, which is 0 where x stays.
        moved = jnp.log(jax.nn.softplus(x + updates.log_rates)) - jnp.log(jax.nn.softplus(x))
        return updates._replace(log_rates=moved), state

    return optax.GradientTransformation(optimizer.init, update)

"""The outer loop's step, which every objective shares: gradient, clipping, averaging, and where students start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.distillation.synthetic import Synthetic, as_batch, rates
from dd_al.learner.learner import Learner, LearnerState


class PoolState(NamedTuple):
    """The learners of a pool.

    Attributes:
      states: stacked, ``[size]``.
      ages: ``int32[size]``, how far each is on its way to the last age: steps that it has been trained, but for the
        first ones, which begin spread over all ages.
    """

    states: LearnerState
    ages: jax.Array


@dataclass(frozen=True)
class Pool:
    """Learners that train on the synthetic set while it is distilled, and are replaced by fresh ones in time.

    Zhou et al. 2022 (arXiv 2206.00719), section 3.3: the set meets networks of every age without an unroll that is as
    long.

    Attributes:
      learner: network and optimizer.
      size: learners in the pool.
      nets: learners that are drawn at a time.
      last_age: steps after which a learner is replaced by a fresh one.

    Raises:
      ValueError: more nets than learners, or an age below 1.
    """

    learner: Learner
    size: int
    nets: int
    last_age: int

    def __post_init__(self):
        if self.nets > self.size:
            raise ValueError(f"{self.nets} learners cannot be drawn from a pool of {self.size}")
        if self.last_age < 1:
            raise ValueError(f"learners are replaced after at least one step, not {self.last_age}")

    def init(self, key: jax.Array) -> PoolState:
        """Fresh learners, whose ages are spread, so that they are not replaced at once."""
        ages = jnp.arange(self.size, dtype=jnp.int32) * self.last_age // self.size
        return PoolState(jax.vmap(self.learner.init)(jax.random.split(key, self.size)), ages)

    def draw(self, key: jax.Array, pool: PoolState) -> tuple[jax.Array, LearnerState]:
        """Some learners, none twice: their rows, ``int32[nets]``, and states."""
        rows = jax.random.permutation(key, self.size)[: self.nets]
        return rows, jax.tree.map(lambda x: x[rows], pool.states)

    def refresh(self, key: jax.Array, pool: PoolState, rows: jax.Array, batch: Batch, rates: jax.Array) -> PoolState:
        """Trains these rows one step, and replaces those that have reached the last age or are not finite.

        ``rates``, ``float[steps, layers]``, has a row for each age, and begins anew where there are fewer.
        """

        def one(key: jax.Array, state: LearnerState, age: jax.Array) -> tuple[LearnerState, jax.Array]:
            older = self.learner.train_step(None, state, batch, rates[age % rates.shape[0]])
            finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(older.params)]))
            done = (age + 1 >= self.last_age) | ~finite
            kept = jax.tree.map(lambda new, old: jnp.where(done, new, old), self.learner.init(key), older)
            return kept, jnp.where(done, 0, age + 1)

        keys = jax.random.split(stream(key, "replacement"), self.nets)
        states, ages = jax.vmap(one)(keys, jax.tree.map(lambda x: x[rows], pool.states), pool.ages[rows])
        states = jax.tree.map(lambda old, new: old.at[rows].set(new), pool.states, states)
        return PoolState(states, pool.ages.at[rows].set(ages))


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

    def own(self, synthetic: Synthetic) -> Synthetic:
        """The set with this student's rates alone."""
        return synthetic._replace(log_rates=synthetic.log_rates[..., self.columns])

    def draw(self, key: jax.Array, pool: PoolState | tuple) -> tuple[jax.Array | None, LearnerState]:
        """What it starts from in a step: rows of its pool, None without one, and stacked states."""
        if self.pool is None:
            return None, self.initial_states(stream(key, "inner_init"))
        return self.pool.draw(stream(key, "pool"), pool)


# objective(student, synthetic, states, real, key) -> (loss, accuracy): the set has the student's rates alone.
Objective = Callable[[Student, Synthetic, LearnerState, Batch, jax.Array], tuple[jax.Array, jax.Array]]


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
      (OuterState, OuterInfo)``. A step that is skipped leaves all but its number and the pools unchanged.
    """

    def init(synthetic: Synthetic, key: jax.Array | None = None) -> OuterState:
        pools = tuple(() if s.pool is None else s.pool.init(stream(key, "pool", i)) for i, s in enumerate(students))
        return OuterState(synthetic, synthetic, optimizer.init(synthetic), jnp.zeros((), jnp.int32), pools)

    def step(key: jax.Array, state: OuterState, real: Batch) -> tuple[OuterState, OuterInfo]:
        # The first student's numbers do not depend on there being others.
        keys = [key, *(stream(key, "student", i) for i in range(1, len(students)))]
        drawn = [student.draw(k, pool) for student, k, pool in zip(students, keys, state.pools)]

        def mean_objective(synthetic: Synthetic):
            results = [
                objective(student, student.own(synthetic), states, real, k)
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
            else student.pool.refresh(k, pool, rows, batch, rates(student.own(kept.synthetic)))
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

"""Distillation by differentiating through training (Wang et al. 2018, arXiv 1811.10959)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dd_al.core.keys import stream
from dd_al.core.losses import cross_entropy
from dd_al.core.types import Batch
from dd_al.distill.synthetic import Synthetic, as_batch, rates
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import Learner, LearnerState, logits


class OuterState(NamedTuple):
    """The outer loop's state; all arrays.

    Attributes:
      synthetic: the set being optimised.
      average: its exponential moving average, which is what gets evaluated and kept.
      opt_state: the outer optimizer's moments.
      step: ``int32[]``, outer steps taken.
    """

    synthetic: Synthetic
    average: Synthetic
    opt_state: Any
    step: jax.Array


class OuterInfo(NamedTuple):
    """Diagnostics of one outer step.

    Attributes:
      loss: ``float32[]``, cross-entropy of the trained learners on the real batch, in nats.
      accuracy: ``float32[]``, their accuracy on it.
      grad_norm: ``float32[]``, of the hypergradient before clipping.
      finite: ``bool[]``, false where loss or hypergradient is not; the step is then skipped.
    """

    loss: jax.Array
    accuracy: jax.Array
    grad_norm: jax.Array
    finite: jax.Array


class Student(NamedTuple):
    """A network that the set must train.

    Attributes:
      learner: the network and its inner optimizer.
      initial_states: ``initial_states(key) -> LearnerState`` stacked over the nets of one outer step: fresh draws, or
        the same known ones for every key.
      train: from `dd_al.learner.hypergradient.differentiable_training`; in full if None.
      columns: which columns of the set's rates are this student's.
    """

    learner: Learner
    initial_states: Callable[[jax.Array], LearnerState]
    train: Callable[..., LearnerState] | None = None
    columns: slice = slice(None)


def for_student(synthetic: Synthetic, student: Student) -> Synthetic:
    """The set with this student's rates alone."""
    return synthetic._replace(log_rates=synthetic.log_rates[..., student.columns])


def outer_loss(
    learner: Learner,
    synthetic: Synthetic,
    states: LearnerState,
    real: Batch,
    *,
    key: jax.Array | None = None,
    window_key: jax.Array | None = None,
    train: Callable[..., LearnerState] | None = None,
    labels: str = "soft",
    rate_noise: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """The objective: min over (p̃, η̃) of E ℓ(p, θ_S) (Wang et al. 2018, eq. 5).

    Args:
      learner: trained on the synthetic set.
      synthetic: the set and its rates.
      states: stacked initial learner states, a leading axis of inits.
      real: a real batch, shared by the inits.
      key: drives dropout in the inner steps; None for none.
      window_key: draws the window of random truncation, the same for all inits.
      train: from `dd_al.learner.hypergradient.differentiable_training`; in full if None.
      labels: see `dd_al.distill.synthetic.targets`.
      rate_noise: every net's rates are multiplied by log-normal numbers of this spread, drawn with `window_key`: one
        for all of its rates, one for each layer and one for each step, so that the set does not depend on its schedule.

    Returns:
      The mean loss over inits and batch, ``float32[]``, and the accuracy, ``float32[]``.
    """
    batch, step_rates = as_batch(synthetic, labels), rates(synthetic)
    train = train or differentiable_training(learner)

    def one(state: LearnerState, index: jax.Array):
        dropout_key = None if key is None else jax.random.fold_in(key, index)
        own_rates = step_rates
        if rate_noise:
            own_rates = _disturbed(jax.random.fold_in(stream(window_key, "rates"), index), step_rates, rate_noise)
        final = train(state, batch, own_rates, key=dropout_key, window_key=window_key)
        return logits(learner.model, final.params, real)

    count = jax.tree.leaves(states)[0].shape[0]
    z = jax.vmap(one)(states, jnp.arange(count))  # [inits, batch, classes]
    correct = jnp.argmax(z, -1) == jnp.argmax(real.targets, -1)
    return cross_entropy(z, jnp.broadcast_to(real.targets, z.shape)), jnp.mean(correct.astype(jnp.float32))


def _disturbed(key: jax.Array, rates: jax.Array, spread: float) -> jax.Array:
    steps, layers = rates.shape
    for name, shape in (("all", (1, 1)), ("layers", (1, layers)), ("steps", (steps, 1))):
        rates = rates * jnp.exp(spread * jax.random.normal(stream(key, name), shape))
    return rates


def unrolled(
    students: Sequence[Student],
    optimizer: optax.GradientTransformation,
    *,
    average_decay: float = 0.0,
    inner_dropout: bool = False,
    rate_noise: float = 0.0,
    labels: str = "soft",
) -> tuple[Callable, Callable]:
    """The distillation method as ``(init, step)``.

    Args:
      students: what the set is distilled for; the objective is their mean loss.
      optimizer: the outer optimizer, schedule and clipping included.
      average_decay: decay of the moving average that `OuterState.average` holds; 0 keeps the set itself.
      rate_noise: see `outer_loss`.
      inner_dropout: whether the learners' dropout is active in the inner steps.
      labels: see `dd_al.distill.synthetic.targets`.

    Returns:
      ``init(synthetic) -> OuterState`` and ``step(key, state, real) -> (OuterState, OuterInfo)``. A step
      whose loss or hypergradient is not finite leaves the set unchanged.
    """

    def init(synthetic: Synthetic) -> OuterState:
        return OuterState(synthetic, synthetic, optimizer.init(synthetic), jnp.zeros((), jnp.int32))

    def step(key: jax.Array, state: OuterState, real: Batch) -> tuple[OuterState, OuterInfo]:
        # The first student's numbers do not depend on there being others.
        keys = [key, *(stream(key, "student", i) for i in range(1, len(students)))]
        starts = [s.initial_states(stream(k, "inner_init")) for s, k in zip(students, keys)]

        def objective(synthetic: Synthetic):
            losses, hits = zip(
                *(
                    outer_loss(
                        student.learner, for_student(synthetic, student), states, real, train=student.train,
                        key=stream(k, "inner_dropout") if inner_dropout else None,
                        window_key=stream(k, "window"), labels=labels, rate_noise=rate_noise,
                    )
                    for student, states, k in zip(students, starts, keys)
                )
            )  # fmt: skip
            return sum(losses) / len(students), sum(hits) / len(students)

        (loss, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(state.synthetic)
        norm = optax.tree.norm(grads)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.synthetic)
        synthetic = optax.apply_updates(state.synthetic, updates)
        # Bias-corrected like Adam's moments, so that early averages are not dragged to the start.
        decay = jnp.minimum(average_decay, state.step / (state.step + 10.0))
        average = jax.tree.map(lambda a, s: decay * a + (1 - decay) * s, state.average, synthetic)
        moved = OuterState(synthetic, average, opt_state, state.step)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, state)
        return kept._replace(step=state.step + 1), OuterInfo(loss, accuracy, norm, finite)

    return init, step

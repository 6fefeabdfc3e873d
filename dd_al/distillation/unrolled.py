"""Distillation by differentiating through training (Wang et al. 2018, arXiv 1811.10959)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dd_al.core.keys import stream
from dd_al.core.losses import cross_entropy, hit_rate
from dd_al.core.types import Batch
from dd_al.distillation.outer_step import Objective, Student
from dd_al.distillation.synthetic import Synthetic, as_batch, rates
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import Learner, LearnerState, logits


def outer_loss(
    learner: Learner,
    synthetic: Synthetic,
    states: LearnerState,
    real: Batch,
    *,
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
      window_key: draws the window of random truncation, the same for all inits.
      train: from `dd_al.learner.hypergradient.differentiable_training`; in full if None.
      labels: see `dd_al.distillation.synthetic.targets`.
      rate_noise: every net's rates are multiplied by log-normal numbers of this spread, drawn with `window_key`: one
        for all of its rates, one for each layer and one for each step, so that the set does not depend on its schedule.

    Returns:
      The mean loss over inits and batch, ``float32[]``, and the accuracy, ``float32[]``.
    """
    batch, step_rates = as_batch(synthetic, labels), rates(synthetic)
    train = train or differentiable_training(learner)

    def one(state: LearnerState, index: jax.Array):
        own_rates = step_rates
        if rate_noise:
            own_rates = _disturbed(jax.random.fold_in(stream(window_key, "rates"), index), own_rates, rate_noise)
        final = train(state, batch, own_rates, window_key=window_key)
        return logits(learner.model, final.params, real)

    count = jax.tree.leaves(states)[0].shape[0]
    z = jax.vmap(one)(states, jnp.arange(count))  # [inits, batch, classes]
    return cross_entropy(z, jnp.broadcast_to(real.targets, z.shape)), hit_rate(z, real.targets)


def _disturbed(key: jax.Array, rates: jax.Array, spread: float) -> jax.Array:
    steps, layers = rates.shape
    for name, shape in (("all", (1, 1)), ("layers", (1, layers)), ("steps", (steps, 1))):
        rates = rates * jnp.exp(spread * jax.random.normal(stream(key, name), shape))
    return rates


def unrolled(labels: str = "soft", rate_noise: float = 0.0) -> Objective:
    """The objective of distillation through unrolled training; see `outer_loss` for its arguments."""

    def objective(student: Student, synthetic: Synthetic, states: LearnerState, real: Batch, key: jax.Array):
        return outer_loss(
            student.learner, synthetic, states, real, window_key=stream(key, "window"), train=student.train,
            labels=labels, rate_noise=rate_noise,
        )  # fmt: skip

    return objective

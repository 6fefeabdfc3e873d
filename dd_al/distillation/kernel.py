"""Distillation without an unroll, by kernel ridge regression on learned features (FRePo, Zhou et al. 2022)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dd_al.core.losses import hit_rate
from dd_al.core.types import Batch
from dd_al.distillation.outer_step import Objective, Student
from dd_al.distillation.synthetic import Synthetic, as_batch
from dd_al.learner.learner import LearnerState, features
from dd_al.models.base import Model, Params


def regression(model: Model, params: Params, synthetic: Batch, real: Batch, *, ridge: float = 1e-6) -> jax.Array:
    """What ridge regression on the synthetic set answers for the real batch.

    K_ts (K_ss + λI)⁻¹ y_s with K the inner products of the features (Zhou et al. 2022, arXiv 2206.00719, eq. 4).
    Targets are taken less 1 / classes, so that the answer is undecided where it knows nothing.

    Args:
      model: whose features are used; its head is not.
      params: its parameters.
      synthetic: regressed on.
      real: to answer.
      ridge: λ as a share of the mean of K_ss's diagonal.

    Returns:
      ``float32[batch, classes]``, targets less 1 / classes.
    """
    h_s, h_t = (features(model, params, batch) for batch in (synthetic, real))
    items, width = h_s.shape
    little = ridge * (jnp.mean(jnp.sum(h_s**2, 1)) + 1e-12)
    targets = _centred(synthetic.targets)
    if items <= width:
        system = h_s @ h_s.T + little * jnp.eye(items)
        return h_t @ (h_s.T @ jax.scipy.linalg.solve(system, targets, assume_a="pos"))
    # The same by (HᵀH + λI)⁻¹ Hᵀ: the kernel of more items than features is singular but for λ, and float32 loses it.
    system = h_s.T @ h_s + little * jnp.eye(width)
    return h_t @ jax.scipy.linalg.solve(system, h_s.T @ targets, assume_a="pos")


def kernel_regression(labels: str = "soft", ridge: float = 1e-6) -> Objective:
    """The objective: half the squared error of `regression`, per example, a mean over the learners (eq. 4).

    Args:
      labels: see `dd_al.distillation.synthetic.targets`.
      ridge: see `regression`.
    """

    def objective(student: Student, synthetic: Synthetic, states: LearnerState, real: Batch, key: jax.Array):
        del key  # nothing here is random
        batch = as_batch(synthetic, labels)
        answers = jax.vmap(lambda p: regression(student.learner.model, p, batch, real, ridge=ridge))(states.params)
        loss = 0.5 * jnp.mean(jnp.sum((answers - _centred(real.targets)) ** 2, -1))
        return loss, hit_rate(answers, real.targets)

    return objective


def _centred(targets: jax.Array) -> jax.Array:
    return targets - 1 / targets.shape[-1]

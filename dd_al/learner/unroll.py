"""Training as a differentiable function: the unroll and its rematerialised forms."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from dd_al.core.remat import KEPT
from dd_al.core.types import Batch
from dd_al.learner.learner import Learner, LearnerState

REMAT = ("none", "light", "step", "sqrt")


def unroll(
    learner: Learner, state: LearnerState, batch: Batch, rates: jax.Array, *, key=None, remat: str = "light"
) -> LearnerState:
    """Takes one inner step per row of ``rates`` on the same batch.

    θ_{s+1} = θ_s − η_s d(∇ℓ(p̃, θ_s)) with the optimizer's direction d (Wang et al. 2018, algorithm 1,
    where d is the identity).

    Args:
      learner: whose step to repeat.
      state: where training starts.
      batch: the synthetic examples, all of them in every step.
      rates: ``float[steps, layers]``.
      key: drives dropout, a fresh key per step; None for no dropout.
      remat: what the reverse pass keeps. "none" keeps every activation; "light" keeps the results of products and
        what is marked with `dd_al.core.remat.keep`, and computes the cheap rest again, which is the fastest;
        "step" keeps the state of every step; "sqrt" keeps √steps states, for one more forward pass
        (Chen et al. 2016, arXiv 1604.06174). The gradients are the same.

    Returns:
      The state after the last step.

    Raises:
      ValueError: for an unknown ``remat``.
    """
    steps = rates.shape[0]

    def step(state: LearnerState, index_and_rates):
        index, step_rates = index_and_rates
        step_key = None if key is None else jax.random.fold_in(key, index)
        return learner.train_step(step_key, state, batch, step_rates), None

    xs = (jnp.arange(steps), rates)
    if remat == "none":
        return jax.lax.scan(step, state, xs)[0]
    policies = jax.checkpoint_policies
    products = policies.save_from_both_policies(policies.dots_saveable, policies.save_only_these_names(KEPT))
    # Inside a scan there is nothing for XLA to merge, so the barrier that prevents it is left out.
    step = jax.checkpoint(step, prevent_cse=False, policy=products if remat == "light" else None)
    if remat in ("light", "step"):
        return jax.lax.scan(step, state, xs)[0]
    if remat != "sqrt":
        raise ValueError(f"unknown remat {remat!r}; allowed: {', '.join(REMAT)}")

    @jax.checkpoint
    def segment(state, xs):
        return jax.lax.scan(step, state, xs)

    length = max(1, math.isqrt(steps))
    whole = steps // length * length
    folded = jax.tree.map(lambda x: x[:whole].reshape(-1, length, *x.shape[1:]), xs)
    state, _ = jax.lax.scan(segment, state, folded)
    if whole < steps:
        state, _ = segment(state, jax.tree.map(lambda x: x[whole:], xs))
    return state

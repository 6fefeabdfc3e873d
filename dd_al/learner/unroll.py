"""Training as a differentiable function: the unroll and its rematerialised forms."""

import chex
import jax
import jax.numpy as jnp

from dd_al.core.keys import stream
from dd_al.core.types import KEPT, Batch
from dd_al.learner.learner import Learner, LearnerState

REMAT = ("none", "light", "step", "sqrt", "cbrt")


def unroll(
    learner: Learner,
    state: LearnerState,
    batch: Batch,
    rates: jax.Array,
    *,
    first: int | jax.Array = 0,
    remat: str = "light",
    segment: int | None = None,
    parts: int = 1,
) -> LearnerState:
    """Takes one inner step per row of ``rates`` on the same batch, or on parts of it in turn; returns the last state.

    θ_{s+1} = θ_s − η_s d(∇ℓ(p̃, θ_s)) with the optimizer's direction d (Wang et al. 2018, algorithm 1, where d is the
    identity). Dropout is off.

    Args:
      learner: whose step to repeat.
      state: where training starts.
      batch: the synthetic examples.
      rates: ``float[steps, layers]``.
      first: the number of the first of these steps, where others came before: it picks their parts.
      remat: what the reverse pass keeps. "none" keeps every activation; "light" keeps the results of products and
        what is marked with `dd_al.core.types.keep`, and computes the cheap rest again, which is the fastest;
        "step" keeps the state of every step; "sqrt" keeps 2 √steps states, for one more forward pass, and "cbrt"
        3 ∛steps, for two (Chen et al. 2016, arXiv 1604.06174). The gradients are the same.
      segment: steps between the states that "sqrt" keeps first; √steps if None.
      parts: see `part_of`.

    Raises:
      ValueError: for an unknown ``remat``.
    """
    chex.assert_rank(rates, 2)

    def step(state: LearnerState, index_and_rates):
        index, step_rates = index_and_rates
        return learner.train_step(None, state, part_of(batch, index, parts), step_rates), None

    xs = (first + jnp.arange(len(rates)), rates)
    if remat == "none":
        return jax.lax.scan(step, state, xs)[0]
    policies = jax.checkpoint_policies
    products = policies.save_from_both_policies(policies.dots_saveable, policies.save_only_these_names(KEPT))
    # Inside a scan there is nothing for XLA to merge, so the barrier that prevents it is left out.
    step = jax.checkpoint(step, prevent_cse=False, policy=products if remat == "light" else None)
    if remat in ("light", "step"):
        return jax.lax.scan(step, state, xs)[0]
    if remat not in ("sqrt", "cbrt"):
        raise ValueError(f"unknown remat {remat!r}; allowed: {', '.join(REMAT)}")

    def nested(state: LearnerState, xs: tuple[jax.Array, ...], levels: int, length: int | None):
        """Steps in segments whose first states are kept, and those in segments again, `levels` deep."""
        if levels == 1:
            return jax.lax.scan(step, state, xs)

        @jax.checkpoint
        def inner(state, xs):
            return nested(state, xs, levels - 1, None)

        whole, rest = segments(xs, length or max(1, round(len(xs[0]) ** (1 - 1 / levels))))
        state, _ = jax.lax.scan(inner, state, whole)
        return (state, None) if rest is None else inner(state, rest)

    return nested(state, xs, 2 if remat == "sqrt" else 3, segment)[0]


def take_steps(
    learner: Learner, state: LearnerState, batch: Batch, rates: jax.Array, first, until, *, parts=1, key=None
) -> LearnerState:
    """Steps ``first`` … ``until − 1`` of `unroll`, whose numbers may be traced, without a derivative.

    ``key`` drives dropout; None for training without.
    """

    def step(index: jax.Array, state: LearnerState) -> LearnerState:
        masks = None if key is None else stream(key, "random_dropout", index)
        return learner.train_step(masks, state, part_of(batch, index, parts), rates[index])

    return jax.lax.fori_loop(first, until, step, state)


def part_of(batch: Batch, index: int | jax.Array, parts: int) -> Batch:
    """What an inner step sees of the synthetic examples: with several parts, one of them after the other in turn.

    Args:
      batch: in one bucket; its examples are dealt to the parts in their order.
      index: number of the step, from 0.
      parts: divides the number of examples.
    """
    if parts == 1:
        return batch

    def one(x: jax.Array) -> jax.Array:
        return jax.lax.dynamic_index_in_dim(x.reshape(parts, -1, *x.shape[1:]), index % parts, keepdims=False)

    return jax.tree.map(one, batch)


def segments(xs: tuple[jax.Array, ...], length: int) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...] | None]:
    """Arrays over steps, folded into stretches of ``length`` steps; what is left over, or None if nothing is."""
    steps = len(xs[0])
    whole = steps - steps % length
    folded = tuple(x[:whole].reshape(-1, length, *x.shape[1:]) for x in xs)
    return folded, tuple(x[whole:] for x in xs) if whole < steps else None

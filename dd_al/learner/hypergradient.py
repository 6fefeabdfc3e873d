"""Hypergradients: the ways to differentiate through training, behind one signature.

docs/hypergradients.md says which to use when.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.distill import HYPERGRADIENTS as NAMES
from dd_al.core.types import Batch
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.unroll import part_of, segments, take_steps, unroll

_MANY = 256  # steps above which a third level of checkpoints costs a tenth more time and saves half of the memory


def differentiable_training(
    learner: Learner, name: str = "full", *, window: int | None = None, segment: int | None = None, parts: int = 1
) -> Callable[..., LearnerState]:
    """Training on a fixed batch as a function to be differentiated.

    ================  =================================================================================================
    full              backpropagation through every step (Wang et al. 2018, arXiv 1811.10959)
    checkpoint        the same with 2 √steps states held, or 3 ∛steps where there are more than 256 (see `unroll`)
    reverse           the same by an explicit loop of Hessian-vector products from the last step to the first, which
                      holds every ``segment``-th state and no activations (Maclaurin et al. 2015, arXiv 1502.03492)
    truncated         through the last ``window`` steps only (Williams & Peng 1990)
    random_truncated  training ends after a random number of steps, from ``window`` to all of them, and the last
                      ``window`` of those are differentiated (RaT-BPTT, Feng et al. 2023, arXiv 2311.07025)
    ================  =================================================================================================

    Args:
      learner: whose step to take.
      name: one of the above.
      window: steps that truncated forms differentiate; all of them if None.
      segment: steps between the states that ``checkpoint`` and ``reverse`` hold; √steps if None.
      parts: of the batch, which the steps see in turn; see `dd_al.learner.unroll.part_of`.

    Returns:
      ``train(state, batch, rates, *, window_key=None) -> LearnerState``: one step per row of ``rates``
      (``float[steps, layers]``), all on ``batch``, without dropout. ``window_key`` draws the random window. The value
      does not depend on ``name``, except that of ``random_truncated``.

    Raises:
      ValueError: for an unknown name, or a window or segment below 1.
    """
    if name not in NAMES:
        raise ValueError(f"unknown hypergradient {name!r}; allowed: {', '.join(NAMES)}")
    if any(steps is not None and steps < 1 for steps in (window, segment)):
        raise ValueError(f"window and segment count steps; {window} and {segment} were given")

    def train(state: LearnerState, batch: Batch, rates: jax.Array, *, window_key=None) -> LearnerState:
        steps = len(rates)
        if name == "checkpoint":
            remat = "cbrt" if segment is None and steps > _MANY else "sqrt"
            return unroll(learner, state, batch, rates, remat=remat, segment=segment, parts=parts)
        if name == "reverse":
            return _reverse(learner, segment or math.isqrt(steps), parts, state, batch, rates)
        tracked = min(window or steps, steps)
        if name == "full" or tracked == steps:
            return unroll(learner, state, batch, rates, parts=parts)
        if name == "truncated":
            first = steps - tracked
        elif window_key is None:
            raise ValueError("random_truncated draws its window with a window_key")
        else:
            first = jax.random.randint(window_key, (), 0, steps - tracked + 1)
        untracked = jax.lax.stop_gradient((state, batch, rates))
        state = jax.lax.stop_gradient(take_steps(learner, *untracked, 0, first, parts=parts))
        last = jax.lax.dynamic_slice_in_dim(rates, first, tracked)
        return unroll(learner, state, batch, last, first=first, parts=parts)

    return train


def _reverse(
    learner: Learner, segment: int, parts: int, state: LearnerState, batch: Batch, rates: jax.Array
) -> LearnerState:
    """The unroll with a reverse pass of its own; see `differentiable_training`."""

    def step(state: LearnerState, batch: Batch, xs: tuple[jax.Array, jax.Array]) -> LearnerState:
        index, step_rates = xs
        return learner.train_step(None, state, part_of(batch, index, parts), step_rates)

    def through(state: LearnerState, batch: Batch, xs):
        """Takes the steps of one segment; returns the state after it, and those before each of its steps."""
        return jax.lax.scan(lambda state, xs: (step(state, batch, xs), state), state, xs)

    @jax.custom_vjp
    def run(state, batch, rates):
        return forward(state, batch, rates)[0]

    def forward(state, batch, rates):
        whole, rest = segments((jnp.arange(len(rates)), rates), segment)
        last, held = jax.lax.scan(lambda state, xs: (through(state, batch, xs)[0], state), state, whole)
        end = last if rest is None else through(last, batch, rest)[0]
        return end, (held, last, batch, rates)

    def back(residuals, end_bar):
        held, last, batch, rates = residuals
        batch_floats, batch_rest = _split(batch)

        def back_step(carry, xs):
            state_bar, batch_bar = carry
            before, index, step_rates = xs
            floats, others = _split(before)

            def moved(floats, batch_floats, step_rates):
                state, batch = _join(floats, others), _join(batch_floats, batch_rest)
                return _split(step(state, batch, (index, step_rates)))[0]

            # A step moves along a gradient; pulling back through it multiplies with that gradient's derivatives, which
            # are blocks of the Hessian: parameters with parameters, and parameters with the batch.
            _, pull = jax.vjp(moved, floats, batch_floats, step_rates)
            state_bar, step_bar, rates_bar = pull(state_bar)
            return (state_bar, jax.tree.map(jnp.add, batch_bar, step_bar)), rates_bar

        def back_segment(carry, state_and_xs):
            state, xs = state_and_xs
            _, before = through(state, batch, xs)
            return jax.lax.scan(back_step, carry, (before, *xs), reverse=True)

        whole, rest = segments((jnp.arange(len(rates)), rates), segment)
        carry, rest_bars = (_split(end_bar)[0], jax.tree.map(jnp.zeros_like, batch_floats)), rates[:0]
        if rest is not None:
            carry, rest_bars = back_segment(carry, (last, rest))
        (state_bar, batch_bar), bars = jax.lax.scan(back_segment, carry, (held, whole), reverse=True)
        rates_bar = jnp.concatenate([bars.reshape(-1, *rates.shape[1:]), rest_bars])
        return _cotangent(state_bar, last), _cotangent(batch_bar, batch), rates_bar

    run.defvjp(forward, back)
    return run(state, batch, rates)


def _split(tree: Any) -> tuple[Any, Any]:
    """The floating-point leaves, and the others (counts, masks, keys); None stands where a leaf went the other way."""
    leaves, structure = jax.tree.flatten(tree)
    floats = [jnp.issubdtype(x.dtype, jnp.inexact) for x in leaves]
    parts = ([x if is_float == wanted else None for x, is_float in zip(leaves, floats)] for wanted in (True, False))
    return tuple(jax.tree.unflatten(structure, part) for part in parts)


def _join(floats: Any, others: Any) -> Any:
    return jax.tree.map(lambda a, b: b if a is None else a, floats, others, is_leaf=lambda x: x is None)


def _cotangent(bar: Any, like: Any) -> Any:
    """Cotangents in the structure of ``like``, with zeros of JAX's type for what cannot be differentiated."""
    return _join(bar, jax.tree.map(lambda x: np.zeros(x.shape, jax.dtypes.float0), like))

"""Inner optimizers: directions without a rate, differentiable to second order.

The learner multiplies a direction by a rate per step and layer, so rates can be learned.
"""

import math

import jax
import jax.numpy as jnp
import optax

from dd_al.config.learner import OPTIMIZERS as NAMES
from dd_al.core.types import keep


def get(name: str, *, momentum: float = 0.9, b2: float = 0.999, eps_root: float = 1e-6) -> optax.GradientTransformation:
    """The direction of one optimizer.

    Args:
      name: "sgd", "momentum" (heavy ball) or "adam" (Kingma & Ba 2015, algorithm 1).
      momentum: decay of the first moment, for momentum and Adam.
      b2: decay of Adam's second moment.
      eps_root: added under Adam's square root. It must be positive: with zero, gradients that vanish
        (as they do below a zero-initialised head) give NaN hypergradients.

    Raises:
      ValueError: for an unknown name or an ``eps_root`` that is not positive.
    """
    if name == "sgd":
        return optax.identity()
    if name == "momentum":
        return optax.trace(momentum)
    if name == "adam":
        if eps_root <= 0:
            raise ValueError(f"eps_root must be positive for a differentiable Adam, not {eps_root}")
        return _adam(momentum, b2, eps_root)
    raise ValueError(f"unknown inner optimizer {name!r}; allowed: {', '.join(NAMES)}")


def _adam(b1: float, b2: float, eps_root: float) -> optax.GradientTransformation:
    """`optax.scale_by_adam` with ``eps=0`` whose derivative needs no square root and no division.

    The reverse pass keeps the gradient, the first moment and the inverse root of each step. The bias corrections are
    exact where optax's are rounded: 1 − 0.999 is off by 1e-5 in float32.
    """

    def init(params: optax.Params) -> optax.ScaleByAdamState:
        return optax.ScaleByAdamState(
            jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)
        )

    def update(gradients: optax.Updates, state: optax.ScaleByAdamState, params: optax.Params | None = None):
        del params
        count = state.count + 1
        correct1, correct2 = (-1 / jnp.expm1(count * math.log(decay)) if decay else 1.0 for decay in (b1, b2))
        gradients = keep(gradients)
        mu = keep(jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, gradients))
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.nu, gradients)
        direction = jax.tree.map(lambda m, v: m * correct1 * _inverse_root(v * correct2 + eps_root), mu, nu)
        return direction, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


@jax.custom_jvp
def _inverse_root(x: jax.Array) -> jax.Array:
    return keep(jax.lax.rsqrt(x))


@_inverse_root.defjvp
def _inverse_root_jvp(primals, tangents):
    # In terms of the result alone, which is kept; jax's own rule divides by x.
    root = _inverse_root(*primals)
    return root, -0.5 * root * root * root * tangents[0]

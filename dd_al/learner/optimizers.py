"""Inner optimizers: directions without a rate, differentiable to second order.

The learner multiplies a direction by a rate per step and layer, so rates can be learned.
"""

from __future__ import annotations

import optax

NAMES = ("sgd", "momentum", "adam")


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
        return optax.scale_by_adam(b1=momentum, b2=b2, eps=0.0, eps_root=eps_root)
    raise ValueError(f"unknown inner optimizer {name!r}; allowed: {', '.join(NAMES)}")

"""Rematerialisation changes memory and nothing else; the unroll is the training step, repeated."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch
from dd_al.learner import optimizers
from dd_al.learner.learner import make_learner
from dd_al.learner.unroll import REMAT, unroll
from dd_al.models.base import Model

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
FIRST, SECOND, INPUTS = (jnp.asarray(RNG.normal(size=shape), jnp.float32) for shape in ((3, 5), (5, 2), (4, 3)))


MODEL = Model(
    init=lambda key: {"first": FIRST, "second": SECOND},
    features=lambda params, inputs, key=None: jnp.tanh(inputs @ params["first"]),
    head=lambda params, h, key=None: h @ params["second"],
)
LEARNER = make_learner(MODEL, optimizers.get("momentum"))
STATE = LEARNER.init(jax.random.key(0))
LABELS = jnp.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.0, 1.0]])


def value_and_gradients(steps, remat):
    def value(inputs, rates):
        final = unroll(LEARNER, STATE, Batch((inputs,), LABELS), rates, remat=remat)
        return jnp.sum(MODEL.apply(final.params, INPUTS[::-1]) ** 2)

    rates = jnp.linspace(0.05, 0.2, steps * 2).reshape(steps, 2)
    return jax.jit(jax.value_and_grad(value, (0, 1)))(INPUTS, rates)


# One, neither, and a square.
@pytest.mark.parametrize("steps", [1, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (11, 9))])
def test_remat_gives_the_same_value_and_gradients(steps):
    expected, expected_gradients = value_and_gradients(steps, "none")
    for remat in REMAT[1:]:
        value, gradients = value_and_gradients(steps, remat)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        for a, b in zip(gradients, expected_gradients, strict=True):
            scale = float(jnp.abs(b).max())
            assert scale > 0
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * scale)


def saved_bytes(steps, remat):
    """What XLA sets aside for the gradient of an unroll."""
    rates = jnp.full((steps, 2), 0.1)

    def value(inputs):
        return jnp.sum(unroll(LEARNER, STATE, Batch((inputs,), LABELS), rates, remat=remat).params["first"])

    return jax.jit(jax.grad(value)).lower(INPUTS).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.slow
def test_remat_saves_memory():
    none, light, step, sqrt, cbrt = (saved_bytes(400, remat) for remat in REMAT)
    assert light < none and max(sqrt, cbrt) < step / 3 < none / 3
    assert saved_bytes(6400, "cbrt") < saved_bytes(6400, "sqrt") / 1.5  # 3 ∛6400 is 56, 2 √6400 is 160


@pytest.mark.parametrize("remat", REMAT)
def test_an_unroll_is_the_training_step_repeated(remat):
    rates, batch, expected = jnp.linspace(0.05, 0.2, 10).reshape(5, 2), Batch((INPUTS,), LABELS), STATE
    step = jax.jit(lambda state, r: LEARNER.train_step(None, state, batch, r))
    for row in rates:
        expected = step(expected, row)
    result = jax.jit(lambda: unroll(LEARNER, STATE, batch, rates, remat=remat))()
    chex.assert_trees_all_close(result, expected, rtol=1e-4, atol=1e-6)


def test_an_unknown_remat_is_refused():
    with pytest.raises(ValueError, match="'full'; allowed: none, light, step, sqrt, cbrt"):
        unroll(LEARNER, STATE, Batch((INPUTS,), LABELS), jnp.ones((2, 2)), remat="full")

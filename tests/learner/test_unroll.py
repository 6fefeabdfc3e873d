"""Rematerialisation changes memory and nothing else; the unroll is the training step, repeated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch, TextInputs
from dd_al.learner import optimizers
from dd_al.learner.learner import logits, make_learner
from dd_al.learner.unroll import REMAT, unroll
from dd_al.models.text_cnn import text_cnn

RNG = np.random.default_rng(0)
MODEL = text_cnn(3, 2, windows=(1, 2), filters=4, dropout=0.3)
LEARNER = make_learner(MODEL, optimizers.get("adam"))
STATE = jax.jit(LEARNER.init)(jax.random.key(0))
INPUTS = jnp.asarray(RNG.normal(size=(3, 4, 3)), jnp.float32)
REAL = TextInputs(jnp.asarray(RNG.normal(size=(6, 5, 3)), jnp.float32), jnp.ones((6, 5), bool))


def batch_of(inputs):
    return Batch((TextInputs(inputs, jnp.ones(inputs.shape[:2], bool)),), jnp.eye(2)[jnp.arange(len(inputs)) % 2])


def value_and_gradients(steps, remat, key=None):
    def value(inputs, rates):
        final = unroll(LEARNER, STATE, batch_of(inputs), rates, key=key, remat=remat)
        return jnp.sum(logits(MODEL, final.params, Batch((REAL,), None)) ** 2)

    rates = jnp.linspace(0.05, 0.2, steps * 3).reshape(steps, 3)
    return jax.jit(jax.value_and_grad(value, (0, 1)))(INPUTS, rates)


@pytest.mark.parametrize("remat", ["step", "sqrt"])
@pytest.mark.parametrize("steps", [1, 2, 9, 11])  # one, less than a segment's worth, a square, and not a square
def test_remat_gives_the_same_value_and_gradients(steps, remat):
    value, gradients = value_and_gradients(steps, remat)
    expected, expected_gradients = value_and_gradients(steps, "none")
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for a, b in zip(gradients, expected_gradients, strict=True):
        assert jnp.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("remat", ["step", "sqrt"])
def test_remat_repeats_the_dropout_of_the_forward_pass(remat):
    value, gradients = value_and_gradients(5, remat, jax.random.key(1))
    expected, expected_gradients = value_and_gradients(5, "none", jax.random.key(1))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for a, b in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * float(jnp.abs(b).max()))


def saved_bytes(steps, remat):
    """What XLA sets aside for the gradient of an unroll."""
    rates = jnp.full((steps, 3), 0.1)

    def value(inputs):
        return jnp.sum(unroll(LEARNER, STATE, batch_of(inputs), rates, remat=remat).params["conv1"]["kernel"])

    return jax.jit(jax.grad(value)).lower(INPUTS).compile().memory_analysis().temp_size_in_bytes


def test_remat_saves_memory():
    none, step, sqrt = (saved_bytes(400, remat) for remat in REMAT)
    assert sqrt < step / 3 < none / 3


@pytest.mark.parametrize("remat", REMAT)
def test_an_unroll_is_the_training_step_repeated(remat):
    rates, batch, expected = jnp.linspace(0.05, 0.2, 15).reshape(5, 3), batch_of(INPUTS), STATE
    step = jax.jit(lambda state, r: LEARNER.train_step(None, state, batch, r))
    for row in rates:
        expected = step(expected, row)
    result = jax.jit(lambda: unroll(LEARNER, STATE, batch, rates, remat=remat))()
    for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_an_unknown_remat_is_refused():
    with pytest.raises(ValueError, match="'full'; allowed: none, step, sqrt"):
        unroll(LEARNER, STATE, batch_of(INPUTS), jnp.ones((2, 3)), remat="full")

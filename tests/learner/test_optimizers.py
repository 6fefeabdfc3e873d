"""The inner directions against their papers' formulas, and the arguments that are refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.learner import optimizers

GRADIENTS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def directions(optimizer):
    state, rows = optimizer.init(jnp.zeros(3)), []
    for gradient in GRADIENTS:
        direction, state = optimizer.update(jnp.asarray(gradient), state)
        rows.append(direction)
    return np.array(rows)


def test_sgd_is_the_gradient():
    np.testing.assert_array_equal(directions(optimizers.get("sgd")), GRADIENTS)


def test_momentum_is_the_heavy_ball():
    velocity, expected = np.zeros(3), []
    for gradient in GRADIENTS:
        velocity = 0.8 * velocity + gradient
        expected.append(velocity)
    np.testing.assert_allclose(directions(optimizers.get("momentum", momentum=0.8)), expected, rtol=1e-5, atol=1e-6)


def test_adam_is_algorithm_1_with_epsilon_under_the_root():
    m, v, expected = np.zeros(3), np.zeros(3), []
    for t, gradient in enumerate(GRADIENTS.astype(np.float64), start=1):
        m, v = 0.8 * m + 0.2 * gradient, 0.99 * v + 0.01 * gradient**2
        expected.append(m / (1 - 0.8**t) / np.sqrt(v / (1 - 0.99**t) + 1e-3))
    result = directions(optimizers.get("adam", momentum=0.8, b2=0.99, eps_root=1e-3))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("eps_root", [0.0, -1e-6])
def test_an_adam_that_is_not_differentiable_is_refused(eps_root):
    with pytest.raises(ValueError, match=f"eps_root must be positive.*{eps_root}"):
        optimizers.get("adam", eps_root=eps_root)


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="'adamw'; allowed: sgd, momentum, adam"):
        optimizers.get("adamw")

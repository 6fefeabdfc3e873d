"""Cross-entropy and divergence against the formula, and their values at both ends."""

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.losses import cross_entropy, divergence


def test_matches_the_formula_over_every_leading_axis():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2, 3, 4)).astype(np.float32)
    targets = rng.dirichlet(np.ones(4), size=(2, 3)).astype(np.float32)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    expected = -(targets * np.log(p)).sum(-1).mean()
    np.testing.assert_allclose(cross_entropy(jnp.asarray(z), jnp.asarray(targets)), expected, rtol=1e-6)


def test_uniform_logits_give_the_log_of_the_classes():
    targets = jax.nn.one_hot(jnp.array([0, 1, 2]), 3)
    np.testing.assert_allclose(cross_entropy(jnp.full((3, 3), 7.0), targets), np.log(3), rtol=1e-6)


def test_large_logits_stay_finite():
    logits, targets = jnp.array([[1e4, -1e4]]), jnp.array([[0.0, 1.0]])
    loss, gradient = jax.value_and_grad(cross_entropy)(logits, targets)
    assert loss == 2e4
    np.testing.assert_array_equal(gradient, [[1.0, -1.0]])


def test_the_divergence_of_hand_made_distributions():
    targets = jnp.array([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]])
    probabilities = jnp.array([[[0.25, 0.75, 0.0], [0.5, 0.25, 0.25]]])
    expected = (0.5 * np.log(2) + 0.5 * np.log(2 / 3) + np.log(2)) / 2
    np.testing.assert_allclose(divergence(targets, probabilities), expected, rtol=1e-6)
    assert abs(divergence(targets, targets)) < 1e-7 and divergence(probabilities, targets) > 1


def test_padding_that_has_no_probability_takes_no_derivative():
    targets = jnp.array([0.4, 0.6, 0.0])

    def slope(targets, scores):
        return jnp.sum(jax.grad(lambda s: divergence(targets, jax.nn.softmax(s)))(scores) ** 2)

    scores = jnp.array([0.3, -0.2, -1e30])
    gradients = jax.grad(slope, (0, 1))(targets, scores)
    assert all(jnp.isfinite(g).all() for g in gradients) and jnp.abs(gradients[1][:2]).max() > 1e-3

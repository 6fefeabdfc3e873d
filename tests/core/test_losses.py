"""Cross-entropy and divergence against the formula, and their values at both ends."""

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.losses import cross_entropy, divergence, teaching


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


def test_teaching_is_hintons_loss():
    rng = np.random.default_rng(0)
    z, labels = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32), jnp.eye(3)[jnp.asarray([0, 2, 1, 0])]
    soft = jax.nn.softmax(jnp.asarray(rng.normal(size=(4, 3)), jnp.float32))
    both = jnp.concatenate([labels, soft], -1)
    np.testing.assert_allclose(teaching(5.0, 0.0)(z, both), cross_entropy(z, labels), rtol=1e-6)
    expected = 0.25 * cross_entropy(z, labels) + 0.75 * 4 * cross_entropy(z / 2, soft)
    np.testing.assert_allclose(teaching(2.0, 0.75)(z, both), expected, rtol=1e-6)
    # Where logits are small, T² keeps the pull of the soft targets whatever the temperature (section 2.1).
    theirs = 1e-2 * jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)

    def slope(t):
        soft = jax.nn.softmax(theirs / t)
        return jax.grad(lambda z: teaching(t, 1.0)(z, jnp.concatenate([labels, soft], -1)))(1e-2 * z)

    np.testing.assert_allclose(slope(1.0), slope(4.0), atol=2e-5)
    assert np.abs(slope(4.0)).max() > 5e-4

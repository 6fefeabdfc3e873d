"""Acquisition scores: closed forms, bounds, symmetries, and safety where probabilities are zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy

from dd_al.active import scores
from dd_al.active.scores import SCORES

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

EVERY = pytest.mark.parametrize("name", SCORES)
CLASSES, POOL, PASSES = 4, 6, 5


@jax.jit
def every_score(probs):
    return {name: score(probs) for name, score in SCORES.items()}


def drawn(seed, passes=PASSES, pool=POOL, classes=CLASSES, sharpness=1.0):
    """Random passes; from a large sharpness probabilities underflow to exactly 0 and 1."""
    logits = np.random.default_rng(seed).normal(size=(passes, pool, classes)) * sharpness
    return jax.nn.softmax(jnp.asarray(logits, jnp.float32))


# Three passes over two texts, ties and zeros among them; of one shape, which JAX compiles once.
WEIGHTS = arrays(np.int8, (3, 2, 3), elements=st.integers(0, 3))


@given(weights=WEIGHTS)
@settings(max_examples=50, deadline=None)
def test_bounds(weights):
    weights[..., 0] += weights.sum(-1) == 0
    probs = (weights / weights.sum(-1, keepdims=True)).astype(np.float32)
    upper = {"variation_ratio": 1 - 1 / 3, "least_confidence": 1 - 1 / 3, "margin": 1}
    for name, values in every_score(probs).items():
        assert values.shape == (2,) and values.dtype == jnp.float32
        assert (values >= -1e-6).all() and (values <= upper.get(name, np.log(3)) + 1e-6).all(), name


@EVERY
def test_the_order_of_texts_classes_and_passes_does_not_matter(name):
    probs, rng = drawn(0), np.random.default_rng(1)
    values = SCORES[name](probs)
    texts = rng.permutation(POOL)
    np.testing.assert_allclose(SCORES[name](probs[:, texts]), values[texts], rtol=1e-6)
    np.testing.assert_allclose(SCORES[name](probs[..., rng.permutation(CLASSES)]), values, atol=1e-6)
    np.testing.assert_allclose(SCORES[name](probs[rng.permutation(PASSES)]), values, atol=1e-6)


@EVERY
def test_pass_after_pass_is_all_at_once(name):
    probs = drawn(2)
    statistics = scores.empty(POOL, CLASSES)
    for one in probs:
        statistics = scores.add(statistics, one)
    np.testing.assert_allclose(SCORES[name](statistics), SCORES[name](probs), atol=1e-6)


@EVERY
@pytest.mark.parametrize("sharpness", [1e3, 1e38])
def test_zero_probabilities_are_safe(name, sharpness):
    probs = drawn(3, sharpness=sharpness)
    assert (probs == 0).any() and np.isfinite(SCORES[name](probs)).all()


def test_identical_passes_tell_nothing_about_the_weights():
    probs = jnp.tile(drawn(4, passes=1), (7, 1, 1))
    np.testing.assert_allclose(scores.bald(probs), 0, atol=1e-6)
    np.testing.assert_allclose(scores.variation_ratio(probs), 0, atol=1e-6)
    np.testing.assert_allclose(scores.predictive_entropy(probs), scores.expected_entropy(probs), atol=1e-6)
    np.testing.assert_allclose(scores.predictive_entropy(probs), entropy(np.asarray(probs[0]), axis=-1), atol=1e-6)


def test_passes_that_are_sure_of_different_classes_tell_everything():
    probs = jnp.eye(CLASSES)[:, None].repeat(POOL, 1)  # a pass for each class
    np.testing.assert_allclose(scores.bald(probs), np.log(CLASSES), rtol=1e-6)
    np.testing.assert_allclose(scores.predictive_entropy(probs), np.log(CLASSES), rtol=1e-6)
    np.testing.assert_allclose(scores.expected_entropy(probs), 0)
    np.testing.assert_allclose(scores.variation_ratio(probs), 1 - 1 / CLASSES, rtol=1e-6)


def test_by_hand():
    probs = jnp.asarray([[[0.9, 0.1]], [[0.6, 0.4]], [[0.2, 0.8]]])
    first, second = 1.7 / 3, 1.3 / 3
    each = np.mean([entropy([0.9, 0.1]), entropy([0.6, 0.4]), entropy([0.2, 0.8])])
    expected = {
        "variation_ratio": 1 / 3, "least_confidence": second, "margin": 1 - (first - second),
        "predictive_entropy": entropy([first, second]), "expected_entropy": each,
        "bald": entropy([first, second]) - each,
    }  # fmt: skip
    assert expected.keys() == SCORES.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(SCORES[name](probs), [value], rtol=1e-5, atol=1e-7, err_msg=name)


def test_of_classes_that_tie_a_pass_has_one_vote():
    probs = jnp.asarray([[[0.5, 0.5]], [[0.0, 1.0]]])
    np.testing.assert_array_equal(scores.summarise(probs).votes, [[1, 1]])

"""The synthetic set: a batch of soft-labelled inputs and positive rates; items may be fewer than classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.distillation.synthetic import Synthetic, as_batch, balanced_classes, rates, start

CLASSES = 3


def make(items, **changes):
    arguments = {"steps": 4, "layers": 2, "rate": 0.02, "label_scale": 2.0} | changes
    inputs = jax.random.normal(jax.random.key(1), (items, 5, 6))
    return start(CLASSES, inputs=inputs, item_classes=balanced_classes(items, CLASSES), **arguments)


@pytest.mark.parametrize(("items", "expected"), [(2, [0, 1]), (3, [0, 1, 2]), (7, [0, 1, 2, 0, 1, 2, 0])])
def test_items_take_the_classes_in_turn(items, expected):
    np.testing.assert_array_equal(balanced_classes(items, CLASSES), expected)


@pytest.mark.parametrize("items", [2, 7])
def test_start_prefers_the_own_class_and_gives_one_rate_everywhere(items):
    synthetic = make(items)
    assert synthetic.inputs.shape == (items, 5, 6) and synthetic.label_logits.shape == (items, CLASSES)
    np.testing.assert_array_equal(np.argmax(synthetic.label_logits, 1), balanced_classes(items, CLASSES))
    assert synthetic.log_rates.shape == (4, 2)
    np.testing.assert_allclose(rates(synthetic), 0.02, rtol=1e-6)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(synthetic))


def test_the_batch_has_soft_labels_and_every_position_is_a_word():
    synthetic = make(7)
    batch = as_batch(synthetic)
    (inputs,) = batch.inputs
    assert inputs.mask.shape == (7, 5) and inputs.mask.dtype == bool and inputs.mask.all()
    np.testing.assert_array_equal(inputs.embedded, synthetic.inputs)
    np.testing.assert_allclose(batch.targets.sum(1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(batch.targets[0, 0] / batch.targets[0, 1], np.exp(2.0), rtol=1e-5)


def test_rates_are_positive_whatever_their_logarithms():
    synthetic = Synthetic(jnp.zeros((1, 1, 1)), jnp.zeros((1, 2)), jnp.array([[-20.0, 0.0, 3.0]]))
    np.testing.assert_allclose(rates(synthetic), np.exp([[-20.0, 0.0, 3.0]]), rtol=1e-6)

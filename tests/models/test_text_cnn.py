"""TextCNN against a convolution written out in NumPy, and what padding, buckets and keys may change: nothing."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch, TextInputs
from dd_al.learner.learner import layers, logits
from dd_al.models.text_cnn import text_cnn

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

DIM, CLASSES, WINDOWS, FILTERS = 3, 4, (1, 2, 5), 6
MODEL = text_cnn(DIM, CLASSES, windows=WINDOWS, filters=FILTERS, dropout=0.5)
APPLY, FEATURES, INIT = jax.jit(MODEL.apply), jax.jit(MODEL.features), jax.jit(MODEL.init)


def random_params(seed=0):
    """Parameters without a zero among them: biases and the output layer start at zero."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32), shapes)


def texts(lengths, length, seed=0):
    """Texts of the given lengths, padded to `length`; the words do not depend on the padding."""
    embedded = np.zeros((len(lengths), length, DIM), np.float32)
    mask = np.zeros((len(lengths), length), bool)
    for row, words in enumerate(lengths):
        embedded[row, :words] = np.random.default_rng([seed, row]).normal(size=(words, DIM))
        mask[row, :words] = True
    return TextInputs(jnp.asarray(embedded), jnp.asarray(mask))


def naive_features(params, inputs):
    """Kim 2014, eqs. (2)-(4), one window at a time; a window starts on every word and is cut by the text's end."""
    rows = []
    for text, mask in zip(np.asarray(inputs.embedded, np.float64), np.asarray(inputs.mask), strict=True):
        words, row = text[mask], []
        for window in WINDOWS:
            kernel = np.asarray(params[f"conv{window}"]["kernel"], np.float64).reshape(FILTERS, window, DIM)
            bias = np.asarray(params[f"conv{window}"]["bias"], np.float64)
            for f in range(FILTERS):
                responses = []
                for start in range(len(words)):
                    part = words[start : start + window]
                    responses.append(np.sum(part * kernel[f, : len(part)]) + bias[f])
                row.append(max(0.0, *responses))
        rows.append(row)
    return np.array(rows)


def test_features_equal_a_naive_convolution():
    params, inputs = random_params(), texts([7, 5, 4, 2, 1], 7)
    features = FEATURES(params, inputs)
    expected = naive_features(params, inputs)
    assert (expected > 0).any() and (expected == 0).any()  # both sides of the ReLU
    np.testing.assert_allclose(features, expected, atol=1e-5)
    output = params["output"]
    np.testing.assert_allclose(
        APPLY(params, inputs), expected @ output["kernel"] + output["bias"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("length", [8, 9, 30])
def test_padding_changes_nothing(length):
    lengths, params = [1, 2, 4, 7, 7], random_params()
    expected = APPLY(params, texts(lengths, 7))
    np.testing.assert_allclose(APPLY(params, texts(lengths, length)), expected, atol=1e-5)


def test_padding_gets_no_gradient():
    params, inputs = random_params(), texts([2, 4], 9)

    def loss(embedded):
        return jnp.sum(MODEL.apply(params, inputs._replace(embedded=embedded)) ** 2)

    # A window that starts on the last words reads (and so differentiates) the zeros behind them, no further.
    gradient = np.asarray(jax.jit(jax.grad(loss))(inputs.embedded))
    assert np.abs(gradient[0, :2]).sum() > 0
    assert not gradient[0, 2 + max(WINDOWS) - 1 :].any() and not gradient[1, 4 + max(WINDOWS) - 1 :].any()


def test_length_buckets_change_nothing():
    lengths, params = [1, 3, 3, 5, 8, 8], random_params()
    whole = texts(lengths, 8)
    buckets = tuple(
        TextInputs(whole.embedded[rows, :cut], whole.mask[rows, :cut])
        for rows, cut in ((slice(0, 1), 1), (slice(1, 3), 3), (slice(3, 6), 8))
    )
    targets = jnp.zeros((6, CLASSES))
    both = [jax.jit(logits, static_argnums=0)(MODEL, params, Batch(inputs, targets)) for inputs in ((whole,), buckets)]
    np.testing.assert_allclose(*both, atol=1e-5)


def test_an_empty_text_has_the_features_zero_and_finite_gradients():
    params, inputs = random_params(), texts([0, 3], 6)
    np.testing.assert_array_equal(FEATURES(params, inputs)[0], 0.0)
    loss, gradients = jax.value_and_grad(lambda p: jnp.sum(MODEL.apply(p, inputs) ** 2))(params)
    chex.assert_tree_all_finite((loss, gradients))


def test_layers_are_the_windows_and_a_zero_output():
    assert layers(MODEL) == ("conv1", "conv2", "conv5", "output")
    params = INIT(jax.random.key(0))
    assert {name: layer["kernel"].shape for name, layer in params.items()} == {
        "conv1": (FILTERS, DIM),
        "conv2": (FILTERS, 2 * DIM),
        "conv5": (FILTERS, 5 * DIM),
        "output": (3 * FILTERS, CLASSES),
    }
    assert not any(leaf.any() for leaf in jax.tree.leaves(params["output"]))
    assert not APPLY(params, texts([3], 3)).any()


def test_initialisations_depend_on_the_key_alone():
    first, again, other = (INIT(jax.random.key(seed)) for seed in (0, 0, 1))
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), first, again))
    assert (first["conv1"]["kernel"] != other["conv1"]["kernel"]).any()


def test_dropout_is_active_exactly_where_a_key_is_given():
    params, inputs = random_params(), texts([7, 5], 7)
    without = APPLY(params, inputs)
    assert (without == APPLY(params, inputs)).all()
    first, second = jax.random.split(jax.random.key(0))
    dropped = APPLY(params, inputs, first)
    assert (dropped == APPLY(params, inputs, first)).all()
    assert (dropped != without).any() and (dropped != APPLY(params, inputs, second)).any()
    # All of it lies in the head, and it leaves the mean where it was.
    h = FEATURES(params, inputs)
    assert (h == FEATURES(params, inputs, first)).all()
    many = jax.jit(jax.vmap(lambda key: MODEL.head(params, h, key)))(jax.random.split(first, 4000))
    np.testing.assert_allclose(many.mean(0), without, atol=6 * float(many.std()) / np.sqrt(4000))

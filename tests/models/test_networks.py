"""What holds for every network over word vectors; recurrent cells and attention against NumPy."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import TextInputs
from dd_al.learner.attention import apply_attending
from dd_al.learner.learner import layers
from dd_al.models.dense import averaging
from dd_al.models.recurrent import GATES, recurrent
from dd_al.models.text_cnn import text_cnn
from dd_al.models.transformer import positions, transformer

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

DIM, CLASSES, WIDTH = 5, 3, 4
MODELS = {
    "text_cnn": text_cnn(DIM, CLASSES, windows=(1, 2), filters=WIDTH),
    **{kind: recurrent(DIM, CLASSES, kind=kind, width=WIDTH) for kind in GATES},
    "transformer": transformer(DIM, CLASSES, width=WIDTH, blocks=2, heads=2),
    "averaging": averaging(DIM, CLASSES, width=WIDTH),
    "linear": averaging(DIM, CLASSES, width=0),
}
APPLY = {name: jax.jit(model.apply) for name, model in MODELS.items()}
LAYERS = {
    "text_cnn": ("conv1", "conv2", "output"),
    "rnn": ("output", "recurrent"),
    "lstm": ("output", "recurrent"),
    "gru": ("output", "recurrent"),
    "transformer": ("block0", "block1", "input", "norm", "output"),
    "averaging": ("hidden", "output"),
    "linear": ("output",),
}


def random_params(model, seed=0):
    """Parameters without a zero among them."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32), shapes)


def texts(lengths, length, seed=0):
    """Texts of the given lengths, padded to ``length``; the words do not depend on the padding."""
    embedded, mask = np.zeros((len(lengths), length, DIM), np.float32), np.zeros((len(lengths), length), bool)
    for row, words in enumerate(lengths):
        embedded[row, :words] = np.random.default_rng([seed, row]).normal(size=(words, DIM))
        mask[row, :words] = True
    return TextInputs(jnp.asarray(embedded), jnp.asarray(mask))


@pytest.mark.parametrize("name", MODELS)
def test_padding_and_neighbours_change_nothing(name):
    params = random_params(MODELS[name])
    expected = APPLY[name](params, texts([6, 4, 1], 6))
    assert expected.shape == (3, CLASSES) and np.ptp(np.asarray(expected), axis=0).min() > 1e-3
    np.testing.assert_allclose(APPLY[name](params, texts([6, 4, 1], 9)), expected, rtol=1e-4, atol=1e-5)
    alone = jax.tree.map(lambda x: x[1:2, :4], texts([6, 4, 1], 6))
    np.testing.assert_allclose(APPLY[name](params, alone)[0], expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_what_padding_holds_is_not_read(name):
    model, params, inputs = MODELS[name], random_params(MODELS[name]), texts([2, 5], 5)
    if name == "text_cnn":
        pytest.skip("a window that starts on the last word reads the zeros behind it")
    spoilt = inputs._replace(embedded=jnp.where(inputs.mask[..., None], inputs.embedded, 7.0))
    np.testing.assert_allclose(model.apply(params, spoilt), model.apply(params, inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_text_without_words_is_finite_to_second_order(name):
    model, params, inputs = MODELS[name], random_params(MODELS[name]), texts([0, 3], 3)

    def squared_gradient(params):
        gradient = jax.grad(lambda p: jnp.sum(model.apply(p, inputs) ** 2))(params)
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient))

    chex.assert_tree_all_finite(jax.jit(jax.grad(squared_gradient))(params))


@pytest.mark.parametrize("name", MODELS)
def test_layers_and_a_zero_output(name):
    model = MODELS[name]
    assert layers(model) == LAYERS[name]
    params = jax.jit(model.init)(jax.random.key(0))
    assert not model.apply(params, texts([3], 3)).any()
    other = jax.jit(model.init)(jax.random.key(1))
    assert name == "linear" or any((a != b).any() for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(other)))


@pytest.mark.parametrize("name", MODELS)
def test_dropout_is_active_exactly_where_a_key_is_given(name):
    model, params, inputs = MODELS[name], random_params(MODELS[name]), texts([3, 2], 3)
    apply = jax.jit(model.apply)
    first, again, other = (apply(params, inputs, jax.random.key(k)) for k in (0, 0, 1))
    assert (first == again).all() and (first != other).any()
    assert (apply(params, inputs) != first).any()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(kind, x, h, c, recurrent):
    """One step of one text, ``x`` with its bias; the equations as they stand in the papers."""
    if kind == "rnn":
        return np.tanh(x + h @ recurrent), c
    if kind == "lstm":
        i, f, o, g = np.split(x + h @ recurrent, 4)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    (r, z, n), (hr, hz, hn) = np.split(x, 3), np.split(h @ recurrent, 3)
    r, z = sigmoid(r + hr), sigmoid(z + hz)
    return (1 - z) * np.tanh(n + r * hn) + z * h, c


@pytest.mark.parametrize("kind", GATES)
def test_recurrent_features_equal_a_loop_over_words(kind):
    model, inputs = MODELS[kind], texts([5, 2], 5)
    params = random_params(model)
    layer = {name: np.asarray(value, np.float64) for name, value in params["recurrent"].items()}
    rows = []
    for text, mask in zip(np.asarray(inputs.embedded, np.float64), np.asarray(inputs.mask), strict=True):
        means = []
        for direction, words in enumerate((text[mask], text[mask][::-1])):
            h, c, states = np.zeros(WIDTH), np.zeros(WIDTH), []
            for word in words:
                x = word @ layer["kernel"][direction] + layer["bias"][direction, 0]
                h, c = step(kind, x, h, c, layer["recurrent"][direction])
                states.append(h)
            means.append(np.mean(states, 0))
        rows.append(np.concatenate(means))
    np.testing.assert_allclose(jax.jit(model.features)(params, inputs), rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*GATES, "transformer"])
def test_word_order_matters(name):
    model, params, inputs = MODELS[name], random_params(MODELS[name]), texts([4], 4)
    turned = inputs._replace(embedded=inputs.embedded[:, ::-1])
    assert np.abs(model.apply(params, turned) - model.apply(params, inputs)).max() > 1e-3


def softmax(scores):
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return exps / exps.sum(-1, keepdims=True)


def test_received_attention_is_a_distribution_over_words_and_comes_with_the_features():
    model, inputs = MODELS["transformer"], texts([6, 4, 1, 0], 6)
    params = random_params(model)
    h, attention = jax.jit(model.attention)(params, inputs)
    np.testing.assert_allclose(h, jax.jit(model.features)(params, inputs), rtol=1e-5, atol=1e-6)
    assert attention.shape == (4, 2, 2, 6)
    np.testing.assert_allclose(attention.sum(-1)[:3], 1, rtol=1e-5)
    assert not attention[np.broadcast_to(~inputs.mask[:, None, None], attention.shape)].any()
    for row, words in enumerate((6, 4)):
        # The first block by hand: what it reads is the projected word and its position, normalised.
        layer = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
        x = np.asarray(inputs.embedded[row, :words], np.float64) * DIM**0.5 @ layer["input"]["kernel"]
        x += layer["input"]["bias"] + np.asarray(positions(words, WIDTH))
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-6)
        x = x * layer["block0"]["norm1"]["scale"] + layer["block0"]["norm1"]["bias"]
        own = layer["block0"]["attention"]
        q, k = (np.einsum("ld,dhk->hlk", x, own[n]["kernel"]) + own[n]["bias"][:, None] for n in ("query", "key"))
        paid = softmax(q @ k.transpose(0, 2, 1) / (WIDTH / 2) ** 0.5)
        np.testing.assert_allclose(attention[row, 0, :, :words], paid.mean(1), rtol=1e-4, atol=1e-5)


def test_logits_and_attention_take_one_pass():
    model, params, inputs = MODELS["transformer"], random_params(MODELS["transformer"]), texts([3, 2], 3)
    for key in (None, jax.random.key(0)):
        z, _ = apply_attending(model, params, inputs, key)
        np.testing.assert_allclose(z, model.apply(params, inputs, key), rtol=1e-5)
    alone, both = (
        str(jax.make_jaxpr(apply)(params, inputs)).count("dot_general")
        for apply in (model.apply, partial(apply_attending, model))
    )
    assert both == alone + 1  # the mean over the words that ask
    assert all((model.attention is None) == (name != "transformer") for name, model in MODELS.items())


def test_positions_are_sines_and_cosines():
    found = positions(7, 6)
    for p in range(7):
        for i in range(3):
            angle = p / 10000 ** (2 * i / 6)
            np.testing.assert_allclose(found[p, 2 * i : 2 * i + 2], [np.sin(angle), np.cos(angle)], atol=1e-6)
    assert positions(4, 5).shape == (4, 5)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'elman'; allowed: rnn, lstm, gru"):
        recurrent(DIM, CLASSES, kind="elman")
    with pytest.raises(ValueError, match="3 attention heads cannot share a width of 64"):
        transformer(DIM, CLASSES, heads=3)

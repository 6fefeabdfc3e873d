"""The one training step: closed forms on linear models, its rates, its dropout, and training under vmap."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch, TextInputs
from dd_al.learner import optimizers
from dd_al.learner.attention import attention_loss
from dd_al.learner.learner import layers, logits, make_learner
from dd_al.learner.train_on_set import train_on_set
from dd_al.learner.unroll import unroll
from dd_al.models.base import Model
from dd_al.models.text_cnn import text_cnn

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
X, W, B = (RNG.normal(size=shape).astype(np.float32) for shape in ((5, 3), (3, 4), (4,)))
Y = RNG.dirichlet(np.ones(4), size=5).astype(np.float32)
# The dict is out of order on purpose: rates belong to the sorted names, "bias" then "weight".
LINEAR = Model(
    init=lambda key: {"weight": jnp.asarray(W), "bias": jnp.asarray(B)},
    features=lambda params, inputs, key=None: inputs,
    head=lambda params, h, key=None: h @ params["weight"] + params["bias"],
)
BATCH = Batch((jnp.asarray(X),), jnp.asarray(Y))


def softmax_gradients(weight, bias):
    """Of the mean cross-entropy, for bias and weight, by hand."""
    z = X.astype(np.float64) @ weight + bias
    residual = (np.exp(z) / np.exp(z).sum(1, keepdims=True) - Y) / len(X)
    return residual.sum(0), X.T @ residual


def test_layers_are_the_sorted_names():
    assert layers(LINEAR) == ("bias", "weight")


def test_one_sgd_step_matches_the_formula():
    learner = make_learner(LINEAR, optimizers.get("sgd"))
    after = learner.train_step(None, learner.init(jax.random.key(0)), BATCH, jnp.array([0.5, 2.0])).params
    bias, weight = softmax_gradients(W, B)
    np.testing.assert_allclose(after["bias"], B - 0.5 * bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["weight"], W - 2.0 * weight, rtol=1e-5, atol=1e-6)


def test_two_momentum_steps_match_the_formula():
    learner = make_learner(LINEAR, optimizers.get("momentum", momentum=0.9))
    rates = np.array([[0.5, 2.0], [0.25, 0.0]], np.float32)
    after = unroll(learner, learner.init(jax.random.key(0)), BATCH, jnp.asarray(rates)).params
    bias1, weight1 = softmax_gradients(W, B)
    bias2, _ = softmax_gradients(W - 2.0 * weight1, B - 0.5 * bias1)
    expected = B - 0.5 * bias1 - 0.25 * (0.9 * bias1 + bias2)
    np.testing.assert_allclose(after["bias"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["weight"], W - 2.0 * weight1, rtol=1e-5, atol=1e-6)  # the second rate is zero


def test_the_hypergradient_of_one_step_matches_the_formula():
    learner = make_learner(LINEAR, optimizers.get("sgd"))
    state = learner.init(jax.random.key(0))
    direction = RNG.normal(size=(3, 4)).astype(np.float32)

    def inner_product(rates, targets):
        return jnp.sum(direction * unroll(learner, state, Batch((X,), targets), rates).params["weight"])

    to_rates, to_targets = jax.grad(inner_product, (0, 1))(jnp.array([[0.5, 2.0]]), BATCH.targets)
    _, weight = softmax_gradients(W, B)
    np.testing.assert_allclose(to_rates, [[0.0, -np.sum(direction * weight)]], rtol=1e-5, atol=1e-6)
    # W' = W - 2/5 X'(sum(Y) softmax - Y), where sum(Y) is 1 but has a derivative.
    seen, p = X @ direction, np.asarray(jax.nn.softmax(X @ W + B))
    np.testing.assert_allclose(to_targets, 0.4 * (seen - (p * seen).sum(1, keepdims=True)), rtol=1e-4, atol=1e-5)


def test_attention_labels_add_their_weighted_divergence():
    """A model whose attention is the softmax of one of its layers."""
    received = jnp.asarray(RNG.normal(size=(5, 1, 2, 6)), jnp.float32)
    labels = jnp.asarray(RNG.dirichlet(np.ones(6), size=(5, 1, 2)), jnp.float32)
    attending = LINEAR._replace(
        init=lambda key: {**LINEAR.init(key), "attention": received},
        attention=lambda params, inputs, key=None: (inputs, jax.nn.softmax(params["attention"])),
    )

    def moved(model, **options):
        learner = make_learner(model, optimizers.get("sgd"), **options)
        state, rates = learner.init(jax.random.key(0)), jnp.ones(len(layers(model)))
        return learner.train_step(None, state, BATCH._replace(attention=labels), rates).params

    after = moved(attending, loss=attention_loss(0.5))
    # d KL / d scores = softmax − labels, in the mean over 5 examples, 1 block and 2 heads.
    slope = (jax.nn.softmax(received) - labels) / 10
    np.testing.assert_allclose(after["attention"], received - 0.5 * slope, rtol=1e-5, atol=1e-6)
    plain, without = moved(LINEAR, loss=attention_loss(0.5)), moved(attending)
    for name in ("bias", "weight"):
        np.testing.assert_allclose(after[name], plain[name], rtol=1e-5, atol=1e-6)
    assert (without["attention"] == received).all() and (without["weight"] == plain["weight"]).all()


CNN = text_cnn(3, 2, windows=(1, 2), filters=8, dropout=0.5)
TEXTS = TextInputs(jnp.asarray(RNG.normal(size=(6, 4, 3)), jnp.float32), jnp.ones((6, 4), bool))
LABELS = jax.nn.one_hot(jnp.arange(6) % 2, 2)
LEARNER = make_learner(CNN, optimizers.get("adam"))
RATES = jnp.full((5, 3), 0.05)
INIT = jax.jit(LEARNER.init)


def train(state, key=None, rates=RATES, learner=LEARNER):
    one, key = jax.tree.map(lambda x: x[None], state), None if key is None else key[None]
    return jax.tree.map(lambda x: x[0], train_on_set(learner, Batch((TEXTS,), LABELS), rates, one, keys=key))


TRAIN = jax.jit(train)


def same(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: (x == y).all(), a, b))


def test_without_a_key_training_is_deterministic_and_with_one_it_drops_out():
    state = INIT(jax.random.key(0))
    first, second = jax.random.key(1), jax.random.key(2)
    assert same(TRAIN(state), TRAIN(state)) and same(TRAIN(state, first), TRAIN(state, first))
    assert not same(TRAIN(state), TRAIN(state, first)) and not same(TRAIN(state, first), TRAIN(state, second))


@pytest.mark.parametrize("key", [None, 7])
def test_every_step_drops_out_differently(key):
    learner = make_learner(CNN, optimizers.get("sgd"))
    state, key = learner.init(jax.random.key(0)), None if key is None else jax.random.key(key)
    run = jax.jit(lambda rates: train(state, key, rates, learner).params)
    # Only one of the two steps moves, the first or the second, and both find the same parameters.
    first, second = (run(jnp.outer(jnp.array(which), jnp.ones(3))) for which in ([1.0, 0.0], [0.0, 1.0]))
    assert same(first, second) == (key is None)


@pytest.mark.parametrize("key", [None, 7])
def test_buckets_draw_their_own_dropout_and_keep_their_order(key):
    key = None if key is None else jax.random.key(key)
    params = TRAIN(INIT(jax.random.key(0))).params
    part = TextInputs(TEXTS.embedded[:3], TEXTS.mask[:3])
    z = logits(CNN, params, Batch((part, part), LABELS), key)
    assert z.shape == (6, 2)
    assert (z[:3] == z[3:]).all() == (key is None)


def test_vmapped_seeds_equal_one_by_one():
    keys = jax.random.split(jax.random.key(3), 3)
    stacked = jax.jit(jax.vmap(lambda key: train(LEARNER.init(key))))(keys)
    for index, key in enumerate(keys):
        one = jax.tree.map(lambda x, index=index: x[index], stacked)
        chex.assert_trees_all_close(one, TRAIN(INIT(key)), rtol=1e-4, atol=1e-5)


def test_training_learns_what_it_is_shown():
    state = TRAIN(INIT(jax.random.key(0)), rates=jnp.full((5, 3), 0.1))
    assert (jnp.argmax(CNN.apply(state.params, TEXTS), 1) == jnp.arange(6) % 2).all()

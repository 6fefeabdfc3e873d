"""Token ids become inputs: fixed word vectors, and those that train along."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch
from dd_al.learner import optimizers
from dd_al.learner.learner import layers, make_learner
from dd_al.models.embedding import PAD, drop_words, embed, tuned_embedding
from dd_al.models.text_cnn import text_cnn

WORDS, DIM, TRAINABLE = 9, 4, 6
VECTORS = jnp.asarray(np.random.default_rng(0).normal(size=(WORDS, DIM)), jnp.float32).at[PAD].set(0)
IDS = jnp.array([[2, 5, 8, PAD, PAD], [7, 2, PAD, PAD, PAD]], jnp.int32)  # 7 and 8 are not trained
TARGETS = jnp.array([[1.0, 0.0], [0.0, 1.0]])
CNN = text_cnn(DIM, 2, windows=(1, 3), filters=5)
TUNED = tuned_embedding(CNN, VECTORS, TRAINABLE)
APPLY, INIT = jax.jit(TUNED.apply), jax.jit(TUNED.init)


@pytest.fixture(scope="module")
def params():
    params = INIT(jax.random.key(0))
    kernel = jnp.asarray(np.random.default_rng(1).normal(size=params["output"]["kernel"].shape), jnp.float32)
    return {**params, "output": {**params["output"], "kernel": kernel}}


def test_embed_looks_words_up_and_marks_padding():
    inputs = embed(VECTORS, IDS)
    np.testing.assert_array_equal(inputs.mask, [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(inputs.embedded[0, 2], VECTORS[8])
    assert inputs.mask.dtype == bool and not inputs.embedded[~inputs.mask].any()


def test_a_tuned_model_starts_as_the_fixed_one(params):
    fixed = {name: layer for name, layer in params.items() if name != "vectors"}
    np.testing.assert_allclose(APPLY(params, IDS), jax.jit(CNN.apply)(fixed, embed(VECTORS, IDS)), atol=1e-6)
    key = jax.random.key(2)
    np.testing.assert_allclose(APPLY(params, IDS, key), jax.jit(CNN.apply)(fixed, embed(VECTORS, IDS), key), atol=1e-6)
    start, cnn = INIT(jax.random.key(3)), jax.jit(CNN.init)(jax.random.key(3))
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), {name: start[name] for name in cnn}, cnn))


def test_only_trained_words_of_the_texts_get_gradient(params):
    gradients = jax.jit(jax.grad(lambda p: jnp.sum((TUNED.apply(p, IDS) - TARGETS) ** 2)))
    gradient = gradients(params)["vectors"]["table"]
    assert gradient.shape == (TRAINABLE, DIM)
    np.testing.assert_array_equal(np.abs(gradient).sum(1) > 0, [row in (2, 5) for row in range(TRAINABLE)])


def test_padding_stays_padding_whatever_its_row_holds(params):
    moved = {**params, "vectors": {"table": params["vectors"]["table"].at[PAD].set(100.0)}}
    np.testing.assert_array_equal(APPLY(moved, IDS), APPLY(params, IDS))


def test_words_outside_the_trained_rows_are_read_but_not_moved(params):
    learner = make_learner(TUNED, optimizers.get("sgd"))
    state = learner.init(jax.random.key(0))._replace(params=params)
    assert layers(TUNED) == ("conv1", "conv3", "output", "vectors")
    after = jax.jit(learner.train_step, static_argnums=0)(None, state, Batch((IDS,), TARGETS), jnp.full(4, 0.1)).params
    moved = np.abs(after["vectors"]["table"] - VECTORS[:TRAINABLE]).sum(1) > 0
    np.testing.assert_array_equal(np.flatnonzero(moved), [2, 5])
    other = IDS.at[0, 2].set(6)
    assert (APPLY(params, other)[0] != APPLY(params, IDS)[0]).any()


def test_dropped_words_are_zero_and_the_others_as_they_were():
    whole = embed(VECTORS, jnp.full((50, 20), 2))
    dropped = drop_words(jax.random.key(0), whole, 0.3)
    gone = np.asarray((dropped.embedded == 0).all(-1))
    assert abs(gone.mean() - 0.3) < 0.05
    np.testing.assert_array_equal(dropped.embedded[~gone], whole.embedded[~gone])
    np.testing.assert_array_equal(dropped.mask, whole.mask)

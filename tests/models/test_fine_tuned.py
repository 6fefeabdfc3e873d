"""An encoder that is trained: the published one at first, then every part of it moves, with dropout inside."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.active import mc_dropout
from dd_al.core.errors import DataError
from dd_al.core.types import Batch, TextInputs
from dd_al.learner import optimizers
from dd_al.learner.examples import make_examples
from dd_al.learner.learner import make_learner
from dd_al.models.embedding import embed
from dd_al.models.minilm import SentenceEncoder, fine_tuned, sizes_of
from dd_al.models.minilm_weights import params_from

pytestmark = pytest.mark.usefixtures("own_caches")
IDS = np.asarray([[2, 5, 4, 3, 0, 0], [2, 6, 8, 9, 4, 3], [2, 3, 0, 0, 0, 0]], np.int32)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def parts(bert):
    config, tensors = bert()
    sizes = sizes_of(config)
    params = params_from(tensors, sizes)
    return sizes, params, fine_tuned(sizes, params, 3, dropout=0.3), jnp.asarray(params["words"]).at[0].set(0)


def test_features_point_where_the_sentence_vectors_do(parts):
    sizes, params, model, table = parts
    h = model.features(model.init(KEY), embed(table, IDS))
    expected = SentenceEncoder(sizes).sentence_features(params, IDS, IDS > 0)
    np.testing.assert_allclose(h / jnp.linalg.norm(h, axis=1, keepdims=True), expected, atol=1e-6)
    assert not model.head(model.init(KEY), h).any()


@pytest.mark.slow
def test_every_part_is_trained_and_word_pieces_are_not(parts):
    *_, model, table = parts
    learner = make_learner(model, optimizers.get("adam", eps_root=1e-12))
    state = first = learner.init(KEY)
    batch = Batch((embed(table, IDS),), jnp.eye(3))
    for step in range(2):  # below a head of zeros the first gradient is zero
        state = learner.train_step(jax.random.key(step), state, batch, jnp.full(len(state.params), 1e-2))
    assert "words" not in state.params
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), state.params, first.params)
    assert all(change > 1e-3 for change in jax.tree.leaves(moved))


def test_dropout_lies_inside_and_only_with_a_key(parts):
    *_, model, table = parts
    inputs, params = embed(table, IDS), model.init(KEY)
    assert model.trunk_dropout
    without = [model.features(params, inputs) for _ in range(2)]
    np.testing.assert_array_equal(*without)
    assert jnp.abs(model.features(params, inputs, KEY) - without[0]).max() > 1e-2


def test_passes_over_a_pool_differ_and_average_to_a_distribution(parts):
    *_, model, table = parts
    params = model.init(KEY)
    params["output"]["kernel"] = jax.random.normal(KEY, (8, 3))
    pool = make_examples(np.tile(IDS, (4, 1)), np.zeros((12, 3), np.float32), buckets=1)
    found = mc_dropout.probabilities(model, params, pool, lambda ids: embed(table, ids), KEY, passes=4, chunk=5)
    assert found.shape == (4, 12, 3)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert jnp.std(found, axis=0).max() > 1e-3


@pytest.mark.slow
def test_a_text_without_words_has_finite_derivatives(parts):
    *_, model, table = parts
    inputs = TextInputs(jnp.zeros((1, 4, 8)), jnp.zeros((1, 4), bool))
    gradient = jax.grad(lambda p: jnp.sum(model.apply(p, inputs)))(model.init(KEY))
    chex.assert_tree_all_finite(gradient)


def test_weights_as_older_files_with_a_head_name_them(bert):
    config, tensors = bert()
    sizes = sizes_of(config)
    older = {
        f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in tensors.items()
    } | {"cls.predictions.bias": np.zeros(20, np.float32)}
    jax.tree.map(np.testing.assert_array_equal, params_from(older, sizes), params_from(tensors, sizes))
    del older["bert.embeddings.LayerNorm.gamma"]
    with pytest.raises(DataError, match=r"missing: embeddings\.LayerNorm\.weight"):
        params_from(older, sizes)

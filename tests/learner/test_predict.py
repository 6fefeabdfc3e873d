"""Predictions come back in the order of the split, whatever the buckets, the chunk and the odd sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.learner.examples import make_examples
from dd_al.learner.predict import accuracy, predict, trunk_of
from dd_al.models.embedding import Lookup, embed
from dd_al.models.text_cnn import text_cnn

RNG = np.random.default_rng(0)
MODEL = text_cnn(4, 3, windows=(1, 3), filters=5)
VECTORS = jnp.asarray(RNG.normal(size=(50, 4)), jnp.float32).at[0].set(0)
LENGTHS = RNG.integers(1, 11, 37)
IDS = (RNG.integers(1, 50, (37, 10)) * (np.arange(10) < LENGTHS[:, None])).astype(np.int32)
TARGETS = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, 37)]
# Two learners, no parameter zero.
PARAMS = jax.tree.map(
    lambda leaf: jnp.asarray(RNG.normal(size=(2, *leaf.shape)), jnp.float32),
    jax.eval_shape(MODEL.init, jax.random.key(0)),
)


def lookup(raw):
    return embed(VECTORS, raw)


@pytest.fixture(scope="module")
def direct():
    """Each learner applied to all texts at once, as they are."""
    one = jax.jit(lambda params: MODEL.apply(params, lookup(IDS)))
    return jnp.stack([one(jax.tree.map(lambda leaf, i=i: leaf[i], PARAMS)) for i in range(2)])


@pytest.mark.parametrize(("buckets", "chunk"), [(1, 256), (4, 256), (4, 4), (3, 1), (1, 36)])
def test_predictions_equal_a_direct_application(direct, buckets, chunk):
    examples = make_examples(IDS, TARGETS, buckets=buckets)
    assert (np.diff(examples.order) != 1).any()  # the buckets do reorder the texts
    result = jax.jit(lambda params: predict(MODEL, params, examples, lookup, chunk=chunk))(PARAMS)
    assert result.shape == (2, 37, 3)
    np.testing.assert_allclose(result, direct, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("buckets", [1, 4])
def test_accuracy_counts_every_example_once(direct, buckets):
    examples = make_examples(IDS, TARGETS, buckets=buckets)
    expected = (np.argmax(direct, -1) == np.argmax(TARGETS, -1)).mean(1)
    assert expected[0] != expected[1]
    result = jax.jit(lambda params: accuracy(MODEL, params, examples, lookup))(PARAMS)
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_what_words_give_alone_is_computed_once_where_it_pays():
    params = jax.tree.map(lambda leaf: leaf[0], PARAMS)
    once = MODEL.over_table(params, VECTORS)
    expected = MODEL.features(params, lookup(IDS))
    np.testing.assert_allclose(once(IDS), expected, rtol=1e-4, atol=1e-5)
    kept = RNG.random(IDS.shape) < 0.5
    dropped = lookup(IDS)._replace(embedded=lookup(IDS).embedded * kept[..., None])
    np.testing.assert_allclose(once(IDS, None, kept), MODEL.features(params, dropped), rtol=1e-4, atol=1e-5)

    counted = []
    model = MODEL._replace(over_table=lambda params, table: counted.append(len(table)) or once)
    many, few = make_examples(IDS, TARGETS, buckets=1), make_examples(IDS[:3], TARGETS[:3], buckets=1)
    for examples, embedding in ((many, Lookup(VECTORS)), (few, Lookup(VECTORS)), (many, lookup)):
        found = trunk_of(model, params, examples, embedding)(IDS)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert counted == ([50] if jax.default_backend() == "cpu" else [])

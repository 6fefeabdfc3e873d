"""Stochastic passes: trunk reuse and sums change no number, masks are what they are said to be."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.active import mc_dropout, scores
from dd_al.learner.examples import make_examples
from dd_al.models.dense import averaging
from dd_al.models.embedding import Lookup, dropping_words, embed
from dd_al.models.recurrent import recurrent
from dd_al.models.text_cnn import text_cnn

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
DIM, CLASSES, TEXTS, PASSES = 4, 3, 21, 3
VECTORS = jnp.asarray(RNG.normal(size=(30, DIM)), jnp.float32).at[0].set(0)
IDS = (RNG.integers(1, 30, (TEXTS, 7)) * (np.arange(7) < RNG.integers(1, 8, TEXTS)[:, None])).astype(np.int32)
POOL = make_examples(IDS, np.eye(CLASSES)[RNG.integers(0, CLASSES, TEXTS)], buckets=2)
MODELS = {
    "text_cnn": text_cnn(DIM, CLASSES, windows=(1, 2), filters=4),
    "lstm": recurrent(DIM, CLASSES, kind="lstm", width=4),
    "words": dropping_words(averaging(DIM, CLASSES, width=6), 0.3),
    "cnn words": dropping_words(text_cnn(DIM, CLASSES, windows=(1, 3), filters=4), 0.3),
}
EVERY = pytest.mark.parametrize("name", MODELS)
KEY = jax.random.key(1)


def parameters(model):
    """No parameter is zero."""
    shapes = jax.eval_shape(model.init, KEY)
    return jax.tree.map(lambda leaf: jnp.asarray(RNG.normal(size=leaf.shape), jnp.float32), shapes)


def run(model, params, function=mc_dropout.probabilities, pool=POOL, key=KEY, passes=PASSES, **options):
    call = jax.jit(lambda p: function(model, p, pool, Lookup(VECTORS), key, passes=passes, **options))
    return call(params)


@EVERY
@pytest.mark.parametrize("consistent", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_trunk_reuse_gives_the_numbers_of_full_passes(name, consistent):
    model = MODELS[name]
    params = parameters(model)
    probs = run(model, params, consistent=consistent, chunk=8)
    assert probs.shape == (PASSES, TEXTS, CLASSES)
    np.testing.assert_allclose(probs.sum(-1), 1, rtol=1e-5)
    full = run(model._replace(trunk_dropout=True), params, consistent=consistent, chunk=8)
    np.testing.assert_allclose(probs, full, rtol=1e-5, atol=1e-7)
    each = run(model._replace(over_table=None), params, consistent=consistent, chunk=8)
    np.testing.assert_allclose(probs, each, rtol=1e-5, atol=1e-7)
    assert np.abs(probs[0] - probs[1]).max() > 0.01  # dropout is active


@EVERY
def test_sums_are_those_of_the_same_passes(name):
    model = MODELS[name]
    params = parameters(model)
    sums = run(model, params, mc_dropout.statistics, chunk=8)
    expected = scores.summarise(run(model, params, chunk=8))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), sums, expected)


def test_masks_are_independent_over_texts_passes_and_chunks_or_one_for_each_pass():
    model = MODELS["text_cnn"]
    params = parameters(model)
    same = make_examples(np.tile(IDS[:1], (12, 1)), np.eye(CLASSES)[[0] * 12], buckets=1)
    own = run(model, params, pool=same, chunk=4)
    assert len(np.unique(np.asarray(own).round(5), axis=1)[0]) > 6  # of 8 filters, half of them dropped
    assert np.abs(own[0, :4] - own[0, 4:8]).max() > 0.01
    consistent = run(model, params, pool=same, chunk=4, consistent=True)
    np.testing.assert_allclose(consistent, np.broadcast_to(consistent[:, :1], consistent.shape), rtol=1e-6)
    assert np.abs(consistent[0] - consistent[1]).max() > 0.01


def test_consistent_masks_do_not_depend_on_the_chunk():
    model = MODELS["words"]
    params = parameters(model)
    np.testing.assert_allclose(
        run(model, params, consistent=True, chunk=4), run(model, params, consistent=True, chunk=50), rtol=1e-5
    )


def test_the_mean_of_many_passes_without_dropout_inside_is_the_prediction():
    model = averaging(DIM, CLASSES, width=6, dropout=0.0)
    params = parameters(model)
    probs = run(model, params, passes=2)
    np.testing.assert_allclose(probs[0], probs[1])
    np.testing.assert_allclose(probs[0], jax.nn.softmax(model.apply(params, embed(VECTORS, IDS))), rtol=1e-4)


ON_FOUR_DEVICES = """
import jax, numpy as np
from tests.active import test_mc_dropout as t

assert jax.device_count() == 4
mesh = jax.make_mesh((4,), ("pool",))
for name, function in (("words", t.mc_dropout.probabilities), ("text_cnn", t.mc_dropout.statistics)):
    model, params = t.MODELS[name], t.parameters(t.MODELS[name])
    one = t.run(model, params, function, chunk=4)
    four = t.run(model, params, function, chunk=4, mesh=mesh)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), one, four)
print("the same")
"""


@pytest.mark.slow
def test_a_pool_dealt_over_devices_has_the_numbers_of_one():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", ON_FOUR_DEVICES], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    )  # fmt: skip
    assert done.stdout == "the same\n", done.stderr


def test_a_pool_that_stays_on_the_host_has_the_same_statistics():
    model = MODELS["text_cnn"]
    params, compiled = parameters(model), 0

    def look_up(raw):
        nonlocal compiled
        compiled += 1
        return embed(VECTORS, raw)

    score = mc_dropout.streaming(model, look_up, passes=PASSES, consistent=True, chunk=4, block=8)
    found = score(params, IDS.astype(np.uint16), KEY)
    expected = run(model, params, mc_dropout.statistics, consistent=True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)
    before = compiled
    score(params, IDS[:3].astype(np.uint16), jax.random.key(2))
    assert compiled == before  # one program for pools of any size
    own = mc_dropout.streaming(model, look_up, passes=PASSES, chunk=4, block=8)(params, np.tile(IDS[:8], (2, 1)), KEY)
    assert np.abs(own.probabilities[:8] - own.probabilities[8:]).max() > 1e-3  # blocks have masks of their own

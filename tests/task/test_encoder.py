"""Sentence vectors of a corpus: batches, the cache, and the published encoder."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from dd_al.config.data import EncoderSettings
from dd_al.core.errors import DataError
from dd_al.data.minilm_files import load
from dd_al.models.minilm import SentenceEncoder, sizes_of
from dd_al.models.minilm_weights import params_from
from dd_al.task import encoder

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

TEXTS = ["good film", "", "bad story , bad film", "good " * 100, "the films", "bad " * 400, "a story", "", "the good"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def files(write_encoder, tmp_path_factory):
    return load(EncoderSettings(str(write_encoder(tmp_path_factory.mktemp("encoder")))))


def kept(texts, files):
    return encoder.sentence_features(texts, files, keep=True)


def test_every_text_is_in_one_batch_that_is_wide_enough():
    lengths = np.random.default_rng(0).integers(2, 90, 500).tolist() + [256, 255, 0, 64, 65, 1] + [2] * 200
    seen = []
    for width, texts in encoder.batches(lengths):
        seen += texts.tolist()
        assert max(lengths[text] for text in texts) <= width and len(texts) * width <= 1024
    assert sorted(seen) == list(range(len(lengths)))
    assert not list(encoder.batches([]))


def test_little_is_padding():
    lengths = np.clip(np.random.default_rng(0).normal(25, 9, 5000).round().astype(int), 3, 64)
    total = sum(width * len(texts) for width, texts in encoder.batches(lengths))
    assert total < 1.2 * lengths.sum()


def test_vectors_are_those_of_each_text_alone(files):
    sizes = sizes_of(files.config)
    params, features = params_from(files.tensors, sizes), jax.jit(SentenceEncoder(sizes).sentence_features)
    found = encoder.compute(TEXTS, files)
    assert found.shape == (9, 8) and found.dtype == np.float32
    for vector, ids in zip(found, files.word_pieces(TEXTS), strict=True):
        np.testing.assert_allclose(features(params, ids[None], np.ones((1, len(ids)), bool))[0], vector, atol=2e-6)
    assert encoder.compute([], files).shape == (0, 8)


def test_few_programs_are_compiled_for_all_corpora(files, compilations):
    jax.clear_caches()
    with compilations() as compiled:
        for texts in (TEXTS, TEXTS * 30, TEXTS[:1], ["good"] * 200):
            encoder.compute(texts, files)
    assert sum(count for name, count in compiled.items() if "features" in name) == 3  # for widths of 16, 128 and 256


def test_the_cache_is_read_by_content(files, write_encoder, tmp_path, monkeypatch):
    first = kept(TEXTS, files)
    (entry,) = (tmp_path / "cache" / "dd_al" / "sentences").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "compute", None)
        np.testing.assert_array_equal(kept(list(TEXTS), files), first)
    other = load(EncoderSettings(str(write_encoder(tmp_path / "other", seed=1))))
    assert np.abs(kept(TEXTS, other) - first).max() > 1e-3
    np.testing.assert_array_equal(kept(TEXTS[::-1], files), encoder.sentence_features(TEXTS[::-1], files))
    assert len(list(entry.parent.iterdir())) == 3


def test_a_damaged_entry_is_computed_again(files, tmp_path, caplog):
    first = kept(TEXTS, files)
    (entry,) = (tmp_path / "cache" / "dd_al" / "sentences").iterdir()
    whole = entry.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:200] + b"\x99" + whole[201:], b""):
        entry.write_bytes(broken)
        np.testing.assert_array_equal(kept(TEXTS, files), first)
        assert "damaged" in caplog.text and entry.read_bytes() == whole
        caplog.clear()


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(files, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert kept(TEXTS[:2], files).shape == (2, 8)
    assert "cannot keep the sentence vectors" in caplog.text


@pytest.mark.parametrize(("key", "value"), [("vocab_size", 11), ("max_position_embeddings", 255)])
def test_files_that_do_not_belong_together(write_encoder, tmp_path, key, value):
    files = load(EncoderSettings(str(write_encoder(tmp_path / "odd", **{key: value}))))
    with pytest.raises(DataError, match=rf"config\.json: {key} is {value}, and the texts"):
        encoder.compute(["good"], files)


def test_published_weights_give_the_reference(minilm):
    path = Path(__file__).parents[1] / "models" / "minilm_reference.json"
    reference = json.loads(path.read_text(encoding="utf-8"))
    vectors = encoder.compute(reference["texts"], minilm)
    np.testing.assert_allclose(vectors[:, :16], reference["first16"], atol=1e-4)
    np.testing.assert_allclose(vectors @ vectors.T, reference["cosines"], atol=1e-4)

"""The last line of the benchmark, with and without a peer; vectors that disagree; no weights."""

import json

import numpy as np
import pytest

from benchmarks import embed as benchmark
from dd_al.data.minilm_files import load
from dd_al.task.encoder import compute

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time


@pytest.fixture(scope="module")
def folder(write_encoder, tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def peer(folder):
    return lambda texts: compute(texts, load(benchmark.EncoderSettings(str(folder))))


@pytest.fixture
def run(monkeypatch, capsys, folder):
    def run(peers, code):
        monkeypatch.setattr(benchmark, "peers", lambda folder: peers)
        assert benchmark.main(["--texts", "20", "--repeats", "2", "--dir", str(folder)]) == code
        output = capsys.readouterr()
        return json.loads(output.out.splitlines()[-1]), output.err

    return run


def test_without_a_peer(run):
    result, _ = run({}, 0)
    assert result["dd_al_texts_per_s"] > 0 and result["texts"] == 20 and result["source"] == "synthetic"
    assert result["sentence_transformers_texts_per_s"] is result["ratio"] is result["max_difference"] is None


def test_the_faster_peer_counts_and_first_calls_do_not(run, peer):
    result, _ = run({"a": peer, "b": peer}, 0)
    rates = result["all_texts_per_s"]
    assert [len(rates[name]) for name in ("dd_al", "a", "b")] == [3, 3, 3]
    assert result["sentence_transformers_texts_per_s"] == max(rates["a"][1:] + rates["b"][1:])
    assert result["ratio"] == max(rates["dd_al"][1:]) / result["sentence_transformers_texts_per_s"]
    assert result["dd_al_first_texts_per_s"] == rates["dd_al"][0] and result["max_difference"] == 0


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_vectors_that_disagree_fail_the_run(run, peer, value):
    _, err = run({"a": peer, "b": lambda texts: np.full((len(texts), 8), value, np.float32)}, 1)
    assert "disagree by" in err


def test_no_weights(tmp_path, capsys):
    assert benchmark.main(["--dir", str(tmp_path)]) == 2
    assert "config.encoder.dir" in capsys.readouterr().err

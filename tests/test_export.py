"""`python -m dd_al.export`: a folder that `datasets` loads without a network, with the numbers of the artefact."""

import dataclasses
import json
import re
import subprocess
import sys

import datasets
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

import dd_al
from dd_al import export
from dd_al.core.errors import UserError
from dd_al.io import artefact as artefacts
from dd_al.report.card import escaped

DATA = "data/train-00000-of-00001.parquet"
SUMMARY = {"mean": 0.8, "std": 0.01, "n": 2, "values": [0.79, 0.81]}
NASTY = "a*b_c | [x](http://e.org) <script> `$1$`\n# head: 'y\" @me 😀"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """`datasets.load_dataset`, offline, with a cache of its own."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return lambda *args, **options: datasets.load_dataset(*map(str, args), cache_dir=str(tmp_path / "hf"), **options)


def saved(folder, artefact):
    folder.mkdir(exist_ok=True)
    artefacts.save(folder / "distilled.safetensors", artefact)
    return folder


def write_results(folder, name="sst2"):
    entry = {"test_accuracy": SUMMARY, "test_macro_f1": SUMMARY, "retention": 0.9}
    dataset = {"name": name, "source": "local", "stand_in_for": None, "num_classes": 3, "label_map": {}}
    dataset |= {"majority_rate": 0.5, "train": 6920, "validation": 5, "test": 6, "dropped_duplicates": 0}
    results = {
        "schema": 1,
        "experiment": "distill",
        "seed": 7,
        "finished": "2026-01-01T00:00:00Z",
        "dataset": dataset,
        "evaluate": {"split": "test", "inits": 2, "init": "random"},
        "budget": {"distilled": {"examples": 3, "fraction": 0.001, "labels_used": 6920, "stored_floats": 60}},
        "methods": {"distilled": entry, "odd|one": entry},
        "time": {},
        "environment": {"git_commit": "abc123"},
        "command": "python -m dd_al.main --workdir=/private/place",
    }
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def parts(folder):
    """The front matter and the body of the card."""
    _, front, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


def command(capsys, *args, code=0):
    capsys.readouterr()
    got = export.main(["export", *map(str, args)])
    out, err = capsys.readouterr()
    assert got == code, err
    assert "Traceback" not in err
    return out if code == 0 else err


def test_attention_labels_are_a_column(tmp_path, toy_artefact, load):
    model = {"kind": "transformer", "blocks": 2, "heads": 1, "width": 4}
    made = toy_artefact(sets=1, init="random", attention=0.5, model=model)
    logits = np.random.default_rng(0).normal(size=(1, 3, 2, 1, 5)).astype(np.float32)
    run = saved(tmp_path / "run", dataclasses.replace(made, attention_logits=logits))
    folder = dd_al.export_huggingface(run, tmp_path / "folder")
    found = np.array(load(folder)["train"]["attention"], np.float32)
    assert np.array_equal(found, dd_al.load_distilled(run).attention)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert json.loads((folder / "schedule.json").read_text())["attention_weight"] == 0.5
    _, body = parts(folder)
    assert "`attention` (what its attention is drawn to" in body and "and 0.5 times the mean" in body


@pytest.mark.parametrize("targets", ["soft", "hard", "unrestricted"])
def test_what_is_loaded_is_the_set(tmp_path, toy_artefact, load, targets):
    run = saved(tmp_path / "run", toy_artefact(sets=1, init="random", targets=targets))
    folder = dd_al.export_huggingface(run, tmp_path / "new" / "folder")
    assert folder == tmp_path / "new" / "folder"
    kit, shown = dd_al.load_distilled(run), dd_al.load(run)
    data = load(folder)
    assert list(data) == ["train"]
    data = data["train"]
    numbers = datasets.List(datasets.Value("float32"))
    assert data.features == {
        "inputs": datasets.List(numbers),
        "target": numbers,
        "label": datasets.ClassLabel(names=["bad/poor", "fair", "good"]),
        "nearest_words": datasets.List(datasets.Value("string")),
    }
    assert np.array_equal(np.array(data["inputs"], np.float32), kit.inputs)
    assert np.array_equal(np.array(data["target"], np.float32), kit.targets)
    assert data["label"][:] == kit.targets.argmax(1).tolist()
    assert data["nearest_words"][:] == [[near[0] for near in item] for item in shown.words()]
    vocabulary = load(folder, "vocabulary")["train"]
    assert tuple(vocabulary["word"]) == kit.words
    assert np.array_equal(np.array(vocabulary["vector"], np.float32), kit.vectors)
    schedule = json.loads((folder / "schedule.json").read_text())
    assert np.array_equal(np.float32(schedule["rates"]["default"]), kit.rates) and list(schedule["rates"]) == [
        "default"
    ]
    assert schedule["layers"] == list(kit.layers) and schedule["optimizer"] == kit.optimizer._asdict()
    assert (
        schedule["model"]["kind"] == "text_cnn" and schedule["model"]["dim"] == 4 and schedule["length"] == kit.length
    )
    assert schedule["initial_parameters"] is None and schedule["targets"] == targets
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {DATA, "vocabulary/train-00000-of-00001.parquet", "schedule.json", "README.md"}


def test_several_sets_are_configurations(tmp_path, toy_artefact, load):
    run = saved(tmp_path / "run", toy_artefact(sets=3))
    folder = dd_al.export_huggingface(run / "distilled.safetensors", tmp_path / "out")
    assert datasets.get_dataset_config_names(str(folder)) == ["default", "set1", "set2", "vocabulary"]
    schedule = json.loads((folder / "schedule.json").read_text())
    params = load_file(folder / schedule["initial_parameters"])
    for index, name in enumerate(["default", "set1", "set2"]):
        kit = dd_al.load_distilled(run, set=index)
        data = load(folder, name, split="train")
        assert np.array_equal(np.array(data["inputs"], np.float32), kit.inputs)
        assert np.array_equal(np.float32(schedule["rates"][name]), kit.rates)
        assert all(np.array_equal(params[key][index], value) for key, value in kit.params.items())
    assert np.array_equal(np.array(load(folder, split="train")["inputs"]), dd_al.load_distilled(run).inputs)
    assert "not to be mixed" in parts(folder)[1] and "`initial_parameters.safetensors`" in parts(folder)[1]


def test_the_card(tmp_path, toy_artefact):
    run = write_results(saved(tmp_path / "run", toy_artefact(sets=1, init="random")))
    folder = dd_al.export_huggingface(run, tmp_path / "out")
    front, body = parts(folder)
    assert front["size_categories"] == ["n<1K"] and front["task_categories"] == ["text-classification"]
    assert "dataset-distillation" in front["tags"]
    assert front["configs"][0] == {
        "config_name": "default", "default": True, "data_files": [{"split": "train", "path": DATA}],
    }  # fmt: skip
    assert all((folder / one["data_files"][0]["path"]).is_file() for one in front["configs"])
    assert "3 synthetic sentences (0.1 % of the training data) train a fresh learner to 80.0 ± 1.0 %" in body
    assert "| Distilled | 80.0 ± 1.0 | 80.0 ± 1.0 | 90.0 |" in body and "| odd\\|one | 80.0" in body
    assert "6\\,920 train" in body and "abc123" in body and "`m ← 0.8 m + (1 − 0.8) g`" in body
    assert "private" not in body and str(tmp_path) not in body
    rows = re.findall(r"^\|.*\|$", body, re.MULTILINE)
    assert all(len(re.findall(r"(?<!\\)\|", row)) in (3, 4, 5, 6) for row in rows)


def test_the_cards_code_runs(tmp_path, toy_artefact, commands):
    folder = dd_al.export_huggingface(saved(tmp_path / "run", toy_artefact()), tmp_path / "out")
    code = re.findall(r"^```python\n(.*?)^```", parts(folder)[1], re.DOTALL | re.MULTILINE)[0]
    code += "\nprint(inputs.shape, inputs.dtype, targets.shape, vectors['film'].shape, len(schedule['rates']['set1']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, env=commands.environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(3, 5, 4) float32 (3, 3) (4,) 4"


def test_text_from_the_data_is_no_markup(tmp_path, toy_artefact, load):
    artefact = toy_artefact(sets=1, init="random", task=NASTY, labels=[NASTY, "1", 1])
    words = ("[PAD]", "[UNK]", "|", "<b>", "`", "---", "*", "\\")
    run = write_results(saved(tmp_path / "run", dataclasses.replace(artefact, words=words)), name=NASTY)
    folder = dd_al.export_huggingface(run, tmp_path / "out")
    front, body = parts(folder)
    assert front["pretty_name"] == f"{NASTY}, distilled"
    data = load(folder, split="train")
    assert data.features["label"].names == [f"{NASTY} (0)", "1 (1)", "1 (2)"]
    assert {word for item in data["nearest_words"] for word in item} <= set(words[2:])
    outside = re.sub(r"```.*?```|`[^`\n]*`", "", body.replace("\\`", ""), flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<|(?<!\\)\]\(|(?<!\\)\$|http:", outside)
    assert body.count("\n# ") == 1 and "\\# head" in body and "😀" in body
    lines = [line for line in body.splitlines() if line.startswith("| 0 |")]
    assert len(lines) == 1 and len(re.findall(r"(?<!\\)\|", lines[0].replace("\\\\", ""))) == 6


def test_escaping():
    assert escaped("a_b\n| <c>\t\x1b\u202e1.") == "a\\_b \\| \\<c\\> 1\\."


def test_scores_in_the_artefact_and_none(tmp_path, toy_artefact):
    scores = {"test_accuracy": 0.75}
    one = dd_al.export_huggingface(saved(tmp_path / "a", toy_artefact(scores=scores)), tmp_path / "one")
    assert "| test accuracy | 75.0 |" in parts(one)[1]
    two = dd_al.export_huggingface(saved(tmp_path / "b", toy_artefact()), tmp_path / "two")
    assert "None came with the set" in parts(two)[1]


def test_the_same_set_gives_the_same_bytes(tmp_path, toy_artefact):
    run = saved(tmp_path / "run", toy_artefact())
    one, two = (dd_al.export_huggingface(run, tmp_path / name) for name in ("one", "two"))
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert len(files) == 6 and all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_overwriting_is_asked_for(tmp_path, toy_artefact, capsys, load):
    many, few = saved(tmp_path / "many", toy_artefact()), saved(tmp_path / "few", toy_artefact(sets=1, init="random"))
    folder = tmp_path / "out"
    folder.mkdir()
    assert command(capsys, many, folder).startswith(f"written: {folder}")
    (folder / "mine.txt").write_text("kept")
    err = command(capsys, few, folder, code=2)
    assert err.startswith(f"error: {folder} is not empty") and "--overwrite" in err
    with pytest.raises(UserError, match="overwrite=True"):
        dd_al.export_huggingface(few, folder)
    command(capsys, few, folder, "--overwrite")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {DATA, "vocabulary/train-00000-of-00001.parquet", "schedule.json", "README.md", "mine.txt"}
    assert len(load(folder, split="train")) == 3


def test_damaged_artefacts(tmp_path, toy_artefact, capsys):
    file = saved(tmp_path / "run", toy_artefact()) / "distilled.safetensors"
    whole = file.read_bytes()
    out = tmp_path / "out"
    for content in (b"", b"no tensors", whole[: len(whole) // 2]):
        file.write_bytes(content)
        assert f"error: {file} is broken, or no safetensors file" in command(capsys, file, out, code=2)
    saved(tmp_path / "run", toy_artefact(length=0))
    assert f"error: {file}: length = 0" in command(capsys, tmp_path / "run", out, code=2)
    saved(tmp_path / "run", toy_artefact(sets=0))
    assert f"error: {file}: inputs has the shape" in command(capsys, tmp_path / "run", out, code=2)
    saved(tmp_path / "run", toy_artefact())
    (tmp_path / "run" / "results.json").write_text("{}")
    assert "results.json: results.schema is missing" in command(capsys, tmp_path / "run", out, code=2)
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "two arguments are needed, ARTEFACT and FOLDER"),
        (["{run}"], "two arguments are needed"),
        (["{run}", "{run}/distilled.safetensors"], "is a file; give the name of a folder"),
        (["{run}/none", "{run}/out"], "cannot read .*none"),
        (["{run}", "{run}/distilled.safetensors/x"], "cannot write .*: Not a directory"),
        (["{run}", "{run}/out", "--force"], "unknown flag --force"),
    ],
)
def test_mistakes(tmp_path, toy_artefact, capsys, args, message):
    run = saved(tmp_path / "run", toy_artefact())
    err = command(capsys, *[arg.format(run=run) for arg in args], code=2)
    assert err.startswith("error: ") and re.search(message, err)


def test_help(capsys):
    assert "usage: python -m dd_al.export" in command(capsys, "--help")

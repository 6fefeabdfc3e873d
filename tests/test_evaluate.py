"""`python -m dd_al.evaluate`: an artefact, taken away, on data of its task."""

import json
import re
import shutil

import pytest

from dd_al import evaluate, main
from dd_al.core.files import read_json

pytestmark = pytest.mark.usefixtures("own_caches")
NAMES = ("bad", "good")
SMALL = {
    "data.max_train": 15,
    "vectors.corpus": "train",
    "model.windows": 1,
    "random.steps": 2,
    "distill.iterations": 4,
    "distill.batch_size": 8,
}


@pytest.fixture(scope="module")
def data(write_reviews, tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("data"), 2, NAMES)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Work directories by initialisation."""
    folder = tmp_path_factory.mktemp("runs")
    for init in ("random", "known"):
        small = [f"--config.{key}={value}" for key, value in {**SMALL, "distill.init": init}.items()]
        args = ["--config=dd_al:smoke", f"--workdir={folder / init}", f"--config.data.dir={data}", *small]
        assert main.main(["main", *args]) == 0
    return {init: folder / init for init in ("random", "known")}


def command(capsys, *args, code=0):
    capsys.readouterr()
    got = evaluate.main(["evaluate", *map(str, args)])
    out, err = capsys.readouterr()
    assert got == code, err
    assert "Traceback" not in err
    return json.loads(out.splitlines()[-1]) if code == 0 else err


def sliced(data, runs, tmp_path):
    """The test split that the run was judged on: a slice."""
    from dd_al.data.sources import DataSettings, load

    test = load(DataSettings(name="sst2", dir=str(data), max_train=15)).test
    lines = [json.dumps({"text": t, "label": NAMES[c]}) for t, c in zip(test.texts, test.labels, strict=True)]
    (tmp_path / "slice.jsonl").write_text("\n".join(lines))
    return tmp_path / "slice.jsonl"


@pytest.mark.parametrize("init", ["random", "known"])
def test_the_run_and_its_artefact_agree(runs, data, tmp_path, capsys, init):
    flags = ["--inits=3"] if init == "random" else []
    scores = command(capsys, runs[init], sliced(data, runs, tmp_path), *flags)
    method = read_json(runs[init] / "results.json")["methods"]["distilled"]
    assert scores["accuracy"]["values"] == pytest.approx(method["test_accuracy"]["values"])
    assert scores["macro_f1"]["mean"] == pytest.approx(method["test_macro_f1"]["mean"])
    assert scores["init"] == init and scores["accuracy"]["n"] == 3 and scores["n"] == 15
    assert scores["majority_rate"] == pytest.approx(8 / 15)


@pytest.mark.slow
def test_folders_files_and_columns(runs, data, tmp_path, capsys):
    artefact = runs["random"] / "distilled.safetensors"
    assert command(capsys, artefact, data)["n"] == 30
    assert command(capsys, artefact, data, "--split=all", "--inits=1")["n"] == 120
    (tmp_path / "x.tsv").write_bytes("satz\tnote\nschön c1s0\tgood\nc0s0 w1\tbad\nc0s1\tbad\n".encode("latin-1"))
    flags = "--text_column=satz", "--label_column=note", "--encoding=latin-1", "--inits=2", "--seed=7"
    scores = command(capsys, artefact, tmp_path / "x.tsv", *flags)
    assert scores["n"] == 3 and scores["seed"] == 7 and scores["accuracy"]["n"] == 2
    assert scores["majority_rate"] == pytest.approx(2 / 3)


def test_the_file_alone_on_another_machine(runs, data, tmp_path, commands):
    """Another folder, another process, nothing of the run left to find."""
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(runs["known"] / "distilled.safetensors", there / "set.safetensors")
    shutil.copy(data / "test.jsonl", there)
    out, _ = commands.run("dd_al.evaluate", "set.safetensors", "test.jsonl", cwd=there)
    lines = out.splitlines()
    assert re.fullmatch(r"test\.jsonl: 30 texts of \w+; majority class 0\.5000", lines[0])
    assert re.fullmatch(r"accuracy: 0\.\d{4} ± 0\.\d{4} over 3 known initialisations", lines[1])
    assert lines[2].startswith("macro_f1: ") and json.loads(lines[3])["n"] == 30


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "two arguments are needed, ARTEFACT and DATA"),
        (["{random}"], "two arguments are needed"),
        (["{random}", "{data}", "--inits=0"], "flag --inits=0: 0 is not a positive integer"),
        (["{random}", "{data}", "--seed=x"], "flag --seed=x: invalid literal for int"),
        (["{random}", "{data}", "--split=dev"], "flag --split=dev: value should be one of <train.validation.test.all>"),
        (["{random}", "{data}", "--nothing"], "unknown flag --nothing"),
        (["{random}/none", "{data}"], "cannot read .*none"),
        (["{random}/report.html", "{data}"], "no safetensors file"),
        (["{random}", "{data}/none"], "no such file or folder"),
        (["{random}", "{data}/test.jsonl", "--split=test"], "--split chooses from a folder; .*test.jsonl is a file"),
        (["{random}", "{data}", "--text_column=txt"], r"no column 'txt' \(did you mean 'text'\?\)"),
        (["{random}", "{random}"], "no train or test file in this folder"),
        (["{known}", "{data}", "--inits=3"], "known initialisations, which it holds"),
        (["{known}", "{data}", "--seed=1"], "known initialisations, which it holds"),
    ],
)
def test_mistakes(runs, data, capsys, args, message):
    err = command(capsys, *[arg.format(data=data, **runs) for arg in args], code=2)
    assert err.startswith("error: ") and re.search(message, err)


def test_labels_of_another_task(runs, tmp_path, capsys):
    (tmp_path / "x.csv").write_text("text,label\na b,good\nc d,ugly\n")
    err = command(capsys, runs["random"], tmp_path / "x.csv", code=2)
    assert "x.csv, line 3: the label 'ugly' is not one of" in err
    assert str(tmp_path) in err and "Write labels as they were in training" in err and "--config" not in err


def test_help(capsys):
    assert evaluate.main(["evaluate", "--help"]) == 0
    assert "usage: python -m dd_al.evaluate" in capsys.readouterr().out

"""Active learning from the command line: what it leaves behind, and that nothing is lost when it is stopped."""

import json
from pathlib import Path

import numpy as np
import pytest

from dd_al import main
from dd_al.active.queries import QUERIES
from dd_al.active.scores import SCORES
from dd_al.core.files import read_json
from dd_al.experiments import settings
from dd_al.io import checkpoint
from dd_al.report import schema
from dd_al.report.active import QUERY_TITLES

pytestmark = pytest.mark.usefixtures("own_caches")
CONFIG = Path(__file__).parent.parent.parent / "configs/sst_active.py"
SMALL = {
    "data.source": "local", "vectors.corpus": "train", "vectors.dim": 6, "model.kind": "averaging", "model.width": 4,
    "full.epochs": 1, "full.min_steps": 0, "active.queries": "random,bald,core_set", "active.seeds": "3,5",
    "active.rounds": 3, "active.size": 2, "active.start_size": 3, "active.passes": 3, "active.steps": 4,
    "active.epochs": 1, "active.stop_uncertainty": 10, "active.stop_accuracy": 0.3,
}  # fmt: skip


def run(data, workdir, code=0, **flags):
    given = SMALL | flags
    flags = [f"--config.{name}={value}" for name, value in {**given, "data.dir": data}.items()]
    assert main.main(["main", f"--config={CONFIG}", f"--workdir={workdir}", *flags]) == code


@pytest.fixture(scope="module")
def data(write_reviews, tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("reviews"), 2)


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("active") / "w"
    run(data, workdir)
    return workdir


def selected(workdir):
    return [json.loads(line) for line in (workdir / "selected.jsonl").read_text().splitlines()]


def test_results_hold_curves_areas_and_tests(done):
    results = read_json(done / "results.json")
    schema.validate(results)
    assert list(results["methods"]) == ["full", "random", "bald", "core_set"]
    assert results["active"] == {"seeds": [3, 5], "first": 3, "size": 2, "rounds": 3}
    for name in ("random", "bald", "core_set"):
        entry = results["methods"][name]
        curve = entry["curve"]
        assert curve["labels"] == [3, 5, 7, 9] and np.shape(curve["values"]) == (4, 2)
        np.testing.assert_allclose(np.mean(curve["values"], 1), curve["accuracy"])
        assert entry["test_accuracy"]["values"] == pytest.approx(curve["values"][-1])
        assert entry["aulc"]["n"] == 2 and sum(entry["picked"]["classes"]) == pytest.approx(1)
        assert results["budget"][name]["labels_used"] == 9
        stops = entry["stopping"]
        assert stops["certain"]["labels"] == [3, 3] and stops["certain"]["accuracy"] == curve["values"][0]
        assert len(stops["stable"]["labels"]) == 2 and all(count >= 3 for count in stops["accurate"]["labels"] if count)
        assert ("against_random" in entry) == (name != "random")
    assert results["methods"]["bald"]["against_random"]["smallest_p"] == 0.5
    # All queries begin with the same labels and the same weights, so with the same accuracy.
    assert len({tuple(results["methods"][name]["curve"]["values"][0]) for name in ("random", "bald", "core_set")}) == 1


def test_every_label_that_was_asked_for_is_on_record(done, data):
    lines = selected(done)
    assert len(lines) == 3 * 2 * 9
    train = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]
    for name in ("random", "bald", "core_set"):
        for seed in (3, 5):
            own = [line for line in lines if (line["method"], line["seed"]) == (name, seed)]
            assert [line["round"] for line in own] == [0, 0, 0, 1, 1, 2, 2, 3, 3]
            assert len({line["index"] for line in own}) == 9
            assert all((line["score"] is None) == (name != "bald" or line["round"] == 0) for line in own)
            assert all(line["row"] < len(train) for line in own)


def test_the_report_compares(done):
    page = (done / "report.html").read_text()
    for text in (
        "Random sampling",
        "Core-set",
        "no verdict",
        "cannot bring p below 0.5",
        "seed 3, 5",
        "What was chosen",
    ):
        assert text in page, text
    assert {path.stem for path in (done / "figures").glob("*.png")} == {"learning_curves", "gains", "times"}


@pytest.mark.parametrize("saved", [3, *(pytest.param(saved, marks=pytest.mark.slow) for saved in (1, 6, 11))])
def test_a_run_killed_in_any_round_goes_on_as_if_it_had_not_been(done, data, tmp_path, monkeypatch, saved, capsys):
    count, save = 0, checkpoint.save

    def killed(*args):
        nonlocal count
        count += 1
        if count > saved:
            raise KeyboardInterrupt
        save(*args)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed)
        run(data, tmp_path / "w", code=130)
    run(data, tmp_path / "w")
    assert selected(tmp_path / "w") == selected(done)
    own, other = (read_json(folder / "results.json")["methods"] for folder in (tmp_path / "w", done))
    for name in ("random", "bald", "core_set"):
        assert own[name]["curve"] == other[name]["curve"]
    lines = [json.loads(line) for line in (tmp_path / "w/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "query" in line] == list(range(1, 13))


def test_settings_know_every_query_and_score():
    assert settings.QUERIES == tuple(QUERIES) and settings.SCORES == tuple(name for name in SCORES if name != "random")
    assert QUERY_TITLES.keys() == QUERIES.keys()


def test_too_many_rounds_are_refused(data, tmp_path, capsys):
    run(data, tmp_path / "w", code=2, **{"active.rounds": 1000})
    assert "at most" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"active.seeds": "3,3"}, "without repetitions"),
        ({"active.queries": "bald,bald"}, "without repetitions"),
        ({"active.queries": "random,blad"}, "did you mean 'bald'"),
        ({"active.subset": 1}, "fewer texts than the 2 labels of a query"),
        ({"active.rate": 1e30, "learner.optimizer": "sgd", "active.queries": "bald"}, "the networks have diverged"),
    ],
)
def test_mistakes_and_networks_that_diverge(data, tmp_path, capsys, flags, message):
    run(data, tmp_path / "w", code=2, **flags)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("start", ["stratified", "k_means"])
def test_first_labels_and_a_noisy_oracle(data, tmp_path, start):
    run(data, tmp_path / "w", **{"active.start": start, "active.noise": 1.0, "active.queries": "random"})
    lines, results = selected(tmp_path / "w"), read_json(tmp_path / "w/results.json")
    train = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]
    classes = results["dataset"]["label_map"]
    truth = [classes[str(train[line["row"]]["label"])] for line in lines]
    assert all(line["label"] == 1 - true for line, true in zip(lines, truth))
    if start == "stratified":
        firsts = [true for line, true in zip(lines, truth) if line["round"] == 0 and line["seed"] == 3]
        assert sorted(np.bincount(firsts, minlength=2)) == [1, 2]

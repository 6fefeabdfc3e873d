"""Active learning from the command line: what it leaves behind, and that nothing is lost when it is stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dd_al import main
from dd_al.active.acquisition import ACQUISITIONS
from dd_al.active.scores import SCORES
from dd_al.config import active as settings
from dd_al.core.files import read_json
from dd_al.io import checkpoint
from dd_al.report import schema
from dd_al.report.words import QUERY_TITLES

pytestmark = pytest.mark.usefixtures("own_caches")
CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {
    "data.source": "local", "vectors.corpus": "train", "vectors.dim": 6, "model.kind": "averaging", "model.width": 4,
    "full.epochs": 1, "full.min_steps": 0, "active.queries": "random,bald,core_set", "active.seeds": "3,5",
    "active.rounds": 3, "active.size": 2, "active.start_size": 3, "active.passes": 3, "active.steps": 4,
    "active.epochs": 1, "active.thresholds": "certain:10,accurate:0.3",
}  # fmt: skip


def run(data, workdir, code=0, config="sst_active.py", **flags):
    given = SMALL | flags
    flags = [f"--config.{name}={value}" for name, value in {**given, "data.dir": data}.items()]
    assert main.main(["main", f"--config={CONFIGS / config}", f"--workdir={workdir}", *flags]) == code


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
    assert results["active"] == {
        "seeds": [3, 5], "first": 3, "size": 2, "rounds": 3, "labels": 9, "charged": 0,
        "validation_labels": results["dataset"]["validation"],
    }  # fmt: skip
    for name in ("random", "bald", "core_set"):
        entry = results["methods"][name]
        curve = entry["curve"]
        assert curve["labels"] == [3, 5, 7, 9] and np.shape(curve["values"]) == (4, 2)
        np.testing.assert_allclose(np.mean(curve["values"], 1), curve["accuracy"])
        assert entry["test_accuracy"]["values"] == pytest.approx(curve["values"][-1])
        assert entry["aulc"]["n"] == 2 and sum(entry["picked"]["classes"]) == pytest.approx(1)
        assert results["budget"][name]["labels_used"] == 9
        stops = entry["stopping"]
        certain = zip(stops["certain"]["labels"], stops["certain"]["accuracy"], (0, 1), strict=True)
        for count, accuracy, seed in certain:  # never of constant predictions
            assert count is None or accuracy == curve["values"][curve["labels"].index(count)][seed]
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


def killed_after(saved, monkeypatch, data, workdir, **flags):
    count, save = 0, checkpoint.save

    def killed(*args):
        nonlocal count
        count += 1
        if count > saved:
            raise KeyboardInterrupt
        save(*args)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed)
        run(data, workdir, code=130, **flags)


@pytest.mark.parametrize("saved", [3, *(pytest.param(saved, marks=pytest.mark.slow) for saved in (1, 6, 11))])
def test_a_run_killed_in_any_round_goes_on_as_if_it_had_not_been(done, data, tmp_path, monkeypatch, saved):
    killed_after(saved, monkeypatch, data, tmp_path / "w")
    run(data, tmp_path / "w")
    assert selected(tmp_path / "w") == selected(done)
    own, other = (read_json(folder / "results.json")["methods"] for folder in (tmp_path / "w", done))
    for name in ("random", "bald", "core_set"):
        assert own[name]["curve"] == other[name]["curve"]
    lines = [json.loads(line) for line in (tmp_path / "w/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "query" in line] == list(range(1, 13))


@pytest.mark.slow
def test_a_run_over_subsets_goes_on_too(done, data, tmp_path, monkeypatch):
    flags = {**TRAINED, "active.start_size": 4, "active.subset": 20, "active.noise": 0.2}
    run(data, tmp_path / "whole", **flags)
    killed_after(6, monkeypatch, data, tmp_path / "w", **flags)  # in the third round of the second query
    run(data, tmp_path / "w", **flags)
    assert selected(tmp_path / "w") == selected(tmp_path / "whole")
    own, other = (read_json(tmp_path / name / "results.json")["methods"] for name in ("w", "whole"))
    assert [own[name]["curve"] for name in ("bald", "badge")] == [other[name]["curve"] for name in ("bald", "badge")]


@pytest.mark.slow
def test_rounds_end_where_all_seeds_have_met_a_rule(data, tmp_path, monkeypatch):
    """The runs are those of a loop that goes on, cut short; started again they stay as they are."""
    # Of constant predictions no rule says anything: this run learns from balanced first labels.
    learns = {"active.steps": 150, "active.rate": 0.02, "active.start": "stratified"}
    learns |= {"active.start_size": 6, "active.size": 1}
    done = tmp_path / "done"
    run(data, done, **learns)
    # It holds as soon as there are three agreements.
    flags = learns | {"active.stop": "stable", "active.thresholds": "stable:0,certain:10,accurate:0.3"}
    run(data, tmp_path / "w", **flags | {"active.rounds": 5})
    results, longer = (read_json(folder / "results.json") for folder in (tmp_path / "w", done))
    schema.validate(results)
    for name in ("random", "bald", "core_set"):
        entry, other = results["methods"][name], longer["methods"][name]
        assert entry["curve"] == other["curve"] and entry["aulc"] == other["aulc"]  # three rounds, not five
        assert results["budget"][name]["labels_used"] == 9 and entry["stopping"]["stable"]["labels"] == [9, 9]
    assert selected(tmp_path / "w") == selected(done)
    page = (tmp_path / "w/report.html").read_text()
    assert "or fewer, until a query" in page and "9 in all" in page and "No run was stopped" not in page
    (tmp_path / "w/results.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", None)  # no round is left to be saved
        run(data, tmp_path / "w", **flags | {"active.rounds": 5})
    assert read_json(tmp_path / "w/results.json")["methods"]["bald"]["curve"] == results["methods"]["bald"]["curve"]
    assert len((tmp_path / "w/metrics.jsonl").read_text().splitlines()) == 12

    at_once = learns | {"active.stop": "certain", "active.queries": "random,bald"}  # whose threshold is 10
    run(data, tmp_path / "at_once", **at_once)
    results = read_json(tmp_path / "at_once/results.json")
    entry = results["methods"]["bald"]
    assert entry["curve"]["labels"] == [6] and entry["aulc"]["values"] == entry["curve"]["values"][0]
    assert entry["picked"]["examples"] == [] and (tmp_path / "at_once/report.html").exists()


ON_FOUR_DEVICES = """
import sys, jax, pytest
from pathlib import Path
from tests.experiments import test_active as t

assert jax.device_count() == 4
data, workdir = map(Path, sys.argv[1:])
with pytest.MonkeyPatch.context() as patch:
    t.killed_after(2, patch, data, workdir, **t.TRAINED)
t.run(data, workdir, **t.TRAINED)
"""
TRAINED = {"active.steps": 60, "active.rate": 0.03, "active.queries": "bald,badge"}  # scores that rounding leaves apart


@pytest.mark.slow
def test_seeds_on_devices_of_their_own_have_the_numbers_of_one(data, tmp_path):
    four, one = tmp_path / "four", tmp_path / "one"
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    command = [sys.executable, "-c", ON_FOUR_DEVICES, str(data), str(four)]
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(command, cwd=CONFIGS.parent, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0 and "2 seeds on 2 devices" in ran.stderr, ran.stderr
    run(data, one, **TRAINED)
    found = [selected(folder) for folder in (four, one)]
    scores = [[line.pop("score") for line in lines] for lines in found]
    assert found[0] == found[1] and None in scores[0]  # the first labels have no score
    np.testing.assert_allclose(*(np.array(values, float) for values in scores), rtol=1e-3)
    curves = [
        {name: read_json(folder / "results.json")["methods"][name]["curve"] for name in ("bald", "badge")}
        for folder in (four, one)
    ]
    assert curves[0] == curves[1] and np.ptp(curves[0]["bald"]["values"]) > 0.1


def test_settings_know_every_query_and_score():
    assert settings.QUERIES == tuple(ACQUISITIONS) and settings.SCORES == tuple(SCORES)
    assert QUERY_TITLES.keys() == ACQUISITIONS.keys()


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_rounds_to_the_pools_end(done, data, tmp_path):
    run(data, tmp_path / "w", **{"active.rounds": None, "active.size": 25, "active.queries": "random,bald"})
    results, lines, before = read_json(tmp_path / "w/results.json"), selected(tmp_path / "w"), selected(done)
    assert (results["active"]["rounds"], results["active"]["labels"]) == (3, 60)
    assert results["methods"]["bald"]["curve"]["labels"] == [3, 28, 53, 60]
    for name, seed in (("random", 3), ("bald", 5)):
        own = [line for line in lines if (line["method"], line["seed"]) == (name, seed)]
        assert sorted(line["index"] for line in own) == list(range(60))
        assert [line["round"] for line in own] == [0] * 3 + [1] * 25 + [2] * 25 + [3] * 7
        start = [line["index"] for line in before if (line["method"], line["seed"], line["round"]) == (name, seed, 0)]
        assert [line["index"] for line in own[:3]] == start
    # With every label there is, it no longer matters which query asked for them first.
    assert "90 with those of validation" in (tmp_path / "w/report.html").read_text()


@pytest.mark.slow
def test_an_encoder_with_dropout_inside_is_trained(data, tmp_path, write_encoder, capsys):
    flags = {
        "encoder.dir": write_encoder(tmp_path / "encoder"), "model.kind": "encoder", "model.width": 64,
        "config": "jacobs.py", "active.queries": "random,bald,core_set", "active.rounds": 1, "active.seeds": "3",
    }  # fmt: skip
    run(data, tmp_path / "w", **flags)
    results = read_json(tmp_path / "w/results.json")
    schema.validate(results)
    assert results["vectors"]["source"].endswith("(dir)") and results["methods"]["bald"]["curve"]["labels"] == [3, 5]
    assert all(line["score"] > 0 for line in selected(tmp_path / "w") if (line["method"], line["round"]) == ("bald", 1))
    for wrong, message in (
        ({"data.length": 2}, "leave no room for words"),
        ({"inputs": "words"}, "need each other"),
        ({"experiment": "distill"}, "is for experiment = 'train' and 'active'"),
        ({"encoder.name": "somebody/bert"}, "set one of them"),
    ):
        run(data, tmp_path / "x", code=2, **flags | wrong)
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_over_frozen_sentence_vectors(data, tmp_path, write_encoder):
    flags = {"encoder.dir": write_encoder(tmp_path / "encoder"), "model.width": 0, "active.queries": "random,margin"}
    run(data, tmp_path / "w", config="sst_active.py:inputs=sentences", **flags)
    results = read_json(tmp_path / "w/results.json")
    schema.validate(results)
    assert results["methods"]["margin"]["curve"]["labels"] == [3, 5, 7, 9] and "sst2" not in results["dataset"]["name"]

"""A small comparison, whole: points, costs, failures, slices, more seeds, and several folders as one."""

import csv
import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from dd_al import main
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import UserError, WorkdirError
from dd_al.core.files import read_json
from dd_al.experiments.compare import run as compare
from dd_al.experiments.compare import sets as compare_sets
from dd_al.experiments.compare.plan import points
from dd_al.io.tensors import read_safetensors
from dd_al.io.workdir import open_workdir
from dd_al.report import compare as comparison

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_caches")]
METHODS = ("full", "random", "herding", "bald", "distilled", "distilled_bought")
SMALL = {
    "experiment": "compare",
    "vectors": {"corpus": "train", "dim": 8},
    "model": {"windows": (1, 2), "filters": 4},
    "full": {"epochs": 2, "min_steps": 4, "batch_size": 16},
    "random": {"rates": (1e-2,), "steps": (2, 5), "dropout": (True,)},
    "active": {"steps": 4, "batch_size": 4, "passes": 2, "size": 6},
    "distill": {"steps": 3, "iterations": 4, "nets": 2, "batch_size": 8, "evaluate_every": 2, "length": 6},
    "evaluate": {"inits": 2, "select_inits": 2},
}
COMPARE = {
    "methods": METHODS, "budgets": ("1/class", "10%", "25%"), "distil_up_to": "1/class", "varied_at": "10%",
    "bought": "25%", "query": "bald", "seeds": (0, 1), "full_batch": 8,
}  # fmt: skip


def settings(data, **changes):
    given = {"data": {"source": "local", "name": "toy", "dir": str(data)}, "compare": {**COMPARE, **changes}}
    return from_config(Settings, {**SMALL, **given})


def run(folder, given, part=None):
    with open_workdir(folder, asdict(given), free=["compare"], shared=part is not None) as workdir:
        compare.run(given, workdir, part)
    return read_json(folder / "results.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory, write_reviews):
    return write_reviews(tmp_path_factory.mktemp("data"), 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data, own_caches):
    """A folder with a comparison of two seeds."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, settings(data))
    return folder


def entries(results):
    return {(one["method"], one["budget"]): one for one in results["compare"]["entries"]}


def test_every_method_has_its_budgets_and_costs(whole):
    found = entries(read_json(whole / "results.json"))
    real = {(method, budget) for method in ("random", "herding") for budget in COMPARE["budgets"]}
    bought = {("bald", budget) for budget in COMPARE["budgets"][1:]}
    assert found.keys() == real | bought | {
        ("full", "all"), ("distilled", "1/class"), ("distilled_bought", "1/class")
    }  # fmt: skip
    labels = {key: one["costs"]["labels"] for key, one in found.items()}
    assert labels["full", "all"] == labels["distilled", "1/class"] == labels["herding", "10%"] == 60
    assert labels["random", "10%"] == labels["bald", "10%"] == 6
    assert labels["distilled_bought", "1/class"] == 16  # a quarter of 60, in whole classes
    for one in found.values():
        assert len(one["seeds"]) == 2
        costs = one["costs"]
        assert costs["train_s"] >= 0 and all(costs[key] > 0 for key in ("train_flops", "train_seen", "bytes", "floats"))
    free = {key for key, one in found.items() if one["costs"]["build_s"] == 0}
    assert free == {key for key in found if key[0] in ("random", "full")}
    assert found["bald", "25%"]["costs"]["build_seen"] > found["bald", "10%"]["costs"]["build_seen"]
    # What was bought to distil from has to be paid for, too.
    assert found["distilled_bought", "1/class"]["costs"]["build_flops"] > found["bald", "25%"]["costs"]["build_flops"]


def test_numbers_are_those_of_the_points_and_their_answers(whole):
    results = read_json(whole / "results.json")
    one = entries(results)["random", "10%"]
    for seed, name, value in zip(one["seeds"], one["points"], one["accuracy"]["values"]):
        point = read_json(whole / "runs" / name / "results.json")
        assert point["seed"] == seed
        assert value == pytest.approx(point["methods"]["10%"]["test_accuracy"]["mean"], abs=1e-6)
        answers = read_safetensors(whole / "runs" / name / "answers.safetensors")["10%"]
        assert answers.shape == (2, 30) and value == pytest.approx(answers.mean(), abs=1e-6)
    with open(whole / "tables" / "accuracy.csv", encoding="utf-8", newline="") as file:
        rows = {(row["method"], row["budget"]): row for row in csv.DictReader(file)}
    assert float(rows["random", "10%"]["accuracy_mean"]) == pytest.approx(one["accuracy"]["mean"])
    assert all(one["command"] and one["state"] == "finished" for one in results["compare"]["points"])


def test_all_begin_with_the_same_seed_set_and_active_learning_buys_on(whole):
    def selected(name):
        lines = (whole / "runs" / name / "selected.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    bought = selected("toy-bald-seed0")
    assert len({line["index"] for line in bought}) == len(bought) == 16
    assert [line["round"] for line in bought[:3]] == [0, 0, 1]
    assert {line["label"] for line in bought[:2]} == {0, 1}
    assert [line["index"] for line in bought] != [line["index"] for line in selected("toy-bald-seed1")]


def test_what_is_given_away_is_measured(whole):
    found = entries(read_json(whole / "results.json"))
    for key, one in found.items():
        assert 0 <= one["membership"]["mean"] <= 1, key
        assert ("nearness" in one) == key[0].startswith("distilled")
    near = found["distilled", "1/class"]["nearness"]
    assert near["nearest"]["mean"] > 0.95 and near.keys() == {"nearest", "chance", "recovered"}


def test_the_report_says_what_it_is_made_of(whole):
    page = (whole / "report.html").read_text()
    for text in ("Random sampling", "AL → DD", "Break-even", "toy-bald-seed1", "which is no verdict", "0.5"):
        assert text in page
    assert "http" not in page.replace("http-equiv", "")
    assert (whole / "report.md").read_text().startswith("# toy")


def test_finished_points_are_not_computed_again_and_more_seeds_join(whole, data, monkeypatch, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    began = []
    real = compare.compute

    def spy(job):
        began.append(job.point.name)
        return real(job)

    monkeypatch.setattr(compare, "compute", spy)
    before = (tmp_path / "runs" / "toy-random-seed0" / "results.json").read_bytes()
    results = run(tmp_path, settings(data, seeds=(0, 1, 2), methods=("full", "random")))
    assert began == ["toy-full-seed2", "toy-random-seed2"]
    assert (tmp_path / "runs" / "toy-random-seed0" / "results.json").read_bytes() == before
    assert entries(results)["random", "10%"]["seeds"] == [0, 1, 2]


def test_more_seeds_do_not_hide_those_that_were_there(whole, data, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    results = run(tmp_path, settings(data, seeds=(0,), methods=("full", "random")))
    assert entries(results)["bald", "25%"]["seeds"] == entries(results)["random", "10%"]["seeds"] == [0, 1]


def test_a_finished_point_that_cannot_be_read_is_computed_again(whole, data, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / "runs" / "toy-random-seed0" / "answers.safetensors").write_bytes(b"cut")
    (tmp_path / "runs" / "toy-random-seed1" / "results.json").write_text("{")
    before = {point["name"]: point["state"] for point in comparison.gather([tmp_path], command="")["compare"]["points"]}
    assert [before[f"toy-random-seed{seed}"] for seed in (0, 1)] == ["failed", "failed"]
    results = run(tmp_path, settings(data))
    assert results["finished"] and {one["state"] for one in results["compare"]["points"]} == {"finished"}
    old = entries(read_json(whole / "results.json"))["random", "10%"]["accuracy"]["values"]
    assert entries(results)["random", "10%"]["accuracy"]["values"] == pytest.approx(old, abs=1e-6)


def test_a_data_set_that_cannot_be_used_does_not_stop_the_others(tmp_path, data):
    given = settings(
        data, methods=("full", "random"), seeds=(0,),
        datasets={"good": "data.name=toy", "bad": f"vectors.path={tmp_path / 'gone.vec'}"},
    )  # fmt: skip
    with pytest.raises(UserError, match=r"2 of 4 points failed(.|\n)*bad-full-seed0, bad-random-seed0: .*gone\.vec"):
        run(tmp_path / "w", given)
    states = {one["name"]: one["state"] for one in read_json(tmp_path / "w" / "results.json")["compare"]["points"]}
    assert states["good-full-seed0"] == states["good-random-seed0"] == "finished"
    assert states["bad-full-seed0"] == states["bad-random-seed0"] == "failed"


def test_another_recipe_is_refused_instead_of_being_mixed(whole, data):
    with pytest.raises(WorkdirError, match="compare.rates"):
        run(whole, settings(data, rates=(2e-3,), methods=("full", "random")))


def test_a_point_that_fails_is_shown_and_tried_again(tmp_path, data, monkeypatch):
    given = settings(data, methods=("full", "random", "herding"), seeds=(0,))
    real, failing = compare_sets.select, [True]

    def broken(*args):
        if failing:
            raise ArithmeticError("no more of it")
        return real(*args)

    monkeypatch.setattr(compare_sets, "select", broken)
    with pytest.raises(UserError, match="1 of 3 points failed(.|\n)*toy-herding-seed0: ArithmeticError: no more of it"):
        run(tmp_path, given)
    results = read_json(tmp_path / "results.json")
    assert not results["finished"] and ("random", "10%") in entries(results)
    assert "toy-herding-seed0 failed" in (tmp_path / "report.html").read_text()
    failing.clear()
    assert run(tmp_path, given)["finished"]
    assert not (tmp_path / "runs" / "toy-herding-seed0" / "error.json").exists()


def test_slices_share_a_folder_and_the_last_puts_all_together(tmp_path, data, whole):
    given = settings(data, methods=("full", "random", "bald", "distilled_bought"), seeds=(0,))
    assert not run(tmp_path, given, "2/2")["finished"]
    assert "points are not computed" in (tmp_path / "report.html").read_text()
    with open_workdir(tmp_path, asdict(given), free=["compare"], shared=True) as beside:
        results = run(tmp_path, given, "1/2")
        with pytest.raises(WorkdirError, match="another process"):
            open_workdir(tmp_path, asdict(given), free=["compare"])
    assert beside.path == tmp_path and results["finished"]
    ours, theirs = entries(results), entries(read_json(whole / "results.json"))
    # What was bought is the same wherever it was bought, and so is what is distilled from it.
    for key in (("random", "10%"), ("bald", "25%"), ("distilled_bought", "1/class")):
        assert ours[key]["accuracy"]["values"][0] == pytest.approx(theirs[key]["accuracy"]["values"][0], abs=1e-6)


def test_a_slice_passes_over_points_that_another_process_is_at(tmp_path, data):
    given = settings(data, methods=("full", "random"), seeds=(0,))
    with open_workdir(tmp_path, asdict(given), free=["compare"], shared=True) as beside:
        found = compare.datasets(given)["toy"]
        with beside.part("toy-random-seed0", {**asdict(found), "point": asdict(points(given)[1])}):
            results = run(tmp_path, given, "1/1")
    states = {one["name"]: one["state"] for one in results["compare"]["points"]}
    assert states == {"toy-full-seed0": "finished", "toy-random-seed0": "missing"} and not results["finished"]
    assert run(tmp_path, given, "2/2")["finished"]


def test_a_slice_says_nothing_of_the_failures_of_others(tmp_path, data, monkeypatch):
    given, real = settings(data, methods=("full", "herding"), seeds=(0,)), compare_sets.select

    def broken(*args):
        raise ArithmeticError("no more of it")

    monkeypatch.setattr(compare_sets, "select", broken)
    with pytest.raises(UserError, match="1 of 2 points failed"):
        run(tmp_path, given, "2/2")
    assert run(tmp_path, given, "1/2")["compare"]["points"][1]["state"] == "failed"
    assert run(tmp_path, given, "3/3")["compare"]["points"][1]["state"] == "failed"  # a slice without points
    monkeypatch.setattr(compare_sets, "select", real)
    assert run(tmp_path, given, "2/2")["finished"]


def test_folders_of_several_machines_are_one_comparison(tmp_path, data, whole):
    run(tmp_path, settings(data, methods=("full", "random"), seeds=(7,)))
    joined = comparison.gather([whole, tmp_path], command="join")
    assert entries(joined)["random", "10%"]["seeds"][-1] == 7
    assert {one["folder"].startswith(str(tmp_path)) for one in joined["compare"]["points"]} == {True, False}
    other = tmp_path / "other"
    run(other, settings(data, methods=("full", "random"), seeds=(0,), budgets=("1/class", "10%"), bought="10%"))
    with pytest.raises(WorkdirError, match=r"does not go with(.|\n)*config\.compare\.budgets"):
        comparison.gather([whole, other], command="join")


def test_wrong_labels_and_outliers_are_measured(tmp_path, data):
    given = settings(
        data, methods=("full", "random", "margin"), query="margin", seeds=(0,), noise=(0.5,), outliers=0.5,
        varied_at="25%",
    )  # fmt: skip
    results = run(tmp_path, given)
    found = {(e["method"], e["budget"], e["noise"], e["outliers"]): e for e in results["compare"]["entries"]}
    spoilt = found["margin", "25%", 0.0, 0.5]["picked"]["outliers"]
    assert 0 <= spoilt["mean"] <= 1 and ("random", "25%", 0.5, 0.0) in found
    lines = [json.loads(line) for line in (tmp_path / "runs" / "toy-margin-noise0.5-seed0" / "selected.jsonl").open()]
    truth = np.asarray([row % 2 for row in range(60)])
    wrong = np.mean([line["label"] != truth[line["row"]] for line in lines])
    assert 0.1 < wrong < 0.9
    misled = found["full", "all", 0.5, 0.0]  # what is left of all data counts by all data as it is
    plain = found["full", "all", 0.0, 0.0]
    assert plain["retention"]["mean"] == 1
    assert np.isclose(misled["retention"]["mean"], misled["accuracy"]["mean"] / plain["accuracy"]["mean"])
    bought = (tmp_path / "tables" / "picked.csv").read_text().splitlines()[1:]
    assert len(bought) == len(set(line.split(",")[1] + line.split(",")[3] + line.split(",")[4] for line in bought)) == 6


def test_sets_are_tried_on_other_networks(tmp_path, data):
    given = settings(
        data, methods=("full", "random", "bald", "distilled"), seeds=(0,), networks=("averaging", "text_cnn:filters=3"),
        transfer_at="10%", distil_up_to="10%", noise=(0.2,),
    )  # fmt: skip
    results = run(tmp_path, given)
    tried = {(one["method"], one["budget"]) for one in results["compare"]["entries"] if "transfer" in one}
    assert not any("transfer" in one for one in results["compare"]["entries"] if one["noise"])
    assert tried == {("full", "all"), ("random", "10%"), ("bald", "10%"), ("distilled", "10%")}
    plain = {(one["method"], one["budget"]): one for one in results["compare"]["entries"] if not one["noise"]}
    for key in tried:
        found = plain[key]["transfer"]
        assert list(found) == ["averaging", "text_cnn:filters=3"]
        assert all(0 <= one["mean"] <= 1 for one in found.values())
    assert (tmp_path / "figures" / "transfer_0.png").exists()


def test_the_command_line_takes_slices_of_comparisons_only(tmp_path, data, capsys):
    config = tmp_path / "config.py"
    config.write_text(
        "from dd_al.config.schema import from_config, to_config\n"
        "from dd_al.config.settings import Settings\n"
        f"def get_config():\n    return to_config(from_config(Settings, {asdict(settings(data, seeds=(0,)))!r}))\n"
    )
    command = ["dd_al", f"--config={config}", f"--workdir={tmp_path / 'w'}"]
    assert main.main([*command, "--points=9/3"]) == 2
    assert "--points=3/40" in capsys.readouterr().err
    assert main.main([*command, "--config.experiment=distill", "--points=1/3"]) == 2
    assert "experiment = 'compare'" in capsys.readouterr().err
    count = len(points(settings(data, seeds=(0,))))
    assert main.main([*command, f"--points={count + 1}/{count + 1}"]) == 0  # no point, and nothing to report on
    assert main.main([*command, f"--points=1/{count}"]) == 0
    assert "toy, test accuracy in %" in capsys.readouterr().out

"""Results are put together right, and wrong ones are refused by the name of the key."""

import copy
import json

import numpy as np
import pytest

from dd_al.report import method_results, new_results, schema, validate


@pytest.fixture
def results():
    """Returns the smallest results that are valid."""
    labels = np.array([0, 1, 1, 0, 1])
    full = np.array([[0, 1, 1, 0, 0], [0, 1, 1, 1, 1]])
    dataset = {
        "name": "sst2",
        "source": "hub",
        "stand_in_for": None,
        "num_classes": 2,
        "label_map": {"0": 0},
        "test": 5,
        "majority_rate": np.float32(0.5),
        "train": 10,
        "validation": np.int64(5),
        "dropped_duplicates": 0,
    }
    return new_results(
        "distill",
        0,
        dataset=dataset,
        evaluate={"split": "test", "inits": 2, "init": "random"},
        budget={"full": {"examples": 10, "fraction": 1.0, "labels_used": 10, "stored_floats": 100}},
        methods={
            "full": method_results(full, labels, 2, split="test"),
            "distilled": method_results(full[::-1], labels, 2, split="test", full=full, validation_accuracy=[1.0]),
        },
        time={"total_s": 1.0},
        environment={"python": "3.11"},
    )


def test_new_results_are_plain_and_stamped(results):
    assert json.loads(json.dumps(results)) == results
    assert results["schema"] == schema.SCHEMA and results["finished"].endswith("Z")
    assert "command" not in results


def test_method_results():
    labels = np.array([0, 1, 1, 0])
    full = np.array([[0, 1, 1, 0], [0, 1, 1, 1]])
    entry = method_results(1 - full, labels, 2, split="test", full=full, validation_accuracy=[0.5, 1.0], note="why")
    assert entry["test_accuracy"]["values"] == [0.0, 0.25]
    assert entry["retention"] == pytest.approx(0.125 / 0.875)
    assert entry["validation_accuracy"]["mean"] == 0.75 and entry["note"] == "why"
    low, high = entry["interval"]["retention"]
    assert low <= entry["retention"] <= high
    itself = method_results(full, labels, 2, split="validation", validation_accuracy=[0.1])
    assert itself["retention"] == 1 and itself["interval"]["retention"] == [1, 1]
    assert "test_accuracy" not in itself and itself["validation_accuracy"]["mean"] == 0.875
    assert method_results(full, labels, 2, split="test", full=1 - full[:1])["retention"] is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", 2, r"results\.schema must be 1, got 2 \(int\)"),
        ("seed", "0", r"results\.seed must be int, got '0' \(str\)"),
        ("seed", True, r"results\.seed must be int, got True \(bool\)"),
        ("dataset.stand_in_for", 3, r"results\.dataset\.stand_in_for must be str or null, got 3 \(int\)"),
        ("dataset.majority_rate", "half", r"results\.dataset\.majority_rate must be int or float or null"),
        ("evaluate.split", "train", r"results\.evaluate\.split must be 'test' or 'validation', got 'train' \(str\)"),
        ("evaluate.split", [], r"results\.evaluate\.split must be"),
        ("budget.full", 8, r"results\.budget\.full must be a table of keys, got 8 \(int\)"),
        ("methods.full.test_accuracy.values", 0.5, r"methods\.full\.test_accuracy\.values must be a list"),
        ("methods.full.test_accuracy.values", ["x"], r"methods\.full\.test_accuracy\.values\[0\] must be int or float"),
        ("methods.full.curve", {"steps": [1], "accuracy": []}, r"methods\.full\.curve needs one row per step"),
        ("methods.full.curve", {"steps": [1, 2], "accuracy": [[1], [1, 1]]}, r"as many initialisations in every row"),
        ("evaluate.split", "validation", r"methods\.full\.validation_accuracy is missing"),
        ("time.total_s", "1", r"results\.time\.total_s must be"),
    ],
)
def test_wrong_types_are_refused_by_name(results, path, value, message):
    *parents, last = path.split(".")
    place = results
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(ValueError, match=message):
        validate(results)


@pytest.mark.parametrize("key", ["schema", "dataset", "methods", "budget", "environment", "evaluate"])
def test_missing_keys_are_refused_by_name(results, key):
    del results[key]
    with pytest.raises(ValueError, match=rf"results\.{key} is missing"):
        validate(results)


def test_a_development_run_holds_no_test_scores(results):
    results["evaluate"]["split"] = "validation"
    for method in results["methods"].values():
        method["validation_accuracy"] = copy.deepcopy(method["test_accuracy"])
    with pytest.raises(ValueError, match="test_accuracy must not be there"):
        validate(results)


def test_other_keys_and_unmeasured_numbers_pass(results):
    results["novel"] = {"x": 1}
    results["methods"]["full"]["retention"] = None
    results["methods"]["full"]["test_accuracy"]["std"] = float("nan")
    validate(results)


def test_only_tables_are_results():
    with pytest.raises(ValueError, match="results must be a table"):
        validate([1])

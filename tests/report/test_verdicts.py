"""The verdict says why little is kept, from the numbers of the results alone."""

import pytest

from dd_al.report import validate
from dd_al.report.verdicts import verdict


def _summary(mean):
    return {"mean": mean, "std": 0.0, "n": 2, "values": [mean, mean]}


def _course(judged, taught):
    steps = [100 * (i + 1) for i in range(len(judged))]
    return {"steps": steps, "loss": [0.1] * len(steps), "accuracy": taught, "validation_accuracy": judged}


def _results(full=0.9, distilled=0.7, f1=(0.9, 0.7), counts=(4000, 4000), sizes=(1000, 1000), outer=None, curve=None):
    methods = {
        "full": {"test_accuracy": _summary(full), "test_macro_f1": _summary(f1[0])},
        "random": {"test_accuracy": _summary(0.55), "test_macro_f1": _summary(0.5)},
        "distilled": {"test_accuracy": _summary(distilled), "test_macro_f1": _summary(f1[1])},
    }
    if outer:
        methods["distilled"]["outer"] = _course(*outer)
    if curve:
        methods["full"]["curve"] = {"steps": curve[0], "accuracy": [[value] * 2 for value in curve[1]]}
    few = {"examples": 2, "fraction": 2 / 8000, "labels_used": 8000, "stored_floats": 10}
    results = {
        "schema": 1,
        "experiment": "distill",
        "seed": 0,
        "finished": "",
        "dataset": {
            "name": "mine",
            "source": "local",
            "stand_in_for": None,
            "num_classes": len(counts),
            "label_map": {},
            "majority_rate": 0.5,
            "train": sum(counts),
            "validation": sizes[0],
            "test": sizes[1],
            "dropped_duplicates": 0,
            "train_counts": list(counts),
        },
        "evaluate": {"split": "test", "inits": 2, "init": "random"},
        "budget": {"full": few | {"examples": sum(counts)}, "random": few, "distilled": few},
        "methods": methods,
        "time": {},
        "environment": {},
    }
    validate(results)
    return results


def test_nothing_to_explain():
    assert "Why" not in verdict(_results(distilled=0.87, f1=(0.9, 0.87)))
    old = _results()
    del old["dataset"]["train_counts"]
    assert "no number of this run says" in verdict(old)
    assert "Why" not in verdict(old, why=False) and "less than 90 %." in verdict(old, why=False)
    assert "Why" not in verdict(_results(full=0.5, distilled=0.4))  # it says that all of the data teach nothing


FLAT = [0.6] * 10
REASONS = {
    "unfinished": (
        {"outer": ([0.5 + 0.02 * i for i in range(10)], [0.95] * 10)},
        "still rising when distillation ended (63.0 to 67.0 %): more config.distill.iterations than 1,000",
    ),
    "too short": ({"outer": ([0.6], [0.7])}, "ended after 100 outer steps, too few to tell more"),
    "few items": (
        {"outer": (FLAT, [0.7] * 10)},
        "no better than 70.0 %, less than all of the data teach new ones: 2 items for 2 classes are few, "
        "try config.distill.examples=4",
    ),
    "by heart": (
        {"outer": ([0.6, 0.8] + 8 * [0.6], [0.99] * 10)},
        "by heart (at the end 99.0 % of them are right, and 60.0 % on validation, which "
        "fell 20.0 points after step 200)",
    ),
    "few test texts": ({"sizes": (1000, 20)}, "20 test texts tell accuracies ± 20.5 points apart, no finer"),
    "few validation texts": ({"sizes": (60, 1000)}, "60 validation texts chose the set"),
    "little to keep": ({"full": 0.54, "distilled": 0.52}, "all of the data add 4.0 points only"),
    "rare classes": ({"counts": (9000, 9, 8)}, "2 of 3 classes have fewer than 20 training texts"),
    "skew": (
        {"distilled": 0.85, "counts": (9000, 100)},
        "rare classes suffer most: they go from 100 to 9,000 training",
    ),
    "unknown": ({}, "no number of this run says; try twice as many (config.distill.examples=4)"),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_little_is_kept(name):
    changes, reason = REASONS[name]
    text = verdict(_results(**changes))
    assert reason in text
    others = [other for key, (_, other) in REASONS.items() if key != name and other in text]
    assert not others


def test_the_shares_are_over_a_constant_answer():
    text = verdict(_results(distilled=0.82, f1=(0.9, 0.5)))
    # The constant's macro-F1 is (2/3 + 0) / 2.
    assert "the distilled set keeps 80.0 % in accuracy and 29.4 % in macro-F1, less than 90 %." in text


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        (([100, 200, 300], [0.6, 0.8, 0.9]), "was still improving when it ended (validation 80.0 to 90.0 %)"),
        (([1, 2, 20], [0.6, 0.9, 0.9]), "took 20 steps only"),
        (([100, 200, 300], [0.6, 0.9, 0.9]), None),
        (([300], [0.6]), None),
    ],
)
def test_all_of_the_data_trained_too_little(curve, said):
    text = verdict(_results(distilled=0.89, curve=curve))
    assert ("Training on all of the data" in text) == (said is not None)
    assert said is None or said in text and "raise config.full.epochs" in text

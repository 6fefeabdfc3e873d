"""A comparison whose points nobody has computed."""

import json
from pathlib import Path

import numpy as np
import pytest

from dd_al.data.overlap import sketch
from dd_al.io.tensors import write_safetensors
from dd_al.report import schema
from dd_al.report.statistics import summary

BUDGETS = {"0.1%": 8, "1%": 70, "5%": 346}
TEXTS, TRAIN, INITS = 200, 6920, 2


@pytest.fixture(scope="session")
def fake_comparison():
    """`fake_comparison(folder, accuracies, seeds=12)` writes points with answers that are right so often.

    `accuracies` is method → budget → the chance to be right; every seed has an offset that all methods share.
    """

    def dataset(name):
        return {
            "name": name, "source": "local", "stand_in_for": None, "num_classes": 2,
            "label_map": {"<b>bad</b>": 0, "good": 1}, "majority_rate": 0.5, "train": TRAIN, "validation": 100,
            "test": TEXTS, "dropped_duplicates": 0, "sha256": name,
        }  # fmt: skip

    def point(folder, name, method, budgets, seed, chances):
        path = folder / "runs" / f"{name}-{method}-{'-'.join(budgets)}-seed{seed}".replace("%", "pc")
        path.mkdir(parents=True)
        shared = 0.02 * np.random.default_rng(seed).normal()
        rng = np.random.default_rng([seed, len(method)])
        answers = {b: rng.random((INITS, TEXTS)) < chances[b] + shared for b in budgets}
        costs = {
            "build_s": 0.0 if method in ("random", "full") else 30.0, "build_flops": 1e9, "build_seen": 10,
            "train_s": 2.0 if method == "full" else 0.1, "train_flops": 1e8, "train_seen": 100,
        }  # fmt: skip
        count = {"all": TRAIN, **BUDGETS}
        extra = {}
        if method.startswith("distilled"):
            near = [[["<i>good</i>", 0.9], ["fine", 0.5]], [["film", 0.4]]]
            items = [{"label": [0.2, 0.8], "nearest_words": near}]
            extra["shown"] = {"items": items, "label_names": ["bad", "good"]}
            extra["nearness"] = {"nearest": 0.6, "chance": 0.8, "recovered": 0.0}
        elif method != "full":
            extra["picked"] = {"classes": [0.5, 0.5], "words": 9.0, "examples": ["<script>alert(1)</script>"]}
            extra["rounds"] = {"labels": [8, 70], "validation": [0.5, 0.6]}
        extra["training"] = {b: {"epochs": [1, 2, 5], "validation": [0.5, 0.6, chances[b]]} for b in budgets}
        extra["members"] = {b: count[b] for b in budgets}
        results = schema.new_results(
            "compare", seed, command="python -m dd_al.main --config=x --workdir=y", dataset=dataset(name),
            evaluate={"split": "test", "inits": INITS, "init": "random"},
            budget={
                b: {"examples": count[b], "fraction": count[b] / TRAIN, "labels_used": count[b], "stored_floats": 9}
                for b in budgets
            },
            methods={
                b: {
                    "test_accuracy": summary(answers[b].mean(1)), "test_macro_f1": summary(answers[b].mean(1)),
                    "validation_accuracy": summary([chances[b]]), "membership": summary([0.5]),
                }
                for b in budgets
            },
            costs={
                b: {
                    "labels": TRAIN if method.startswith("distilled") else count[b], "examples": count[b],
                    "share": count[b] / TRAIN, "floats": 9, "bytes": 100 * count[b], **costs,
                }
                for b in budgets
            },
            point={"name": path.name, "dataset": name, "method": method, **extra},
            time={"total_s": 3.0}, memory={"peak_rss_mb": 5.0}, environment={"device": "cpu"},
        )  # fmt: skip
        (path / "results.json").write_text(json.dumps(results))
        (path / "config.json").write_text(json.dumps({"distill": {"steps": 10}, "point": {"seed": seed}}))
        write_safetensors(path / "answers.safetensors", {b: a.astype(np.uint8) for b, a in answers.items()})
        shown = {"name": path.name, "dataset": name, "method": method, "seed": seed, "budgets": list(budgets)}
        return {**shown, "noise": 0.0, "outliers": 0.0, "start": ""}

    def make(folder: Path, accuracies, *, seeds=12, name="toy", corpus="one film") -> Path:
        points = []
        for seed in range(seeds):
            for method, chances in accuracies.items():
                points.append(point(folder, name, method, tuple(chances), seed, chances))
        plan = {"points": points, "budgets": {name: BUDGETS}, "sketches": {name: sketch([corpus])}}
        (folder / "points.json").write_text(json.dumps(plan))
        return folder

    return make

"""One point of a comparison: the sets that a method gives, learners trained on them, and the results of both."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.config.sweeps import ACTIVE, DISTILLED
from dd_al.core.files import write_json
from dd_al.evaluation.privacy import membership
from dd_al.experiments import record
from dd_al.experiments.compare import sets
from dd_al.experiments.compare.distilled import distilled
from dd_al.experiments.compare.lab import Lab
from dd_al.experiments.compare.plan import ALL, Point
from dd_al.io import environment
from dd_al.io.signals import Stop
from dd_al.io.tensors import write_safetensors
from dd_al.io.workdir import Workdir
from dd_al.report import schema, statistics
from dd_al.task.task import Task


def compute(lab: Lab, point: Point, workdir: Workdir, *, siblings: Mapping[str, Path], stop: Stop) -> None:
    """Computes a point and writes its results.

    Args:
      lab: its data set.
      point: which.
      workdir: its own, begun.
      siblings: finished points of the same data set, seed and training data, method → folder, to look things up in.
      stop: asked along the way.
    """
    began, task = time.perf_counter(), lab.task_of(point)
    extra: dict[str, Any] = {}
    if point.method == "full":
        built = {ALL: sets.full(lab, task, workdir, stop)}
    elif point.method in ("random", *ACTIVE):
        built, extra = sets.bought(lab, task, point, workdir, stop)
    elif point.method in DISTILLED:
        made, extra = distilled(lab, task, point, workdir, siblings, stop)
        built = {point.budgets[0]: made}
    else:
        built = sets.coresets(lab, task, point, workdir, siblings, stop)
    _write(lab, task, point, workdir, built, extra, began)


def _transfer(lab: Lab, point: Point, built: sets.Built) -> dict[str, dict]:
    """The accuracy of other networks that are trained on the set, by their names."""
    found, split = {}, lab.settings.evaluate.split
    for name in lab.settings.compare.networks or ():
        other = lab.other(name)
        judged = built.elsewhere(other, other.task_of(point))
        correct = other.predicted(judged.params) == lab.task.labels(split)
        found[name] = {**statistics.summary(correct.mean(1)), "recipe": judged.recipe}
    return found


def _write(
    lab: Lab, task: Task, point: Point, workdir: Workdir, built: Mapping[str, sets.Built], extra: Mapping, began: float
) -> None:
    """Judges the learners of every budget, writes which answers are right, then the results, which end the point."""
    split = lab.settings.evaluate.split
    truth, methods, costs_of, budgets, correct, transfer = task.labels(split), {}, {}, {}, {}, {}
    for name, one in built.items():
        predicted = lab.predicted(one.judged.params)
        correct[name] = (predicted == truth).astype(np.uint8)
        summary = statistics.summary
        inside, outside = membership(task, one.judged.params, one.members, split, point.seed)
        methods[name] = {
            f"{split}_accuracy": summary(correct[name].mean(1)),
            f"{split}_macro_f1": summary(statistics.macro_f1(predicted, truth, task.classes)),
            "validation_accuracy": summary(one.judged.validation),
            "hyperparameters": one.judged.recipe,
            "membership": summary([statistics.ranked_apart(-ours, -theirs) for ours, theirs in zip(inside, outside)]),
        }
        if name in (ALL, lab.settings.compare.transfer_at) and not point.varied:
            transfer[name] = _transfer(lab, point, one)
        count = len(task.dataset.train)
        budgets[name] = record.given(one.examples, count, one.labels, one.floats)
        costs_of[name] = {
            "labels": one.labels, "examples": one.examples, "share": one.examples / count,
            "floats": one.floats, "bytes": one.size,
            **{f"build_{key}": value for key, value in zip(("s", "flops", "seen"), one.work)},
            **{f"train_{key}": value for key, value in zip(("s", "flops", "seen"), one.judged.work)},
        }  # fmt: skip
    write_safetensors(workdir.answers, correct)
    training = {name: one.judged.curve for name, one in built.items() if one.judged.curve}
    results = schema.new_results(
        "compare",
        point.seed,
        command=environment.command(),
        dataset=lab.task.dataset.provenance(split),
        **({"vectors": task.vectors.report} if task.vectors else {}),
        evaluate={"split": split, "inits": lab.inits, "init": "known" if "known" in point.method else "random"},
        budget=budgets,
        methods=methods,
        costs=costs_of,
        point={
            "name": point.name,
            "dataset": point.dataset,
            "method": point.method,
            "transfer": transfer,
            "training": training,
            "members": {name: len(one.members) for name, one in built.items()},
            **extra,
        },
        time={"total_s": round(time.perf_counter() - began, 3)},
        memory={"peak_rss_mb": round(environment.peak_rss_mb(), 1)},
        environment=environment.describe(),
    )
    write_json(workdir.results, results)

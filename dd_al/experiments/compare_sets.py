"""The real training sets of a comparison's points, chosen or bought, with learners trained on them and costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dd_al.core.errors import ConfigError
from dd_al.core.files import read_json
from dd_al.coreset.methods import select
from dd_al.distill.synthetic import balanced_classes
from dd_al.experiments import compare_costs as costs
from dd_al.experiments import record
from dd_al.experiments.baselines import Trained, fit_full, fit_tuned
from dd_al.experiments.compare_acquire import Acquired, acquire, write_selected
from dd_al.experiments.compare_judge import Judged, judge_rows
from dd_al.experiments.compare_lab import Lab
from dd_al.experiments.compare_plan import ALL, Point
from dd_al.experiments.compare_spoilt import outlier_rows
from dd_al.experiments.coresets import features_of
from dd_al.experiments.task import Task
from dd_al.io.metrics import MetricsWriter
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.learner.examples import steps_per_epoch
from dd_al.learner.fit import cosine, fitting


class Built(NamedTuple):
    """A training set of one budget, and what making it took.

    Attributes:
      judged: learners trained on it.
      elsewhere: trains learners of another network on it, given the laboratory and the task of that network.
      members: ``int[n]``, positions of the training examples that the learners owe something to.
      labels: that a person had to give.
      examples: in the set.
      floats: numbers to be stored of what networks read, with labels and rates where those are numbers, too.
      size: bytes of it: texts with a byte for the label, or numbers.
      seconds: of making it, compilation apart.
      flops: likewise.
      seen: real examples that went through networks for it.
    """

    judged: Judged
    elsewhere: Callable[[Lab, Task], Judged]
    members: np.ndarray
    labels: int
    examples: int
    floats: int
    size: int
    seconds: float = 0.0
    flops: float = 0.0
    seen: int = 0


def _data(point: Point) -> Hashable:
    """A name for training texts that are not those of the data set."""
    return (point.outliers, point.seed) if point.outliers else ""


def _rows(lab: Lab, task: Task, rows: np.ndarray, data: Any = "", labels: int | None = None, **cost: Any) -> Built:
    """A set of training examples; whoever chose them saw the labels of those alone, unless more are given."""
    judged = judge_rows(lab, task, rows, data)

    def elsewhere(lab: Lab, task: Task) -> Judged:
        return judge_rows(lab, task, rows, data)

    texts = task.dataset.train.texts
    size = sum(len(texts[row].encode()) + 1 for row in rows.tolist())
    floats = len(rows) * int(np.prod(task.shape))
    return Built(judged, elsewhere, rows, len(rows) if labels is None else labels, len(rows), floats, size, **cost)


def _fit_full(
    lab: Lab, task: Task, workdir: Workdir, siblings: Mapping[str, Path], stop: Stop
) -> tuple[Trained, float]:
    """Learners on all data, from the point that has them, else trained here, and the seconds of one."""
    if "full" in siblings and (siblings["full"] / "checkpoints" / "full.safetensors").exists():
        seconds = read_json(siblings["full"] / "results.json")["costs"][ALL]["train_s"]
        return record.read_stage(siblings["full"] / "checkpoints" / "full.safetensors")[0], seconds
    trained, seconds = record.stage(
        workdir, "full", partial(fit_full, task, lab.settings.full, lab.states(task), stop=stop)
    )
    return trained, seconds / lab.inits


def _elsewhere_full(lab: Lab, task: Task, *, stop: Stop) -> Judged:
    """Another network on all data, at the best of `config.transfer.full_rates`."""
    settings = lab.settings
    trained, rate = fit_tuned(task, settings.full, settings.transfer.full_rates, lab.states(task), stop=stop)
    steps, nothing = int(trained.steps[-1]), float("nan")
    recipe = {"steps": steps, "rate": rate}
    return Judged(trained.params, np.max(trained.accuracy, axis=0), recipe, nothing, nothing, steps)


def full(lab: Lab, task: Task, workdir: Workdir, stop: Stop) -> Built:
    """All of the data."""
    settings, count = lab.settings.full, len(task.raw["train"])
    trained, _ = _fit_full(lab, task, workdir, {}, stop)
    reached = np.max(trained.accuracy, axis=0)
    total = int(trained.steps[-1])
    init, advance = fitting(
        task.learner, task.train, task.validation, task.embed, batch_size=settings.batch_size,
        schedule=cosine(settings.rate, total),
    )  # fmt: skip
    states = init(lab.states(task))
    keys = jax.random.split(task.key, lab.inits)
    few = min(20, total)
    _, looking = lab.run("advance", advance, keys, states, np.int32(0))
    _, both = lab.run("advance", advance, keys, states, np.int32(few))
    step = lab.count("minibatch", lambda: costs.minibatch_step(task, settings.batch_size))
    epochs = trained.steps / steps_per_epoch(task.train, settings.batch_size)
    judged = Judged(
        trained.params, reached, {"steps": total, "rate": settings.rate, "batch": settings.batch_size},
        max(both - looking, 0.0) / few * total / lab.inits, total * step, round(epochs[-1] * count),
        {"epochs": epochs.tolist(), "validation": trained.accuracy.mean(1).tolist()},
    )  # fmt: skip
    texts = task.dataset.train.texts
    size = sum(len(text.encode()) + 1 for text in texts)
    return Built(
        judged,
        partial(_elsewhere_full, stop=stop),
        np.arange(count),
        count,
        count,
        count * int(np.prod(task.shape)),
        size,
    )


def coresets(
    lab: Lab, task: Task, point: Point, workdir: Workdir, siblings: Mapping[str, Path], stop: Stop
) -> dict[str, Built]:
    """What instance selection keeps, by the features of a network that was trained on all data."""
    settings, count, labels = lab.settings, len(task.raw["train"]), task.labels("train")
    params, seconds, work, seen = None, 0.0, 0.0, 0
    if settings.coreset.features == "network":
        trained, seconds = _fit_full(lab, task, workdir, siblings, stop)
        params = jax.tree.map(lambda x: x[0], trained.params)
        step = lab.count("minibatch", lambda: costs.minibatch_step(task, settings.full.batch_size))
        work, seen = int(trained.steps[-1]) * step, int(trained.steps[-1]) * settings.full.batch_size
    start = time.perf_counter()
    features = features_of(task, params)
    seconds += time.perf_counter() - start
    work += count * lab.count("answer", lambda: costs.answering(task))
    found = {}
    for name in point.budgets:
        start = time.perf_counter()
        per_class = np.bincount(balanced_classes(lab.budgets[name], task.classes), minlength=task.classes)
        try:
            rows = select(point.method, jax.random.fold_in(task.key, 5), features, labels, per_class)
        except ValueError as error:
            raise ConfigError(f"{point.method} at {name}: {error}; lower config.compare.budgets") from error
        spent = seconds + time.perf_counter() - start
        # What the selection itself computes is small beside the features, and not counted.
        found[name] = _rows(lab, task, rows, labels=count, seconds=spent, flops=work, seen=seen + count)
        stop.check("the same command begins this point anew")
    return found


def bought(lab: Lab, task: Task, point: Point, workdir: Workdir, stop: Stop) -> tuple[dict[str, Built], dict[str, Any]]:
    """What a query buys for every budget, what that was, and how the network that asks learned by it."""
    most = max(lab.budgets[name] for name in point.budgets)
    options = {"start": point.start, "data": _data(point), "stop": stop}
    with MetricsWriter(workdir.metrics, workdir.events) as metrics:
        if workdir.resumed:
            metrics.resume(0)
        acquired = acquire(lab, task, point.method, point.seed, most, **options, metrics=metrics)
    write_selected(workdir.selected, task, point.method, point.seed, acquired)
    built = {}
    for name in point.budgets:
        at, cost = acquired.counts.tolist().index(lab.budgets[name]), {}
        if point.method != "random":  # which needs no network to go on: it was trained for the curve
            cost = {key: getattr(acquired, key)[at].item() for key in ("seconds", "flops", "seen")}
        built[name] = _rows(lab, task, acquired.rows[: lab.budgets[name]], _data(point), **cost)
    rounds = {"labels": acquired.counts[:-1].tolist(), "validation": acquired.validation.tolist()}
    return built, {"picked": _picked(task, acquired, point), "rounds": rounds}


def _picked(task: Task, acquired: Acquired, point: Point) -> dict[str, Any]:
    """What was bought: classes, lengths, the first texts, and how many outliers at each budget."""
    bought = acquired.rows[acquired.rounds > 0]
    texts = task.dataset.train.texts
    found = {
        "classes": (np.bincount(task.labels("train")[bought], minlength=task.classes) / max(len(bought), 1)).tolist(),
        "words": float(np.mean([len(texts[row].split()) for row in bought])) if len(bought) else 0.0,
        "examples": [texts[row][:200] for row in bought[:3]],
    }
    if point.outliers:
        marked = np.isin(bought, outlier_rows(len(texts), point.outliers, point.seed))
        found["outliers"] = float(marked.mean()) if len(bought) else 0.0
    return found

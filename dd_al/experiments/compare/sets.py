"""The real training sets of a comparison's points, chosen or bought, with learners trained on them and costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dd_al.active import selected
from dd_al.core.errors import ConfigError
from dd_al.core.files import read_json
from dd_al.core.keys import stream
from dd_al.coreset.methods import select
from dd_al.evaluation import costs
from dd_al.evaluation.baselines import fit_tuned, full_training, read_stage, stage
from dd_al.evaluation.coresets import features_of
from dd_al.evaluation.costs import Work
from dd_al.evaluation.spoilt import outlier_rows
from dd_al.experiments.compare.acquire import Acquired, acquire
from dd_al.experiments.compare.judge import Judged, judge_rows
from dd_al.experiments.compare.lab import Lab
from dd_al.experiments.compare.plan import ALL, Point
from dd_al.io.metrics import MetricsWriter
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.models.base import Params
from dd_al.task.task import Task


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
      work: of making it; the examples are real ones.
    """

    judged: Judged
    elsewhere: Callable[[Lab, Task], Judged]
    members: np.ndarray
    labels: int
    examples: int
    floats: int
    size: int
    work: Work = Work()


def work_of(costs_of: Mapping[str, Any], prefix: str) -> Work:
    """What `points` has recorded under "build" or "train"."""
    values = (costs_of[f"{prefix}_{key}"] for key in ("s", "flops", "seen"))
    return Work(*(math.nan if value is None else value for value in values))  # JSON has no NaN


def _data(point: Point) -> Hashable:
    """A name for training texts that are not those of the data set."""
    return (point.outliers, point.seed) if point.outliers else ""


def _rows(
    lab: Lab, task: Task, rows: np.ndarray, work: Work, *, data: Hashable = "", labels: int | None = None
) -> Built:
    """A set of training examples; whoever chose them saw the labels of those alone, unless more are given."""
    judge = partial(judge_rows, rows=rows, data=data)
    texts = task.dataset.train.texts
    size = sum(len(texts[row].encode()) + 1 for row in rows.tolist())
    floats = len(rows) * int(np.prod(task.shape))
    labels = len(rows) if labels is None else labels
    return Built(judge(lab, task), judge, rows, labels, len(rows), floats, size, work)


def _judge_full(lab: Lab, task: Task, *, workdir: Workdir | None = None, stop: Stop) -> Judged:
    """Fresh learners, trained on all data at the rate of `config.transfer.full_rates` that validation prefers."""
    full, rates = lab.settings.full, lab.settings.transfer.full_rates
    fit = partial(fit_tuned, task, full, rates, lab.states(task), stop=stop)
    trained = fit() if workdir is None else stage(workdir, "full", fit)[0]
    rate, total = float(trained.chosen[0]), int(trained.steps[-1])
    per_epoch, _, init, advance = full_training(task, full)
    args = task.arrays, np.float32(rate), jax.random.split(task.key, lab.inits), init(lab.states(task))
    _, looking = lab.run("advance", advance, *args, np.int32(0))
    _, epoch = lab.run("advance", advance, *args, np.int32(per_epoch))
    step = lab.count("minibatch", lambda: costs.minibatch_step(task, full.batch_size))
    seconds = max(epoch - looking, 0.0) / per_epoch * total / lab.inits
    return Judged(
        trained.params,
        np.max(trained.accuracy, axis=0),
        {"steps": total, "rate": rate, "batch": full.batch_size},
        Work(seconds, total * step, total * full.batch_size),
        {"epochs": (trained.steps / per_epoch).tolist(), "validation": trained.accuracy.mean(1).tolist()},
    )


def full(lab: Lab, task: Task, workdir: Workdir, stop: Stop) -> Built:
    """All of the data."""
    count = len(task.raw["train"])
    size = sum(len(text.encode()) + 1 for text in task.dataset.train.texts)
    judged = _judge_full(lab, task, workdir=workdir, stop=stop)
    floats = count * int(np.prod(task.shape))
    return Built(judged, partial(_judge_full, stop=stop), np.arange(count), count, count, floats, size)


def _trained_on_all(
    lab: Lab, task: Task, workdir: Workdir, siblings: Mapping[str, Path], stop: Stop
) -> tuple[Params, Work]:
    """Parameters of a learner on all data, and what one takes.

    From the point that has it; else it is trained here, with the same outcome.
    """
    if "full" in siblings:
        path = siblings["full"] / "checkpoints" / "full.safetensors"
        if path.exists():
            cost = read_json(siblings["full"] / "results.json")["costs"][ALL]
            return jax.tree.map(lambda x: x[0], read_stage(path)[0].params), work_of(cost, "train")
    judged = _judge_full(lab, task, workdir=workdir, stop=stop)
    return jax.tree.map(lambda x: x[0], judged.params), judged.work


def shares(count: int, available: np.ndarray) -> np.ndarray:
    """How many of each class a set of so many examples has: as even as can be where some classes are rare.

    Args:
      count: examples, as many as are available at most.
      available: ``int[classes]``, of each class.
    """
    found, left = np.zeros_like(available), count
    while left:
        room = np.flatnonzero(found < available)
        each = max(left // len(room), 1)
        for c in room[:left]:
            more = min(each, available[c] - found[c])
            found[c], left = found[c] + more, left - more
    return found


def coresets(
    lab: Lab, task: Task, point: Point, workdir: Workdir, siblings: Mapping[str, Path], stop: Stop
) -> dict[str, Built]:
    """What instance selection keeps, by the features of a network that was trained on all data."""
    count, labels = len(task.raw["train"]), task.labels("train")
    params, work = None, Work(seen=count)
    if lab.settings.coreset.features == "network":
        params, training = _trained_on_all(lab, task, workdir, siblings, stop)
        work = training.plus(Work(0.0, count * lab.count("answer", lambda: costs.answering(task)), count))
    features, seconds = lab.run("features", partial(features_of, task), params, task.train.buckets)
    features, work = np.asarray(features), work.plus(Work(seconds))
    found = {}
    for name in point.budgets:
        start = time.perf_counter()
        per_class = shares(lab.budgets[name], np.bincount(labels, minlength=task.classes))
        try:
            rows = select(point.method, stream(task.key, "coreset"), features, labels, per_class)
        except ValueError as error:
            raise ConfigError(f"{point.method} at {name}: {error}; lower config.compare.budgets") from error
        # What the selection itself computes is small beside the features, and not counted.
        found[name] = _rows(lab, task, rows, work.plus(Work(time.perf_counter() - start)), labels=count)
        stop.check("the same command begins this point anew")
    return found


def bought(lab: Lab, task: Task, point: Point, workdir: Workdir, stop: Stop) -> tuple[dict[str, Built], dict[str, Any]]:
    """What a query buys for every budget, what that was, and how the network that asks learned by it."""
    most = max(lab.budgets[name] for name in point.budgets)
    options = {"workdir": workdir, "start": point.start, "data": _data(point), "stop": stop}
    with MetricsWriter(workdir.metrics, workdir.events) as metrics:
        if workdir.resumed:
            metrics.resume(0)
        acquired = acquire(lab, task, point.method, point.seed, most, **options, metrics=metrics)
    built = {}
    for name in point.budgets:
        # Random sampling needs no network to go on: it was trained for the curve.
        random, at = point.method == "random", acquired.counts.tolist().index(lab.budgets[name])
        work = Work() if random else acquired.work[at]
        built[name] = _rows(lab, task, acquired.rows[: lab.budgets[name]], work, data=_data(point))
    rounds = {"labels": acquired.counts[:-1].tolist(), "validation": acquired.validation.tolist()}
    return built, {"picked": _picked(task, acquired, point), "rounds": rounds}


def _picked(task: Task, acquired: Acquired, point: Point) -> dict[str, Any]:
    """What was bought after the seed set: classes, lengths, the first texts, and the share of outliers."""
    bought, train = acquired.rows[acquired.counts[0] :], task.dataset.train
    found = selected.picked(train, task.classes, bought)
    if point.outliers:
        marked = np.isin(bought, outlier_rows(len(train), point.outliers, point.seed))
        found["outliers"] = float(marked.mean()) if len(bought) else 0.0
    return found

"""The training sets of a comparison's points, with learners trained on them and costs: real, bought, distilled."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active import selected
from dd_al.config.grid import examples
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.core.files import write_json
from dd_al.core.keys import stream
from dd_al.coreset.methods import select
from dd_al.data.dataset import Split
from dd_al.distillation.saved import describe, make_artefact
from dd_al.distillation.synthetic import Synthetic, as_batch
from dd_al.evaluation import baselines, costs
from dd_al.experiments import record
from dd_al.experiments.compare.acquire import acquire, bought_before, recorded_work
from dd_al.experiments.compare.lab import Job, Judged, Lab, judge_batch, judge_rows, judge_sets, outlier_rows
from dd_al.experiments.compare.plan import ALL
from dd_al.experiments.distill import TEACHERS, distil
from dd_al.io import artefact
from dd_al.io.metrics import MetricsWriter
from dd_al.learner.examples import steps_per_epoch
from dd_al.models.base import Params
from dd_al.task.task import Task, with_training

_FLOAT = 4  # bytes
_SHOWN = 2  # items of a set in the report


class Built(NamedTuple):
    """A training set of one budget, and what making it took."""

    judged: Judged  # learners trained on it
    elsewhere: Callable[[Lab, Task], Judged]  # trains learners of another network on it, given its lab and task
    members: np.ndarray  # int[n], positions of the training examples that the learners owe something to
    labels: int  # that a person had to give
    examples: int  # in the set
    floats: int  # numbers to store of what networks read, with labels and rates where those are numbers, too
    size: int  # bytes of it: texts with a byte for the label, or numbers
    work: costs.Work  # of making it, where examples seen are real ones


def _chosen(
    job: Job, rows: np.ndarray, work: costs.Work, labels: int | None = None, judge: Callable | None = None
) -> Built:
    """A set of training examples, which ``judge`` trains learners on, `judge_rows` if None.

    Whoever chose them saw the labels of those alone, unless more are given.
    """
    judge = judge or partial(judge_rows, rows=rows, data=job.data)
    texts, count = job.task.dataset.train.texts, len(rows)
    size, floats = sum(len(texts[row].encode()) + 1 for row in rows.tolist()), count * math.prod(job.task.shape)
    return Built(judge(job.lab, job.task), judge, rows, labels or count, count, floats, size, work)


def full(job: Job) -> tuple[dict[str, Built], dict[str, Any]]:
    """All of the data."""
    rows = np.arange(len(job.task.raw["train"]))
    return {ALL: _chosen(job, rows, costs.Work(), judge=partial(_judge_full, job=job))}, {}


def _judge_full(lab: Lab, task: Task, job: Job) -> Judged:
    """Fresh learners, trained on all data at the rate of `config.transfer.full_rates` that validation prefers.

    Those of the job's own network are kept in its folder.
    """
    full, rates = lab.settings.full, lab.settings.transfer.full_rates
    fit = partial(baselines.fit_tuned, task, full, rates, lab.states(task), stop=job.stop)
    trained = baselines.stage(job.workdir, "full", fit)[0] if lab is job.lab else fit()
    rate, total = float(trained.chosen[0]), int(trained.steps[-1])
    per_epoch, _, init, advance = baselines.full_training(task, full)
    args = task.arrays, np.float32(rate), jax.random.split(task.key, lab.inits), init(lab.states(task))
    _, looking = lab.run("advance", advance, *args, np.int32(0))
    _, epoch = lab.run("advance", advance, *args, np.int32(per_epoch))
    step = lab.once("minibatch", lambda: costs.minibatch_step(task, full.batch_size))
    seconds = max(epoch - looking, 0.0) / per_epoch * total / lab.inits
    return Judged(
        trained.params,
        np.max(trained.accuracy, axis=0),
        {"steps": total, "rate": rate, "batch": full.batch_size},
        costs.Work(seconds, total * step, total * full.batch_size),
        {"epochs": (trained.steps / per_epoch).tolist(), "validation": trained.accuracy.mean(1).tolist()},
    )


def _trained_on_all(job: Job) -> tuple[Params, costs.Work]:
    """Parameters of a learner on all data, and what one takes: from the point that has it, or the same trained here."""
    folder = job.sibling("full")
    if folder and (path := folder / "checkpoints" / "full.safetensors").exists():
        params, work = baselines.read_stage(path)[0].params, recorded_work(folder, ALL, "train")
    else:
        judged = _judge_full(job.lab, job.task, job)
        params, work = judged.params, judged.work
    return jax.tree.map(lambda x: x[0], params), work


def coresets(job: Job) -> tuple[dict[str, Built], dict[str, Any]]:
    """What instance selection keeps, by the features of a network that was trained on all data."""
    lab, task, method = job.lab, job.task, job.point.method
    count, labels = len(task.raw["train"]), task.labels("train")
    params, work = None, costs.Work(seen=count)
    if lab.settings.coreset.features == "network":
        params, training = _trained_on_all(job)
        work = training.plus(0.0, count * lab.once("answer", lambda: costs.answering(task)), count)
    features, seconds = lab.run("features", partial(baselines.features_of, task), params, task.train.buckets)
    features, work = np.asarray(features), work.plus(seconds)
    found = {}
    for name in job.point.budgets:
        start = time.perf_counter()
        per_class = shares(lab.budgets[name], np.bincount(labels, minlength=task.classes))
        try:
            rows = select(method, stream(task.key, "coreset"), features, labels, per_class)
        except ValueError as error:
            raise ConfigError(f"{method} at {name}: {error}; lower config.compare.budgets") from error
        # What the selection itself computes is small beside the features, and not counted.
        found[name] = _chosen(job, rows, work.plus(time.perf_counter() - start), labels=count)
        job.stop.check("the same command begins this point anew")
    return found, {}


def shares(count: int, available: np.ndarray) -> np.ndarray:
    """How many of each class a set has, as even as can be where of some classes few are available, ``int[classes]``."""
    classes, turns = np.repeat(np.arange(len(available)), available), np.concatenate([np.arange(n) for n in available])
    in_turn = classes[np.argsort(turns, kind="stable")]  # the first of each class, then the second of each, …
    return np.bincount(in_turn[:count], minlength=len(available))


def bought(job: Job) -> tuple[dict[str, Built], dict[str, Any]]:
    """What a query buys for every budget, what that was, and how the network that asks learned by it."""
    point, budgets, workdir = job.point, job.lab.budgets, job.workdir
    record.note_resumption(workdir)
    with MetricsWriter(workdir.metrics, workdir.events) as metrics:
        acquired = acquire(job, point.method, max(budgets[name] for name in point.budgets), metrics)
    counts, work = list(acquired.work), acquired.work
    if point.method == "random":  # which needs no network to go on: it was trained for the curve
        work = dict.fromkeys(counts, costs.Work())
    built = {name: _chosen(job, acquired.rows[: budgets[name]], work[budgets[name]]) for name in point.budgets}
    queried, train = acquired.rows[counts[0] :], job.task.dataset.train
    picked = selected.picked(train, job.task.classes, queried)
    if point.outliers:
        marked = np.isin(queried, outlier_rows(len(train), point.outliers, point.seed))
        picked["outliers"] = float(marked.mean()) if len(queried) else 0.0
    return built, {"picked": picked, "rounds": {"labels": counts[:-1], "validation": acquired.validation}}


def distilled(job: Job) -> tuple[dict[str, Built], dict[str, Any]]:
    """A distilled set, and how near it is to real examples."""
    lab, task, (budget,) = job.lab, job.task, job.point.budgets
    items, labels, work = lab.budgets[budget], len(task.raw["train"]), costs.Work()
    settings, outer_task = _distillation(lab.settings, job.point.method, items), task
    distill, members = settings.distill, np.arange(labels)
    if job.point.method == "distilled_bought":
        labels = examples(settings.compare.bought, labels, task.classes)
        members, work = bought_before(job, labels)
        train = task.dataset.train
        kept = Split(tuple(train.texts[row] for row in members.tolist()), train.labels[members], train.rows[members])
        # In one bucket: its shape is the same for every seed.
        outer_task = with_training(task, task.raw["train"][members], kept, buckets=1)
    sets = lab.inits if distill.init == "known" else 1
    given = {"items": items, "sets": sets, "programs": lab.made}
    found = distil(outer_task, settings, workdir=job.workdir, stop=job.stop, **given)
    job.stop.check()
    judged = judge_sets(lab, task, distill, found.synthetic)
    judged.recipe["outer_step"] = int(found.best_step.max())
    artefact.save(job.workdir.distilled, make_artefact(task, settings, found))
    described = describe(outer_task, found, distill.labels)
    write_json(job.workdir.distilled_meta, described)

    one = jax.tree.map(lambda x: x[0], found.synthetic)
    name, select_inits = ("distilling", job.point.method, items), settings.evaluate.select_inits
    _, operations, seen = lab.once(name, lambda: costs.distilling(outer_task, distill, one, select_inits))
    work = work.plus(found.teachers_s + found.optimise_s / sets, operations, seen)
    if distill.teacher:
        work = work.plus(*_teaching(lab, outer_task))
    floats = sum(x.size for x in jax.tree.leaves(one))
    start_rows = None if found.start_rows is None else np.asarray(found.start_rows)[0]
    shown = {"examples": described["examples"][:_SHOWN], "label_names": described["label_names"]}
    elsewhere = partial(judge_batch, batch=as_batch(one, distill.labels))
    built = Built(judged, elsewhere, members, labels, items, floats, _FLOAT * floats, work)
    return {budget: built}, {"nearness": nearness(outer_task, one, start_rows), "shown": shown}


def _teaching(lab: Lab, task: Task) -> costs.Work:
    """The teachers' training and answers, without their seconds, which are measured."""
    full, count = lab.settings.full, len(task.raw["train"])
    steps = max(full.epochs * steps_per_epoch(task.train, full.batch_size), full.min_steps)
    each = steps * lab.once("minibatch", lambda: costs.minibatch_step(task, full.batch_size))
    each += count * lab.once("answer", lambda: costs.answering(task))
    return costs.Work(0.0, TEACHERS * each, TEACHERS * (steps * full.batch_size + count))


def _distillation(settings: Settings, method: str, items: int) -> Settings:
    """The settings by which a method of `dd_al.config.sweeps.DISTILLED` distils."""
    changes: dict[str, Any] = {"examples": items}
    if ("known" in method) != (settings.distill.init == "known"):
        changes["init"] = "known" if "known" in method else "random"
    if method.endswith("_hard"):
        changes["labels"] = "hard"
    try:
        return replace(settings, distill=replace(settings.distill, **changes))
    except ValueError as error:
        raise ConfigError(f"{method}: config.distill: {error}") from error


def nearness(task: Task, synthetic: Synthetic, start_rows: np.ndarray | None) -> dict[str, float]:
    """How near synthetic examples are to real ones, beside real ones that are no part of the training data.

    Examples are compared by cosines of what networks read, a text as the mean of its word vectors.

    Returns:
      ``nearest``, the mean over items of the largest cosine with a training example; ``chance``, the same of validation
      examples; and where the items began as real ones, at ``int[items]`` rows, ``recovered``, the share whose nearest
      training example that is.
    """

    def real(split: str) -> np.ndarray:
        raw = jnp.asarray(task.raw[split])
        return unit(task.embed(raw[first : first + 1024]) for first in range(0, len(raw), 1024))

    def unit(parts: Iterable[Any]) -> np.ndarray:
        points = np.concatenate([np.asarray(baselines.vectors_of(part)) for part in parts])
        return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)

    train = real("train")
    near = unit(as_batch(synthetic).inputs) @ train.T
    found = {"nearest": float(near.max(1).mean()), "chance": float((real("validation") @ train.T).max(1).mean())}
    if start_rows is not None:
        found["recovered"] = float(np.mean(near.argmax(1) == start_rows))
    return found

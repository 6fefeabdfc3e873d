"""The distilled sets of a comparison's points, with learners trained on them and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dd_al.active import selected
from dd_al.config.grid import examples
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.core.files import read_json, write_json
from dd_al.data.dataset import Split
from dd_al.distillation.saved import describe, make_artefact
from dd_al.distillation.synthetic import as_batch
from dd_al.evaluation import costs
from dd_al.evaluation.costs import Work
from dd_al.evaluation.privacy import nearness
from dd_al.experiments.compare.acquire import acquire
from dd_al.experiments.compare.judge import judge_batch, judge_sets
from dd_al.experiments.compare.lab import Lab
from dd_al.experiments.compare.plan import Point
from dd_al.experiments.compare.sets import Built, work_of
from dd_al.experiments.distill import TEACHERS, distil
from dd_al.io import artefact
from dd_al.io.signals import Stop
from dd_al.io.workdir import Workdir
from dd_al.learner.examples import steps_per_epoch
from dd_al.task.task import Task, with_training

_FLOAT = 4  # bytes
_SHOWN = 2  # items of a set in the report


def _bought(
    lab: Lab, task: Task, point: Point, upto: int, siblings: Mapping[str, Path], workdir: Workdir, stop: Stop
) -> tuple[np.ndarray, Work]:
    """What active learning has picked with a seed, and what that took.

    From the point that has it; else it is run here, with the same outcome.
    """
    query = lab.settings.compare.query
    path = siblings.get(query)
    budget = next(name for name, count in lab.budgets.items() if count == upto)
    if path is not None and budget in (known := read_json(path / "results.json")["costs"]):
        return selected.positions(path / "selected.jsonl")[:upto], work_of(known[budget], "build")
    acquired = acquire(lab, task, query, point.seed, upto, workdir=workdir, stop=stop)
    return acquired.rows, acquired.work[-1]


def distilled(
    lab: Lab, task: Task, point: Point, workdir: Workdir, siblings: Mapping[str, Path], stop: Stop
) -> tuple[Built, dict[str, Any]]:
    """A distilled set, and how near it is to real examples."""
    items, labels, before = lab.budgets[point.budgets[0]], len(task.raw["train"]), Work()
    settings, outer_task, starts = distillation(lab.settings, point.method, items), task, None
    members = np.arange(labels)
    if point.method == "distilled_bought":
        labels = examples(settings.compare.bought, labels, task.classes)
        rows, before = _bought(lab, task, point, labels, siblings, workdir, stop)
        outer_task, members = _only(task, rows), rows
    elif point.method == "distilled_picked":
        rows, before = _bought(lab, task, point, items, siblings, workdir, stop)
        starts = rows[None]
    known = settings.distill.init == "known"
    sets = lab.inits if known else 1
    found = distil(
        outer_task, settings, items=items, sets=sets, workdir=workdir, starts=starts, programs=lab.programs, stop=stop
    )
    stop.check()
    judged = judge_sets(lab, task, settings, found.synthetic)
    artefact.save(workdir.distilled, make_artefact(task, settings, found))
    described = describe(outer_task, found, settings.distill.labels)
    write_json(workdir.distilled_meta, described)
    one = jax.tree.map(lambda x: x[0], found.synthetic)
    operations = lab.count(
        ("distilling", point.method, items),
        lambda: costs.distilling(outer_task, settings.distill, one, settings.evaluate.select_inits),
    )
    seen = costs.seen(outer_task, settings.distill, items, settings.evaluate.select_inits)
    work = before.plus(Work(found.teachers_s + found.optimise_s / sets, operations, seen))
    if settings.distill.teacher:
        work = work.plus(_teaching(lab, outer_task))
    floats = sum(int(np.prod(x.shape)) for x in jax.tree.leaves(one))
    judged.recipe["outer_step"] = int(found.best_step.max())
    start_rows = None if found.start_rows is None else np.asarray(found.start_rows)[0]
    shown = {"examples": described["examples"][:_SHOWN], "label_names": described["label_names"]}
    extra = {"nearness": nearness(outer_task, one, start_rows), "shown": shown}

    elsewhere = partial(judge_batch, batch=as_batch(one, settings.distill.labels))
    return Built(judged, elsewhere, members, labels, items, floats, _FLOAT * floats, work), extra


def _teaching(lab: Lab, task: Task) -> Work:
    """The teachers' training and answers; their seconds are measured."""
    settings, count = lab.settings, len(task.raw["train"])
    full = settings.full
    per_epoch = steps_per_epoch(task.train, full.batch_size)
    steps = max(full.epochs * per_epoch, full.min_steps)
    each = steps * lab.count("minibatch", lambda: costs.minibatch_step(task, full.batch_size))
    each += count * lab.count("answer", lambda: costs.answering(task))
    return Work(0.0, TEACHERS * each, TEACHERS * (steps * full.batch_size + count))


def distillation(settings: Settings, method: str, items: int) -> Settings:
    """The settings by which a method of `settings.DISTILLED` distils."""
    changes: dict[str, Any] = {"examples": items}
    if ("known" in method) != (settings.distill.init == "known"):
        changes["init"] = "known" if "known" in method else "random"
    if method.endswith("_hard"):
        changes["labels"] = "hard"
    if method == "distilled_taught":
        changes["teacher"] = settings.distill.teacher or 0.5
    try:
        return replace(settings, distill=replace(settings.distill, **changes))
    except ValueError as error:
        raise ConfigError(f"{method}: config.distill: {error}") from error


def _only(task: Task, rows: np.ndarray) -> Task:
    """The task with no other training texts than these. In one bucket: its shape is the same for every seed."""
    split = task.dataset.train
    return with_training(
        task, task.raw["train"][rows],
        Split(tuple(split.texts[row] for row in rows.tolist()), split.labels[rows], split.rows[rows]), buckets=1,
    )  # fmt: skip

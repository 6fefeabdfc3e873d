"""What does each way to shrink the training set give, on one budget axis, and what does it cost?"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial

import numpy as np

from dd_al.config.grid import in_examples
from dd_al.config.settings import Settings
from dd_al.config.sweeps import ACTIVE, DISTILLED
from dd_al.core.files import read_json, write_json
from dd_al.data.overlap import sketch
from dd_al.evaluation.protocol import membership
from dd_al.experiments import record
from dd_al.experiments.compare import sets
from dd_al.experiments.compare.lab import Job, Lab, finished
from dd_al.experiments.compare.plan import ALL, Point, datasets, points
from dd_al.experiments.sweep import Data, Trial, read_data, refuse_failures, run_trials
from dd_al.io import environment
from dd_al.io.signals import Stop
from dd_al.io.tensors import write_safetensors
from dd_al.io.workdir import Workdir
from dd_al.report import compare, statistics
from dd_al.task.task import make_task

_LOG = logging.getLogger(__name__)


def run(settings: Settings, workdir: Workdir, part: str | None = None) -> None:
    """Computes every point that is not there yet, each in a folder of its own in `runs/`, and reports on all.

    Of slices, which share the work directory, ``part`` names one, as "3/40".

    Raises:
      UserError: points have failed.
    """
    every, configs = points(settings), datasets(settings)
    read = read_data(configs)
    budgets = {
        name: in_examples(settings.compare.budgets, len(one.dataset.train), one.dataset.num_classes, name)
        for name, one in read.items()
    }
    workdir.begin(**{f"{key} of {name}": v for name, one in read.items() for key, v in one.identity.items()})
    with workdir.one_at_a_time():
        write_json(workdir.points, _plan(workdir, every, settings.model.kind, budgets, read))

    @cache
    def lab_of(name: str) -> Lab | Exception:
        record.announce(read[name].dataset)
        try:
            return Lab(configs[name], make_task(configs[name], read[name].dataset, read[name].seconds), budgets[name])
        except Exception as error:  # which all points of this data set share, and others do not
            return error

    def one(point: Point, folder: Workdir, stop: Stop) -> None:
        if isinstance(lab := lab_of(point.dataset), Exception):
            raise lab
        compute(Job(lab, point, lab.task_of(point), folder, stop))

    trials = []
    for point in every:
        config, data = configs[point.dataset], read[point.dataset].identity
        trials.append(Trial(point.name, config, data, partial(one, point), {"point": asdict(point)}))
    failed = run_trials(workdir, trials, part, finished=lambda folder: finished(folder.path))
    with workdir.one_at_a_time():
        _report(workdir, every)
    refuse_failures(failed, len(every), "points")


def _plan(
    workdir: Workdir, every: Sequence[Point], network: str, budgets: Mapping[str, dict], read: Mapping[str, Data]
) -> dict:
    """What the report has to know of the plan; points that an earlier start has finished stay in it."""
    known = read_json(workdir.points) if workdir.points.exists() else {"points": [], "budgets": {}, "sketches": {}}
    now = {point.name: {"name": point.name, **asdict(point)} for point in every}
    runs, sketches = workdir.path / "runs", {}
    before = [one for one in known["points"] if one["name"] not in now and finished(runs / one["name"])]
    for name, (one, *_) in read.items():
        sketches[name] = sketch(text for split in (one.train, one.validation, one.test) for text in split.texts)
    return {
        "points": [*before, *now.values()],
        "network": network,
        "budgets": known["budgets"] | budgets,
        "sketches": known["sketches"] | sketches,
    }


def _report(workdir: Workdir, every: Sequence[Point]) -> None:
    """Puts together all that is finished, if anything is."""
    states = [compare.read_point(workdir.path / "runs" / point.name)["state"] for point in every]
    if left := states.count("missing"):
        _LOG.info("%d of %d points are left to other slices; the last of them puts all together", left, len(every))
    plan = read_json(workdir.points)["points"]
    if any(finished(workdir.path / "runs" / one["name"]) for one in plan):
        compare.write(workdir.path, compare.gather([workdir.path], command=environment.command()))


def compute(job: Job) -> None:
    """Makes the sets of a point, judges learners trained on them, and writes its results, which end it."""
    began, lab, task, point = time.perf_counter(), job.lab, job.task, job.point
    kinds = {"full": sets.full, **dict.fromkeys(("random", *ACTIVE), sets.bought)}
    built, extra = (kinds | dict.fromkeys(DISTILLED, sets.distilled)).get(point.method, sets.coresets)(job)
    split, count = lab.settings.evaluate.split, len(task.dataset.train)
    truth, methods, costs, budgets, correct, transfer = task.labels(split), {}, {}, {}, {}, {}
    for name, one in built.items():
        predicted = lab.predicted(one.judged.params)
        correct[name] = (predicted == truth).astype(np.uint8)
        inside, outside = membership(task, one.judged.params, one.members, split, point.seed)
        apart = [statistics.ranked_apart(-ours, -theirs) for ours, theirs in zip(inside, outside)]
        methods[name] = {
            f"{split}_accuracy": statistics.summary(correct[name].mean(1)),
            f"{split}_macro_f1": statistics.summary(statistics.macro_f1(predicted, truth, task.classes)),
            "validation_accuracy": statistics.summary(one.judged.validation),
            "hyperparameters": one.judged.recipe,
            "membership": statistics.summary(apart),
        }
        if name in (ALL, lab.settings.compare.transfer_at) and not point.varied:
            transfer[name] = _transfer(lab, point, one)
        budgets[name] = record.given(one.examples, count, one.labels, one.floats)
        costs[name] = {
            "labels": one.labels, "examples": one.examples, "share": one.examples / count,
            "floats": one.floats, "bytes": one.size,
            **{f"build_{key}": value for key, value in zip(("s", "flops", "seen"), one.work)},
            **{f"train_{key}": value for key, value in zip(("s", "flops", "seen"), one.judged.work)},
        }  # fmt: skip
    write_safetensors(job.workdir.answers, correct)
    extra |= {"name": point.name, "dataset": point.dataset, "method": point.method, "transfer": transfer}
    extra["training"] = {name: one.judged.curve for name, one in built.items() if one.judged.curve}
    extra["members"] = {name: len(one.members) for name, one in built.items()}
    parts = record.about(lab.task, split, inits=lab.inits, init="known" if "known" in point.method else "random")
    parts |= {"budget": budgets, "methods": methods, "costs": costs, "point": extra}
    seconds = {"total_s": time.perf_counter() - began}
    record.write(job.workdir, replace(lab.settings, seed=point.seed), time=seconds, **parts)


def _transfer(lab: Lab, point: Point, built: sets.Built) -> dict[str, dict]:
    """The accuracy of other networks that are trained on the set, by their names."""
    found, split = {}, lab.settings.evaluate.split
    for name in lab.settings.compare.networks or ():
        other = lab.other(name)
        judged = built.elsewhere(other, other.task_of(point))
        correct = other.predicted(judged.params) == lab.task.labels(split)
        found[name] = {**statistics.summary(correct.mean(1)), "recipe": judged.recipe}
    return found

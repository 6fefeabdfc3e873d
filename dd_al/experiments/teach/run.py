"""What does a student learn from teachers who were trained on the same data? Knowledge distillation."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import numpy as np

from dd_al.config.settings import Settings
from dd_al.core.losses import teaching
from dd_al.experiments import record
from dd_al.experiments.baselines import Trained, fit_full
from dd_al.experiments.task import Task, make_optimizer, make_task
from dd_al.experiments.teach.teachers import labels_of, make_teachers, relabelled, soft_labels
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner.learner import LearnerState, make_learner
from dd_al.models.base import Params


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains teachers, students alone, and students that are taught (Hinton et al. 2015, arXiv 1503.02531)."""
    began = time.perf_counter()
    dataset = record.load_dataset(settings, workdir)
    task = make_task(settings, dataset, time.perf_counter() - began)
    inits, split = settings.evaluate.inits or 10, settings.evaluate.split
    states = task.inits("evaluation", inits)
    if workdir.resumed:
        with MetricsWriter(workdir.metrics, workdir.events) as metrics:
            metrics.resume(0)
    with catch_stop() as stop:
        teachers_task, fit = make_teachers(settings, dataset, stop=stop)
        teachers, teachers_s = record.stage(workdir, "teachers", fit)
        full, full_s = record.stage(workdir, "full", partial(fit_full, task, settings.full, states, stop=stop))
        fit = partial(fit_taught, task, settings, teachers_task, teachers.params, states, stop=stop)
        taught, taught_s = record.stage(workdir, "taught", fit)

    start = time.perf_counter()
    validation, final = record.answers(task, task.learner.model, {"full": full.params, "taught": taught.params}, split)
    on_validation, of_teachers = record.answers(
        teachers_task, teachers_task.learner.model, {"teachers": teachers.params}, split
    )
    validation |= on_validation
    final |= of_teachers
    temperature, weight = taught.chosen.tolist()
    extra = {
        "full": {"curve": record.curve(full.steps, full.accuracy)},
        "taught": {
            "curve": record.curve(taught.steps, taught.accuracy),
            "hyperparameters": {"temperature": temperature, "weight": weight},
        },
        "teachers": {"curve": record.curve(teachers.steps, teachers.accuracy)},
    }
    methods = {
        name: record.method_entry(
            task, split, final[name], validation[name], None if name == "full" else final["full"], **extra[name]
        )
        for name in extra
    }
    count = len(dataset.train)
    everything = {"examples": count, "fraction": 1.0, "labels_used": count}
    numbers = {name: count * one.numbers for name, one in (("full", task), ("teachers", teachers_task))}
    numbers["taught"] = numbers["full"] + count * task.classes
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": inits, "init": "random"},
        budget={name: {**everything, "stored_floats": numbers[name]} for name in methods},
        methods=methods,
        time={"teachers_s": teachers_s, "baselines_s": full_s, "taught_s": taught_s,
              "evaluate_s": time.perf_counter() - start},
    )  # fmt: skip


def fit_taught(
    task: Task, settings: Settings, teachers: Task, params: Params, states: LearnerState, *, stop: Stop
) -> Trained:
    """Trains students on all data by `dd_al.core.losses.teaching`, at the temperature and weight that suit them best.

    Args:
      task: of the students.
      settings: of the run.
      teachers: their task.
      params: their parameters, stacked.
      states: stacked initial states of the students.
      stop: asked between epochs.

    Returns:
      The students, with `chosen` = [temperature, weight], the best by mean validation accuracy.
    """
    best: Trained | None = None
    labels = labels_of(task)
    for temperature in settings.teach.temperatures:
        soft = soft_labels(teachers, params, temperature)
        both = relabelled(task, np.concatenate([labels, soft], axis=1))
        for weight in settings.teach.weights:
            loss = teaching(temperature, weight)
            learner = make_learner(
                task.learner.model, make_optimizer(settings.learner), shift=settings.learner.shift, loss=loss
            )
            with progress_of(f"taught, T = {temperature:g}, weight {weight:g}"):
                found = fit_full(replace(both, learner=learner), settings.full, states, stop=stop)
            if best is None or found.accuracy.max(0).mean() > best.accuracy.max(0).mean():
                best = found._replace(chosen=np.asarray([temperature, weight]))
    return best

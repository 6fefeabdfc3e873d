"""How few synthetic sentences train a classifier? The main job."""

import logging
import time
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.config.settings import Settings
from dd_al.core.files import write_json
from dd_al.distillation.optimise import Distillation, optimise
from dd_al.distillation.saved import course, describe, make_artefact
from dd_al.distillation.starts import number_of_items
from dd_al.distillation.synthetic import as_batch, columns, own_rates, train_on
from dd_al.distillation.teachers import soft_labels, taught
from dd_al.evaluation import baselines, protocol
from dd_al.experiments import record
from dd_al.io import artefact
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner.learner import LearnerState
from dd_al.learner.predict import accuracy
from dd_al.learner.train_on_set import along
from dd_al.models.base import Params
from dd_al.report.build import outer_course
from dd_al.task.task import Task, known_inits, make_task

_LOG = logging.getLogger(__name__)
TEACHERS = 3  # learners on all data, for `config.distill.teacher`


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains the baselines, distils, judges all of them from the same unseen initialisations, and reports."""
    dataset, seconds = record.load_dataset(settings, workdir)
    items = number_of_items(settings.distill, len(dataset.train), dataset.num_classes)
    task = make_task(settings, dataset, seconds)
    known = settings.distill.init == "known"
    inits = settings.evaluate.inits or (3 if known else 10)
    states = known_inits(task, inits) if known else task.inits("evaluation", inits)

    with catch_stop() as stop:
        fitted, baselines_s = _baselines(task, settings, items, states, workdir, stop)
        # Teachers that began where the judges do would tell the set of initialisations that it may not see.
        teachers, sets = (fitted["full"].params, inits) if known else (None, 1)
        distilled = distil(task, settings, items=items, sets=sets, teachers=teachers, workdir=workdir, stop=stop)
        stop.check()

    _LOG.info("training %d networks on the distilled set, and testing", inits)
    start, split, count = time.perf_counter(), settings.evaluate.split, len(dataset.train)
    judged, curve = _train_judges(task, settings.distill, distilled, states)
    params = {name: one.params for name, one in fitted.items()} | {"distilled": judged.params}
    scores = protocol.evaluate(task, task.learner.model, params, split)
    extra = {name: _course_of(name, one) for name, one in fitted.items()}
    outer = outer_course(workdir.metrics)
    extra["distilled"] = {"curve": curve, "selected_step": int(distilled.best_step.max()), "outer": outer}
    methods, drawn = {}, min(items, count)  # of a random subset, whose labels alone were looked at
    budget = dict.fromkeys(scores, record.given(items, count, count, items * task.numbers))
    budget["random"] = record.given(drawn, count, drawn, drawn * task.numbers)
    budget |= {"full": record.given_all(task), "distilled": record.given_of(distilled.synthetic, count)}
    for name, score in scores.items():
        full = None if name == "full" else scores["full"]
        methods[name] = record.entry(split, score, task.classes, full, paired=known, **extra[name])
    artefact.save(workdir.distilled, make_artefact(task, settings, distilled))
    along_the_way = course(task, settings.distill, distilled, workdir.checkpoints / "snapshots")
    write_json(workdir.distilled_meta, {**describe(task, distilled, settings.distill.labels), **along_the_way})
    spent = {"baselines_s": baselines_s, **({"teachers_s": distilled.teachers_s} if distilled.teachers_s else {})}
    spent |= {"compile_s": distilled.compile_s, "optimise_s": distilled.optimise_s}
    spent["evaluate_s"] = time.perf_counter() - start
    how = {"inits": inits, "init": "known" if known else "random"}
    record.finish(workdir, settings, task, evaluate=how, budget=budget, methods=methods, time=spent)


def _baselines(
    task: Task, settings: Settings, items: int, states: LearnerState, workdir: Workdir, stop: Stop
) -> tuple[dict[str, baselines.Trained], float]:
    """Learners trained on all data, on random subsets and on what instance selection keeps, and the seconds of all."""
    full = partial(baselines.fit_full, task, settings.full, states, stop=stop)
    found = {"full": baselines.stage(workdir, "full", full)}
    inits, train = jax.tree.leaves(states)[0].shape[0], baselines.constant_training(task, settings.random)

    def fit(name: str) -> baselines.Trained:
        if name == "random":
            title, batch = "random subsets", baselines.random_batches(task, items, inits)
        else:
            title = name.replace("_", " ")
            batch = baselines.choose(task, settings, name, items, found["full"][0].params)
        return baselines.choose_schedule(task, settings.random, batch, states, stop=stop, title=title, train=train)

    for name in ("random", *(settings.coreset.methods or ())):
        found[name] = baselines.stage(workdir, name, partial(fit, name))
    return {name: one for name, (one, _) in found.items()}, sum(seconds for _, seconds in found.values())


def _course_of(name: str, trained: baselines.Trained) -> dict:
    """What the entry of a baseline says of its training."""
    if name == "full":
        chosen = {"best_steps": trained.chosen.tolist()}
    else:
        rate, steps, dropout = trained.chosen.tolist()
        chosen = {"rate": rate, "steps": int(steps), "dropout": bool(dropout)}
    return {"curve": record.curve(trained.steps, trained.accuracy), "hyperparameters": chosen}


def _train_judges(
    task: Task, settings: DistillSettings, distilled: Distillation, states: LearnerState
) -> tuple[LearnerState, dict]:
    """Learners trained on the distilled sets from the judging initialisations, and their accuracy along the way."""
    synthetic = own_rates(task, distilled.synthetic)

    def train(states: LearnerState, first: jax.Array, until: jax.Array) -> LearnerState:
        return train_on(task.learner, synthetic, states, settings.labels, first, until, parts=settings.batches)

    def look(states: LearnerState) -> jax.Array:
        return accuracy(task.learner.model, states.params, task.validation, task.embed)

    last = synthetic.log_rates.shape[1]
    points = np.unique(np.geomspace(1, last, 20).round()) if last > 20 else np.arange(1, last + 1)
    points = points.astype(np.int32)
    trained, curve = jax.jit(lambda states: along(train, states, points, look))(states)
    return trained, record.curve(points, curve)


def distil(
    task: Task,
    settings: Settings,
    *,
    teachers: Params | None = None,
    workdir: Workdir | None = None,
    stop: Stop | None = None,
    **options: Any,
) -> Distillation:
    """Distils by any method of `config.distill.method`.

    ``teachers`` are stacked learners that were trained on all data, for `config.distill.teacher`; None trains them. For
    the others, and for the options, `items` among them, see `dd_al.distillation.optimise.optimise`.

    Raises:
      UserError: distillation has diverged.
      Interrupted: from ``stop``.
    """
    outer_task, stop, teachers_s = task, stop or Stop(), 0.0
    if weight := settings.distill.teacher:
        if teachers is None:
            fit = partial(baselines.fit_full, task, settings.full, task.inits("teachers", TEACHERS), stop=stop)
            trained, teachers_s = (fit(), 0.0) if workdir is None else baselines.stage(workdir, "teachers", fit)
            teachers = trained.params
        outer_task = taught(task, soft_labels(task, teachers), weight)
    if workdir is not None and task.table is None:
        options["pictures"] = workdir.checkpoints / "snapshots"
    select_inits = settings.evaluate.select_inits
    found = optimise(outer_task, settings.distill, select_inits=select_inits, workdir=workdir, stop=stop, **options)
    found = replace(found, teachers_s=teachers_s)
    return found if settings.distill.method == "unrolled" else _with_schedule(task, settings, found, stop)


def _with_schedule(task: Task, settings: Settings, found: Distillation, stop: Stop) -> Distillation:
    """The set with the number of steps, and a rate for each network, out of those of `config.random`, by validation.

    Objectives without an unroll say nothing of how to train on the set. The task's own learner chooses the steps.
    """
    grid, log_rates = replace(settings.random, dropout=(False,)), []
    own = own_rates(task, found.synthetic)
    batch = as_batch(jax.tree.map(lambda x: x[0], own), settings.distill.labels)
    for name, part in columns(task).items():
        one = replace(task, learner=task.others[name]) if name else task
        title = f"schedule of the distilled set{name and ', '}{name}"
        states = one.inits("schedule", settings.evaluate.select_inits)
        trained = baselines.choose_schedule(one, grid, batch, states, stop=stop, title=title)
        rate, steps = float(trained.chosen[0]), int(trained.chosen[1])
        reached = trained.accuracy[list(trained.steps).index(steps)].mean()
        _LOG.info("%s: %d steps of %g, validation accuracy %.3f", title, steps, rate, reached)
        log_rates.append(np.full((1, steps, part.stop - part.start), np.log(rate), np.float32))
        if not name:
            accuracy, grid = reached, replace(grid, steps=(steps,))
    synthetic = found.synthetic._replace(log_rates=jnp.asarray(np.concatenate(log_rates, axis=-1)))
    return replace(found, synthetic=synthetic, best_accuracy=np.asarray([accuracy]))

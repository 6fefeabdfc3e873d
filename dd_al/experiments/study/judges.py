"""What networks make of a study's sets: its tables, and its pictures of points in a plane."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.grid import published_matrix, row_folder
from dd_al.config.settings import Settings
from dd_al.distillation.saved import course_of, items_of
from dd_al.distillation.synthetic import SCHEDULES, Synthetic, as_batch, columns, lengthened
from dd_al.evaluation.baselines import Trained
from dd_al.evaluation.protocol import Score, evaluate
from dd_al.experiments import record
from dd_al.learner.learner import LearnerState, layers
from dd_al.learner.predict import accuracy
from dd_al.learner.train_on_set import best_along, train_on_set
from dd_al.models.base import Params
from dd_al.report.canvas import MOST_CLASSES
from dd_al.report.statistics import summary
from dd_al.task.task import Task, known_inits, make_learners

SNAPSHOTS = "checkpoints/snapshots"  # in the folder of a trial: how its sets came about
_GRID = 48  # points along each side of a decision surface
_SHOWN = 400  # real rows behind synthetic ones


class Row(NamedTuple):
    """Sets that are distilled for some of the networks: a row of the matrix, or a point of a curve."""

    name: str
    networks: tuple[str, ...]  # their names
    settings: Settings  # of the distillation
    restarts: int  # how many sets there are
    synthetic: Synthetic | None = None  # the sets, stacked, once they are distilled
    seconds: tuple[float, float] = (0.0, 0.0)  # of compilation, and of all else

    @property
    def folder(self) -> str:
        """The name of the trial that distils them."""
        return row_folder(self.name)


def judges_of(settings: Settings) -> int:
    """Networks that judge each set: a known initialisation is its set's only one."""
    return 1 if settings.distill.init == "known" else settings.evaluate.inits or 10


def shown_in_plane(task: Task) -> bool:
    """Whether examples are points that pictures can show."""
    return task.shape == (2,) and task.classes <= MOST_CLASSES


class Judges:
    """The networks of a study, which are trained fresh on distilled sets of a task."""

    def __init__(self, task: Task, settings: Settings):
        self.task, self.settings = task, settings
        names = settings.study.networks or (settings.model.kind,)
        self.learners = make_learners(settings, names, task.shape, task.classes)
        self._training = cache(self._make_training)

    def task_of(self, networks: Sequence[str]) -> Task:
        """The task with the first of these networks as its own."""
        learner, *others = (self.learners[name] for name in networks)
        return replace(self.task, learner=learner, others=dict(zip(networks[1:], others)))

    def score(self, name: str, params: Params) -> Score:
        """The answers of one kind of networks."""
        return evaluate(self.task, self.learners[name].model, {name: params}, self.settings.evaluate.split)[name]

    def trained(self, row: Row, name: str, schedule: str = "learned") -> tuple[Params, int]:
        """Trains one kind of networks on a row's sets, one set after the other, by a schedule.

        Returns:
          Parameters, stacked over the networks of all sets, and the number of steps that validation chose among the
          ends of the schedule; see `dd_al.distillation.synthetic.lengthened`.
        """
        distill = row.settings.distill
        rates, ends = lengthened(schedule, self._rates_for(row, name), distill.batches)
        train = self._training(distill.labels, distill.batches, name)
        params, best = train(row.synthetic, rates, self._states(row, name), ends)
        return params, int(ends[best])

    def _states(self, row: Row, name: str) -> LearnerState:
        """Initial states ``[sets, count, ...]``: the same fresh ones for every set, or each set's known one."""
        one, sets = replace(self.task, learner=self.learners[name]), row.synthetic.inputs.shape[0]
        if row.settings.distill.init == "known":
            return jax.tree.map(lambda x: x[:, None], known_inits(one, sets))
        fresh = one.inits("evaluation", judges_of(row.settings))
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (sets, *x.shape)), fresh)

    def _rates_for(self, row: Row, name: str) -> np.ndarray:
        """Rates ``[sets, steps, layers]`` of a network: those learned for it, or else each step's geometric mean."""
        rates = np.exp(np.asarray(row.synthetic.log_rates))
        own = columns(self.task_of(row.networks)).get("" if name == row.networks[0] else name)
        if own is not None:
            return rates[..., own]
        mean = np.exp(np.log(rates).mean(-1, keepdims=True))
        return np.repeat(mean, len(layers(self.learners[name].model)), axis=-1)

    def _make_training(self, labels: str, batches: int, name: str) -> Callable:
        """``(sets, rates, states, ends) -> (params, index)``: sets and inits on one axis, as of the best end."""
        task, learner = self.task, self.learners[name]

        def train(synthetic: Synthetic, rates: jax.Array, states: LearnerState, ends: jax.Array):
            def advance(states: LearnerState, first: jax.Array, until: jax.Array) -> LearnerState:
                def one(one_set: Synthetic, rates: jax.Array, states: LearnerState) -> LearnerState:
                    return train_on_set(learner, as_batch(one_set, labels), rates, states, first, until, parts=batches)

                return jax.vmap(one)(synthetic, rates, states)

            def look(states: LearnerState) -> tuple[Params, jax.Array]:
                params = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), states.params)
                return params, accuracy(learner.model, params, task.validation, task.embed).mean()

            return best_along(advance, states, ends, look)

        return jax.jit(train)


def tables(
    judges: Judges, full: Mapping[str, Trained], rows: Sequence[Row], points: Mapping[tuple[str, str, str], Row]
) -> tuple[dict, dict, dict]:
    """What every network makes of all data and of every set: methods, their budgets, and the study's tables.

    ``full`` are networks that were trained on all data, by name; ``points`` are by curve, value and network.
    """
    task, settings, names = judges.task, judges.settings, list(judges.learners)
    split, count = settings.evaluate.split, len(task.raw["train"])
    accuracy, methods, budget, curves, matrix = f"{split}_accuracy", {}, {}, {}, []
    for name, trained in full.items():
        title = f"full: {name}"
        methods[title], budget[title] = _on_all_data(judges, name, trained), record.given_all(task)
    for row in rows:
        means, given = {}, record.given_of(row.synthetic, count)
        for name in names:
            for schedule in SCHEDULES:
                params, steps = judges.trained(row, name, schedule)
                title, score = f"{row.name} → {name}: {schedule}", judges.score(name, params)
                methods[title] = _entry(score, split, judges_of(settings), hyperparameters={"steps": steps})
                budget[title], means[schedule, name] = given, methods[title][accuracy]["mean"]
        found = [[means[schedule, name] for name in names] for schedule in SCHEDULES]
        matrix.append({"name": row.name, "accuracy": found})
    for (curve, value, name), point in points.items():
        score = judges.score(name, judges.trained(point, name)[0])
        title, found = f"{curve} = {value}: {name}", _entry(score, split, judges_of(point.settings))[accuracy]
        methods[title], budget[title] = {accuracy: found}, record.given_of(point.synthetic, count)
        curves.setdefault(curve, {}).setdefault(value, []).append(found["values"])
    study = {
        "networks": names,
        "schedules": list(SCHEDULES),
        "full": [methods[f"full: {name}"][accuracy]["mean"] for name in names],
        "rows": matrix,
        "curves": [{"name": name, "values": list(one), "accuracy": list(one.values())} for name, one in curves.items()],
        "published": published_matrix(settings),
        "source": settings.study.source,
    }
    return methods, budget, study


def _on_all_data(judges: Judges, name: str, trained: Trained) -> dict:
    """The entry of networks that were trained on all data, with a note where other rates may be better."""
    rates, rate = judges.settings.transfer.full_rates, float(trained.chosen[0])
    score = judges.score(name, trained.params)
    entry = _entry(score, judges.settings.evaluate.split, hyperparameters={"rate": rate})
    # Where every validation example is right, others of the rates are as good.
    if len(rates) > 2 and rate in (min(rates), max(rates)) and trained.accuracy.max(0).mean() < 1:
        entry["note"] = "No lower or no higher rate was tried: there may be a better one."
    return entry


def _entry(score: Score, split: str, inits: int = 1, **extra: Any) -> dict:
    """A mean for each set, of so many learners in turn."""
    correct = score.correct.reshape(-1, inits, len(score.truth))
    entry = {f"{split}_accuracy": summary(correct.mean((1, 2)).tolist()), **extra}
    if split == "test":
        entry["validation_accuracy"] = summary(score.validation.reshape(-1, inits).mean(1).tolist())
    return entry


def pictures(judges: Judges, rows: Sequence[Row], runs: Path) -> dict:
    """Of the first set of each row of two numbers: how its points came about, and what its networks then decide."""
    task, distill = judges.task, judges.settings.distill
    real = task.raw["train"]
    low, high = real.min(0), real.max(0)
    margin = 0.15 * (high - low)
    sides = [np.linspace(a, b, _GRID) for a, b in zip(low - margin, high + margin)]
    grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2).astype(np.float32)
    surfaces, courses = [], []
    for row in rows:
        first = row._replace(synthetic=jax.tree.map(lambda x: x[:1], row.synthetic))
        points = items_of(task, distill, first.synthetic.inputs[0], first.synthetic.label_logits[0])
        for name in row.networks:
            model, (params, _) = judges.learners[name].model, judges.trained(first, name)
            z = jax.vmap(lambda p, model=model: model.apply(p, task.embed(jnp.asarray(grid))))(params)
            share = np.asarray(jax.nn.softmax(z)).mean(0)  # over inits
            shares = (100 * share.reshape(_GRID, _GRID, -1)).round().astype(int).tolist()
            surfaces.append({"row": row.name, "network": name, "shares": shares, "items": points})
        courses.append({"row": row.name, "course": course_of(task, distill, runs / row.folder / SNAPSHOTS, {})})
    behind = {"rows": real[:_SHOWN].tolist(), "classes": task.labels("train")[:_SHOWN].tolist()}
    return {"surfaces": surfaces, "sides": [side.tolist() for side in sides], "courses": courses, "real": behind}

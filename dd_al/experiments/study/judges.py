"""What networks make of a study's sets: its tables, and its pictures of points in a plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.config.grid import published_matrix, row_folder
from dd_al.config.settings import Settings
from dd_al.core.keys import stream
from dd_al.distillation.saved import course_of, items_of
from dd_al.distillation.schedules import lengthened
from dd_al.distillation.synthetic import Synthetic, as_batch, columns
from dd_al.evaluation.baselines import Trained
from dd_al.evaluation.protocol import Score, evaluate
from dd_al.experiments import record
from dd_al.experiments.study.sets import Row, judges, task_of
from dd_al.io.workdir import Workdir
from dd_al.learner.learner import Learner, LearnerState, layers
from dd_al.learner.predict import accuracy
from dd_al.learner.train_on_set import train_on_set
from dd_al.report.statistics import summary
from dd_al.task.task import Task, known_inits

_GRID = 48  # points along each side of a decision surface
_SHOWN = 400  # real rows behind synthetic ones


def tables(
    task: Task,
    learners: Mapping[str, Learner],
    settings: Settings,
    full: Mapping[str, Trained],
    rows: Mapping[str, Row],
    lines: Mapping,
    points: Mapping[tuple, Row],
) -> tuple[dict, dict, dict]:
    """What every network makes of all data and of every set: methods, their budgets, and the study's tables."""
    names, split, count = list(learners), settings.evaluate.split, len(task.raw["train"])
    train = cache(partial(_training, task))
    methods, budget, study = {}, {}, {"networks": names, "schedules": list(settings.study.schedules)}
    for name, learner in learners.items():
        score = evaluate(task, learner.model, {name: full[name].params}, split)[name]
        rate, rates = float(full[name].chosen[0]), settings.transfer.full_rates
        # Where every validation example is right, others of the rates are as good.
        edge = len(rates) > 2 and rate in (min(rates), max(rates)) and full[name].accuracy.max(0).mean() < 1
        methods[f"full: {name}"] = _entry(score, split, hyperparameters={"rate": rate})
        if edge:
            methods[f"full: {name}"]["note"] = "No lower or no higher rate was tried: there may be a better one."
        budget[f"full: {name}"] = record.given(count, count, count, count * task.numbers)
    study["full"] = [methods[f"full: {name}"][f"{split}_accuracy"]["mean"] for name in names]
    for row, (network, schedule), score, chosen in _matrix(task, learners, settings, rows, train):
        title = f"{row.name} → {network}: {schedule}"
        methods[title] = _entry(score, split, judges(settings), hyperparameters={"steps": chosen})
        budget[title] = record.given_of(row.synthetic, count)
    study["rows"] = [
        {
            "name": name,
            "accuracy": [
                [methods[f"{name} → {network}: {schedule}"][f"{split}_accuracy"]["mean"] for network in names]
                for schedule in settings.study.schedules
            ],
        }
        for name in rows
    ]
    study["curves"] = _curves(task, learners, settings, lines, points, train)
    methods |= {
        f"{curve['name']} = {value}: {network}": {f"{split}_accuracy": summary(cell)}
        for curve in study["curves"]
        for value, line in zip(curve["values"], curve["accuracy"])
        for network, cell in zip(names, line)
    }
    budget |= {
        f"{name} = {value}: {network}": record.given_of(point.synthetic, count)
        for (name, value, network), point in points.items()
    }
    study |= {"published": published_matrix(settings), "source": settings.study.source}
    return methods, budget, study


def _curves(
    task: Task,
    learners: Mapping[str, Learner],
    settings: Settings,
    lines: Mapping,
    points: Mapping,
    train: Callable,
) -> list[dict]:
    """Accuracies by curve, value, network and restart."""
    found = []
    for curve, values in lines.items():
        cells = [
            [
                _entry(
                    _try(task, learners, point, points[curve, value, name], name, ("learned",), train)[0][1],
                    settings.evaluate.split,
                    judges(point),
                )[f"{settings.evaluate.split}_accuracy"]["values"]
                for name in learners
            ]
            for value, point in values.items()
        ]  # fmt: skip
        found.append({"name": curve, "values": list(values), "accuracy": cells})
    return found


def _matrix(
    task: Task, learners: Mapping[str, Learner], settings: Settings, rows: Mapping[str, Row], train: Callable
) -> Iterator:
    """Every row's sets on every network, by every schedule."""
    for row in rows.values():
        for name in learners:
            for schedule, score, chosen in _try(task, learners, settings, row, name, settings.study.schedules, train):
                yield row, (name, schedule), score, chosen


def _try(
    task: Task,
    learners: Mapping[str, Learner],
    settings: Settings,
    row: Row,
    name: str,
    schedules: tuple[str, ...],
    train: Callable,
) -> list[tuple[str, Score, int]]:
    """The score of each schedule's networks, those of one set after the other, and the steps that validation chose."""
    learner, found = learners[name], []
    sets, count = row.synthetic.inputs.shape[0], judges(settings)
    states = _states(task, settings.distill, learner, sets, count)
    learned = _rates_for(task, learners, row, name)
    training = train(settings.distill.labels, settings.distill.batches, learner)
    for schedule in schedules:
        rates, ends = lengthened(schedule, learned, settings.distill.batches, settings.study.longest)
        params, best = training(row.synthetic, rates, states, ends)
        score = evaluate(task, learner.model, {name: params}, settings.evaluate.split)[name]
        found.append((schedule, score, int(ends[best])))
    return found


def _states(task: Task, settings: DistillSettings, learner: Learner, sets: int, count: int) -> LearnerState:
    """Initial states ``[sets, count, ...]``: the same fresh ones for every set, or each set's known one."""
    if settings.init == "known":
        return jax.tree.map(lambda x: x[:, None], known_inits(replace(task, learner=learner), sets))
    fresh = jax.vmap(learner.init)(jax.random.split(stream(task.key, "evaluation"), count))
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (sets, *x.shape)), fresh)


def _rates_for(task: Task, learners: Mapping[str, Learner], row: Row, name: str) -> np.ndarray:
    """Rates ``[sets, steps, layers]`` of a network: those learned for it, or else each step's geometric mean."""
    rates = np.exp(np.asarray(row.synthetic.log_rates))
    parts = columns(task_of(task, learners, row.networks))
    own = parts.get("" if name == row.networks[0] else name)
    if own is not None:
        return rates[..., own]
    mean = np.exp(np.log(rates).mean(-1, keepdims=True))
    return np.repeat(mean, len(layers(learners[name].model)), axis=-1)


def _training(task: Task, labels: str, batches: int, learner: Learner) -> Callable:
    """``(sets, rates, states, ends) -> (params, index)``: one axis for sets and inits, where validation would end."""

    def train(synthetic: Synthetic, rates: jax.Array, states: LearnerState, ends: jax.Array):
        def stretch(carry: tuple, until: jax.Array) -> tuple[tuple, None]:
            def one(one_set: Synthetic, its_rates: jax.Array, states: LearnerState) -> LearnerState:
                batch = as_batch(one_set, labels)
                return train_on_set(learner, batch, its_rates, states, first, until, parts=batches)

            first, number, states, best = carry
            states = jax.vmap(one)(synthetic, rates, states)
            params = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), states.params)
            score = accuracy(learner.model, params, task.validation, task.embed).mean()
            # Those of all ends at once could be thousands of networks.
            best = jax.tree.map(lambda new, old: jnp.where(score > best[0], new, old), (score, number, params), best)
            return (until, number + 1, states, best), None

        params = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), states.params)
        zero = jnp.zeros((), jnp.int32)
        start = (zero, zero, states, (jnp.float32(-1), zero, params))
        _, index, params = jax.lax.scan(stretch, start, ends)[0][-1]
        return params, index

    return jax.jit(train)


def _entry(score: Score, split: str, inits: int = 1, **extra: Any) -> dict:
    """A mean for each set, of so many learners in turn."""
    correct = score.correct.reshape(-1, inits, len(score.truth))
    entry = {f"{split}_accuracy": summary(correct.mean((1, 2)).tolist()), **extra}
    if split == "test":
        entry["validation_accuracy"] = summary(score.validation.reshape(-1, inits).mean(1).tolist())
    return entry


def pictures(
    task: Task, learners: Mapping[str, Learner], settings: Settings, rows: Mapping[str, Row], workdir: Workdir
) -> dict:
    """Of the first set of each row of two numbers: how its points came about, and what its networks then decide."""
    real = task.raw["train"]
    low, high = real.min(0), real.max(0)
    margin = 0.15 * (high - low)
    sides = [np.linspace(a, b, _GRID) for a, b in zip(low - margin, high + margin)]
    grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2).astype(np.float32)
    surfaces, courses = [], []
    for row in rows.values():
        first = row._replace(synthetic=jax.tree.map(lambda x: x[:1], row.synthetic))
        points = items_of(task, settings.distill, first.synthetic.inputs[0], first.synthetic.label_logits[0])
        for name in row.networks:
            learner = learners[name]
            states = _states(task, settings.distill, learner, 1, judges(settings))
            rates = _rates_for(task, learners, first, name)
            end = np.asarray([rates.shape[1]], np.int32)
            train = _training(task, settings.distill.labels, settings.distill.batches, learner)
            params, _ = train(first.synthetic, rates, states, end)
            z = jax.vmap(lambda p, model=learner.model: model.apply(p, task.embed(jnp.asarray(grid))))(params)
            share = np.asarray(jax.nn.softmax(z)).mean(0)  # over inits
            classes = share.reshape(_GRID, _GRID, -1)
            surfaces.append(
                {
                    "row": row.name,
                    "network": name,
                    "shares": (100 * classes).round().astype(int).tolist(),
                    "items": points,
                }
            )
        folder = workdir.checkpoints / f"snapshots-{row_folder(row.name)}"
        courses.append({"row": row.name, "course": course_of(task, settings.distill, folder, {})})
    behind = {"rows": real[:_SHOWN].tolist(), "classes": task.labels("train")[:_SHOWN].tolist()}
    return {"surfaces": surfaces, "sides": [side.tolist() for side in sides], "courses": courses, "real": behind}

"""What a comparison's active learning buys: one run that fills every budget."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.queries import QUERIES
from dd_al.config.active import ActiveSettings
from dd_al.core.errors import UserError
from dd_al.core.files import atomic_write
from dd_al.core.keys import generator, stream
from dd_al.data.formats import lines_of, read_text
from dd_al.experiments.active.start import first_labels
from dd_al.experiments.baselines import balanced_draw
from dd_al.experiments.compare import costs
from dd_al.experiments.compare.judge import training_steps
from dd_al.experiments.compare.lab import Lab
from dd_al.experiments.task import Task
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop

_TRAINING = ("ret", "rect", "sud")  # queries that train further networks, whose arithmetic nobody has counted


class Acquired(NamedTuple):
    """Texts in the order in which their labels were bought, and what that cost at each count.

    Attributes:
      rows: ``int32[labels]``, positions in the training data.
      rounds: ``int32[labels]``, the round in which each was asked for; 0 for the first ones.
      scores: ``float32[labels]``; NaN where the query has none.
      counts: ``int32[points]``, labels there were when, the first ones included.
      seconds: ``float64[points]``, of training and asking up to there, without compilation.
      flops: ``float64[points]``, likewise, without what a query does with the answers; NaN where it trains networks.
      seen: ``int64[points]``, texts that went through networks, likewise.
      validation: ``float64[points - 1]``, the accuracy of the network that asks, after training on so many labels.
    """

    rows: np.ndarray
    rounds: np.ndarray
    scores: np.ndarray
    counts: np.ndarray
    seconds: np.ndarray
    flops: np.ndarray
    seen: np.ndarray
    validation: np.ndarray


def seed_set(task: Task, settings: ActiveSettings, size: int, seed: int, start: str = "") -> np.ndarray:
    """The training examples that random sampling and every query begin with, ``int32[size]``.

    They go round the classes: with none of a class a learner knows nothing of it, and whoever labels finds one of each.

    Args:
      task: see `Lab.task_of`.
      settings: of active learning.
      size: how many.
      seed: of the draw.
      start: what they are instead, one of `settings.STARTS`.
    """
    if start == "k_means":
        return first_labels(task, replace(settings, start=start, seeds=(seed,)), size)[0]
    labels, rng = task.labels("train"), generator(jax.random.key(seed), f"seed_set{start and '_'}{start}")
    if start == "random":
        return rng.permutation(len(labels))[:size].astype(np.int32)
    return balanced_draw(rng, [np.flatnonzero(labels == c) for c in range(task.classes)], size).astype(np.int32)


def counts_of(budgets: list[int], size: int) -> list[int]:
    """The labels of each round of training: every budget, and between two of them as many queries as it takes.

    Args:
      budgets: rising.
      size: labels of a query at most.
    """
    found = [budgets[0]]
    for budget in budgets[1:]:
        while found[-1] < budget:
            found.append(min(found[-1] + size, budget))
    return found


def acquire(
    lab: Lab,
    task: Task,
    name: str,
    seed: int,
    upto: int,
    *,
    start: str = "",
    data: Hashable = "",
    stop: Stop,
    metrics: MetricsWriter | None = None,
) -> Acquired:
    """Runs a query until it has bought so many labels.

    Args:
      lab: the data set.
      task: see `Lab.task_of`.
      name: of the query.
      seed: of the run.
      upto: labels in the end, one of the budgets.
      start: see `seed_set`.
      data: see `judge.judge_rows`.
      stop: asked after every round.
      metrics: of the point.

    Raises:
      UserError: the networks diverge.
    """
    active, query, loop = lab.settings.active, QUERIES[name], lab.loop(task)
    size = active.query_size(len(task.raw["train"]))
    counts = counts_of(sorted(budget for budget in lab.budgets.values() if budget <= upto), size)
    truth = jnp.asarray(task.labels("train"))
    first = seed_set(task, active, counts[0], seed, start)
    begun = loop.init(stream(jax.random.key(seed), "active"), lab.most)
    state, weights = loop.tell(begun, 0, jnp.asarray(first), truth[first]), begun.learner
    per_step = lab.count(("real", active.batch_size), lambda: costs.real_step(task, active.batch_size))
    passes = active.passes if {"statistics", "networks"} & set(query.needs) else 1
    per_text = lab.count(("answering", passes), lambda: costs.answering(task, passes))
    if name in _TRAINING:
        per_text = float("nan")
    pool = min(active.subset or len(task.raw["train"]), len(task.raw["train"]))

    rounds, scores = [0] * len(first), [np.nan] * len(first)
    spent, seconds, flops, seen, reached = np.zeros(3), [0.0], [0.0], [0], []
    with Progress(len(counts) - 1, name.replace("_", " ")) as progress:
        for number, (count, after) in enumerate(zip(counts, counts[1:]), start=1):
            k, labels = after - count, jnp.int32(count)
            state, trained = lab.run(("fit", data), loop.fit, state, labels, weights)
            reached.append(float(lab.validation(jax.tree.map(lambda x: x[None], state.learner.params))[0]))
            look = partial(loop.look, needs=query.needs)
            shown, looked = lab.run(("look", query.needs, data), look, state, labels)
            ask = lambda state, count, shown, k=k: loop.ask(state, count, shown, query, k)  # noqa: E731
            (rows, values), asked = lab.run(("ask", name, k, data), ask, state, labels, shown)
            if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((shown, *(state.learner.params,)))):
                raise UserError(
                    f"{name}: scores that are not finite after training on {count} labels: the networks have "
                    "diverged; lower config.active.rate"
                )
            state = loop.tell(state, count, rows, truth[rows])
            rounds += [number] * k
            scores += np.asarray(values).tolist()
            steps = training_steps(lab.settings, count)
            spent += [trained + looked + asked, steps * per_step + pool * per_text, steps * active.batch_size + pool]
            for kept, value in zip((seconds, flops, seen), spent.tolist()):
                kept.append(value)
            if metrics:
                metrics.write(number, query=name, labels=count, validation_accuracy=reached[-1], seconds=seconds[-1])
            progress.update(1, labels=count, validation_accuracy=reached[-1])
            stop.check("the same command begins this point anew")
    return Acquired(
        np.asarray(state.labelled)[: counts[-1]], np.asarray(rounds, np.int32), np.asarray(scores, np.float32),
        np.asarray(counts, np.int32), np.asarray(seconds), np.asarray(flops), np.asarray(seen, np.int64),
        np.asarray(reached),
    )  # fmt: skip


def write_selected(path: Path, task: Task, name: str, seed: int, acquired: Acquired) -> None:
    """Writes selected.jsonl: a line for each label, in the order in which they were bought."""
    rows, labels, lines = task.dataset.train.rows, task.labels("train"), []
    for index, number, score in zip(acquired.rows.tolist(), acquired.rounds.tolist(), acquired.scores.tolist()):
        line = {
            "method": name, "seed": seed, "round": number, "index": index, "row": int(rows[index]),
            "score": None if np.isnan(score) else score, "label": int(labels[index]),
        }  # fmt: skip
        lines.append(json.dumps(line) + "\n")
    atomic_write(path, "".join(lines))


def read_selected(path: Path) -> np.ndarray:
    """The positions in the training data of a `selected.jsonl` of this module's, ``int32[labels]``."""
    return np.asarray([json.loads(line)["index"] for _, line in lines_of(read_text(path))], np.int32)

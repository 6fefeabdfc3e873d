"""What a comparison's active learning buys: one run that fills every budget."""

import math
from collections.abc import Hashable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active import selected
from dd_al.active.acquisition import ACQUISITIONS
from dd_al.active.loop import Loop, LoopState, simulate, training_steps
from dd_al.active.oracle import label_counts, seed_set
from dd_al.core.files import atomic_write, read_json
from dd_al.core.keys import generator, stream
from dd_al.evaluation import costs
from dd_al.experiments.compare.lab import Job
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import Progress
from dd_al.task.task import Task

_TRAINING = ("ret", "rect", "sud")  # queries that train further networks, whose arithmetic nobody has counted


class Acquired(NamedTuple):
    """Texts in the order in which their labels were bought, and what that cost at each count of labels.

    Operations leave out what a query does with the answers, and are NaN where it trains networks.
    """

    rows: np.ndarray  # int32[labels], positions in the training data
    work: dict[int, costs.Work]  # of training and asking up to each count, the first labels' included
    validation: list[float]  # accuracy of the network that asks, at each count but the last


def first_labels(task: Task, size: int, seed: int, start: str = "") -> np.ndarray:
    """The training examples that random sampling and every query begin with, ``int32[size]``.

    They go round the classes: with none of a class a learner knows nothing of it, and whoever labels finds one of each.
    ``start`` says what they are instead, one of `dd_al.config.sweeps.STARTS`.
    """
    rng = generator(jax.random.key(seed), f"seed_set{start and '_'}{start}")
    return seed_set(task, start if start in ("random", "k_means") else "stratified", size, seed, rng)


def acquire(job: Job, name: str, upto: int, metrics: MetricsWriter | None = None) -> Acquired:
    """Runs a query up to a budget in labels, and writes selected.jsonl, a line for each label, and metrics of rounds.

    Raises:
      UserError: the networks diverge.
    """
    lab, task, seed, active = job.lab, job.task, job.point.seed, job.lab.settings.active
    loop, oracle, train = Loop.over(task, active), task.labels("train"), len(task.raw["train"])
    counts = label_counts([one for one in lab.budgets.values() if one <= upto], active.query_size(train))
    per_step = lab.once(("real", active.batch_size), lambda: costs.real_step(task, active.batch_size))
    passes = active.passes if {"statistics", "networks"} & set(ACQUISITIONS[name].needs) else 1
    per_text = math.nan if name in _TRAINING else lab.once(("answering", passes), lambda: costs.answering(task, passes))
    pool = min(active.subset or train, train)

    reached: list[float] = []

    def run(program: Hashable, *args: Any) -> tuple[Any, float]:
        return lab.run((program, job.data), *args)

    def judge(index: int, state: LoopState) -> bool:
        reached.append(float(lab.validation(jax.tree.map(lambda x: x[None], state.learner.params))[0]))
        return True

    begun = loop.init(stream(jax.random.key(seed), "active"), lab.most)
    first = first_labels(task, counts[0], seed, job.point.start)
    state = loop.tell(begun, 0, jnp.asarray(first), jnp.asarray(oracle[first]))
    rounds = simulate(name, loop, state, begun.learner, counts, oracle, run=run, judge=judge)
    scores, spent, work = [np.full(len(first), np.nan, np.float32)], costs.Work(), {counts[0]: costs.Work()}
    with Progress(len(counts) - 1, name.replace("_", " ")) as progress:
        for one in islice(rounds, len(counts) - 1):  # on all labels that were bought others train
            state, count, steps = one.state, counts[one.index], training_steps(active, counts[one.index])
            scores.append(np.asarray(one.scores))
            flops, seen = steps * per_step + pool * per_text, steps * active.batch_size + pool
            spent = work[counts[one.index + 1]] = spent.plus(sum(one.seconds), flops, seen)
            found = {"labels": count, "validation_accuracy": reached[-1]}
            if metrics:
                metrics.write(one.index + 1, query=name, **found, seconds=spent.seconds)
            progress.update(1, **found)
            job.stop.check("the same command begins this point anew")
    rows, bought = np.asarray(state.labelled)[: counts[-1]], np.concatenate(scores)
    lines = selected.lines(name, seed, counts, rows, bought, oracle[rows], task.dataset.train.rows)
    atomic_write(job.workdir.selected, "".join(lines))
    return Acquired(rows, work, reached)


def recorded_work(folder: Path, budget: str, prefix: str) -> costs.Work | None:
    """What a finished point has recorded of a budget under "build" or "train"; None where it lacks that budget."""
    if (found := read_json(folder / "results.json")["costs"].get(budget)) is None:
        return None
    values = (found[f"{prefix}_{key}"] for key in ("s", "flops", "seen"))
    return costs.Work(*(math.nan if value is None else value for value in values))  # JSON has no NaN


def bought_before(job: Job, upto: int) -> tuple[np.ndarray, costs.Work]:
    """What `config.compare.query` picks with a point's seed, and its work: from the point that has it, or run here."""
    query = job.lab.settings.compare.query
    budget = next(name for name, count in job.lab.budgets.items() if count == upto)
    if (folder := job.sibling(query)) and (work := recorded_work(folder, budget, "build")):
        return selected.positions(folder / "selected.jsonl")[:upto], work
    acquired = acquire(job, query, upto)
    return acquired.rows, acquired.work[upto]

"""What the runs of active learning have found: results.json and selected.jsonl."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import numpy as np

from dd_al.config.active import ActiveSettings
from dd_al.config.settings import Settings
from dd_al.core.files import atomic_write
from dd_al.experiments import record
from dd_al.experiments.active.loop import History, stops
from dd_al.experiments.active.start import Plan
from dd_al.experiments.baselines import Trained
from dd_al.experiments.task import Task
from dd_al.io.workdir import Workdir
from dd_al.report import schema, statistics

_SHOWN = 200  # characters of a text in the report


def finish(
    settings: Settings,
    workdir: Workdir,
    task: Task,
    full: Trained,
    full_s: float,
    histories: dict[str, History],
    plan: Plan,
) -> None:
    """Reads the labels of the judged split, for the first time, and writes what the run has found."""
    split, active, start = settings.evaluate.split, settings.active, time.perf_counter()
    validation, final = record.answers(task, task.learner.model, {"full": full.params}, split)
    methods = {
        "full": record.method_entry(
            task, split, final["full"], validation["full"], None, curve=record.curve(full.steps, full.accuracy)
        )
    }
    truth, count = task.labels(split), len(task.dataset.train)
    budget = {"full": _given(task, count)}
    histories = {name: _done(history, plan) for name, history in histories.items()}
    for name, history in histories.items():
        methods[name] = schema.method_results(
            history.predicted[-1], truth, task.classes, split=split, full=final["full"],
            validation_accuracy=history.validation[-1], **_course(task, active, history, truth, plan),
        )  # fmt: skip
        budget[name] = _given(task, history.scores.shape[1])
    statistics.compare_queries(methods)
    atomic_write(workdir.selected, "".join(_selected(task, active, histories, plan)))
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": len(active.seeds), "init": "random"},
        budget=budget,
        methods=methods,
        active={
            "seeds": list(active.seeds),
            "first": plan.first,
            "size": plan.size,
            "rounds": plan.rounds,
            "labels": plan.budget,
            "validation_labels": len(task.labels("validation")),
            "charged": _charged(task, active),
            **({"stop": active.stop} if active.stop else {}),
        },
        time={
            "baselines_s": full_s,
            "optimise_s": float(sum(history.seconds.sum() for history in histories.values())),
            "evaluate_s": time.perf_counter() - start,
        },
    )


def _done(history: History, plan: Plan) -> History:
    """The rounds that there were: a rule may have ended them before the plan does."""
    rounds = slice(int(history.round))
    given = slice(plan.counts[int(history.round) - 1])
    per_round = ("predicted", "validation", "agreement", "uncertainty", "seconds", "cold")
    state = history.state._replace(labelled=history.state.labelled[:, given], answers=history.state.answers[:, given])
    cut = {name: getattr(history, name)[rounds] for name in per_round}
    return history._replace(state=state, scores=history.scores[:, given], **cut)


def _charged(task: Task, active: ActiveSettings) -> int:
    """How many labels of validation count as asked for."""
    return len(task.labels("validation")) if active.charge_validation else 0


def _given(task: Task, labels: int) -> dict:
    """What a method was given, at most."""
    share = labels / len(task.dataset.train)
    return {"examples": labels, "fraction": share, "labels_used": labels, "stored_floats": labels * task.numbers}


def _stopping(active: ActiveSettings, history: History, right: np.ndarray, labels: list[int]) -> dict:
    """For each rule and seed the labels at which asking could have stopped, and the accuracy there; None if never."""
    found = {}
    for name, rounds in stops(active, history).items():
        found[name] = {
            "labels": [None if at is None else labels[at] for at in rounds],
            "accuracy": [None if at is None else float(right[at, seed]) for seed, at in enumerate(rounds)],
        }
    return found


def _course(task: Task, active: ActiveSettings, history: History, truth: np.ndarray, plan: Plan) -> dict:
    """What happened in the rounds of one query: accuracies, what was chosen, and seconds."""
    right = (history.predicted == truth).mean(-1)  # [rounds done, seeds]
    f1 = statistics.macro_f1(history.predicted, truth, task.classes)
    chosen = history.state.labelled[:, plan.first :]
    labels = [count + _charged(task, active) for count in plan.counts[: len(right)]]
    classes = np.bincount(task.labels("train")[chosen.ravel()], minlength=task.classes)
    lengths = np.asarray([len(text.split()) for text in task.dataset.train.texts])
    return {
        "curve": {
            "labels": labels,
            "accuracy": right.mean(1).tolist(),
            "values": right.tolist(),
            "macro_f1": f1.mean(1).tolist(),
            "macro_f1_values": f1.tolist(),
        },
        "stopping": _stopping(active, history, right, labels),
        "picked": {
            "classes": (classes / max(chosen.size, 1)).tolist(),
            "words": float(lengths[chosen].sum() / max(chosen.size, 1)),
            "examples": [task.dataset.train.texts[i][:_SHOWN] for i in chosen[0, :3]],
        },
        "seconds_per_round": _seconds(history),
    }


def _seconds(history: History) -> dict[str, float]:
    """What a round takes, without compilation where there are rounds without; in the last one nothing is asked."""
    rounds = len(history.seconds)
    asking = np.arange(rounds) < max(rounds - 1, 1)
    warm = asking & ~history.cold
    counted = history.seconds[warm if warm.any() else asking]
    return dict(zip(("train", "score", "select"), counted.mean(0).tolist()))


def _selected(task: Task, settings: ActiveSettings, histories: dict[str, History], plan: Plan) -> Iterator[str]:
    """The lines of selected.jsonl: every label that was asked for, with those that the runs began with as round 0."""
    rows = task.dataset.train.rows
    for name, history in histories.items():
        for seed, labelled, answers, scores in zip(
            settings.seeds, history.state.labelled, history.state.answers, history.scores, strict=True
        ):
            for place, (index, label, score) in enumerate(zip(labelled.tolist(), answers.tolist(), scores.tolist())):
                asked = max(0, place - plan.first + plan.size) // plan.size
                line = {
                    "method": name, "seed": seed, "round": asked, "index": index, "row": int(rows[index]),
                    "score": None if np.isnan(score) else score, "label": label,
                }  # fmt: skip
                yield json.dumps(line) + "\n"

"""How every experiment begins and ends: its data loaded and named, its results.json and report written."""

import logging
import time
from typing import Any

import jax
import numpy as np

from dd_al.config.settings import Settings
from dd_al.core.files import write_json
from dd_al.data import load
from dd_al.data.dataset import Dataset
from dd_al.distillation.synthetic import Synthetic
from dd_al.evaluation.protocol import Score
from dd_al.io import environment
from dd_al.io.metrics import MetricsWriter
from dd_al.io.workdir import Workdir
from dd_al.report import build, schema
from dd_al.task.task import Task

_LOG = logging.getLogger(__name__)


def load_dataset(settings: Settings, workdir: Workdir, **found: str) -> tuple[Dataset, float]:
    """Loads the data of a config, says what a run must say about it, and takes the work directory for it.

    ``found`` is what else the run depends on; see `Workdir.begin`. Also returns the seconds that this took.
    """
    began, dataset = time.perf_counter(), load.load(settings)
    workdir.begin(**load.identity(settings, dataset), **found)
    if workdir.resumed:
        _LOG.info("resuming the run in %s", workdir.path)
    announce(dataset)
    return dataset, time.perf_counter() - began


def announce(dataset: Dataset) -> None:
    """Logs what a data set is, and its notes."""
    for note in dataset.notes:
        _LOG.warning("%s", note)
    _LOG.info(
        "%s (%s): %d train, %d validation, %d test %ss, %d classes", dataset.name, dataset.source,
        len(dataset.train), len(dataset.validation), len(dataset.test), dataset.unit, dataset.num_classes,
    )  # fmt: skip
    if dataset.columns:
        shown = ", ".join(dataset.columns[:12]) + (", …" if len(dataset.columns) > 12 else "")
        _LOG.info("a row is %d numbers: %s", len(dataset.columns), shown)


def note_resumption(workdir: Workdir) -> None:
    """Begins metrics.jsonl anew where an earlier start was stopped, for runs that write its lines from the first on."""
    if workdir.resumed:
        with MetricsWriter(workdir.metrics, workdir.events) as metrics:
            metrics.resume(0)


def entry(split: str, score: Score, classes: int, full: Score | None, **extra: Any) -> dict:
    """The entry of one method in ``results["methods"]``; see `dd_al.report.schema.method_results`.

    ``full`` is the score of learners that were trained on all data, which retention is measured against; None where
    ``score`` is theirs.
    """
    theirs = None if full is None else full.predicted
    extra |= {"split": split, "full": theirs, "validation_accuracy": score.validation}
    return schema.method_results(score.predicted, score.truth, classes, **extra)


def given(examples: int, count: int, labels: int, floats: int) -> dict:
    """The budget of one method: examples, their share of ``count``, labels looked at, numbers stored."""
    return {"examples": examples, "fraction": examples / count, "labels_used": labels, "stored_floats": floats}


def given_all(task: Task) -> dict:
    """The budget of training on all of a task's data."""
    count = len(task.dataset.train)
    return given(count, count, count, count * task.numbers)


def given_of(synthetic: Synthetic, count: int) -> dict:
    """The budget of one of stacked distilled sets, for which all of ``count`` labels were looked at."""
    floats = sum(x.size // len(x) for x in jax.tree.leaves(synthetic))
    return given(synthetic.inputs.shape[1], count, count, floats)


def curve(steps: np.ndarray, accuracy: np.ndarray) -> dict:
    """Validation accuracy along training: ``[points]`` and ``[points, learners]``."""
    return {"steps": np.asarray(steps).tolist(), "accuracy": np.asarray(accuracy, np.float64).round(6).tolist()}


def finish(workdir: Workdir, settings: Settings, task: Task, *, evaluate: dict, time: dict, **parts: Any) -> None:
    """Writes results.json, which ends the run, and the report.

    ``time`` holds the seconds of each stage after those of the task, and "total_s" where that is not their sum because
    stages ran side by side. For the other parts see `dd_al.report.schema.new_results`.
    """
    seconds = {**task.seconds, **time}
    seconds.setdefault("total_s", sum(seconds.values()))
    write(workdir, settings, **about(task, settings.evaluate.split, **evaluate), time=seconds, **parts)
    build(workdir.path)


def about(task: Task, split: str, **evaluate: Any) -> dict[str, Any]:
    """The parts of results.json that say what data a run had, and how it judged."""
    vectors = {"vectors": task.vectors.report} if task.vectors else {}
    return {"dataset": task.dataset.provenance(split), **vectors, "evaluate": {"split": split, **evaluate}}


def write(workdir: Workdir, settings: Settings, *, time: dict[str, float], **parts: Any) -> None:
    """Writes results.json: the parts, with the command, the environment and the memory of this process."""
    results = schema.new_results(
        settings.experiment,
        settings.seed,
        command=environment.command(),
        environment=environment.describe(),
        time={name: round(value, 3) for name, value in time.items()},
        **{"memory": {"peak_rss_mb": round(environment.peak_rss_mb(), 1)}, **parts},
    )
    write_json(workdir.results, results)

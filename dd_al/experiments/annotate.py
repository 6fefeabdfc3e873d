"""Which texts should a person label next? The loop of active learning over a file without labels."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.active import stopping, terminal
from dd_al.active.annotation import NOT_SURE, AnswerLog, as_cell, csv_of, label_studio_config, write_queries
from dd_al.active.learner import OF_RUNS, ActiveLearner
from dd_al.config.active import AnnotateSettings
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, DataError, WorkdirError
from dd_al.core.files import atomic_write, read_json, sha256_of, write_json
from dd_al.data.formats import read_file
from dd_al.data.rows import Rows
from dd_al.io.workdir import Workdir

_LOG = logging.getLogger(__name__)
_ENDINGS = {"csv": ".csv", "jsonl": ".jsonl", "label_studio": ".json"}


def run(settings: Settings, workdir: Workdir) -> None:
    """Asks for the labels of the most useful texts, round after round, and learns from them.

    With `annotate.oracle=file` it stops after each question, and the same command goes on from the filled-in file; at
    the terminal it goes on until the person quits. Every answer is in `answers.jsonl` for good, also under --overwrite.
    """
    if settings.active.stop not in (None, "stable"):
        raise ConfigError(
            f"config.active.stop = {settings.active.stop!r}: annotation can tell when predictions are 'stable', no more"
        )
    if settings.data.label_map:
        raise ConfigError(
            f"config.data.label_map = {settings.data.label_map!r}: annotation takes labels as they are written; name "
            "them in config.annotate.labels"
        )
    pool, labels = _pool(settings)
    pool, known = _placed(pool, workdir)
    content = known["content"]
    workdir.begin(data=f"{pool.origin}, content {content}")
    write_json(workdir.path / "pool.json", known)
    own = {name: asdict(getattr(settings, name)) for name in ("vectors", "model", "learner")}
    own["active"] = {name: value for name, value in asdict(settings.active).items() if name not in OF_RUNS}
    further = {"seed": settings.seed, "length": settings.data.length, "config": own}
    learner = ActiveLearner(pool.texts, labels, query=settings.annotate.query, **further)
    with AnswerLog(workdir.path / "answers.jsonl", labels) as log:
        _learn(learner, pool, log)
        while _round(settings, workdir, content, learner, pool, log):
            pass


def _pool(settings: Settings) -> tuple[Rows, tuple[str, ...]]:
    """The texts, and the labels that can be given."""
    data, annotate = settings.data, settings.annotate
    if not data.dir:
        raise ConfigError("config.data.dir is missing: the file of texts to label")
    pool = read_file(Path(data.dir).expanduser(), data, optional=True)
    written = sorted(set(pool.labels) - {""})
    labels = annotate.labels or tuple(written)
    if len(labels) < 2:
        there = f"has {labels[0]!r} only" if labels else "has none yet"
        raise ConfigError(
            f"config.annotate.labels: give all labels that there can be, such as bad,good; {pool.origin} {there}"
        )
    if NOT_SURE in labels:
        raise ConfigError(f"config.annotate.labels: {NOT_SURE} sets a text aside, so no label can be called that")
    for index, label in enumerate(pool.labels):
        if label and label not in labels:
            raise DataError(f"{pool.where(index)}: label {label!r} is not in config.annotate.labels = {labels}")
    first: dict[str, int] = {}
    for index, (text, label) in enumerate(zip(pool.texts, pool.labels)):
        if label and pool.labels[other := first.setdefault(text, index)] != label:
            raise DataError(
                f"{pool.where(index)}: label {label!r} of a text that {pool.unit} {pool.lines[other]} labels "
                f"{pool.labels[other]!r}: copies of a text share a label"
            )
    return pool, labels


def _placed(pool: Rows, workdir: Workdir) -> tuple[Rows, dict[str, Any]]:
    """The pool with every text at the position that it had at the first start, and what pool.json is to hold.

    Answers name positions, and stay when the file grows: new texts come behind all others, wherever they stand in it.

    Raises:
      WorkdirError: texts of an earlier start are gone.
    """
    file, asked = workdir.path / "pool.json", workdir.path / "asked.json"
    hashes = [sha256_of(text.encode())[:16] for text in pool.texts]
    content = sha256_of(*(text.encode() for text in pool.texts))[:12]
    gone, before = 0, {"content": content, "texts": hashes}
    if file.exists():
        before = read_json(file)
        left: dict[str, list[int]] = {}
        for row, name in reversed(list(enumerate(hashes))):
            left.setdefault(name, []).append(row)
        order = [left[name].pop() for name in before["texts"] if left.get(name)]
        gone = len(before["texts"]) - len(order)
        new = sorted(row for rows in left.values() for row in rows)
        if new:
            _LOG.info("%d new texts join the %d of the pool", len(new), len(order))
        pool = pool.take([*order, *new])
        hashes = [hashes[row] for row in [*order, *new]]
    elif asked.exists():  # of version 0.1, which kept no list
        gone = 0 if read_json(asked)["content"] == content else "some"
    if gone:
        raise WorkdirError(
            f"{workdir.path / 'answers.jsonl'} holds labels of other texts than those in {pool.origin}: {gone} of an "
            "earlier start are gone. Put them back (new ones may stay), or take another workdir"
        )
    return pool, {**before, "texts": hashes}


def _learn(learner: ActiveLearner, pool: Rows, log: AnswerLog) -> bool:
    """Trains on the file's own labels and on the answers, if there are any that it does not know yet."""
    given = {index: label for index, label in enumerate(pool.labels) if label} | log.answers
    told: dict[str, tuple[int, str | None]] = {}  # of copies, which share a label, the last one that is given counts
    for index, label in given.items():
        if label is not None or pool.texts[index] not in told:
            told[pool.texts[index]] = index, label
    answers = dict(told.values())
    known = learner.answers | dict.fromkeys(learner.ignored)
    new = {index: label for index, label in answers.items() if index not in known or known[index] != label}
    if new:
        learner.update(list(new.values()), list(new))
    return bool(new)


def _round(
    settings: Settings, workdir: Workdir, content: str, learner: ActiveLearner, pool: Rows, log: AnswerLog
) -> bool:
    """One question and its answers; False where the person is to do something, or all is done."""
    annotate, file = settings.annotate, workdir.path / "asked.json"
    asked = read_json(file) if file.exists() else {"round": 0, "indices": []}
    for path in sorted((workdir.path / "queries").glob("[0-9]*")):  # also of earlier rounds: labels, and corrections
        number = path.name.split(".")[0]
        if number.isdigit() and (path.suffix in (".csv", ".jsonl") or path.name.endswith(".labelled.json")):
            current = int(number) == asked["round"]
            log.take(path, asked["indices"] if current else range(len(pool.texts)), pool.texts)
    if not _answered(annotate, workdir, asked, pool, learner.labels, log):
        return False
    learned = _learn(learner, pool, log)
    agreement = _write_predictions(workdir, learner) if learner.answers else None
    if learned:
        asked = {**asked, "agreement": [*asked.get("agreement", []), agreement], "content": content}
        write_json(file, asked)
    known = [float("nan") if value is None else value for value in asked.get("agreement", [])[-4:]]
    # Nobody knows yet what a class without an example would change.
    complete = set(learner.answers.values()) == set(learner.labels)
    stable = complete and stopping.stable(known, threshold=settings.active.threshold("stable")) is not None
    if stable:
        print(
            "The predictions for all texts have hardly changed for three rounds "
            f"(mean kappa {np.mean(known[-3:]):.3f}): more labels may not be worth their while."
        )
    ended = annotate.rounds is not None and asked["round"] >= annotate.rounds
    ended |= stable and settings.active.stop == "stable"
    # One class alone teaches nothing to ask by.
    query = annotate.query if len(set(learner.answers.values())) > 1 else "random"
    indices = [] if ended else learner.query(annotate.size, query=query)
    if not indices:
        print(
            f"done: {len(learner.answers)} texts have labels; {workdir.path / 'predictions.csv'} has one for each text"
        )
        return False
    write_json(file, {**asked, "round": asked["round"] + 1, "indices": indices, "content": content})
    return True


def _answered(
    annotate: AnnotateSettings, workdir: Workdir, asked: dict, pool: Rows, labels: Sequence[str], log: AnswerLog
) -> bool:
    """Whether there are answers enough to go on; else the person has been told what to do."""
    indices = asked["indices"]
    left = [index for index in indices if index not in log.answers]
    if not left:
        return True
    if annotate.oracle == "terminal":
        with terminal.keyboard() as read_key:
            write = partial(print, end="", flush=True)
            return terminal.ask(log, indices, pool.texts, labels, read_key=read_key, write=write)
    queries = workdir.path / "queries" / f"{asked['round']:03}{_ENDINGS[annotate.format]}"
    how, interface = f"fill in the labels in {queries}", queries.parent / "label_config.xml"
    write_queries(queries, left, pool.texts)
    if annotate.format == "label_studio":
        atomic_write(interface, label_studio_config(labels))
        how = f"import {queries} into Label Studio with the interface in {interface}, label, and export as JSON to "
        how += str(queries.with_suffix(".labelled.json"))
    if annotate.partial and len(left) < len(indices):
        return True
    print(
        f"round {asked['round']}: {len(left)} of {len(indices)} texts have no label yet.\n{how}\n"
        f"(one of {', '.join(labels)}; {NOT_SURE} for a text to set aside), then run the same command again."
    )
    return False


def _write_predictions(workdir: Workdir, learner: ActiveLearner) -> float | None:
    """Writes the learner, and what it makes of every text.

    Returns the kappa of the predicted classes and of those in the last round's file; None where there is none.
    """
    path, everything, agreement = workdir.path / "predictions.csv", learner.predict_proba(learner.texts), None
    if path.exists():
        with open(path, encoding="utf-8", newline="") as file:
            csv.field_size_limit(max(path.stat().st_size, csv.field_size_limit()))
            classes = {str(label): index for index, label in enumerate(learner.labels)}
            before = [classes.get(row["predicted"], 0) for row in csv.DictReader(file)]
        if len(before) == len(everything):
            found = stopping.kappa(np.asarray(before), everything.argmax(-1), len(classes))
            agreement = None if np.isnan(found) else found
    learner.save(workdir.path / "learner.safetensors")
    rows, told = [], {learner.texts[index]: label for index, label in learner.answers.items()}
    for index, (text, probs) in enumerate(zip(learner.texts, everything, strict=True)):
        best = int(probs.argmax())
        label, probability = told.get(text, ""), round(float(probs[best]), 4)
        rows.append((index, as_cell(text), label, probability, learner.labels[best]))
    atomic_write(path, csv_of(("index", "text", "label", "probability", "predicted"), rows))
    return agreement

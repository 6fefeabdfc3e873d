"""How few synthetic sentences train a classifier? The main job."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from dd_al.config.distill import DistillSettings
from dd_al.config.settings import Settings
from dd_al.core.files import write_json
from dd_al.distillation import snapshots
from dd_al.distillation.optimise import Distillation
from dd_al.distillation.starts import number_of_items
from dd_al.distillation.synthetic import Synthetic, own_rates, targets, train_on
from dd_al.evaluation.baselines import choose_schedule, constant_training, fit_full, random_batches, stage
from dd_al.evaluation.coresets import fit_chosen
from dd_al.evaluation.from_artefact import nearest_words
from dd_al.evaluation.protocol import evaluate
from dd_al.experiments import record
from dd_al.experiments.distill.distil import distil
from dd_al.io import artefact
from dd_al.io.signals import catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner.learner import LearnerState, layers
from dd_al.learner.predict import accuracy
from dd_al.learner.train_on_set import along
from dd_al.task.task import Task, known_inits, make_task

_LOG = logging.getLogger(__name__)
_NEIGHBOURS = 5
_PICTURED = {"images": 10, "rows": 400}  # items of a snapshot


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains the baselines, distils, judges all three from the same unseen initialisations, and reports."""
    began = time.perf_counter()
    dataset = record.load_dataset(settings, workdir)
    items = number_of_items(settings.distill, len(dataset.train), dataset.num_classes)
    task = make_task(settings, dataset, time.perf_counter() - began)
    known = settings.distill.init == "known"
    inits = settings.evaluate.inits or (3 if known else 10)
    states = known_inits(task, inits) if known else task.inits("evaluation", inits)

    with catch_stop() as stop:
        full, full_s = stage(workdir, "full", partial(fit_full, task, settings.full, states, stop=stop))
        subsets = random_batches(task, task.key, items, inits)
        train = constant_training(task, settings.random)
        random, random_s = stage(
            workdir, "random", partial(choose_schedule, task, settings.random, subsets, states, stop=stop, train=train)
        )
        chosen = {}
        for name in settings.coreset.methods or ():
            compute = partial(fit_chosen, task, settings, name, items, full.params, states, stop=stop, train=train)
            chosen[name], seconds = stage(workdir, name, compute)
            random_s += seconds
        distilled = distil(
            task,
            settings,
            items=items,
            sets=inits if known else 1,
            # Teachers that began where the judges do would tell the set of initialisations that it may not see.
            teachers=full.params if known else None,
            workdir=workdir,
            stop=stop,
        )
        stop.check()

    _LOG.info("training %d networks on the distilled set, and testing", inits)
    start = time.perf_counter()
    trained, curve = _train_judges(task, settings.distill, distilled, states)
    params = {"full": full.params, "random": random.params}
    params |= {name: one.params for name, one in chosen.items()} | {"distilled": trained.params}
    extra = {
        "full": {
            "curve": record.curve(full.steps, full.accuracy),
            "hyperparameters": {"best_steps": full.chosen.tolist()},
        },
        **{
            name: {"curve": record.curve(one.steps, one.accuracy), "hyperparameters": _schedule(one.chosen)}
            for name, one in {"random": random, **chosen}.items()
        },
        "distilled": {
            "curve": curve,
            "selected_step": int(distilled.best_step.max()),
            "outer": record.outer_course(workdir.metrics),
        },
    }
    split = settings.evaluate.split
    scores = evaluate(task, task.learner.model, params, split)
    methods = {
        name: record.entry(
            split, score, task.classes, None if name == "full" else scores["full"], paired=known, **extra[name]
        )
        for name, score in scores.items()
    }
    artefact.save(workdir.distilled, make_artefact(task, settings, distilled))
    write_json(
        workdir.distilled_meta,
        {**describe(task, distilled, settings.distill.labels), **_course(task, settings, distilled, workdir)},
    )
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": inits, "init": "known" if known else "random"},
        budget=_budget(task, subsets.targets.shape[1], distilled.synthetic, chosen),
        methods=methods,
        time={
            "baselines_s": full_s + random_s,
            **({"teachers_s": distilled.teachers_s} if distilled.teachers_s else {}),
            "compile_s": distilled.compile_s,
            "optimise_s": distilled.optimise_s,
            "evaluate_s": time.perf_counter() - start,
        },
    )


def _train_judges(
    task: Task, settings: DistillSettings, distilled: Distillation, states: LearnerState
) -> tuple[LearnerState, dict]:
    """Learners trained on the distilled sets from the judging initialisations, and their accuracy along the way."""
    model, synthetic = task.learner.model, own_rates(task, distilled.synthetic)

    def train(states: LearnerState, first: jax.Array, until: jax.Array) -> LearnerState:
        return train_on(task.learner, synthetic, states, settings.labels, first, until, parts=settings.batches)

    def look(states: LearnerState) -> jax.Array:
        return accuracy(model, states.params, task.validation, task.embed)

    last = synthetic.log_rates.shape[1]
    points = np.unique(np.geomspace(1, last, 20).round()) if last > 20 else np.arange(1, last + 1)
    points = points.astype(np.int32)
    trained, curve = jax.jit(lambda states: along(train, states, points, look))(states)
    return trained, record.curve(points, curve)


def _schedule(chosen: np.ndarray) -> dict:
    rate, steps, dropout = chosen.tolist()
    return {"rate": rate, "steps": int(steps), "dropout": bool(dropout)}


def _budget(task: Task, drawn: int, synthetic: Synthetic, chosen: Iterable[str]) -> dict:
    """What each method was given: examples, their share, labels looked at, numbers stored."""
    count, items = len(task.dataset.train), synthetic.inputs.shape[1]
    return {
        "full": record.given(count, count, count, count * task.numbers),
        "random": record.given(drawn, count, drawn, drawn * task.numbers),
        **{name: record.given(items, count, count, items * task.numbers) for name in chosen},
        "distilled": record.given_of(synthetic, count),
    }


def make_artefact(task: Task, settings: Settings, distilled: Distillation) -> artefact.Artefact:
    """Everything that training on the distilled sets takes."""
    known = settings.distill.init == "known"
    sets, text = distilled.synthetic.inputs.shape[0], task.vectors is not None
    words, table = (task.vectors.vocabulary.words, task.vectors.table) if text else ((), None)
    encoder = task.vectors.report["sha256"] if task.inputs == "sentences" else None
    if encoder:  # of the training sentences only those that show what the items are about
        near = [nearest_words(words, table, np.asarray(x), _NEIGHBOURS) for s in distilled.synthetic.inputs for x in s]
        shown = {sentence for item in near for position in item for sentence, _ in position}
        rows = [0, 1, *(row for row, word in enumerate(words) if word in shown)]
        words, table = tuple(words[row] for row in rows), table[rows]
    return artefact.Artefact(
        **jax.tree.map(np.asarray, distilled.synthetic)._asdict(),
        vectors=table,
        words=words,
        params=flatten_dict(jax.tree.map(np.asarray, known_inits(task, sets).params), sep="/") if known else {},
        spec={
            "task": task.dataset.name,
            "label_map": task.dataset.label_map,
            "classes": task.classes,
            "length": task.shape[0] if text else 1,
            "layers": list(layers(task.learner.model)),
            "model": asdict(settings.model),
            "learner": asdict(settings.learner),
            "init": "known" if known else "random",
            "targets": settings.distill.labels,
            "encoder": encoder,
            "data": task.dataset.sha256,
            "attention": settings.distill.attention,
            "also": {name: list(layers(learner.model)) for name, learner in task.others.items()},
            "batches": settings.distill.batches,
            **({} if text else {"inputs": task.inputs, "columns": list(task.dataset.columns)}),
        },
        **({} if text else {"mean": task.dataset.scaling.mean, "std": task.dataset.scaling.std}),
    )


def names_of_rates(task: Task) -> list[str]:
    """Of every column: the layer, after the kind of network where it is not the task's own."""
    others = [f"{kind}/{name}" for kind, learner in task.others.items() for name in layers(learner.model)]
    return [*layers(task.learner.model), *others]


def _shown_as(task: Task, values: np.ndarray) -> dict:
    """What an item looks like: its nearest words; pixels from 0 to 255; or the numbers of its row."""
    if task.vectors is not None:
        return {"nearest_words": nearest_words(task.vectors.vocabulary.words, task.vectors.table, values, _NEIGHBOURS)}
    values = values * task.dataset.scaling.std + task.dataset.scaling.mean
    if task.inputs == "rows":
        return {"row": values.tolist()}
    return {"pixels": np.clip(values, 0, 255).round().astype(int).tolist()}


def items_of(task: Task, settings: DistillSettings, inputs: np.ndarray, label_logits: np.ndarray) -> list[dict]:
    """The label of each item, and what it looks like."""
    labels = np.asarray(targets(label_logits, settings.labels)).tolist()
    return [{"label": label, **_shown_as(task, values)} for values, label in zip(inputs, labels, strict=True)]


def course_of(task: Task, settings: DistillSettings, folder: Path, best: Mapping[int, Mapping]) -> list[dict]:
    """The first images or rows at each outer step that `snapshots` kept in a folder, and at the best one."""
    count = _PICTURED[task.inputs]
    return [
        {
            "step": step,
            "items": items_of(task, settings, arrays["inputs"][:count], arrays["label_logits"][:count]),
            "kept": step in best,
        }
        for step, arrays in sorted({**snapshots.kept(folder, settings), **best}.items())
    ]


def _course(task: Task, settings: Settings, distilled: Distillation, workdir: Workdir) -> dict:
    """How the first images or rows came about, to those that were kept; some real rows to show the synthetic with."""
    if task.vectors is not None:
        return {}
    best = snapshots.arrays_of(distilled.synthetic)
    found = course_of(task, settings.distill, workdir.checkpoints / "snapshots", {int(distilled.best_step[0]): best})
    if task.inputs == "images":
        return {"course": found}
    count = _PICTURED["rows"]
    real = {"rows": task.raw["train"][:count].tolist(), "classes": task.labels("train")[:count].tolist()}
    return {"course": found, "real": real}


def describe(task: Task, distilled: Distillation, labels: str) -> dict:
    """The artefact for people: labels, rates, and the nearest words of every position; attention labels as a mean."""
    synthetic = jax.tree.map(np.asarray, distilled.synthetic)
    attention = None if synthetic.attention_logits is None else jax.nn.softmax(synthetic.attention_logits)
    shown = np.asarray(targets(synthetic.label_logits, labels))
    names = sorted(task.dataset.label_map, key=task.dataset.label_map.get)
    items = []
    for s, one_set in enumerate(synthetic.inputs):
        for i, values in enumerate(one_set):
            item = {"set": s, "label": shown[s, i].tolist(), **_shown_as(task, values)}
            if attention is not None:  # of each position, over blocks and heads
                item["attention"] = attention[s, i].mean((0, 1)).tolist()
            if distilled.start_rows is not None and task.vectors is not None:
                item["start_text"] = task.dataset.train.texts[int(distilled.start_rows[s, i])]
            items.append(item)
    return {
        "items": items,
        "label_names": names if len(names) == task.classes else [str(c) for c in range(task.classes)],
        "inner_steps": synthetic.log_rates.shape[1],
        "columns": list(task.dataset.columns),
        "rates": {"names": names_of_rates(task), "values": np.exp(synthetic.log_rates[0]).tolist()},
    }

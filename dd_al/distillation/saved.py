"""What a distillation leaves behind: the artefact, and what people can read of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from dd_al.config.distill import DistillSettings
from dd_al.config.settings import Settings
from dd_al.distillation.optimise import Distillation, picture
from dd_al.distillation.synthetic import targets
from dd_al.io.artefact import Artefact
from dd_al.io.tensors import read_safetensors
from dd_al.learner.learner import layers
from dd_al.task.task import Task, known_inits

_NEIGHBOURS = 5
_PICTURED = {"images": 10, "rows": 400}  # items of a picture


def make_artefact(task: Task, settings: Settings, distilled: Distillation) -> Artefact:
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
    return Artefact(
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
    """The first images or rows at each outer step of which a folder has a picture, and at the best one."""
    count = _PICTURED[task.inputs]
    pictures = {int(path.stem): read_safetensors(path) for path in folder.glob("*.safetensors")}
    return [
        {
            "step": step,
            "items": items_of(task, settings, arrays["inputs"][:count], arrays["label_logits"][:count]),
            "kept": step in best,
        }
        for step, arrays in sorted({**pictures, **best}.items())
    ]


def course(task: Task, settings: DistillSettings, distilled: Distillation, folder: Path) -> dict:
    """How the first images or rows came about, to those that were kept; some real rows to show the synthetic with."""
    if task.vectors is not None:
        return {}
    found = course_of(task, settings, folder, {int(distilled.best_step[0]): picture(distilled.synthetic)})
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
    names, items = sorted(task.dataset.label_map, key=task.dataset.label_map.get), []
    others = [f"{kind}/{name}" for kind, learner in task.others.items() for name in layers(learner.model)]
    for s, one_set in enumerate(synthetic.inputs):
        for i, values in enumerate(one_set):
            item = {"set": s, "label": shown[s, i].tolist(), **_shown_as(task, values)}
            if attention is not None:  # of each position, over blocks and heads
                item["attention"] = attention[s, i].mean((0, 1)).tolist()
            if distilled.start_rows is not None and task.vectors is not None:
                item["start_text"] = task.dataset.train.texts[int(distilled.start_rows[s, i])]
            items.append(item)
    return {
        "examples": items,
        "label_names": names if len(names) == task.classes else [str(c) for c in range(task.classes)],
        "inner_steps": synthetic.log_rates.shape[1],
        "columns": list(task.dataset.columns),
        "rates": {"names": [*layers(task.learner.model), *others], "values": np.exp(synthetic.log_rates[0]).tolist()},
    }


def nearest_words(
    words: Sequence[str], table: np.ndarray, vectors: np.ndarray, k: int = 1
) -> list[list[tuple[str, float]]]:
    """The words whose vectors are nearest by cosine.

    Args:
      words: the vocabulary; its first two, padding and the unknown word, are never an answer.
      table: ``float32[words, dim]``.
      vectors: ``float32[length, dim]``.
      k: how many, the nearest first.

    Returns:
      For each vector ``[(word, cosine), …]``.
    """
    norms = np.maximum(np.linalg.norm(table, axis=1), 1e-9)
    cosines = vectors @ table.T / norms / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosines[:, :2] = -np.inf
    best = np.argsort(-cosines, axis=1, kind="stable")[:, : min(k, len(words) - 2)]
    return [[(words[w], float(row[w])) for w in top] for row, top in zip(cosines, best)]

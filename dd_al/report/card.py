"""The dataset card of an exported set: what the Hugging Face hub shows of it, and reads its configurations from."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dd_al.report.render import render
from dd_al.report.verdicts import verdict

_ESCAPES = {ord(sign): f"\\{sign}" for sign in string.punctuation}
_OPTIMIZERS = {
    "sgd": "`d = g`",
    "momentum": "`m ← {momentum} m + g`, `d = m`",
    "adam": "`m ← {momentum} m + (1 − {momentum}) g`, `v ← {b2} v + (1 − {b2}) g²`, "
    "`d = m / (1 − {momentum}ᵗ) / √(v / (1 − {b2}ᵗ) + {eps_root})`",
}


class Exported(NamedTuple):
    """What a card tells of; all plain values, text from the data as it is.

    Attributes:
      task: name of the data.
      files: configuration → path of its only file, the one that is loaded by default first.
      labels: the name of each class.
      shape: items, length and dim.
      targets: the label of each example in the first set, by class.
      nearest: the nearest word at each of its positions.
      schedule: what `schedule.json` holds.
      vocabulary: how many words it has.
      provenance: table of name → value.
      results: the run's `results.json`, or None.
      scores: those in the artefact, name → share; may be empty.
    """

    task: str
    files: Mapping[str, str]
    labels: Sequence[str]
    shape: tuple[int, int, int]
    targets: Sequence[Sequence[float]]
    nearest: Sequence[Sequence[str]]
    schedule: Mapping[str, Any]
    vocabulary: int
    provenance: Mapping[str, Any]
    results: Mapping | None
    scores: Mapping[str, float]


def card(exported: Exported) -> str:
    """Returns the text of `README.md`: YAML front matter, and Markdown in which no text of the data is markup."""
    from huggingface_hub import DatasetCard, DatasetCardData  # not before there is a card to write

    configs: list[dict[str, Any]] = [
        {"config_name": name, "data_files": [{"split": "train", "path": path}]} for name, path in exported.files.items()
    ]
    configs[0]["default"] = True
    limits = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K"}
    front = DatasetCardData(
        pretty_name=f"{exported.task}, distilled",
        task_categories=["text-classification"],
        size_categories=[next((name for end, name in limits.items() if exported.shape[0] < end), "100K<n<1M")],
        tags=["dataset-distillation", "synthetic", "dd_al"],
        configs=configs,
    )
    optimizer = exported.schedule["optimizer"]
    direction = _OPTIMIZERS[optimizer["name"]].format(**optimizer)
    body = render("card.md", **exported._asdict(), direction=direction, escaped=escaped, verdict=verdict)
    return str(DatasetCard(f"---\n{front.to_yaml()}\n---\n\n{body}"))


def escaped(text: Any) -> str:
    """Returns text in one line that Markdown shows as it is: no link, emphasis, table, formula or HTML comes of it."""
    shown = "".join(sign if sign.isprintable() else " " for sign in str(text))
    return " ".join(shown.split()).translate(_ESCAPES)

"""The dataset card of an exported set: what the Hugging Face hub shows of it, and reads its configurations from."""

import string
from collections.abc import Mapping
from typing import Any

from dd_al.report.render import render
from dd_al.report.verdicts import verdict

_ESCAPES = {ord(sign): f"\\{sign}" for sign in string.punctuation}
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K"}


def card(*, task: str, files: Mapping[str, str], shape: tuple[int, int, int], **told: Any) -> str:
    """Returns the text of `README.md`: YAML front matter, and Markdown in which no text of the data is markup.

    Args:
      task: name of the data.
      files: configuration → path of its only file, the one that is loaded by default first.
      shape: items, length and dim.
      **told: `labels`, the name of each class; `targets`, ``float[items][classes]`` of the first set; `nearest`, the
        nearest word at each of its positions; `schedule`, what `schedule.json` holds; `vocabulary`, how many words it
        has; `provenance`, name → value; `results`, the run's `results.json` or None; `scores`, those in the artefact,
        name → share. All are plain values, text from the data as it is.
    """
    from huggingface_hub import DatasetCard, DatasetCardData  # not before there is a card to write

    configs: list[dict[str, Any]] = [
        {"config_name": name, "data_files": [{"split": "train", "path": path}]} for name, path in files.items()
    ]
    configs[0]["default"] = True
    front = DatasetCardData(
        pretty_name=f"{task}, distilled",
        task_categories=["text-classification"],
        size_categories=[next((name for end, name in _SIZES.items() if shape[0] < end), "100K<n<1M")],
        tags=["dataset-distillation", "synthetic", "dd_al"],
        configs=configs,
    )
    body = render("card.md", task=task, files=files, shape=shape, **told, escaped=escaped, verdict=verdict)
    return str(DatasetCard(f"---\n{front.to_yaml()}\n---\n\n{body}"))


def escaped(text: Any) -> str:
    """Returns text in one line that Markdown shows as it is: no link, emphasis, table, formula or HTML comes of it."""
    shown = "".join(sign if sign.isprintable() else " " for sign in str(text))
    return " ".join(shown.split()).translate(_ESCAPES)

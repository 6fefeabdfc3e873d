"""The dataset card of an exported set: what the Hugging Face hub shows of it, and reads its configurations from."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from dd_al.report.verdicts import verdict
from dd_al.report.words import METHOD_TITLES, known, percent, score, spread

_SHOWN = 20  # examples in the card; a thousand would bury the rest of it
_ESCAPES = {ord(sign): f"\\{sign}" for sign in string.punctuation}
_OPTIMIZERS = {
    "sgd": "`d = g`",
    "momentum": "`m ← {momentum} m + g`, `d = m`",
    "adam": "`m ← {momentum} m + (1 − {momentum}) g`, `v ← {b2} v + (1 − {b2}) g²`, "
    "`d = m / (1 − {momentum}ᵗ) / √(v / (1 − {b2}ᵗ) + {eps_root})`",
}
_LOADING = """\
import json
from pathlib import Path

from datasets import load_dataset

place = str(Path.cwd())  # this folder, or the name of its repository on the hub
data = load_dataset(place, split="train").with_format("numpy")[:]
inputs, targets = data["inputs"], data["target"]  # float32 [items, length, dim] and [items, classes]
with open("schedule.json", encoding="utf-8") as file:  # huggingface_hub.hf_hub_download gets it from the hub
    schedule = json.load(file)
vocabulary = load_dataset(place, "vocabulary", split="train").with_format("numpy")[:]
vectors = dict(zip(vocabulary["word"], vocabulary["vector"]))  # what a real text's words become
"""


class Exported(NamedTuple):
    """What a card tells of; all plain values, text from the data as it is.

    Attributes:
      task: name of the data.
      files: configuration → path of its only file, the one that is loaded by default first.
      labels: the name of each class.
      shape: items, length and dim.
      targets: the label of each example in the first set, by class.
      words: the nearest word at each of its positions.
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
    words: Sequence[Sequence[str]]
    schedule: Mapping[str, Any]
    vocabulary: int
    provenance: Mapping[str, Any]
    results: Mapping | None
    scores: Mapping[str, float]


def card(exported: Exported) -> str:
    """Returns the text of `README.md`: YAML front matter, and Markdown in which no text of the data is markup."""
    parts = [
        f"# {escaped(exported.task)}, distilled",
        _summary(exported),
        "## Files",
        _files(exported),
        "## The examples",
        _examples(exported),
        "## Train on it",
        f"```python\n{_LOADING}```",
        _schedule(exported),
        "## Scores",
        _scores(exported),
        "## Provenance",
        _table(("", ""), [(escaped(name), escaped(value)) for name, value in exported.provenance.items()]),
        "The examples, the labels and the vocabulary are made from the data named here: its terms hold for them, and "
        "the vocabulary holds words of its texts.",
    ]
    return f"---\n{_front_matter(exported)}---\n\n" + "\n\n".join(parts) + "\n"


def escaped(text: Any) -> str:
    """Returns text in one line that Markdown shows as it is: no link, emphasis, table, formula or HTML comes of it."""
    shown = "".join(sign if sign.isprintable() else " " for sign in str(text))
    return " ".join(shown.split()).translate(_ESCAPES)


def _front_matter(exported: Exported) -> str:
    configs: list[dict[str, Any]] = [
        {"config_name": name, "data_files": [{"split": "train", "path": path}]} for name, path in exported.files.items()
    ]
    configs[0]["default"] = True
    items = exported.shape[0]
    limits = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K"}
    size = next((name for limit, name in limits.items() if items < limit), "100K<n<1M")
    return yaml.safe_dump(
        {
            "pretty_name": f"{exported.task}, distilled",
            "task_categories": ["text-classification"],
            "size_categories": [size],
            "tags": ["dataset-distillation", "synthetic", "dd_al"],
            "configs": configs,
        },
        sort_keys=False,
        allow_unicode=True,
    )


def _summary(exported: Exported) -> str:
    items, length, dim = exported.shape
    return (
        f"{items:,} synthetic training examples for {len(exported.labels)} classes, distilled from a data set so that "
        f"a network trained on them alone does well on real texts. An example is no text: it is a matrix of {length} "
        f"word vectors of {dim} numbers, all of them words, with a target for every class. They are only as good as "
        "the schedule that they come with."
    )


def _files(exported: Exported) -> str:
    first, *others = [name for name in exported.files if name != "vocabulary"]
    attends = exported.schedule["attention_weight"]
    rows = [
        (f"`{exported.files[first]}`", f"`{first}`", "`inputs`, `target`, `label` (the largest target's class), "
         "`nearest_words` (the known word nearest to each position, by cosine: to look at, not to train on)"
         + (", `attention` (what its attention is drawn to, by block, head and position)" if attends else "")),
        *((f"`{exported.files[name]}`", f"`{name}`", "likewise") for name in others),
        (f"`{exported.files['vocabulary']}`", "`vocabulary`", f"`word`, `vector`: the {exported.vocabulary:,} words "
         "that real texts are read with; padding (zeros) and the unknown word come first"),
        ("`schedule.json`", "", "learning rates by configuration, step and layer, those of further networks that the "
         "set was distilled for (`also`), the optimizer, the network, the label of each class, the length that real "
         "texts are cut and padded to"),
    ]  # fmt: skip
    if parameters := exported.schedule["initial_parameters"]:
        rows.append((f"`{parameters}`", "", "first parameters of the known networks: the leading axis is the set"))
    text = _table(("file", "configuration", "holds"), rows)
    if others:
        text += "\n\nEach configuration but the vocabulary is a training set of its own, not to be mixed with another."
    return text


def _examples(exported: Exported) -> str:
    header = ("", *map(escaped, exported.labels), "nearest words")
    rows = [
        (str(index), *(f"{value:.2f}" for value in target), escaped(" ".join(words)))
        for index, (target, words) in enumerate(zip(exported.targets, exported.words))
    ]
    if sum(name != "vocabulary" for name in exported.files) > 1:
        header = (*header[:-1], "nearest words (configuration `default`)")
    more = f"\n\n… and {len(rows) - _SHOWN:,} more." if len(rows) > _SHOWN else ""
    return _table(header, rows[:_SHOWN]) + more


def _schedule(exported: Exported) -> str:
    schedule = exported.schedule
    start = (
        f"from the first parameters in `{schedule['initial_parameters']}`, where a set's place is that of its "
        "configuration: the sets were distilled for them and serve no others"
        if schedule["initial_parameters"]
        else "from fresh parameters, of which those of the output layer are zero"
    )
    attention = (
        f", and {schedule['attention_weight']:g} times the mean, over examples, blocks and heads, of Σ attention · "
        "log(attention / received), where received is the attention that each position receives from the words of its "
        "example, on average"
        if schedule["attention_weight"]
        else ""
    )
    seen = "all examples at once"
    if (batches := schedule["batches"]) > 1:
        seen = f"the next of {batches} batches of neighbouring examples, which follow one another and begin again"
    direction = _OPTIMIZERS[schedule["optimizer"]["name"]].format(**schedule["optimizer"])
    return (
        f"Train {start}. Take a step per row of the rates, t = 1, 2, …, each on {seen}, without dropout, "
        f"on the mean over examples of −Σ target · log softmax(logits){attention}. With the gradient g of that loss, a "
        f"layer moves by `θ ← θ − rate · d`, where {direction}"
        f"{', and m and v begin at zero' if schedule['optimizer']['name'] != 'sgd' else ''}. "
        "`help(dd_al.load_distilled)` says the same at length, with the network. Other networks can be trained on the "
        "examples too, at rates of their own, and with less success."
    )


def _scores(exported: Exported) -> str:
    results = exported.results
    if results is not None:
        split = results["evaluate"]["split"]
        rows = [_score_row(results, name) for name in results["methods"]]
        header = ("trained on", f"{split} accuracy, %", "macro-F1, %", "share of the full data's accuracy, %")
        return f"{verdict(results, why=False)}\n\n{_table(header, rows)}"
    if exported.scores:
        rows = [(escaped(name.replace("_", " ")), percent(value)) for name, value in exported.scores.items()]
        return _table(("score", "%"), rows)
    return "None came with the set. `python -m dd_al.evaluate` tests the file that it was exported from."


def _score_row(results: Mapping, name: str) -> tuple[str, ...]:
    retention = results["methods"][name].get("retention")
    return (
        METHOD_TITLES.get(name, escaped(name)),
        spread(score(results, name)),
        spread(score(results, name, "macro_f1")),
        percent(retention) if known(retention) else "",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

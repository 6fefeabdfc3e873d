"""Exports a distilled set as a data set for Hugging Face `datasets`: `python -m dd_al.export --help`."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from dd_al.cli.command import Command
from dd_al.cli.devices import define_jax_flags
from dd_al.core.errors import ConfigError, DataError, UserError
from dd_al.core.files import atomic_write, jsonable, read_json, sha256_of
from dd_al.core.version import VERSION
from dd_al.io import artefact as artefacts
from dd_al.io.artefact import Artefact
from dd_al.io.tensors import write_safetensors
from dd_al.takeaway import TrainingSet, training_set

_FORMAT = 1  # of schedule.json
_PARAMETERS = "initial_parameters.safetensors"
_FILE = "train-00000-of-00001.parquet"
_USAGE = """
usage: python -m dd_al.export ARTEFACT FOLDER [--overwrite]

Exports ARTEFACT, a distilled.safetensors or its work directory, to FOLDER as a data set for Hugging Face datasets.

examples:
  python -m dd_al.export runs/sst2 sst2-distilled
  python -c 'import datasets; print(datasets.load_dataset("sst2-distilled"))'

Writes Parquet files, schedule.json and the dataset card README.md. Exit codes: 0 done, 1 a failure of the program, 2 a
mistake in the command or the data, 130 interrupted and 143 terminated.
"""


def export_huggingface(path: str | os.PathLike, folder: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Writes a distilled set as a folder that `datasets.load_dataset` reads and the Hugging Face hub shows.

        dd_al.export_huggingface("runs/sst2", "sst2-distilled")
        datasets.load_dataset("sst2-distilled")["train"]

    The configuration "default" holds the first set: ``inputs`` (lists of ``float32[length][dim]``), ``target``
    (``float32[classes]``), ``label`` and ``nearest_words``, and ``attention`` where there is. Every further set, where
    there is one per known initialisation, is a configuration "set1", "set2", … of its own, as no two are meant to be
    mixed; "vocabulary" holds words with their vectors. docs/artefact.md has all files. The dataset card has the scores
    of the ``results.json`` beside the artefact, if there is one, and no paths or commands of this machine.

    Args:
      path: a ``distilled.safetensors`` or its work directory.
      folder: made if it is not there. Each file is written whole or not at all, the card last.
      overwrite: whether the folder may hold something: files of the same names are replaced, what an earlier export
        left is removed, and anything else stays.

    Returns:
      The folder.

    Raises:
      DataError: no such artefact, a damaged one, or one of sentence vectors, images or rows.
      UserError: the folder is not empty or cannot be written, or results.json is broken.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give the name of a folder")
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give another folder, or --overwrite (overwrite=True) to write into it")
    file = artefacts.locate(path)
    artefact = artefacts.load(file)
    artefact.require_texts("only sets of word vectors are exported")
    if artefact.spec.get("encoder"):
        raise DataError(
            f"{file} holds sentence vectors, which need their encoder; only sets of word vectors are exported"
        )
    sets = [training_set(artefact, index) for index in range(len(artefact.inputs))]
    contents = _contents(sets, artefact, file)
    try:
        (folder / "README.md").unlink(missing_ok=True)  # half an export must not look whole
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Mapping):
                write_safetensors(folder / name, content)
            else:
                atomic_write(folder / name, content)
        for stale in {folder / _PARAMETERS, *folder.glob(f"set*/{_FILE}")} - {folder / name for name in contents}:
            stale.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    return folder


def _define_flags(values: flags.FlagValues, argv: list[str]) -> None:
    flags.DEFINE_bool("overwrite", False, "write into a folder that is not empty", values)
    define_jax_flags(argv)


def _run(values: flags.FlagValues, arguments: list[str]) -> None:
    if len(arguments) != 2:
        raise ConfigError("two arguments are needed, ARTEFACT and FOLDER; see --help")
    folder = export_huggingface(*arguments, overwrite=values.overwrite)
    print(f"written: {folder}; load it with datasets.load_dataset({str(folder)!r})")


def _contents(sets: Sequence[TrainingSet], artefact: Artefact, file: Path) -> dict[str, Any]:
    """Every file by its name in the folder, the card last: bytes, text or arrays."""
    # matplotlib and JAX come with these: not before the arguments are known to be right.
    from dd_al.distillation.saved import nearest_words
    from dd_al.report.card import card

    first, names = sets[0], [str(label) for label in sets[0].labels]
    if len(set(names)) < len(names):  # `datasets.ClassLabel` takes each once
        names = [f"{name} ({index})" for index, name in enumerate(names)]
    configs = ["default", *(f"set{index}" for index in range(1, len(sets)))]
    files = {name: f"{'data' if name == 'default' else name}/{_FILE}" for name in configs}
    files["vocabulary"] = f"vocabulary/{_FILE}"
    words = [
        [[near[0][0] if near else "" for near in nearest_words(one.words, one.vectors, x)] for x in one.inputs]
        for one in sets
    ]
    results = _results(file)
    schedule = {
        "format": _FORMAT,
        "task": artefact.spec["task"],
        "labels": first.labels,
        "layers": first.layers,
        "rates": {name: one.rates for name, one in zip(configs, sets)},
        "also": {name: one.also for name, one in zip(configs, sets)},
        "optimizer": first.optimizer._asdict(),
        "targets": artefact.spec.get("targets", "soft"),
        "attention_weight": first.attention_weight,
        "batches": first.batches,
        "model": {**first.model, "dim": first.inputs.shape[2], "classes": len(first.labels)},
        "length": first.length,
        "init": first.init,
        "initial_parameters": _PARAMETERS if first.params else None,
    }
    contents: dict[str, Any] = dict(zip(files.values(), _tables(sets, words, names)))
    if first.params:
        contents[_PARAMETERS] = artefact.params
    contents["schedule.json"] = json.dumps(jsonable(schedule), indent=1, ensure_ascii=False) + "\n"
    contents["README.md"] = card(
        task=artefact.spec["task"],
        files=files,
        labels=names,
        shape=first.inputs.shape,
        targets=first.targets.tolist(),
        nearest=words[0],
        schedule=schedule,
        vocabulary=len(first.words),
        provenance=_provenance(artefact, file, results),
        results=results,
        scores=artefact.spec.get("scores", {}),
    )
    return contents


def _tables(sets: Sequence[TrainingSet], words: Sequence[Sequence[list[str]]], names: list[str]) -> list[bytes]:
    """A Parquet file of each set, and of the vocabulary, whose schemas hold the features as `datasets` writes them."""
    import pyarrow as pa
    import pyarrow.parquet
    from datasets import ClassLabel, Features, List, Value

    def table(columns: Mapping[str, Any], features: Mapping[str, Any]) -> bytes:
        out = io.BytesIO()
        pa.parquet.write_table(pa.table(columns, schema=Features(features).arrow_schema), out, compression="zstd")
        return out.getvalue()

    word, numbers = Value("string"), List(Value("float32"))
    features = {"inputs": List(numbers), "target": numbers, "label": ClassLabel(names=names)}
    features["nearest_words"] = List(word)
    if sets[0].attention is not None:
        features["attention"] = List(List(numbers))
    found = []
    for one, near in zip(sets, words):
        columns = {"inputs": one.inputs.tolist(), "target": one.targets.tolist()}
        columns |= {"label": one.targets.argmax(1).tolist(), "nearest_words": near}
        if one.attention is not None:
            columns["attention"] = one.attention.tolist()
        found.append(table(columns, features))
    vocabulary = {"word": list(sets[0].words), "vector": list(sets[0].vectors)}
    return [*found, table(vocabulary, {"word": word, "vector": numbers})]


def _results(file: Path) -> dict | None:
    """The run's results, where the file lies as its run left it."""
    from dd_al.report.schema import validate

    path = file.with_name("results.json")
    if file.name != "distilled.safetensors" or not path.is_file():
        return None
    results = read_json(path)
    try:
        validate(results)
    except ValueError as error:
        raise UserError(f"{path}: {error}; move it away to export without scores") from error
    return results


def _provenance(artefact: Artefact, file: Path, results: Mapping | None) -> dict[str, Any]:
    """What can be published: the command and the notes of a run may hold paths, and are left out."""
    made: dict[str, Any] = {"task": artefact.spec["task"]}
    if results is not None:
        dataset, environment = results["dataset"], results["environment"]
        made |= {"data": f"{dataset['name']} ({dataset['source']})"}
        if dataset["stand_in_for"]:
            made["in place of"] = f"{dataset['stand_in_for']}, whose scores these are not"
        made |= {"texts": ", ".join(f"{dataset[split]:,} {split}" for split in ("train", "validation", "test"))}
        made |= {"SHA-256 of the data": dataset.get("sha256"), "seed": results["seed"], "finished": results["finished"]}
        made |= {"device": environment.get("device"), "git commit": environment.get("git_commit")}
    made |= {"exported by": f"dd_al {VERSION}", "SHA-256 of the artefact": sha256_of(file)}
    return {name: value for name, value in made.items() if value is not None}


main = Command(_USAGE, _define_flags, _run)

if __name__ == "__main__":
    main.start()

"""The distilled artefact: one file with everything that training on the set takes."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dd_al.config.distill import LABELS
from dd_al.config.documents import check_document
from dd_al.config.learner import LearnerSettings, ModelSettings
from dd_al.config.schema import Field, from_config
from dd_al.core.errors import ConfigError, DataError
from dd_al.io.tensors import read_safetensors, write_safetensors

T = TypeVar("T")
FORMAT = 1
_ARRAYS = ("inputs", "label_logits", "log_rates")
_TEXT, _SCALING = ("vectors", "words"), ("mean", "std")  # what sets of texts have beside them, and others
_OPTIONAL = ("attention_logits", "vectors", *_SCALING)
_RANKS = {"images": ("[sets, items, height, width, channels]", 5), "rows": ("[sets, items, columns]", 3)}
_TEXTS, _COUNT = [(str,)], Field.of(int, {"min": 1})
_SPEC = {  # what a description must hold, and what older files lack ("?"); the arrays decide about the rest
    "task": (str,), "label_map": {str: (int,)}, "classes": _COUNT, "length": _COUNT, "layers": _TEXTS, "model": {},
    "learner": {}, "init": (str,), "targets?": Field.of(LABELS), "also?": {str: _TEXTS},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Artefact:
    """Distilled sets with their schedules, vocabulary and learner.

    Attributes:
      inputs: ``float32[sets, items, length, dim]``; images ``float32[sets, items, height, width, channels]`` or rows
        ``float32[sets, items, columns]``, scaled.
      label_logits: ``float32[sets, items, classes]``.
      log_rates: ``float32[sets, steps, layers]``.
      vectors: ``float32[words, dim]``, the word vectors of real texts; None for images and rows.
      words: the vocabulary, a word per row of ``vectors``; padding and the unknown word come first. () without.
      params: known initialisations, flat name → array with a leading axis of sets; {} for random ones.
      spec: plain values: ``format``, ``task``, ``label_map``, ``length`` of real texts (1 without), ``classes``,
        ``layers`` (names of the rates), ``model`` and ``learner`` (their settings), ``init``; and what older files
        lack: ``targets`` (what ``label_logits`` stand for), ``also`` (layers of further networks by their names, whose
        rates are the last columns), ``attention`` (the weight of attention labels), ``encoder`` and ``data`` (hashes),
        ``inputs`` ("images" or "rows"), ``columns`` (names of the numbers in a row), ``batches``.
      attention_logits: ``float32[sets, items, blocks, heads, length]``, whose softmax are attention labels, or None.
      mean: ``float32[channels or columns]``: real images and rows are (raw − mean) / std. None for texts.
      std: ``float32[channels or columns]``, positive. None for texts.
      source: what it was read from, as it was given; for messages.
    """

    inputs: np.ndarray
    label_logits: np.ndarray
    log_rates: np.ndarray
    vectors: np.ndarray | None
    words: tuple[str, ...]
    params: dict[str, np.ndarray]
    spec: dict[str, Any]
    attention_logits: np.ndarray | None = None
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    source: str = "the distilled set"

    @property
    def labels(self) -> list:
        """The label of each class, as it was written in the data that the sets were distilled from."""
        if "labels" in self.spec:
            return list(self.spec["labels"])
        # A file's labels are text; a label map may give several of them one class.
        spellings: list[list[str]] = [[] for _ in range(self.spec["classes"])]
        for label, index in self.spec["label_map"].items():
            spellings[index].append(label)
        return ["/".join(labels) for labels in spellings]

    @property
    def model(self) -> ModelSettings:
        """The network that the sets were distilled for."""
        return settings_from(ModelSettings, self.spec["model"], self.source)

    @property
    def learner(self) -> LearnerSettings:
        """The inner optimizer."""
        return settings_from(LearnerSettings, self.spec["learner"], self.source)

    def require_texts(self, what: str) -> None:
        """Raises a DataError for images and rows, which says ``what`` is for texts alone."""
        if (kind := self.spec.get("inputs", "words")) in _RANKS:
            raise DataError(f"{self.source} holds {kind}; {what} (dd_al.load_distilled reads it as plain arrays)")


def settings_from(cls: type[T], values: Mapping, source: str) -> T:
    """The settings of a class out of plain values that a file, the source, holds; a DataError if of another version."""
    try:
        return from_config(cls, values)
    except ConfigError as error:
        raise DataError(f"{source} comes from another version of dd_al: {error}") from error


def save(path: str | os.PathLike, artefact: Artefact) -> None:
    """Writes one safetensors file, atomically; the same artefact gives the same bytes.

    Text is stored as arrays of UTF-8 bytes (``words``, a line each, and ``spec``, JSON). Word vectors are stored as
    float16, which those of `dd_al.data.vectors` fit without loss.
    """
    arrays = {name: np.asarray(getattr(artefact, name)) for name in _ARRAYS}
    for name in _OPTIONAL:
        if (array := getattr(artefact, name)) is not None:
            arrays[name] = np.asarray(array).astype(np.float16 if name == "vectors" else np.float32)
    if artefact.vectors is not None:
        arrays["words"] = np.frombuffer("\n".join(artefact.words).encode(), np.uint8)
    arrays["spec"] = np.frombuffer(json.dumps({"format": FORMAT, **artefact.spec}).encode(), np.uint8)
    arrays |= {f"init/{name}": np.asarray(value) for name, value in artefact.params.items()}
    write_safetensors(path, arrays)


def locate(path: str | os.PathLike) -> Path:
    """The file that `load` reads: an artefact itself, that of a work directory, or the one beside its description."""
    path = Path(path).expanduser()
    if path.is_dir():
        return path / "distilled.safetensors"
    return path.with_suffix(".safetensors") if path.name == "distilled.json" else path


def load(path: str | os.PathLike) -> Artefact:
    """Reads an artefact from its file, or from the work directory that holds it.

    Raises a DataError for no such file, a damaged one, or one that is not an artefact of this format.
    """
    given, path = path, locate(path)
    folder = Path(given).expanduser().is_dir()
    if folder and not path.exists() and (runs := sorted((path.parent / "runs").glob("*/distilled.safetensors"))):
        raise DataError(f"{path.parent} is a table of several runs; name one, such as {runs[0].parent}")
    arrays = read_safetensors(path)
    missing = {*_ARRAYS, *(_SCALING if "mean" in arrays else _TEXT), "spec"} - set(arrays)
    if missing:
        raise DataError(f"{path} is no distilled set: it lacks {', '.join(sorted(missing))}")
    try:
        words = tuple(arrays["words"].tobytes().decode().split("\n")) if "words" in arrays else ()
        spec = json.loads(arrays["spec"].tobytes())
    except ValueError as error:
        raise DataError(f"{path}: its vocabulary or description cannot be read ({error})") from error
    if (found := spec.get("format") if isinstance(spec, dict) else None) != FORMAT:
        raise DataError(f"{path} has format {found!r}; this version reads format {FORMAT}")
    if absent := {name for name in _SPEC if not name.endswith("?")} - set(spec):
        raise DataError(f"{path}: its description lacks {', '.join(sorted(absent))}")
    try:
        check_document(spec, _SPEC)
        _check_arrays(arrays, words, spec)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DataError(f"{path}: its description is damaged ({type(error).__name__}: {error})") from error
    return Artefact(
        **{name: arrays[name].astype(np.float32) for name in (*_ARRAYS, *_OPTIONAL) if name in arrays},
        **({} if "vectors" in arrays else {"vectors": None}),
        words=words,
        params={name[5:]: value for name, value in arrays.items() if name.startswith("init/")},
        spec=spec,
        source=str(given),
    )


def _check_arrays(arrays: Mapping[str, np.ndarray], words: tuple[str, ...], spec: Mapping[str, Any]) -> None:
    """Refuses arrays that are no numbers, or do not fit together and the description, by a ConfigError."""
    inputs, kind = arrays["inputs"], spec.get("inputs", "words")
    if "vectors" in arrays and len(words) != len(arrays["vectors"]):
        raise ConfigError(f"{len(words)} words, but {len(arrays['vectors'])} word vectors")
    if bool(spec.get("attention")) != ("attention_logits" in arrays):
        raise ConfigError(f"attention = {spec.get('attention')!r} in its description does not fit its arrays")
    if kind in _RANKS and "mean" not in arrays or kind not in ("words", *_RANKS):
        raise ConfigError(f"inputs = {kind!r} in its description does not fit its arrays")
    meant, rank = _RANKS.get(kind, ("[sets, items, length, dim]", 4))
    if inputs.ndim != rank or not inputs.size:
        raise ConfigError(f"inputs has the shape {inputs.shape}; it must be {meant}")
    sets, items, *shape = inputs.shape
    if not isinstance(batches := spec.get("batches", 1), int) or batches < 1 or items % batches:
        raise ConfigError(f"batches = {batches!r}: must be an integer that divides its {items} items")
    columns = len(spec["layers"]) + sum(map(len, spec.get("also", {}).values()))
    expected = {
        "label_logits": (sets, items, spec["classes"]),
        "log_rates": (sets, *arrays["log_rates"].shape[1:2], columns),
    }
    if kind in _RANKS:
        expected |= {"mean": (shape[-1],), "std": (shape[-1],)}
    else:
        expected["vectors"] = (*arrays["vectors"].shape[:1], shape[-1])
    if "attention_logits" in arrays:
        expected["attention_logits"] = (sets, items, spec["model"]["blocks"], spec["model"]["heads"], shape[0])
    for name, needed in expected.items():
        if (found := arrays[name].shape) != needed:
            raise ConfigError(f"{name} has the shape {found}, but its inputs and description need {needed}")
    for name in ("inputs", *expected):
        if not np.isfinite(arrays[name]).all():
            raise ConfigError(f"{name} holds numbers that are not finite")
    if not all(0 <= index < spec["classes"] for index in spec["label_map"].values()):
        raise ConfigError(f"its label_map has classes that are not below {spec['classes']}")
    if "labels" in spec and len(spec["labels"]) != spec["classes"]:
        raise ConfigError(f"its description has {len(spec['labels'])} labels for {spec['classes']} classes")

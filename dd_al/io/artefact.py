"""The distilled artefact: one file with everything that training on the set takes."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.core.errors import DataError
from dd_al.io.tensors import read_safetensors, write_safetensors

FORMAT = 1
_ARRAYS = ("inputs", "label_logits", "log_rates", "vectors")
_SPEC = ("task", "label_map", "classes", "length", "layers", "model", "learner", "init")


@dataclasses.dataclass(frozen=True)
class Artefact:
    """Distilled sets with their schedules, vocabulary and learner.

    Attributes:
      inputs: ``float32[sets, items, length, dim]``.
      label_logits: ``float32[sets, items, classes]``.
      log_rates: ``float32[sets, steps, layers]``.
      vectors: ``float32[words, dim]``, the normalised word vectors that real text is embedded with.
      words: the vocabulary, one word per row of ``vectors``; padding and the unknown word come first.
      params: known initialisations, flat name → array with a leading axis of sets; empty for random ones.
      spec: plain values: ``format``, ``task``, ``label_map``, ``length`` of real texts, ``classes``, ``layers`` (names
        of the rates), ``model`` and ``learner`` (their settings), ``init``; and what older files lack: ``targets``
        (what ``label_logits`` stand for), ``also`` (further networks by kind, whose rates are the columns behind),
        ``attention`` (the weight of attention labels in the loss), ``encoder`` and ``data`` (hashes).
      attention_logits: ``float32[sets, items, blocks, heads, length]``, whose softmax are attention labels; None for
        sets without.
    """

    inputs: np.ndarray
    label_logits: np.ndarray
    log_rates: np.ndarray
    vectors: np.ndarray
    words: tuple[str, ...]
    params: dict[str, np.ndarray]
    spec: dict[str, Any]
    attention_logits: np.ndarray | None = None


def save(path: str | os.PathLike, artefact: Artefact) -> None:
    """Writes one safetensors file, atomically; the same artefact gives the same bytes.

    Text is stored as arrays of UTF-8 bytes (``words``, a line each, and ``spec``, JSON). Word vectors are stored as
    float16, which those of `dd_al.data.vectors` fit without loss.
    """
    arrays = {name: np.asarray(getattr(artefact, name)) for name in _ARRAYS}
    arrays["vectors"] = arrays["vectors"].astype(np.float16)
    arrays["words"] = np.frombuffer("\n".join(artefact.words).encode(), np.uint8)
    arrays["spec"] = np.frombuffer(json.dumps({"format": FORMAT, **artefact.spec}).encode(), np.uint8)
    if artefact.attention_logits is not None:
        arrays["attention_logits"] = np.asarray(artefact.attention_logits)
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

    Raises:
      DataError: no such file, a damaged one, or one that is not an artefact of this format.
    """
    path = locate(path)
    arrays = read_safetensors(path)
    missing = {*_ARRAYS, "words", "spec"} - set(arrays)
    if missing:
        raise DataError(f"{path} is no distilled set: it lacks {', '.join(sorted(missing))}")
    try:
        words = tuple(arrays["words"].tobytes().decode().split("\n"))
        spec = json.loads(arrays["spec"].tobytes())
    except ValueError as error:
        raise DataError(f"{path}: its vocabulary or description cannot be read ({error})") from error
    found = spec.get("format") if isinstance(spec, dict) else None
    if found != FORMAT:
        raise DataError(f"{path} has format {found!r}; this version reads format {FORMAT}")
    if absent := set(_SPEC) - set(spec):
        raise DataError(f"{path}: its description lacks {', '.join(sorted(absent))}")
    if len(words) != len(arrays["vectors"]):
        raise DataError(f"{path}: {len(words)} words, but {len(arrays['vectors'])} word vectors")
    if bool(spec.get("attention")) != ("attention_logits" in arrays):
        raise DataError(f"{path}: attention = {spec.get('attention')!r} in its description does not fit its arrays")
    return Artefact(
        **{name: arrays[name].astype(np.float32) for name in (*_ARRAYS, "attention_logits") if name in arrays},
        words=words,
        params={name[5:]: value for name, value in arrays.items() if name.startswith("init/")},
        spec=spec,
    )

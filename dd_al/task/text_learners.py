"""Trained learners that answer texts as people have them: vocabulary or encoder, networks and all."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from dd_al.config.data import EncoderSettings
from dd_al.config.learner import ModelSettings
from dd_al.core.errors import DataError
from dd_al.core.precision import in_float32
from dd_al.data.minilm_files import EncoderFiles
from dd_al.data.text import Vocabulary
from dd_al.io.artefact import settings_from
from dd_al.io.tensors import read_safetensors, write_safetensors
from dd_al.models.base import Model, Params
from dd_al.models.embedding import embed
from dd_al.task.encoder import encoder_of, sentence_features
from dd_al.task.task import make_model

_AT_ONCE = 256  # texts held embedded at a time
_FORMAT = 1  # of a file


@dataclass(frozen=True, eq=False)
class TextLearners:
    """Trained learners with all that reading texts takes."""

    model: Mapping | Model  # the network, or plain values of `ModelSettings`
    classes: int
    length: int  # words that a text is cut and padded to
    words: tuple[str, ...]  # the vocabulary, padding and the unknown word first
    vectors: np.ndarray  # float32[words, dim]
    params: Params  # stacked over learners; NumPy arrays
    encoder: str | None = None  # the hash of its files, where texts are read as sentence vectors
    encoder_dir: str | None = None  # the folder of those files, where it is not a place that they are looked for in

    def __getstate__(self) -> dict:
        """The fields: what has been compiled stays behind in its process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def with_params(self, params: Params) -> Self:
        """Others of the same kind, which share what has been compiled."""
        other = replace(self, params=params)
        for name in self.__dict__.keys() - other.__dict__.keys():  # the cached properties
            other.__dict__[name] = self.__dict__[name]
        return other

    def __len__(self) -> int:
        """The number of learners."""
        return jax.tree.leaves(self.params)[0].shape[0]

    @in_float32
    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Answers texts as they are, ``float32[learners, texts, classes]``.

        A few hundred at a time: memory does not grow with them beyond the answers.
        """
        answers = [np.zeros((len(self), 0, self.classes), np.float32)]
        params = jax.device_put(self.params)
        for vectors, ids in self._chunks(texts):
            # Rounded up to a power of two: one text costs little, and many texts of any number few compilations.
            rows = 1 << (len(ids) - 1).bit_length()
            padded = np.pad(ids, ((0, rows - len(ids)), (0, 0)))
            answers.append(np.asarray(self._answer(params, vectors, padded))[:, : len(ids)])
        return np.concatenate(answers, axis=1)

    def _chunks(self, texts: Sequence[str]) -> Iterator[tuple[jax.Array, np.ndarray]]:
        """Vectors, and rows of them for some of the texts, ``int32[texts, length]``."""
        if self.encoder is None:
            vectors = jax.device_put(self.vectors)
            for start in range(0, len(texts), _AT_ONCE):
                yield vectors, self.vocabulary.encode(texts[start : start + _AT_ONCE], self.length)
            return
        features = sentence_features(texts, self._encoder) if len(texts) else ()
        for start in range(0, len(texts), _AT_ONCE):
            chunk = features[start : start + _AT_ONCE]
            table = np.zeros((2 + (1 << (len(chunk) - 1).bit_length()), chunk.shape[1]), np.float32)
            table[2 : 2 + len(chunk)] = chunk
            yield jnp.asarray(table), np.arange(2, 2 + len(chunk), dtype=np.int32)[:, None]

    @cached_property
    def _encoder(self) -> EncoderFiles:
        return encoder_of(self.encoder, EncoderSettings(self.encoder_dir))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Of the words, which cuts texts into them."""
        return Vocabulary(self.words)

    @cached_property
    def network(self) -> Model:
        """The network itself."""
        if isinstance(self.model, Model):
            return self.model
        settings = settings_from(ModelSettings, self.model, "the classifier")
        return make_model(settings, self.vectors.shape[1:], self.classes)

    @cached_property
    def _answer(self):
        model = self.network

        @jax.jit
        def answer(params: Params, vectors: jax.Array, ids: jax.Array) -> jax.Array:
            inputs = embed(vectors, ids)
            return jax.vmap(lambda p: model.apply(p, inputs))(params)

        return answer


def save(path: str | os.PathLike, kind: str, spec: Mapping[str, Any], learners: TextLearners, params: Params) -> None:
    """Writes one self-contained safetensors file: a ``spec`` of JSON values, what reading texts takes, and parameters.

    Its ``kind`` is "classifier" or "active_learner".
    """
    spec = {kind: _FORMAT, "length": learners.length, **spec}
    arrays = {f"params/{name}": value for name, value in flatten_dict(params, sep="/").items()}
    arrays["vectors"] = learners.vectors.astype(np.float16)  # what they were rounded to when they were made
    for name, text in (("words", "\n".join(learners.words)), ("spec", json.dumps(spec))):
        arrays[name] = np.frombuffer(text.encode(), np.uint8)
    write_safetensors(Path(path).expanduser(), arrays)


def load(path: str | os.PathLike, kind: str, hint: str = "") -> tuple[dict[str, Any], TextLearners]:
    """Reads the ``spec`` that `save` was given, whose labels say how many classes there are, and the learners.

    Raises:
      DataError: no such file, or one of another kind; that message ends in the ``hint``.
    """
    arrays, name = read_safetensors(Path(path).expanduser()), kind.replace("_", " ")
    try:
        spec = json.loads(arrays["spec"].tobytes())
        if spec.get(kind) != _FORMAT:
            raise DataError(f"{path} is no {name} of this version{hint}")
        words, vectors = tuple(arrays["words"].tobytes().decode().split("\n")), arrays["vectors"].astype(np.float32)
        params = unflatten_dict({k[7:]: value for k, value in arrays.items() if k.startswith("params/")}, sep="/")
        sizes = len(spec["labels"]), spec["length"]
        return spec, TextLearners(spec.get("model"), *sizes, words, vectors, params, spec.get("encoder"))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no {name}: {type(error).__name__}: {error}") from error

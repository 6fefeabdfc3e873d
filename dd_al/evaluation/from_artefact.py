"""Fresh learners from a distilled artefact alone: how it is taken away from the run that made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from dd_al.config.data import EncoderSettings
from dd_al.config.learner import LearnerSettings, ModelSettings
from dd_al.config.schema import from_config
from dd_al.core.errors import ConfigError, DataError, UserError
from dd_al.core.keys import stream
from dd_al.data.minilm_files import EncoderFiles
from dd_al.data.text import Vocabulary
from dd_al.distillation.synthetic import Synthetic, train_on
from dd_al.io.artefact import Artefact
from dd_al.learner.learner import Learner, LearnerState, layers, make_learner
from dd_al.models.base import Model, Params
from dd_al.models.embedding import embed
from dd_al.task.sentences import encoder_of, sentence_features
from dd_al.task.task import make_model, make_optimizer

_AT_ONCE = 256  # texts held embedded at a time


@dataclass(frozen=True, eq=False)
class TextLearners:
    """Trained learners with all that reading texts takes.

    Attributes:
      model: the network, or plain values of `ModelSettings`.
      classes: how many there are.
      length: words that a text is cut and padded to.
      words: the vocabulary, padding and the unknown word first.
      vectors: ``float32[words, dim]``.
      params: stacked over learners; NumPy arrays.
      encoder: of texts that are read as sentence vectors, the hash of its files; None where words are looked up.
      encoder_dir: the folder of those files, where it is not a place that they are looked for in.
    """

    model: Mapping | Model
    classes: int
    length: int
    words: tuple[str, ...]
    vectors: np.ndarray
    params: Params
    encoder: str | None = None
    encoder_dir: str | None = None

    def with_params(self, params: Params) -> TextLearners:
        """Others of the same kind, which share what has been compiled."""
        other = replace(self, params=params)
        shared = ("_encoder", "_vocabulary", "_answer")
        other.__dict__.update({name: self.__dict__[name] for name in shared if name in self.__dict__})
        return other

    def __len__(self) -> int:
        """The number of learners."""
        return jax.tree.leaves(self.params)[0].shape[0]

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Answers texts, a few hundred at a time: memory does not grow with them beyond the answers.

        Args:
          texts: as they are; words are split and looked up here.

        Returns:
          ``float32[learners, texts, classes]``.
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
                yield vectors, self._vocabulary.encode(texts[start : start + _AT_ONCE], self.length)
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
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.words)

    @cached_property
    def _answer(self):
        model = self.model
        if not isinstance(model, Model):
            model = make_model(_plain(ModelSettings, model, "the classifier"), self.vectors.shape[1:], self.classes)

        @jax.jit
        def answer(params: Params, vectors: jax.Array, ids: jax.Array) -> jax.Array:
            inputs = embed(vectors, ids)
            return jax.vmap(lambda p: model.apply(p, inputs))(params)

        return answer


def retrain(
    artefact: Artefact, *, seed: int = 0, count: int | None = None, encoder_dir: str | None = None
) -> TextLearners:
    """Trains learners on a distilled artefact, by its own schedule.

    Random initialisations are those that the main command judges with under the same seed: they serve no other
    purpose, so no outer step has seen them. A set that was distilled for a known initialisation is only good for that
    one, which the artefact holds: there is a learner per set.

    Args:
      artefact: from `dd_al.io.artefact.load`.
      seed: of random initialisations; known ones leave nothing to draw.
      count: learners; 10, or one per known initialisation, if None. Where there are several sets, learner ``i`` is
        trained on set ``i`` (modulo their number).
      encoder_dir: where the files of a sentence encoder are, for sets that need one; see `minilm_files.load`.

    Raises:
      UserError: more learners than known initialisations.
      DataError: the artefact does not fit together, or comes from another version.
    """
    learner = learner_of(artefact)
    sets = artefact.inputs.shape[0]
    known = artefact.spec["init"] == "known"
    count = count or (sets if known else 10)
    if known:
        if count > sets:
            raise UserError(f"this set was distilled for {sets} known initialisations, so {count} cannot be had")
        states = known_states(artefact, learner, count)
    else:
        keys = jax.random.split(stream(jax.random.key(seed), "evaluation"), count)
        states = jax.vmap(learner.init)(keys)
    synthetic = synthetic_of(artefact)
    # The rates of further networks that the set was distilled for come behind those of its own.
    synthetic = synthetic._replace(log_rates=synthetic.log_rates[..., : len(artefact.spec["layers"])])
    spec = artefact.spec
    train = partial(train_on, learner, labels=spec.get("targets", "soft"), parts=spec.get("batches", 1))
    trained = jax.jit(train)(synthetic, states)
    params = jax.tree.map(np.asarray, trained.params)
    return TextLearners(
        spec["model"],
        spec["classes"],
        spec["length"],
        artefact.words,
        artefact.vectors,
        params,
        spec.get("encoder"),
        encoder_dir,
    )


def synthetic_of(artefact: Artefact) -> Synthetic:
    """The sets of an artefact, stacked, with all of their rates; NumPy arrays."""
    return Synthetic(artefact.inputs, artefact.label_logits, artefact.log_rates, artefact.attention_logits)


def known_states(artefact: Artefact, learner: Learner, count: int) -> LearnerState:
    """The first ``count`` known initialisations of an artefact.

    Raises:
      DataError: they do not fit the learner.
    """
    params = unflatten_dict({name: value[:count] for name, value in artefact.params.items()}, sep="/")
    # The moments begin the same for every parameter value: those of a fresh state serve.
    fresh = jax.vmap(learner.init)(jax.random.split(jax.random.key(0), count))
    expected = jax.tree.map(np.shape, fresh.params)
    if jax.tree.map(np.shape, params) != expected:
        raise DataError(f"{artefact.source}: its initial parameters do not fit its model: {expected} are needed")
    return fresh._replace(params=params)


def learner_of(artefact: Artefact) -> Learner:
    """The network and the optimizer that an artefact's sets were distilled for.

    Raises:
      DataError: its rates do not fit them, or the file comes from another version.
    """
    spec = artefact.spec
    model = make_model(settings_of(artefact, "model"), artefact.inputs.shape[2:], spec["classes"])
    groups = list(layers(model))
    if groups != spec["layers"]:
        raise DataError(f"{artefact.source}: its rates are for the layers {spec['layers']}, its model has {groups}")
    settings = settings_of(artefact, "learner")
    further = {"attention_weight": spec.get("attention", 0.0), "shift": settings.shift}
    return make_learner(model, make_optimizer(settings), **further)


def settings_of(artefact: Artefact, section: str) -> ModelSettings | LearnerSettings:
    """The settings "model" or "learner" that an artefact's sets were distilled with.

    Raises:
      DataError: the file comes from another version.
    """
    cls = {"model": ModelSettings, "learner": LearnerSettings}[section]
    return _plain(cls, artefact.spec[section], artefact.source)


def _plain(cls: type, values: Mapping, source: str):
    try:
        return from_config(cls, values)
    except ConfigError as error:
        raise DataError(f"{source} comes from another version of dd_al: {error}") from error

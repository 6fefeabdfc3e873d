"""Fresh learners from a distilled artefact alone: how it is taken away from the run that made it."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from dd_al.config.learner import LearnerSettings, ModelSettings
from dd_al.core.errors import DataError, UserError
from dd_al.core.keys import stream
from dd_al.data.dataset import ArraySplit, Split
from dd_al.distillation.synthetic import Synthetic, train_on
from dd_al.evaluation.protocol import Score
from dd_al.io.artefact import Artefact
from dd_al.learner.attention import attention_loss
from dd_al.learner.examples import whole
from dd_al.learner.learner import Learner, LearnerState, layers, make_learner
from dd_al.learner.predict import predict
from dd_al.models.base import Params
from dd_al.models.embedding import Scaled
from dd_al.task.task import make_model, make_optimizer
from dd_al.task.text_learners import TextLearners, settings_from


def retrain(
    artefact: Artefact, *, seed: int = 0, count: int | None = None, encoder_dir: str | None = None
) -> TextLearners:
    """Trains learners that answer texts on a distilled artefact, by its own schedule; see `trained_params`.

    Args:
      artefact: from `dd_al.io.artefact.load`.
      seed: of random initialisations; known ones leave nothing to draw.
      count: learners; 10, or one per known initialisation, if None.
      encoder_dir: where the files of a sentence encoder are, for sets that need one; see `minilm_files.load`.

    Raises:
      UserError: more learners than known initialisations.
      DataError: the artefact does not fit together, or comes from another version.
    """
    spec, params = artefact.spec, trained_params(artefact, learner_of(artefact), seed, count)
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


def trained_params(artefact: Artefact, learner: Learner, seed: int, count: int | None) -> Params:
    """Parameters of learners that were trained on a distilled artefact by its own schedule, stacked; NumPy arrays.

    Random initialisations are those that the main command judges with under the same seed: they serve no other
    purpose, so no outer step has seen them. A set that was distilled for a known initialisation is only good for that
    one, which the artefact holds: there is a learner per set.

    Args:
      artefact: from `dd_al.io.artefact.load`.
      learner: from `learner_of`.
      seed: of random initialisations.
      count: learners; 10, or one per known initialisation, if None. Where there are several sets, learner ``i`` is
        trained on set ``i`` (modulo their number).

    Raises:
      UserError: more learners than known initialisations.
      DataError: the initialisations do not fit the learner.
    """
    spec, sets = artefact.spec, artefact.inputs.shape[0]
    known = spec["init"] == "known"
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
    synthetic = synthetic._replace(log_rates=synthetic.log_rates[..., : len(spec["layers"])])
    train = partial(train_on, learner, labels=spec.get("targets", "soft"), parts=spec.get("batches", 1))
    return jax.tree.map(np.asarray, jax.jit(train)(synthetic, states).params)


def tested(
    artefact: Artefact,
    examples: Split | ArraySplit,
    *,
    seed: int = 0,
    count: int | None = None,
    encoder_dir: str | None = None,
) -> Score:
    """Trains learners on a distilled artefact, and tests them on examples of its task, whatever these are.

    Args:
      artefact: from `dd_al.io.artefact.load`.
      examples: from `dd_al.data.load.read_examples`.
      seed: of random initialisations.
      count: learners; 10, or one per known initialisation, if None.
      encoder_dir: see `retrain`.

    Raises:
      UserError: more learners than known initialisations.
      DataError: the examples are not of the shape that the artefact's are.
    """
    if isinstance(examples, Split):
        learners = retrain(artefact, seed=seed, count=count, encoder_dir=encoder_dir)
        return Score(learners.logits(examples.texts).argmax(-1), examples.labels)
    own, theirs = artefact.inputs.shape[2:], examples.inputs.shape[1:]
    if own != theirs:
        raise DataError(f"{artefact.source} was distilled for examples of the shape {own}; these are {theirs}")
    learner, embed = learner_of(artefact), Scaled(jnp.asarray(artefact.mean), jnp.asarray(artefact.std))
    params = trained_params(artefact, learner, seed, count)
    split = whole(examples.inputs, np.zeros((len(examples), artefact.spec["classes"]), np.float32))
    logits = jax.jit(partial(predict, learner.model))(params, split, embed)
    return Score(np.asarray(logits).argmax(-1), examples.labels)


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
    loss = attention_loss(spec.get("attention", 0.0))
    return make_learner(model, make_optimizer(settings), loss=loss, shift=settings.shift)


def settings_of(artefact: Artefact, section: str) -> ModelSettings | LearnerSettings:
    """The settings "model" or "learner" that an artefact's sets were distilled with.

    Raises:
      DataError: the file comes from another version.
    """
    cls = {"model": ModelSettings, "learner": LearnerSettings}[section]
    return settings_from(cls, artefact.spec[section], artefact.source)

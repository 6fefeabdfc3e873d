"""Learners and networks from a distilled artefact alone: how a set is used away from the run that made it."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from dd_al.config.learner import ModelSettings
from dd_al.config.sweeps import TransferSettings
from dd_al.core.errors import ConfigError, DataError, UserError
from dd_al.core.keys import stream
from dd_al.data.dataset import ArraySplit, Split
from dd_al.distillation.synthetic import Synthetic, rate_columns, train_on
from dd_al.evaluation.protocol import Score
from dd_al.io.artefact import Artefact
from dd_al.learner.attention import attention_loss
from dd_al.learner.examples import whole
from dd_al.learner.learner import Learner, LearnerState, layers, make_learner
from dd_al.learner.predict import predict
from dd_al.models.base import Model, Params
from dd_al.models.embedding import Scaled
from dd_al.task.task import make_model, make_optimizer
from dd_al.task.text_learners import TextLearners


def retrain(
    artefact: Artefact, *, seed: int = 0, count: int | None = None, encoder_dir: str | None = None
) -> TextLearners:
    """Trains learners that answer texts on a distilled artefact, by its own schedule.

    Random initialisations are those that the main command judges with under the same seed: they serve no other
    purpose, so no outer step has seen them. A set that was distilled for a known initialisation is only good for that
    one, which the artefact holds. Of several sets learner ``i`` trains on number ``i`` (modulo how many there are).

    There are ``count`` learners; 10, or one per known initialisation, if None. ``encoder_dir`` is where the files of a
    sentence encoder are, for sets that need one.

    Raises:
      UserError: more learners than known initialisations.
      DataError: the artefact does not fit together, or comes from another version.
    """
    spec, params = artefact.spec, _trained(artefact, learner_of(artefact), seed, count)
    sizes = spec["model"], spec["classes"], spec["length"]
    return TextLearners(*sizes, artefact.words, artefact.vectors, params, spec.get("encoder"), encoder_dir)


def tested(
    artefact: Artefact,
    examples: Split | ArraySplit,
    *,
    seed: int = 0,
    count: int | None = None,
    encoder_dir: str | None = None,
) -> Score:
    """Trains learners as `retrain` does, and tests them on examples of the task: texts, images or rows.

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
    params = _trained(artefact, learner, seed, count)
    split = whole(examples.inputs, np.zeros((len(examples), artefact.spec["classes"]), np.float32))
    logits = jax.jit(partial(predict, learner.model))(params, split, embed)
    return Score(np.asarray(logits).argmax(-1), examples.labels)


def _trained(artefact: Artefact, learner: Learner, seed: int, count: int | None) -> Params:
    """Parameters of trained learners, stacked NumPy arrays; see `retrain`."""
    spec, sets = artefact.spec, artefact.inputs.shape[0]
    known = spec["init"] == "known"
    count = count or (sets if known else 10)
    if known:
        if count > sets:
            raise UserError(f"this set was distilled for {sets} known initialisations, so {count} cannot be had")
        states = _known_states(artefact, learner, count)
    else:
        keys = jax.random.split(stream(jax.random.key(seed), "evaluation"), count)
        states = jax.vmap(learner.init)(keys)
    synthetic = synthetic_of(artefact)
    # The rates of further networks that the set was distilled for come behind those of its own.
    synthetic = synthetic._replace(log_rates=synthetic.log_rates[..., : len(spec["layers"])])
    train = partial(train_on, learner, labels=spec.get("targets", "soft"), parts=spec.get("batches", 1))
    return jax.tree.map(np.asarray, jax.jit(train)(synthetic, states).params)


def synthetic_of(artefact: Artefact) -> Synthetic:
    """The sets of an artefact, stacked, with all of their rates; NumPy arrays."""
    return Synthetic(artefact.inputs, artefact.label_logits, artefact.log_rates, artefact.attention_logits)


def learner_of(artefact: Artefact) -> Learner:
    """The network and the optimizer that an artefact's sets were distilled for.

    Raises:
      DataError: its rates do not fit them, or the file comes from another version.
    """
    spec, settings = artefact.spec, artefact.learner
    model = make_model(artefact.model, artefact.inputs.shape[2:], spec["classes"])
    groups = list(layers(model))
    if groups != spec["layers"]:
        raise DataError(f"{artefact.source}: its rates are for the layers {spec['layers']}, its model has {groups}")
    loss = attention_loss(spec.get("attention", 0.0))
    return make_learner(model, make_optimizer(settings), loss=loss, shift=settings.shift)


def _known_states(artefact: Artefact, learner: Learner, count: int) -> LearnerState:
    """The first known initialisations of an artefact; a DataError where they do not fit the learner."""
    params = unflatten_dict({name: value[:count] for name, value in artefact.params.items()}, sep="/")
    # The moments begin the same for every parameter value: those of a fresh state serve.
    fresh = jax.vmap(learner.init)(jax.random.split(jax.random.key(0), count))
    expected = jax.tree.map(np.shape, fresh.params)
    if jax.tree.map(np.shape, params) != expected:
        raise DataError(f"{artefact.source}: its initial parameters do not fit its model: {expected} are needed")
    return fresh._replace(params=params)


class Network(NamedTuple):
    """A network that a distilled set is tried on."""

    name: str  # as the table shows it
    model: Model
    columns: slice | None  # which of the set's rates were learned for networks of its layers; None where none were
    count: int  # how many initialisations there are to try


def networks(artefact: Artefact, others: ModelSettings, settings: TransferSettings, inits: int) -> list[Network]:
    """The networks to try a distilled set on, first the one that it was distilled for.

    Where that has known initialisations, the first of them comes before fresh ones. Networks of other kinds than those
    that the set was distilled for have the sizes of ``others``.

    Raises:
      ConfigError: sizes that a kind of network cannot have.
    """
    own, home = artefact.model, learner_of(artefact)
    shape, classes = artefact.inputs.shape[2:], artefact.spec["classes"]
    learned = rate_columns({"": artefact.spec["layers"], **artefact.spec.get("also", {})})
    columns, found = learned[""], []
    if artefact.params:
        params = jax.tree.map(lambda x: x[0], _known_states(artefact, home, 1).params)
        known = home.model._replace(init=lambda key: params)
        found.append(Network(f"{own.kind}, the known initialisation", known, columns, 1))
    found.append(Network(own.kind if not found else f"{own.kind}, fresh", home.model, columns, inits))
    for factor in settings.widths or ():
        filters, width = int(own.filters * factor), int(own.width * factor)
        if filters if own.kind == "text_cnn" else width:
            try:
                sizes = replace(own, filters=max(1, filters), width=max(1, width))
            except ValueError:  # the heads of a transformer cannot share that width
                continue
            found.append(Network(f"{own.kind}, width × {factor:g}", make_model(sizes, shape, classes), columns, inits))
    for factor in settings.init_scales or ():
        init = partial(lambda factor, key: jax.tree.map(lambda x: factor * x, home.model.init(key)), factor)
        scaled = home.model._replace(init=init)
        found.append(Network(f"{own.kind}, initial weights × {factor:g}", scaled, columns, inits))
    for kind in settings.networks or ():
        if kind != own.kind:
            try:
                sizes = replace(own if kind in learned else others, kind=kind)
            except ValueError as error:
                raise ConfigError(f"config.transfer.networks has {kind!r}, and config.model: {error}") from error
            found.append(Network(kind, make_model(sizes, shape, classes), learned.get(kind), inits))
    return found

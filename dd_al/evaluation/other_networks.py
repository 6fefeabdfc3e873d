"""The networks that a distilled set is tried on: its own, that of other sizes and initialisations, and others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import jax

from dd_al.config.learner import ModelSettings
from dd_al.config.sweeps import TransferSettings
from dd_al.core.errors import ConfigError
from dd_al.distillation.synthetic import rate_columns
from dd_al.evaluation.from_artefact import known_states, learner_of
from dd_al.io.artefact import Artefact
from dd_al.models.base import Model, Params
from dd_al.task.task import make_model


@dataclass(frozen=True)
class Network:
    """A network that a distilled set is tried on.

    Attributes:
      name: as the table shows it.
      model: the network.
      columns: which of the set's rates were learned for networks of its layers; None where none were.
      count: how many initialisations there are to try.
    """

    name: str
    model: Model
    columns: slice | None
    count: int


def networks(
    artefact: Artefact, own: ModelSettings, others: ModelSettings, settings: TransferSettings, inits: int
) -> list[Network]:
    """Every network to try, first the one that the set was distilled for.

    Args:
      artefact: the set; where it was distilled for known initialisations, the first of them is its own network.
      own: sizes of its own network.
      others: sizes of those of other kinds, unless the set was distilled for them, too: those have sizes in `own`.
      settings: which kinds, widths and scales of the initial weights.
      inits: fresh initialisations of each.

    Raises:
      ConfigError: sizes that a kind of network cannot have.
    """
    home, shape, classes = learner_of(artefact).model, artefact.inputs.shape[2:], artefact.spec["classes"]
    learned = rate_columns({"": artefact.spec["layers"], **artefact.spec.get("also", {})})
    columns = learned[""]
    found = []
    if artefact.params:
        found.append(Network(f"{own.kind}, the known initialisation", _known(artefact), columns, 1))
    found.append(Network(own.kind if not found else f"{own.kind}, fresh", home, columns, inits))
    for factor, sizes in _resized(own, settings.widths or ()):
        found.append(Network(f"{own.kind}, width × {factor:g}", make_model(sizes, shape, classes), columns, inits))
    for factor in settings.init_scales or ():
        found.append(Network(f"{own.kind}, initial weights × {factor:g}", _scaled(home, factor), columns, inits))
    for kind in settings.networks or ():
        if kind != own.kind:
            follows = learned.get(kind)
            sizes = own if follows else others
            found.append(Network(kind, make_model(_of_kind(sizes, kind), shape, classes), follows, inits))
    return found


def _resized(own: ModelSettings, factors: Sequence[float]) -> Iterator[tuple[float, ModelSettings]]:
    """Other sizes, where there is such a network."""
    for factor in factors:
        sizes = {"filters": int(own.filters * factor), "width": int(own.width * factor)}
        size = sizes["filters" if own.kind == "text_cnn" else "width"]
        try:
            if size > 0:
                yield factor, replace(own, **{key: max(1, value) for key, value in sizes.items()})
        except ValueError:  # the heads of a transformer cannot share that width
            continue


def _of_kind(sizes: ModelSettings, kind: str) -> ModelSettings:
    try:
        return replace(sizes, kind=kind)
    except ValueError as error:
        raise ConfigError(f"config.transfer.networks has {kind!r}, and config.model: {error}") from error


def _known(artefact: Artefact) -> Model:
    learner = learner_of(artefact)
    params = jax.tree.map(lambda x: x[0], known_states(artefact, learner, 1).params)
    return learner.model._replace(init=lambda key: params)


def _scaled(model: Model, factor: float) -> Model:
    def init(key: jax.Array) -> Params:
        return jax.tree.map(lambda x: factor * x, model.init(key))

    return model._replace(init=init)

"""What is a distilled set worth away from home: with other initialisations, networks, optimizers and schedules?"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from dd_al.core.errors import ConfigError, DataError
from dd_al.core.keys import stream
from dd_al.core.settings import from_config
from dd_al.data.text import Vocabulary
from dd_al.data.vectors import WordVectors
from dd_al.distill.synthetic import Synthetic, as_batch
from dd_al.experiments import record
from dd_al.experiments.baselines import Trained, fit_constant, fit_full
from dd_al.experiments.optimise import train_on
from dd_al.experiments.retrain import nearest_words
from dd_al.experiments.settings import LearnerSettings, ModelSettings, RandomSettings, Settings
from dd_al.experiments.task import Task, make_learners, make_model, make_optimizer, make_task
from dd_al.io import artefact as artefacts
from dd_al.io.artefact import Artefact
from dd_al.io.metrics import MetricsWriter
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner.learner import Learner, LearnerState, make_learner
from dd_al.models.base import Model, Params

HOME = "own schedule"  # the way that a set was made for
WAYS = (HOME, "rates shuffled", "Adam, one rate", "SGD, one rate", "nearest words, own schedule", "nearest words, Adam")


@dataclass(frozen=True)
class Network:
    """A network that a distilled set is tried on.

    Attributes:
      name: as the table shows it.
      learner: with the optimizer that the set was distilled with.
      columns: which of the set's rates were learned for networks of its layers; None where none were.
    """

    name: str
    learner: Learner
    columns: slice | None


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains every network on all data and, in every way, on the distilled set; judges and reports."""
    began = time.perf_counter()
    if settings.transfer.artefact is None:
        raise ConfigError("config.transfer.artefact is not set: the work directory or .safetensors file to try")
    artefact = artefacts.load(settings.transfer.artefact)
    if artefact.spec.get("encoder"):
        raise ConfigError(
            f"{settings.transfer.artefact} holds sentence vectors; only sets of word vectors can be tried"
        )
    settings = _as_distilled(settings, artefact)
    dataset = record.load_dataset(settings, workdir, artefact=_content(artefact))
    if dataset.label_map != artefact.spec["label_map"]:
        raise DataError(
            f"{settings.transfer.artefact} was distilled for the labels {artefact.spec['label_map']}; "
            f"{dataset.name} has {dataset.label_map}"
        )
    task = make_task(settings, dataset, time.perf_counter() - began, vectors=_vectors(artefact))
    synthetic = Synthetic(*(jnp.asarray(x[0]) for x in (artefact.inputs, artefact.label_logits, artefact.log_rates)))
    sets = {"": synthetic, "nearest words, ": synthetic._replace(inputs=_as_words(artefact, synthetic.inputs))}
    networks, inits = _networks(task, settings, artefact), settings.evaluate.inits or 10
    if workdir.resumed:
        with MetricsWriter(workdir.metrics) as metrics:
            metrics.resume(0)

    methods, table, seconds = {}, [], {"baselines_s": 0.0, "optimise_s": 0.0, "evaluate_s": 0.0}
    with catch_stop() as stop:
        for number, network in enumerate(networks):
            trained = {}
            for way, compute in _ways(task, settings, network, sets, artefact.spec, inits, stop).items():
                name = f"network{number}-{way.replace(' ', '_').replace(',', '')}"
                trained[way], spent = record.stage(workdir, name, compute)
                seconds["baselines_s" if way == "all data" else "optimise_s"] += spent
            start = time.perf_counter()
            entries = _judge(task, settings.evaluate.split, network, trained)
            methods |= {_title(number, network, way): entry for way, entry in entries.items()}
            table.append([entries.get(way, {}).get("retention") for way in WAYS])
            seconds["evaluate_s"] += time.perf_counter() - start
            stop.check("the same command goes on with the next network")
    count, items = len(dataset.train), synthetic.inputs.shape[0]
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": inits, "init": "random"},
        budget={
            name: {
                "examples": given,
                "fraction": given / count,
                "labels_used": count,
                "stored_floats": count * task.length if given == count else sum(x.size for x in synthetic),
            }
            for name, given in {name: count if name.startswith("full") else items for name in methods}.items()
        },
        methods=methods,
        transfer={"networks": [n.name for n in networks], "ways": list(WAYS), "retention": table},
        time=seconds,
    )


def _title(number: int, network: Network, way: str) -> str:
    """The name of a method: those of the home network go by the names that every report has."""
    home = {"all data": "full", HOME: "distilled"}
    if number == 0:
        return home.get(way, way)
    return f"full: {network.name}" if way == "all data" else f"{network.name}: {way}"


def _as_distilled(settings: Settings, artefact: Artefact) -> Settings:
    """The settings with the network, the optimizer and the lengths that the set was distilled for."""
    spec = artefact.spec
    return replace(
        settings,
        model=from_config(ModelSettings, spec["model"]),
        learner=from_config(LearnerSettings, spec["learner"]),
        data=replace(settings.data, length=spec["length"]),
    )


def _content(artefact: Artefact) -> str:
    digest = hashlib.sha256()
    for array in (artefact.inputs, artefact.label_logits, artefact.log_rates):
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"of {artefact.spec['task']}, content {digest.hexdigest()[:12]}"


def _vectors(artefact: Artefact) -> WordVectors:
    """Real texts are embedded as the set was: with the vectors that it brings."""
    words, dim = artefact.vectors.shape
    report = {"source": "the artefact", "words": words, "dim": dim}
    return WordVectors(Vocabulary(artefact.words), artefact.vectors, words, report)


def _as_words(artefact: Artefact, inputs: jax.Array) -> jax.Array:
    """Every position replaced by its nearest word, at that word's own length."""
    row = {word: i for i, word in enumerate(artefact.words)}
    near = [nearest_words(artefact.words, artefact.vectors, np.asarray(item)) for item in inputs]
    rows = [[row[best[0][0]] for best in item] for item in near]
    return jnp.asarray(artefact.vectors[np.asarray(rows)])


def _networks(task: Task, settings: Settings, artefact: Artefact) -> list[Network]:
    """The network that the set was distilled for, the same with other sizes and initialisations, and others."""
    model, own = settings.model, slice(0, len(artefact.spec["layers"]))
    dim, optimizer = task.table.shape[1], make_optimizer(settings.learner)

    def variant(name: str, network: Model) -> Network:
        return Network(name, make_learner(network, optimizer), own)

    def resized(factor: float) -> Model:
        sizes = {name: max(1, int(getattr(model, name) * factor)) for name in ("filters", "width")}
        return make_model(replace(model, **sizes), dim, task.classes)

    networks = [Network(model.kind, task.learner, own)]
    if artefact.params:
        networks.append(variant(f"{model.kind}, the known initialisation", _known(task.learner.model, artefact)))
    networks += [variant(f"{model.kind}, {word} as wide", resized(f)) for word, f in (("half", 0.5), ("twice", 2.0))]
    networks += [
        variant(f"{model.kind}, initial weights × {factor:g}", _scaled(task.learner.model, factor))
        for factor in settings.transfer.init_scales
    ]
    also, first = {}, own.stop
    for kind, names in artefact.spec.get("also", {}).items():
        also[kind] = slice(first, first + len(names))
        first += len(names)
    others = [kind for kind in settings.transfer.networks if kind != model.kind]
    learners = make_learners(settings, others, dim, task.classes)
    return networks + [Network(kind, learners[kind], also.get(kind)) for kind in others]


def _known(model: Model, artefact: Artefact) -> Model:
    params = unflatten_dict({name: jnp.asarray(value[0]) for name, value in artefact.params.items()}, sep="/")
    return model._replace(init=lambda key: params)


def _scaled(model: Model, factor: float) -> Model:
    def init(key: jax.Array) -> Params:
        return jax.tree.map(lambda x: factor * x, model.init(key))

    return model._replace(init=init)


def _ways(
    task: Task, settings: Settings, network: Network, sets: dict[str, Synthetic], spec: dict, inits: int, stop: Stop
) -> dict[str, Callable[[], Trained]]:
    """Every way to train one network: the name, and what does it."""
    keys = jax.random.split(stream(task.key, "evaluation"), inits)
    states = jax.vmap(network.learner.init)(keys)
    labels, transfer = spec.get("targets", "soft"), settings.transfer
    adam = replace(task, learner=network.learner)
    # The moments of SGD are none, so its states are not those of Adam.
    sgd = replace(task, learner=make_learner(network.learner.model, make_optimizer(LearnerSettings(optimizer="sgd"))))
    sgd_states = jax.vmap(sgd.learner.init)(keys)

    def scheduled(synthetic: Synthetic, shuffled: bool = False) -> Trained:
        mine = synthetic._replace(log_rates=synthetic.log_rates[:, network.columns])

        def train(state: LearnerState, key: jax.Array) -> LearnerState:
            rates = jax.random.permutation(key, mine.log_rates) if shuffled else mine.log_rates
            one = jax.tree.map(lambda x: x[None], state)
            return train_on(network.learner, mine._replace(log_rates=rates), one, labels)

        order = jax.random.split(stream(task.key, "shuffled_rates"), inits)
        trained = jax.jit(jax.vmap(train))(states, order)
        params = jax.tree.map(lambda x: x[:, 0], trained.params)
        return Trained(params, np.zeros(0, np.int32), np.zeros((0, inits), np.float32), np.zeros(0, np.float32))

    def tuned(task: Task, states: LearnerState, synthetic: Synthetic, rates: tuple[float, ...]) -> Trained:
        batch = jax.tree.map(lambda x: jnp.broadcast_to(x, (inits, *x.shape)), as_batch(synthetic, labels))
        grid = RandomSettings(steps=transfer.steps, dropout=(False,), rates=rates)
        return fit_constant(task, grid, batch, states, stop=stop, title=f"{network.name}, one rate")

    ways = {"all data": partial(fit_full, adam, settings.full, states, stop=stop)}
    for prefix, synthetic in sets.items():
        if network.columns is not None:
            ways[f"{prefix}{HOME}"] = partial(scheduled, synthetic)
        if network.columns is not None and not prefix:
            ways["rates shuffled"] = partial(scheduled, synthetic, shuffled=True)
        ways[f"{prefix}Adam" if prefix else "Adam, one rate"] = partial(tuned, adam, states, synthetic, transfer.rates)
        if not prefix:
            ways["SGD, one rate"] = partial(tuned, sgd, sgd_states, synthetic, transfer.sgd_rates)
    return ways


def _judge(task: Task, split: str, network: Network, trained: dict[str, Trained]) -> dict[str, dict]:
    """The entries of one network, whose learners answer together; retention is of its own training on all data."""
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(one.params for one in trained.values()))

    def answers(split: str) -> dict[str, np.ndarray]:
        parts = np.split(record.predictions(task, network.learner, together, split), len(trained))
        return dict(zip(trained, parts))

    validation = answers("validation")
    final = validation if split == "validation" else answers(split)
    entries = {}
    for way, one in trained.items():
        extra = {}
        if len(one.steps):
            extra["curve"] = record.curve(one.steps, one.accuracy)
        if way not in ("all data", HOME) and len(one.chosen) == 3:
            extra["hyperparameters"] = {"rate": float(one.chosen[0]), "steps": int(one.chosen[1])}
        full = None if way == "all data" else final["all data"]
        entries[way] = record.method_entry(task, split, final[way], validation[way], full, **extra)
    return entries

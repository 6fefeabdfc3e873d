"""What is a distilled set worth away from home: with other initialisations, networks, optimizers and schedules?"""

import logging
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.learner import RandomSettings
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, DataError
from dd_al.core.files import sha256_of
from dd_al.core.keys import stream
from dd_al.data.dataset import Dataset
from dd_al.data.text import Vocabulary
from dd_al.data.vectors import WordVectors
from dd_al.distillation.saved import nearest_words
from dd_al.distillation.synthetic import Synthetic, as_batch, train_on
from dd_al.evaluation import baselines, protocol
from dd_al.evaluation.from_artefact import Network, networks, synthetic_of
from dd_al.experiments import record
from dd_al.io import artefact as artefacts
from dd_al.io.artefact import Artefact
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner import optimizers
from dd_al.learner.attention import attention_loss
from dd_al.learner.learner import make_learner
from dd_al.task.task import Task, make_optimizer, make_task

_LOG = logging.getLogger(__name__)
_ALL = "all data"


class Way(NamedTuple):
    """How a network is trained on a distilled set: as the set says, but for these changes."""

    optimizer: str = ""  # "adam" or "sgd", at the one rate that validation prefers, in place of its own schedule
    words: bool = False  # the nearest words of its items in place of these
    shuffled: bool = False  # the rates of its schedule in another order


WAYS = {
    "own schedule": Way(),
    "rates shuffled": Way(shuffled=True),
    "Adam, one rate": Way("adam"),
    "SGD, one rate": Way("sgd"),
    "nearest words, own schedule": Way(words=True),
    "nearest words, Adam": Way("adam", words=True),
}


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains every network on all data and, in every way, on the distilled set; judges and reports."""
    artefact, source = _artefact(settings)
    content = f"{source.name}, content {sha256_of(source)[:12]}"
    dataset, loading_s = record.load_dataset(settings, workdir, artefact=content)
    dataset = _same_task(dataset, artefact, str(source))
    home = replace(settings, model=artefact.model, data=replace(settings.data, length=artefact.spec["length"]))
    # Real texts are embedded as the set was: with the vectors that it brings.
    words, dim = artefact.vectors.shape
    about = {"source": "the artefact", "words": words, "dim": dim}
    vectors = WordVectors(Vocabulary(artefact.words), artefact.vectors, words, about)
    task = make_task(home, dataset, loading_s, vectors=vectors)
    synthetic = jax.tree.map(lambda x: jnp.asarray(x[0]), synthetic_of(artefact))
    in_words = synthetic._replace(inputs=_as_words(artefact, synthetic.inputs))
    tried = networks(artefact, settings.model, settings.transfer, settings.evaluate.inits or 10)
    record.note_resumption(workdir)

    methods, budget, table, seconds = {}, {}, [], {"baselines_s": 0.0, "optimise_s": 0.0, "evaluate_s": 0.0}
    with catch_stop() as stop:
        for number, network in enumerate(tried):
            trained = {}
            for title, way in {_ALL: None, **WAYS}.items():
                if way and not way.optimizer and network.columns is None:
                    continue
                one = in_words if way and way.words else synthetic
                name = f"network{number}-{title.replace(' ', '_').replace(',', '')}"
                compute = partial(_train, task, settings, network, artefact, one, way, stop)
                trained[title], spent = baselines.stage(workdir, name, compute)
                seconds["optimise_s" if way else "baselines_s"] += spent
            start = time.perf_counter()
            entries = _judge(task, settings.evaluate.split, network, trained)
            for title, entry in entries.items():
                method = _method(number, network, title)
                methods[method], budget[method] = entry, _budget(task, synthetic, network, WAYS.get(title))
            table.append([entries.get(title, {}).get("retention") for title in WAYS])
            seconds["evaluate_s"] += time.perf_counter() - start
            stop.check("the same command goes on with the next network")
    parts = {"evaluate": {"inits": tried[0].count, "init": artefact.spec["init"]}, "budget": budget, "methods": methods}
    parts["transfer"] = {"networks": [network.name for network in tried], "ways": list(WAYS), "retention": table}
    record.finish(workdir, settings, task, time=seconds, **parts)


def _artefact(settings: Settings) -> tuple[Artefact, Path]:
    """The artefact of a config and its file, if they can be tried at all."""
    given = settings.transfer.artefact
    if given is None:
        raise ConfigError("config.transfer.artefact is not set: the work directory or .safetensors file to try")
    artefact = artefacts.load(given)
    artefact.require_texts("only sets of word vectors are tried on other networks")
    if artefact.spec.get("encoder") or settings.inputs != "words":
        raise ConfigError(
            f"config.transfer.artefact = {given!r}: only sets of word vectors can be tried, with inputs = 'words'"
        )
    if settings.data.length not in (None, artefact.spec["length"]):
        raise ConfigError(
            f"config.data.length = {settings.data.length}: {given} was distilled for texts of "
            f"{artefact.spec['length']} words; leave it out"
        )
    return artefact, artefacts.locate(given)


def _same_task(dataset: Dataset, artefact: Artefact, source: str) -> Dataset:
    """The data, with a note where they are not those that the set was distilled from."""
    if dataset.label_map != artefact.spec["label_map"]:
        raise DataError(
            f"{source} was distilled for the labels {artefact.spec['label_map']}; {dataset.name} has "
            f"{dataset.label_map}"
        )
    if dataset.sha256 == artefact.spec.get("data"):
        return dataset
    note = f"{source} was distilled from other data or splits: these test texts may be among those it was made from"
    _LOG.warning("%s", note)
    return replace(dataset, notes=(*dataset.notes, note))


def _method(number: int, network: Network, title: str) -> str:
    """The name of a method: those of the home network go by the names that every report has."""
    if number == 0:
        return {_ALL: "full", "own schedule": "distilled"}.get(title, title)
    return f"full: {network.name}" if title == _ALL else f"{network.name}: {title}"


def _budget(task: Task, synthetic: Synthetic, network: Network, way: Way | None) -> dict:
    """What a network was given: labels of attention and rates that it passes over are not among that."""
    count, items = len(task.dataset.train), synthetic.inputs.shape[0]
    if way is None:
        return record.given_all(task)
    stored = items * synthetic.inputs.shape[1] if way.words else synthetic.inputs.size
    stored += synthetic.label_logits.size
    if synthetic.attention_logits is not None and network.model.attention:
        stored += synthetic.attention_logits.size
    if not way.optimizer:
        stored += synthetic.log_rates[:, network.columns].size
    return record.given(items, count, count, stored)


def _as_words(artefact: Artefact, inputs: jax.Array) -> jax.Array:
    """Every position replaced by its nearest word, at that word's own length."""
    vector = dict(zip(artefact.words, artefact.vectors))
    near = [nearest_words(artefact.words, artefact.vectors, np.asarray(item)) for item in inputs]
    return jnp.asarray(np.stack([[vector[best[0][0]] for best in item] for item in near]))


def _train(
    task: Task, settings: Settings, network: Network, artefact: Artefact, given: Synthetic, way: Way | None, stop: Stop
) -> baselines.Trained:
    """Trains a network on the distilled set, or on all data with Adam at the best of a few rates; see `WAYS`."""
    transfer, count, labels = settings.transfer, network.count, artefact.spec.get("targets", "soft")
    if way is None:
        learner = make_learner(network.model, optimizers.get("adam"))
    else:
        optimizer = optimizers.get(way.optimizer) if way.optimizer else make_optimizer(artefact.learner)
        # All transformers among the networks have the set's own blocks and heads, if it has attention labels.
        learner = make_learner(network.model, optimizer, loss=attention_loss(artefact.spec.get("attention", 0.0)))
    own = replace(task, learner=learner)
    states = own.inits("evaluation", count)
    if way is None:
        with progress_of(network.name):
            return baselines.fit_tuned(own, settings.full, transfer.full_rates, states, stop=stop)
    if way.optimizer:
        rates = transfer.sgd_rates if way.optimizer == "sgd" else transfer.rates
        grid = RandomSettings(steps=transfer.steps, rates=rates, dropout=(False,))
        title = f"{network.name}, {way.optimizer} at one rate"
        return baselines.choose_schedule(own, grid, as_batch(given, labels), states, stop=stop, title=title)
    mine = given._replace(log_rates=given.log_rates[:, network.columns])
    if way.shuffled:
        order = jax.random.split(stream(task.key, "shuffled_rates"), count)
        rates = jax.vmap(partial(jax.random.permutation, x=mine.log_rates))(order)
        mine = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), mine)._replace(log_rates=rates)
    train = partial(train_on, learner, labels=labels, parts=artefact.spec.get("batches", 1))
    params = jax.jit(train)(mine, states).params
    return baselines.Trained(params, np.zeros(0, np.int32), np.zeros((0, count), np.float32), np.zeros(0, np.float32))


def _judge(task: Task, split: str, network: Network, trained: dict[str, baselines.Trained]) -> dict[str, dict]:
    """The entries of one network, whose learners answer together; retention is of its own training on all data."""
    scores = protocol.evaluate(task, network.model, {title: one.params for title, one in trained.items()}, split)
    entries = {}
    for title, one in trained.items():
        extra = {"curve": record.curve(one.steps, one.accuracy)} if len(one.steps) else {}
        if title != _ALL and len(one.chosen):
            extra["hyperparameters"] = {"rate": float(one.chosen[0]), "steps": int(one.chosen[1])}
        full = None if title == _ALL else scores[_ALL]
        entries[title] = record.entry(split, scores[title], task.classes, full, **extra)
    return entries

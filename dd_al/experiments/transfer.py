"""What is a distilled set worth away from home: with other initialisations, networks, optimizers and schedules?"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

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
from dd_al.evaluation.baselines import Trained, choose_schedule, fit_tuned, stage
from dd_al.evaluation.from_artefact import Network, networks, synthetic_of
from dd_al.evaluation.protocol import evaluate
from dd_al.experiments import record
from dd_al.io import artefact as artefacts
from dd_al.io.artefact import Artefact
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner import optimizers
from dd_al.learner.learner import make_learner
from dd_al.task.task import Task, make_optimizer, make_task

_LOG = logging.getLogger(__name__)
_ALL, HOME, SHUFFLED = "all data", "own schedule", "rates shuffled"
WAYS = (HOME, SHUFFLED, "Adam, one rate", "SGD, one rate", f"nearest words, {HOME}", "nearest words, Adam")


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains every network on all data and, in every way, on the distilled set; judges and reports."""
    began = time.perf_counter()
    artefact, source = _artefact(settings)
    dataset = record.load_dataset(settings, workdir, artefact=f"{source.name}, content {sha256_of(source)[:12]}")
    dataset = _same_task(dataset, artefact, str(source))
    home = replace(settings, model=artefact.model, data=replace(settings.data, length=artefact.spec["length"]))
    # Real texts are embedded as the set was: with the vectors that it brings.
    words, dim = artefact.vectors.shape
    about = {"source": "the artefact", "words": words, "dim": dim}
    vectors = WordVectors(Vocabulary(artefact.words), artefact.vectors, words, about)
    task = make_task(home, dataset, time.perf_counter() - began, vectors=vectors)
    synthetic = jax.tree.map(lambda x: jnp.asarray(x[0]), synthetic_of(artefact))
    sets = {"": synthetic, "nearest words": synthetic._replace(inputs=_as_words(artefact, synthetic.inputs))}
    tried = networks(artefact, settings.model, settings.transfer, settings.evaluate.inits or 10)
    record.note_resumption(workdir)

    methods, budget, table, seconds = {}, {}, [], {"baselines_s": 0.0, "optimise_s": 0.0, "evaluate_s": 0.0}
    with catch_stop() as stop:
        for number, network in enumerate(tried):
            trained = {}
            for way, compute in _ways(task, settings, network, sets, artefact, stop).items():
                name = f"network{number}-{way.replace(' ', '_').replace(',', '')}"
                trained[way], spent = stage(workdir, name, compute)
                seconds["baselines_s" if way == _ALL else "optimise_s"] += spent
            start = time.perf_counter()
            entries = _judge(task, settings.evaluate.split, network, trained)
            for way, entry in entries.items():
                title = _title(number, network, way)
                methods[title], budget[title] = entry, _budget(task, synthetic, network, way)
            table.append([entries.get(way, {}).get("retention") for way in WAYS])
            seconds["evaluate_s"] += time.perf_counter() - start
            stop.check("the same command goes on with the next network")
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": tried[0].count, "init": artefact.spec["init"]},
        budget=budget,
        methods=methods,
        transfer={"networks": [network.name for network in tried], "ways": list(WAYS), "retention": table},
        time=seconds,
    )


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


def _title(number: int, network: Network, way: str) -> str:
    """The name of a method: those of the home network go by the names that every report has."""
    if number == 0:
        return {_ALL: "full", HOME: "distilled"}.get(way, way)
    return f"full: {network.name}" if way == _ALL else f"{network.name}: {way}"


def _budget(task: Task, synthetic: Synthetic, network: Network, way: str) -> dict:
    """What a network was given: labels of attention and rates that it passes over are not among that."""
    count, items = len(task.dataset.train), synthetic.inputs.shape[0]
    if way == _ALL:
        return record.given_all(task)
    stored = items * synthetic.inputs.shape[1] if "nearest words" in way else synthetic.inputs.size
    stored += synthetic.label_logits.size
    if synthetic.attention_logits is not None and network.model.attention:
        stored += synthetic.attention_logits.size
    if way == SHUFFLED or HOME in way:
        stored += synthetic.log_rates[:, network.columns].size
    return record.given(items, count, count, stored)


def _as_words(artefact: Artefact, inputs: jax.Array) -> jax.Array:
    """Every position replaced by its nearest word, at that word's own length."""
    row = {word: i for i, word in enumerate(artefact.words)}
    near = [nearest_words(artefact.words, artefact.vectors, np.asarray(item)) for item in inputs]
    rows = [[row[best[0][0]] for best in item] for item in near]
    return jnp.asarray(artefact.vectors[np.asarray(rows)])


def _ways(
    task: Task, settings: Settings, network: Network, sets: dict[str, Synthetic], artefact: Artefact, stop: Stop
) -> dict[str, Callable[[], Trained]]:
    """Every way to train one network: the name, and what does it."""
    labels, transfer, count = artefact.spec.get("targets", "soft"), settings.transfer, network.count
    # All transformers among the networks have the set's own blocks and heads, if it has attention labels.
    weight = artefact.spec.get("attention", 0.0)

    def with_optimizer(optimizer: optax.GradientTransformation, attention_weight: float = weight) -> Task:
        return replace(task, learner=make_learner(network.model, optimizer, attention_weight=attention_weight))

    def everything() -> Trained:
        """On all data with Adam, at the best of a few rates."""
        own = with_optimizer(optimizers.get("adam"), attention_weight=0.0)
        with progress_of(network.name):
            return fit_tuned(own, settings.full, transfer.full_rates, own.inits("evaluation", count), stop=stop)

    def scheduled(synthetic: Synthetic, shuffled: bool = False) -> Trained:
        own = with_optimizer(make_optimizer(artefact.learner))
        mine = synthetic._replace(log_rates=synthetic.log_rates[:, network.columns])
        if shuffled:
            order = jax.random.split(stream(task.key, "shuffled_rates"), count)
            rates = jax.vmap(partial(jax.random.permutation, x=mine.log_rates))(order)
            mine = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), mine)._replace(log_rates=rates)
        train = partial(train_on, own.learner, labels=labels, parts=artefact.spec.get("batches", 1))
        params = jax.jit(train)(mine, own.inits("evaluation", count)).params
        return Trained(params, np.zeros(0, np.int32), np.zeros((0, count), np.float32), np.zeros(0, np.float32))

    def tuned(optimizer: str, rates: tuple[float, ...], synthetic: Synthetic) -> Trained:
        own, batch = with_optimizer(optimizers.get(optimizer)), as_batch(synthetic, labels)
        grid = RandomSettings(steps=transfer.steps, rates=rates, dropout=(False,))
        title = f"{network.name}, {optimizer} at one rate"
        return choose_schedule(own, grid, batch, own.inits("evaluation", count), stop=stop, title=title)

    words = sets["nearest words"]
    ways = {_ALL: everything}
    if network.columns is not None:
        ways |= {HOME: partial(scheduled, sets[""]), SHUFFLED: partial(scheduled, sets[""], shuffled=True)}
        ways[f"nearest words, {HOME}"] = partial(scheduled, words)
    return ways | {
        "Adam, one rate": partial(tuned, "adam", transfer.rates, sets[""]),
        "SGD, one rate": partial(tuned, "sgd", transfer.sgd_rates, sets[""]),
        "nearest words, Adam": partial(tuned, "adam", transfer.rates, words),
    }


def _judge(task: Task, split: str, network: Network, trained: dict[str, Trained]) -> dict[str, dict]:
    """The entries of one network, whose learners answer together; retention is of its own training on all data."""
    scores = evaluate(task, network.model, {way: one.params for way, one in trained.items()}, split)
    entries = {}
    for way, one in trained.items():
        extra = {"curve": record.curve(one.steps, one.accuracy)} if len(one.steps) else {}
        if "one rate" in way or way == "nearest words, Adam":
            extra["hyperparameters"] = {"rate": float(one.chosen[0]), "steps": int(one.chosen[1])}
        entries[way] = record.entry(split, scores[way], task.classes, None if way == _ALL else scores[_ALL], **extra)
    return entries

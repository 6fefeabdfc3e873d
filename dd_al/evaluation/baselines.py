"""What a distilled set is judged against: all of the data, and random or selected real examples of its own size."""

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from dd_al.config.learner import FullSettings, RandomSettings
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.core.keys import generator, stream
from dd_al.core.types import Batch, TextInputs
from dd_al.coreset.methods import prototypes, select
from dd_al.data.splits import balanced_draw
from dd_al.distillation.synthetic import balanced_classes
from dd_al.io.progress import Progress
from dd_al.io.signals import Stop
from dd_al.io.tensors import read_safetensors, write_safetensors
from dd_al.io.workdir import Workdir
from dd_al.learner.examples import steps_per_epoch
from dd_al.learner.fit import FitState, cosine, fitting
from dd_al.learner.learner import LearnerState, layers
from dd_al.learner.predict import accuracy, on_every, trunk_of
from dd_al.learner.train_on_set import along, train_on_set
from dd_al.models.base import Params
from dd_al.models.linen import masked_mean
from dd_al.task.task import Arrays, Task, one_hot

_LOG = logging.getLogger(__name__)


class Trained(NamedTuple):
    """Learners that a baseline has trained, with what validation says of them."""

    params: Params  # stacked over learners
    steps: np.ndarray  # int32[points], training steps at which accuracy was taken
    accuracy: np.ndarray  # float32[points, learners], on validation
    chosen: np.ndarray  # float64[...], what validation chose: see the functions


def fit_full(
    task: Task, settings: FullSettings, states: LearnerState, *, stop: Stop, title: str = "full data"
) -> Trained:
    """Trains on all of the data from stacked initial states.

    Every learner keeps its parameters at its best validation accuracy; `Trained.chosen` holds those steps.
    """
    per_epoch, epochs, init, advance = full_training(task, settings)
    total, advance, rate = per_epoch * epochs, jax.jit(advance), np.float32(settings.rate)
    state = init(states)
    keys = jax.random.split(stream(task.key, "full_training"), jax.tree.leaves(states)[0].shape[0])
    # Powers of two within the first epoch show how training begins; then every epoch is looked at.
    early = [2**i for i in range(per_epoch.bit_length()) if 2**i < per_epoch]
    points = early + [per_epoch * (i + 1) for i in range(epochs)]
    curve = []
    with Progress(total, title) as progress:
        for before, until in zip([0, *points], points):
            state, now = advance(task.arrays, rate, keys, state, np.int32(until))
            curve.append(np.asarray(now))
            progress.update(until - before, validation_accuracy=float(curve[-1].mean()))
            stop.check(f"the same command trains again: {title}")
    return Trained(state.best, np.asarray(points), np.stack(curve), np.asarray(state.best_step))


def fit_tuned(
    task: Task, settings: FullSettings, rates: Sequence[float], states: LearnerState, *, stop: Stop
) -> Trained:
    """`fit_full` at the one of several rates that validation finds best; `Trained.chosen` holds that rate alone."""
    fits = [
        fit_full(task, replace(settings, rate=rate), states, stop=stop)._replace(chosen=np.asarray([rate]))
        for rate in rates
    ]
    return max(fits, key=lambda fit: fit.accuracy.max(0).mean())


def full_training(task: Task, settings: FullSettings) -> tuple[int, int, Callable, Callable]:
    """Steps in an epoch, epochs, and `fit.fitting` on all of the data, whose ``advance`` takes two arguments first.

    They are `Task.arrays` and the rate, so that one program serves all rates, and all seeds.
    """
    per_epoch = steps_per_epoch(task.train, settings.batch_size)
    epochs = max(settings.epochs, -(-settings.min_steps // per_epoch))

    def make(task: Task, rate: float | jax.Array) -> tuple[Callable, Callable]:
        return fitting(
            task.learner, task.train, task.validation, task.embed, batch_size=settings.batch_size,
            schedule=cosine(rate, per_epoch * epochs),
        )  # fmt: skip

    def advance(data: Arrays, rate: jax.Array, keys: jax.Array, state: FitState, until: jax.Array):
        return make(task.given(data), rate)[1](keys, state, until)

    return per_epoch, epochs, make(task, 0.0)[0], advance


def random_batches(task: Task, items: int, draws: int) -> Batch:
    """Random real subsets, one for each draw, with as many examples of each class as can be; see `batch_of`."""
    rng, labels = generator(task.key, "random_subsets"), task.labels("train")
    return batch_of(task, np.stack([balanced_draw(rng, labels, task.classes, items) for _ in range(draws)]))


def batch_of(task: Task, rows: np.ndarray) -> Batch:
    """Training examples as they are; of ``int[draws, items]`` rows all arrays have a leading axis of draws."""
    embed = jax.vmap(task.embed) if rows.ndim == 2 else task.embed
    inputs = embed(jnp.asarray(task.raw["train"][rows]))
    return Batch((inputs,), jnp.asarray(one_hot(task.labels("train")[rows], task.classes)))


def vectors_of(inputs: Any) -> jax.Array:
    """A vector for each of some examples as networks read them, ``float32[n, dim]``; of a text its mean word vector."""
    if isinstance(inputs, TextInputs):
        return masked_mean(inputs.embedded, inputs.mask)
    return inputs.reshape(len(inputs), -1)


def features_of(task: Task, params: Params | None, buckets: tuple) -> jax.Array:
    """What instance selection compares the training examples by, ``float32[n, dim]``.

    The features of a trained learner, or `vectors_of` what networks read where ``params`` is None. A pure function of
    those and of the buckets of the training examples, so that a compiled program does not hold them.
    """
    trunk = None if params is None else trunk_of(task.learner.model, params, task.train, task.embed)

    def one(raw: jax.Array, index: jax.Array) -> jax.Array:
        del index
        return vectors_of(task.embed(raw)) if trunk is None else trunk(raw)

    return on_every(task.train._replace(buckets=buckets), one)


def choose(task: Task, settings: Settings, name: str, items: int, full: Params) -> Batch:
    """The examples that a method keeps, or makes, as many of each class as can be.

    ``name`` is one of `dd_al.coreset.methods.NAMES`, or "prototypes", means of images or rows. Of the learners that
    were trained on all data, ``full``, the first is asked for features.

    Raises:
      ConfigError: a class has fewer examples than are wanted of it.
    """
    labels, compute = task.labels("train"), jax.jit(partial(features_of, task))
    per_class = np.bincount(balanced_classes(items, task.classes), minlength=task.classes)
    try:
        if name == "prototypes":
            made = prototypes(settings.seed, np.asarray(compute(None, task.train.buckets)), labels, per_class)
            classes = np.repeat(np.arange(task.classes), per_class)
            return Batch((jnp.asarray(made.reshape(-1, *task.shape)),), jnp.asarray(one_hot(classes, task.classes)))
        network = settings.coreset.features == "network"
        first = jax.tree.map(lambda x: x[0], full) if network else None
        features = np.asarray(compute(first, task.train.buckets))
        rows = select(name, stream(task.key, "coreset"), features, labels, per_class)
        return batch_of(task, rows)
    except ValueError as error:
        raise ConfigError(f"config.coreset.methods, {name!r}: {error}; lower config.distill.examples") from error


def choose_schedule(
    task: Task,
    settings: RandomSettings,
    batch: Batch,
    states: LearnerState,
    *,
    stop: Stop,
    title: str = "random subsets",
    train: Callable | None = None,
) -> Trained:
    """Trains on small sets with the constant rate, number of steps and dropout that validation finds best for them.

    The batch is a set for each of the stacked states, as `random_batches` makes them, or one for all of them. Where
    several sets are trained on, they share what `constant_training` has compiled as ``train``.

    Returns:
      The learners at the best (rate, steps, dropout) by mean validation accuracy, the curve at that rate and
      dropout, and `chosen` = [rate, steps, dropout on].
    """
    steps = np.asarray(sorted(settings.steps))
    train = train or constant_training(task, settings)
    batch = for_each(states, batch) if batch.targets.ndim == 2 else batch
    highest, best = -1.0, None
    with Progress(len(settings.dropout) * len(settings.rates), title) as progress:
        for dropout, rate in itertools.product(settings.dropout, settings.rates):
            params, curve = train(task.key, batch, states, rate, dropout)
            curve = np.asarray(curve)  # [points, draws]
            at = int(curve.mean(1).argmax())
            if (reached := curve.mean(1)[at]) > highest:
                highest, chosen = reached, np.asarray([rate, steps[at], dropout], np.float64)
                best = Trained(jax.tree.map(lambda x, at=at: x[at], params), steps, curve, chosen)
            progress.update(1, best=float(highest))
            stop.check(f"the same command trains again: {title}")
    return best


def for_each(states: LearnerState, batch: Batch) -> Batch:
    """The same set for each of stacked states."""
    count = jax.tree.leaves(states)[0].shape[0]
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), batch)


def at_constant_rate(
    task: Task, key: jax.Array, batches: Batch, rate: jax.Array, dropout: bool, steps: int
) -> Callable[..., LearnerState]:
    """``train(states, first=0, until=steps) -> states`` of stacked learners, each on a set of its own, at one rate.

    ``batches`` has a leading axis of learners; the key of the run drives dropout, where that is on.
    """
    draws, groups = len(batches.targets), len(layers(task.learner.model))
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(draws)) if dropout else None
    return partial(train_on_set, task.learner, batches, jnp.full((draws, steps, groups), rate), keys=keys, own=True)


def constant_training(task: Task, settings: RandomSettings) -> Callable:
    """``(key, batches, states, rate, dropout) -> (params, accuracy)`` at every number of steps of the settings, jitted.

    The key is that of the run, ``Task.key``: an argument, so that runs with other seeds need not be compiled anew.
    """
    steps = sorted(settings.steps)

    def look(state: LearnerState) -> tuple[Params, jax.Array]:
        return state.params, accuracy(task.learner.model, state.params, task.validation, task.embed)

    def train(key: jax.Array, batches: Batch, states: LearnerState, rate: jax.Array, dropout: bool):
        advance = at_constant_rate(task, key, batches, rate, dropout, steps[-1])
        return along(advance, states, jnp.asarray(steps), look)[1]

    return jax.jit(train, static_argnums=4)


def stage(workdir: Workdir, name: str, compute: Callable[[], Trained]) -> tuple[Trained, float]:
    """A baseline's learners and the seconds they took, from the work directory if an earlier start got so far."""
    path = workdir.checkpoints / f"{name}.safetensors"
    if path.exists():
        _LOG.info("%s: from an earlier start of this run", name)
        return read_stage(path)
    start = time.perf_counter()
    trained = jax.tree.map(np.asarray, compute())
    seconds = time.perf_counter() - start
    path.parent.mkdir(exist_ok=True)
    write_safetensors(path, flatten_dict({**trained._asdict(), "seconds": np.float32(seconds)}, sep="/"))
    return trained, seconds


def read_stage(path: Path) -> tuple[Trained, float]:
    """What `stage` has written, and the seconds that it took."""
    found = unflatten_dict(read_safetensors(path), sep="/")
    seconds = float(found.pop("seconds"))
    return Trained(**found), seconds

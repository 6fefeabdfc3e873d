"""What distillation starts from: how many items, and the sets themselves."""

import logging
import math
from collections.abc import Callable, Hashable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.core.errors import ConfigError
from dd_al.core.keys import generator, stream
from dd_al.core.types import Batch
from dd_al.distillation.synthetic import Synthetic, all_rates, as_batch, balanced_classes, columns, own_rates, start
from dd_al.distillation.unrolled import outer_loss
from dd_al.learner.examples import minibatch
from dd_al.learner.fit import cosine
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import LearnerState
from dd_al.task.task import Arrays, Task, known_inits

_LOG = logging.getLogger(__name__)
CANDIDATE_BATCH = 512  # real examples that candidates are judged on


def number_of_items(settings: DistillSettings, train: int, classes: int) -> int:
    """Items of a set: as asked for, else 0.1 % of the training data, rounded up to a multiple of the classes.

    For a known initialisation one per class is the default.

    Raises:
      ConfigError: labels that are no mixture of classes need an item of each.
    """
    per_class = 1 if settings.init == "known" else math.ceil(math.ceil(train / 1000) / classes)
    items = settings.examples or per_class * classes
    per_class_only = ("gradient_matching", "distribution_matching")  # what they compare is of one class each
    if items < classes and (settings.labels == "hard" or settings.method in per_class_only):
        given = "labels = 'hard'" if settings.labels == "hard" else f"method = {settings.method!r}"
        raise ConfigError(
            f"config.distill.examples = {items}: {given} needs an item of each of the {classes} classes; fewer will do "
            "for labels = 'soft' with method = 'unrolled'"
        )
    return items


def number_of_candidates(settings: DistillSettings) -> int:
    """Random real subsets that are tried as the start of a set; 0 where nothing is."""
    return settings.candidates if settings.start == "real" and settings.candidates > 1 else 0


def item_shape(task: Task, settings: DistillSettings) -> tuple[int, ...]:
    """That of a real example, but for the words of a text, of which a synthetic one has `config.distill.length`."""
    if task.inputs != "words" or not settings.length:
        return task.shape
    return (settings.length, *task.shape[1:])


def starting_sets(
    task: Task,
    settings: DistillSettings,
    items: int,
    sets: int,
    programs: dict[Hashable, Callable] | None = None,
) -> tuple[Synthetic, np.ndarray | None]:
    """The sets that distillation starts from, stacked, and the training rows they are made of (None for noise).

    A set of real examples is the best of ``settings.candidates`` random ones by the training loss of learners that
    train on them: from a poor start the outer loop can spend most of its steps on getting out of chaotic regions.

    Args:
      task: data and learner.
      settings: of the method.
      items: of a set.
      sets: how many.
      programs: see `dd_al.distillation.optimise.optimise`.
    """
    shape, classes = item_shape(task, settings), np.asarray(balanced_classes(items, task.classes))
    if settings.start == "noise":
        key = stream(task.key, "start")
        scale = 1.0 if task.table is None else float(jnp.sqrt(jnp.mean(task.table[2:] ** 2)))
        keys = [stream(jax.random.fold_in(key, i), "noise") for i in range(sets)]
        noise = jnp.stack([scale * jax.random.normal(one, (items, *shape)) for one in keys])
        return jax.vmap(partial(_start_one, task, settings, jnp.asarray(classes)))(noise), None
    rng = generator(task.key, "start")
    rows = np.stack([_start_rows(rng, task, classes) for _ in range(sets * settings.candidates)])
    if number_of_candidates(settings):
        raw = jnp.asarray(_filled(task, task.raw["train"][rows], shape[0]))
        best = np.argmin(_losses_of(task, settings, sets, classes, raw, programs).reshape(sets, -1), axis=1)
        rows = rows[best + np.arange(sets) * settings.candidates]
    raw = jnp.asarray(_filled(task, task.raw["train"][rows], shape[0]))
    begin = jax.vmap(lambda classes, one: _start_one(task, settings, classes, _values(task, one)))
    return begin(jnp.asarray(task.labels("train")[rows]), raw), rows


def _start_rows(rng: np.random.Generator, task: Task, classes: np.ndarray) -> np.ndarray:
    """An example of each item's class, none twice where there are enough; of texts the shorter half is passed over."""
    labels, lengths = task.labels("train"), np.zeros(len(task.raw["train"]), int)
    if task.table is not None:
        lengths = (task.raw["train"] > 0).sum(1)
    rows = np.zeros(len(classes), np.int32)
    for c in np.unique(classes):
        candidates = np.flatnonzero(labels == c)
        candidates = candidates[lengths[candidates] >= np.median(lengths[candidates])]
        wanted = classes == c
        rows[wanted] = rng.choice(candidates, wanted.sum(), replace=wanted.sum() > len(candidates))
    return rows


def _filled(task: Task, raw: np.ndarray, length: int) -> np.ndarray:
    """Texts said again until every position of an item is a word; anything else as it is."""
    if task.table is None:
        return raw
    texts = [ids[ids > 0] for ids in raw.reshape(-1, raw.shape[-1])]
    filled = [np.resize(words if len(words) else np.ones(1, np.int32), length) for words in texts]
    return np.reshape(filled, (*raw.shape[:-1], length))


def _values(task: Task, raw: jax.Array) -> jax.Array:
    """Raw examples in the form of `Synthetic.inputs`."""
    return task.embed(raw) if task.table is None else task.table[raw]


def _start_one(task: Task, settings: DistillSettings, classes: jax.Array, inputs: jax.Array) -> Synthetic:
    """Inputs with first labels and rates."""
    falling = cosine(settings.inner_rate, settings.steps)(jnp.arange(settings.steps))
    synthetic = start(
        classes=task.classes,
        inputs=inputs,
        item_classes=classes,
        steps=settings.steps,
        layers=1 if settings.shared_rates else max(part.stop for part in columns(task).values()),
        rate=settings.inner_rate if settings.inner_schedule == "constant" else falling,
        # Of softmaxed labels the first probability of the own class does not depend on the number of classes.
        label_scale=1.0 if settings.labels == "unrestricted" else settings.label_scale + math.log(task.classes - 1),
    )
    if not settings.attention:
        return synthetic
    model, (text,) = task.learner.model, as_batch(synthetic).inputs
    _, attention = jax.eval_shape(model.attention, jax.eval_shape(model.init, task.key), text)
    return synthetic._replace(attention_logits=jnp.zeros(attention.shape))  # prefers no position


def _losses_of(
    task: Task,
    settings: DistillSettings,
    sets: int,
    classes: np.ndarray,
    raw: jax.Array,
    programs: dict[Hashable, Callable] | None,
) -> np.ndarray:
    """The loss, on real training examples, of learners trained on each candidate, ``float32[candidates]``.

    Known initialisations are those of the set that a candidate is for; else two fresh learners try all.
    """
    _LOG.info("choosing the start among %d random subsets", len(raw))
    known = settings.init == "known"

    def judges(data: Arrays, key: jax.Array) -> tuple[Batch, LearnerState]:
        given, first = task.given(data), jnp.zeros((), jnp.int32)
        batch = minibatch(given.train, given.embed, stream(key, "batch"), first, CANDIDATE_BATCH)
        return batch, jax.vmap(task.learner.init)(jax.random.split(stream(key, "init"), 2))

    def losses(data: Arrays, raw: jax.Array, batch: Batch, states: LearnerState) -> jax.Array:
        # Batch and learners are arguments: of constants XLA would compute what it can, slowly, while it compiles, and
        # another seed's would be another program.
        given = task.given(data)
        train = differentiable_training(task.learner, parts=settings.batches)

        def loss(args: tuple[jax.Array, jax.Array]) -> jax.Array:
            index, one = args
            own = jax.tree.map(lambda x: x[index // settings.candidates][None], states) if known else states
            begun = _start_one(given, settings, jnp.asarray(classes), _values(given, one))
            synthetic = own_rates(task, all_rates(task, begun, shared=settings.shared_rates))
            return outer_loss(task.learner, synthetic, own, batch, labels=settings.labels, train=train)[0]

        return jax.lax.map(loss, (jnp.arange(len(raw)), raw))

    programs, name = {} if programs is None else programs, ("candidates", settings, len(classes))
    find_judges, find_losses = programs.setdefault(name, (jax.jit(judges), jax.jit(losses)))
    batch, fresh = find_judges(task.arrays, stream(task.key, "candidates"))
    found = np.asarray(find_losses(task.arrays, raw, batch, known_inits(task, sets) if known else fresh))
    return np.where(np.isfinite(found), found, np.inf)

"""The synthetic set, which distillation optimises, and the schedules that train on it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.distill import LABELS
from dd_al.core.types import Batch, as_inputs
from dd_al.learner.learner import Learner, LearnerState, layers
from dd_al.learner.train_on_set import train_on_set
from dd_al.task.task import Task

SCHEDULES = ("learned", "repeated", "continued", "rising")
LONGEST = 5  # times as many inner steps as were learned, in the longest schedule


class Synthetic(NamedTuple):
    """A distilled training set with the schedule that trains on it.

    Attributes:
      inputs: ``float32[items, length, dim]``, matrices of word vectors; or images ``float32[items, height, width,
        channels]``, or rows ``float32[items, columns]``, scaled as real ones are.
      label_logits: ``float32[items, classes]``; what they stand for is a choice, see `targets`.
      log_rates: ``float32[steps, layers]``; the learning rates are their exponentials, so positive.
      attention_logits: ``float32[items, blocks, heads, length]``, whose softmax are attention labels (Maekawa et al.
        2023); None for a set without.
    """

    inputs: jax.Array
    label_logits: jax.Array
    log_rates: jax.Array
    attention_logits: jax.Array | None = None


def targets(label_logits: jax.Array, labels: str = "soft") -> jax.Array:
    """What the learner's cross-entropy is taken against, ``float32[items, classes]``.

    Args:
      label_logits: ``float32[items, classes]``.
      labels: "soft" for their softmax; "hard" for the class of the largest, which nothing moves; "unrestricted" for the
        numbers themselves, negative ones included (Sucholutsky & Schonlau 2019, arXiv 1910.02551, section 3.1).

    Raises:
      ValueError: for an unknown choice.
    """
    if labels == "soft":
        return jax.nn.softmax(label_logits)
    if labels == "hard":
        return jax.nn.one_hot(jnp.argmax(label_logits, -1), label_logits.shape[-1])
    if labels == "unrestricted":
        return label_logits
    raise ValueError(f"unknown labels {labels!r}; allowed: {', '.join(LABELS)}")


def as_batch(synthetic: Synthetic, labels: str = "soft") -> Batch:
    """The synthetic examples as one batch; every position of a text counts as a word. For ``labels`` see `targets`."""
    inputs = as_inputs(synthetic.inputs)
    attention = None if synthetic.attention_logits is None else jax.nn.softmax(synthetic.attention_logits)
    return Batch((inputs,), targets(synthetic.label_logits, labels), attention)


def rates(synthetic: Synthetic) -> jax.Array:
    """The learning rates, ``float32[steps, layers]``."""
    return jnp.exp(synthetic.log_rates)


def train_on(
    learner: Learner,
    synthetic: Synthetic,
    states: LearnerState,
    labels: str = "soft",
    first: int | jax.Array = 0,
    until: int | jax.Array | None = None,
    *,
    parts: int = 1,
) -> LearnerState:
    """Trains stacked learners on a distilled set by its own schedule, or dealt in turn to stacked sets.

    For ``labels`` see `targets`; for the others, and for what it returns, `dd_al.learner.train_on_set.train_on_set`.
    """
    own = synthetic.log_rates.ndim == 3
    if own and len(synthetic.log_rates) == 1:
        own, synthetic = False, jax.tree.map(lambda x: x[0], synthetic)
    elif own:
        count = jax.tree.leaves(states)[0].shape[0]
        synthetic = jax.tree.map(lambda x: jnp.asarray(x)[jnp.arange(count) % len(x)], synthetic)
    batch = jax.vmap(partial(as_batch, labels=labels))(synthetic) if own else as_batch(synthetic, labels)
    return train_on_set(learner, batch, rates(synthetic), states, first, until, parts=parts, own=own)


def balanced_classes(items: int, classes: int) -> jax.Array:
    """The class that each item starts from, ``int32[items]``: 0, 1, …, classes − 1 again and again.

    With fewer items than classes only the first ones; their soft labels learn to serve the rest.
    """
    return jnp.arange(items, dtype=jnp.int32) % classes


def start(
    classes: int,
    *,
    inputs: jax.Array,
    item_classes: jax.Array,
    steps: int,
    layers: int,
    rate: float | jax.Array,
    label_scale: float,
) -> Synthetic:
    """A synthetic set to start from.

    Args:
      classes: number of classes.
      inputs: real examples or noise; for their shapes see `Synthetic`.
      item_classes: ``int32[items]``, the class of each item.
      steps: inner steps.
      layers: groups of parameters with their own rates.
      rate: first learning rate, everywhere or of each step, ``float[steps]``.
      label_scale: logit of the item's own class above the others.
    """
    labels = label_scale * jax.nn.one_hot(item_classes, classes)
    log_rates = jnp.broadcast_to(jnp.log(jnp.asarray(rate, jnp.float32)), steps)
    return Synthetic(inputs, labels, jnp.broadcast_to(log_rates[..., None], (steps, layers)))


def columns(task: Task, *, shared: bool = False) -> dict[str, slice | np.ndarray]:
    """Which columns of a set's rates belong to which learner: the task's own, "", and those of `Task.others`.

    Args:
      task: whose learners the set trains.
      shared: whether all layers follow one column, as while a set with `config.distill.shared_rates` is distilled.
    """
    found = rate_columns({name: layers(one.model) for name, one in {"": task.learner, **task.others}.items()})
    return {name: np.zeros(part.stop - part.start, int) for name, part in found.items()} if shared else found


def rate_columns(groups: Mapping[str, Sequence[str]]) -> dict[str, slice]:
    """Which columns of a set's rates belong to which network, given the layers of each in their order."""
    ends = np.cumsum([len(names) for names in groups.values()]).tolist()
    return {name: slice(end - len(groups[name]), end) for name, end in zip(groups, ends)}


def all_rates(task: Task, synthetic: Synthetic, *, shared: bool) -> Synthetic:
    """A set, or stacked ones, with a column of rates for every layer, from those that it learns; see `columns`."""
    log_rates = [synthetic.log_rates[..., part] for part in columns(task, shared=shared).values()]
    return synthetic._replace(log_rates=jnp.concatenate(log_rates, axis=-1))


def own_rates(task: Task, synthetic: Synthetic) -> Synthetic:
    """A set with the rates of the task's own learner, without those of `Task.others`."""
    return synthetic._replace(log_rates=synthetic.log_rates[..., columns(task)[""]])


def lengthened(name: str, rates: np.ndarray, batches: int, longest: int = LONGEST) -> tuple[np.ndarray, np.ndarray]:
    """A longer schedule than was learned, and where it may end (Medvedev & D'yakonov 2020, arXiv 2010.09839).

    =========  =========================================================================================================
    learned    the rates as they are, to their end
    repeated   all of them again and again, each time 0.9 of the time before; may end after any
    continued  behind them those of the last epoch, each time 0.98 of the time before; may end after any epoch from
               where they end on
    rising     none of them: 0.3, a tenth more in each of ten epochs, then a twentieth less in each; may end after any
    =========  =========================================================================================================

    Args:
      name: one of `SCHEDULES`.
      rates: ``float[..., steps, layers]``, learned.
      batches: inner steps in an epoch, at most `steps`.
      longest: times as many steps as were learned, at most.

    Returns:
      ``float32[..., steps', layers]``, and ``int32[points]``, rising numbers of steps.

    Raises:
      ValueError: for an unknown name.
    """
    steps = rates.shape[-2]
    if name == "learned" or (longest == 1 and name != "rising"):
        return np.asarray(rates, np.float32), np.asarray([steps], np.int32)
    if name == "repeated":
        factors, part, ends = 0.9 ** np.arange(longest), rates, steps * np.arange(1, longest + 1)
        return _repeat(part, factors), ends.astype(np.int32)
    if name == "continued":
        more = (longest - 1) * steps // batches
        behind = _repeat(rates[..., -batches:, :], 0.98 ** np.arange(1, more + 1))
        together = np.concatenate([np.asarray(rates, np.float32), behind], axis=-2)
        return together, (steps + batches * np.arange(more + 1)).astype(np.int32)
    if name == "rising":
        epoch = np.arange(longest * steps // batches)
        height = 0.3 * 1.1 ** np.minimum(epoch, 9) * 0.95 ** np.maximum(epoch - 9, 0)
        shape = (*rates.shape[:-2], batches, rates.shape[-1])
        return _repeat(np.ones(shape, np.float32), height), (batches * (epoch + 1)).astype(np.int32)
    raise ValueError(f"unknown schedule {name!r}; allowed: {', '.join(SCHEDULES)}")


def _repeat(rates: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return np.concatenate([rates * factor for factor in factors], axis=-2).astype(np.float32)

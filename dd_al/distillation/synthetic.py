"""The synthetic set: what distillation optimises."""

from __future__ import annotations

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
    """Trains stacked learners on a distilled set by its own schedule; of several sets, learner ``i`` on the ``i``-th.

    Args:
      learner: network and optimizer, whose layers the set's rates are for.
      synthetic: a set, or stacked ones, which learners are dealt to in turn.
      states: where training starts, stacked.
      labels: see `targets`.
      first: steps that were taken before.
      until: the step to stop at; that of the last rate if None.
      parts: see `dd_al.learner.unroll.part_of`.
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
    """The class that each item starts from, ``int32[items]``.

    They go round: 0, 1, …, classes − 1, 0, 1, … With fewer items than classes
    only the first ones; their soft labels learn to serve the rest.
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

"""What a point of a comparison costs in arithmetic, by XLA's own count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.distillation.starts import CANDIDATE_BATCH, number_of_candidates
from dd_al.distillation.synthetic import Synthetic, own_rates
from dd_al.distillation.unrolled import outer_loss
from dd_al.learner.examples import minibatch
from dd_al.learner.hypergradient import differentiable_training
from dd_al.task.task import Task


class Work(NamedTuple):
    """What making a set, or training a learner on it, takes.

    Attributes:
      seconds: compilation apart.
      flops: floating-point operations; NaN where nobody has counted them.
      seen: examples that went through networks.
    """

    seconds: float = 0.0
    flops: float = 0.0
    seen: int = 0

    def plus(self, other: Work) -> Work:
        """Both of them."""
        return Work(*(ours + theirs for ours, theirs in zip(self, other)))


def flops(function: Callable, *args: Any) -> float:
    """Floating-point operations of one call as XLA counts them before it optimises; the body of a loop counts once.

    Args:
      function: to be traced.
      *args: its arguments, or their shapes.
    """
    found = jax.jit(function).lower(*args).cost_analysis() or {}
    return float(found.get("flops", float("nan")))


def training_step(task: Task, batch: Batch) -> float:
    """Operations of one learner's training step on a batch (of arrays or shapes)."""
    state = jax.eval_shape(task.learner.init, task.key)
    rates = jax.ShapeDtypeStruct((len(state.params),), jnp.float32)
    return flops(task.learner.train_step, task.key, state, batch, rates)


def real_step(task: Task, count: int) -> float:
    """The same, on so many real examples at full length."""
    return training_step(task, _real(task, count))


def minibatch_step(task: Task, size: int) -> float:
    """The same, on a minibatch of all training data, where texts come in buckets of their lengths."""
    batch = jax.eval_shape(lambda: minibatch(task.train, task.embed, task.key, jnp.zeros((), jnp.int32), size))
    return training_step(task, batch)


def answering(task: Task, passes: int = 1) -> float:
    """Operations of one learner's answer to one training example, its head ``passes`` times with dropout."""
    count, model = 64, task.learner.model
    params = jax.eval_shape(task.learner.init, task.key).params
    (inputs,) = _real(task, count).inputs
    trunk = flops(model.features, params, inputs)
    head = flops(model.head, params, jax.eval_shape(model.features, params, inputs), task.key)
    return (trunk + passes * head) / count


def distilling(task: Task, settings: DistillSettings, synthetic: Synthetic, select_inits: int) -> float:
    """Operations of a whole distillation through unrolled training, its start and its looks at validation included.

    XLA counts the body of the unroll once, forward and back: what is left of a step without the part that has no
    unroll is one inner step's share, whatever their number. NaN for objectives that are no unroll.

    Args:
      task: data and learner.
      settings: of the method.
      synthetic: one set, without a leading axis.
      select_inits: see `optimise`.
    """
    if settings.method != "unrolled":
        return float("nan")
    nets, steps, one = settings.nets if settings.init == "random" else 1, settings.steps, own_rates(task, synthetic)
    keys = jax.random.split(task.key, nets)
    states = jax.eval_shape(lambda: jax.vmap(task.learner.init)(keys))
    real = jax.eval_shape(
        lambda: minibatch(task.train, task.embed, task.key, jnp.zeros((), jnp.int32), settings.batch_size)
    )
    train = differentiable_training(task.learner, parts=settings.batches)
    key = stream(task.key, "window")

    def with_unroll(synthetic: Synthetic, states: Any, real: Batch) -> Any:
        objective = lambda one: outer_loss(  # noqa: E731
            task.learner, one, states, real, train=train, labels=settings.labels, window_key=key
        )[0]
        return jax.grad(objective)(synthetic)

    def without(params: Any, real: Batch) -> Any:
        def loss(params: Any) -> jax.Array:
            z = jax.vmap(lambda p: jnp.concatenate([task.learner.model.apply(p, x) for x in real.inputs]))(params)
            return -jnp.mean(jnp.sum(real.targets * jax.nn.log_softmax(z), -1))

        return jax.grad(loss)(params)

    last = flops(without, states.params, real)
    each = max(flops(with_unroll, one, states, real) - last, 0.0)
    looks = settings.iterations // settings.evaluate_every
    inner = each / nets / 3  # a step alone, of which the backward pass through it takes about twice as much
    validation = select_inits * (steps * inner + len(task.labels("validation")) * answering(task))
    start = number_of_candidates(settings) * 2 * (steps * inner + CANDIDATE_BATCH * answering(task))
    return settings.iterations * (last + steps * each) + looks * validation + start


def seen(task: Task, settings: DistillSettings, items: int, select_inits: int) -> int:
    """Real examples that go through networks in a distillation: its start, its outer steps, its looks at validation.

    Args:
      task: data and learner.
      settings: of the method.
      items: of the set.
      select_inits: see `optimise`.
    """
    nets = settings.nets if settings.init == "random" else 1
    looks = settings.iterations // settings.evaluate_every
    start = number_of_candidates(settings) * 2 * (settings.steps * items + CANDIDATE_BATCH)
    validation = looks * select_inits * len(task.labels("validation"))
    return settings.iterations * nets * settings.batch_size + validation + start


def _real(task: Task, count: int) -> Batch:
    raw = jax.ShapeDtypeStruct((count, *task.raw["train"].shape[1:]), task.raw["train"].dtype)
    return Batch((jax.eval_shape(task.embed, raw),), jax.ShapeDtypeStruct((count, task.classes), np.float32))

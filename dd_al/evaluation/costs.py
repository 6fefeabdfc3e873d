"""What making and training on a set costs in arithmetic, by XLA's own count."""

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
    """What making a set, or training a learner on it, takes."""

    seconds: float = 0.0  # compilation apart
    flops: float = 0.0  # floating-point operations; NaN where nobody has counted them
    seen: int = 0  # examples that went through networks

    def plus(self, seconds: float = 0.0, flops: float = 0.0, seen: int = 0) -> "Work":
        """With more of it."""
        return Work(self.seconds + seconds, self.flops + flops, self.seen + seen)


def flops(function: Callable, *args: Any) -> float:
    """Floating-point operations of a call as XLA counts them before it optimises; the body of a loop counts once."""
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
    return training_step(task, _minibatch(task, size))


def answering(task: Task, passes: int = 1) -> float:
    """Operations of one learner's answer to one training example, its head ``passes`` times with dropout."""
    count, model = 64, task.learner.model
    params = jax.eval_shape(task.learner.init, task.key).params
    (inputs,) = _real(task, count).inputs
    trunk = flops(model.features, params, inputs)
    head = flops(model.head, params, jax.eval_shape(model.features, params, inputs), task.key)
    return (trunk + passes * head) / count


def distilling(task: Task, settings: DistillSettings, synthetic: Synthetic, select_inits: int) -> Work:
    """A whole distillation, its start and its looks at validation included, without its seconds.

    XLA counts the body of the unroll once, forward and back: what is left of a step without the part that has no
    unroll is one inner step's share, whatever their number. Operations are NaN for objectives that are no unroll.
    ``synthetic`` is one set; ``select_inits`` networks judge it at each look.
    """
    nets, steps, one = settings.nets if settings.init == "random" else 1, settings.steps, own_rates(task, synthetic)
    looks, starts = settings.iterations // settings.evaluate_every, 2 * number_of_candidates(settings)
    validation = len(task.labels("validation"))
    seen = settings.iterations * nets * settings.batch_size + looks * select_inits * validation
    seen += starts * (steps * len(synthetic.inputs) + CANDIDATE_BATCH)
    if settings.method != "unrolled":
        return Work(0.0, float("nan"), seen)
    states = jax.eval_shape(jax.vmap(task.learner.init), jax.random.split(task.key, nets))
    real = _minibatch(task, settings.batch_size)
    train = differentiable_training(task.learner, parts=settings.batches)
    further = {"train": train, "labels": settings.labels, "window_key": stream(task.key, "window")}

    def with_unroll(synthetic: Synthetic, states: Any, real: Batch) -> jax.Array:
        return outer_loss(task.learner, synthetic, states, real, **further)[0]

    def without(params: Any, real: Batch) -> jax.Array:
        z = jax.vmap(lambda p: jnp.concatenate([task.learner.model.apply(p, x) for x in real.inputs]))(params)
        return -jnp.mean(jnp.sum(real.targets * jax.nn.log_softmax(z), -1))

    last = flops(jax.grad(without), states.params, real)
    each = max(flops(jax.grad(with_unroll), one, states, real) - last, 0.0)
    inner = each / nets / 3  # a step alone, of which the backward pass through it takes about twice as much
    answer = answering(task)
    look = select_inits * (steps * inner + validation * answer)
    start = starts * (steps * inner + CANDIDATE_BATCH * answer)
    return Work(0.0, settings.iterations * (last + steps * each) + looks * look + start, seen)


def _minibatch(task: Task, size: int) -> Batch:
    return jax.eval_shape(lambda: minibatch(task.train, task.embed, task.key, jnp.zeros((), jnp.int32), size))


def _real(task: Task, count: int) -> Batch:
    raw = jax.ShapeDtypeStruct((count, *task.raw["train"].shape[1:]), task.raw["train"].dtype)
    return Batch((jax.eval_shape(task.embed, raw),), jax.ShapeDtypeStruct((count, task.classes), np.float32))

"""Distillation without an unroll: matching what examples do to a network, or regression on its features."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dd_al.core.losses import hit_rate
from dd_al.core.types import Batch
from dd_al.distillation.outer_step import Objective, Student
from dd_al.distillation.synthetic import Synthetic, as_batch
from dd_al.learner.learner import LearnerState, features, logits
from dd_al.models.base import Model, Params


def matching(distance: Callable[..., tuple[jax.Array, jax.Array]], labels: str = "soft") -> Objective:
    """The objective of a distance between the two batches, a mean over the learners.

    Args:
      distance: `gradient_distance`, for learners along training, so with pools; or `feature_distance`, for fresh ones.
      labels: see `dd_al.distillation.synthetic.targets`.
    """

    def objective(student: Student, synthetic: Synthetic, states: LearnerState, real: Batch, key: jax.Array):
        del key  # nothing here is random
        batch = as_batch(synthetic, labels)
        losses, hits = jax.vmap(lambda p: distance(student.learner.model, p, batch, real))(states.params)
        return jnp.mean(losses), jnp.mean(hits)

    return objective


def gradient_distance(model: Model, params: Params, synthetic: Batch, real: Batch) -> tuple[jax.Array, jax.Array]:
    """How far apart the gradients of the two batches' losses are, summed over classes.

    Of every array of parameters, one less the cosine of the two gradients (Zhao et al. 2021, arXiv 2006.05929, eqs. 9
    and 10, who take cosines output by output, which not every layer has). A class's loss weighs examples by its share
    of their label, so soft labels and learned ones will do; classes that either batch lacks count nothing.

    Returns:
      The distance, ``float32[]``, and the network's accuracy on the real batch, ``float32[]``.
    """

    def class_gradients(batch: Batch) -> tuple[Params, jax.Array]:
        def loss(params: Params, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
            z = logits(model, params, batch)
            errors = -jnp.sum(batch.targets * jax.nn.log_softmax(z), -1)
            return jnp.sum(weights * errors), z

        gradients, z = jax.vmap(jax.grad(loss, has_aux=True), (None, 0))(params, _class_weights(batch.targets))
        return gradients, z[0]

    theirs, z = class_gradients(real)
    ours, _ = class_gradients(synthetic)
    both = _present(real.targets) & _present(synthetic.targets)
    distances = jax.tree.map(jax.vmap(_cosine_distance), ours, jax.lax.stop_gradient(theirs))
    distance = jnp.sum(jnp.where(both, sum(jax.tree.leaves(distances)), 0.0))
    return distance, hit_rate(z, real.targets)


def feature_distance(model: Model, params: Params, synthetic: Batch, real: Batch) -> tuple[jax.Array, jax.Array]:
    """How far apart the mean features of the two batches are, summed over classes (Zhao & Bilen 2023, eq. 5).

    arXiv 2110.04181. Labels only say which class an example counts for: they are not learned.

    Returns:
      The sum of squared distances, ``float32[]``, and the accuracy of answering with the class whose synthetic mean is
      nearest, ``float32[]``.
    """
    theirs, h = _class_means(model, params, real)
    ours, _ = _class_means(model, params, synthetic)
    both = _present(real.targets) & _present(synthetic.targets)
    distance = jnp.sum(jnp.where(both[:, None], (ours - jax.lax.stop_gradient(theirs)) ** 2, 0.0))
    far = jnp.sum((h[:, None] - ours) ** 2, -1) + jnp.where(_present(synthetic.targets), 0.0, jnp.inf)
    return distance, hit_rate(-far, real.targets)


def kernel_regression(labels: str = "soft", ridge: float = 1e-6) -> Objective:
    """The objective of FRePo: half the squared error of `regression`, per example, a mean over the learners."""

    def objective(student: Student, synthetic: Synthetic, states: LearnerState, real: Batch, key: jax.Array):
        del key  # nothing here is random
        batch = as_batch(synthetic, labels)
        answers = jax.vmap(lambda p: regression(student.learner.model, p, batch, real, ridge=ridge))(states.params)
        loss = 0.5 * jnp.mean(jnp.sum((answers - _centred(real.targets)) ** 2, -1))
        return loss, hit_rate(answers, real.targets)

    return objective


def regression(model: Model, params: Params, synthetic: Batch, real: Batch, *, ridge: float = 1e-6) -> jax.Array:
    """What ridge regression on the synthetic set, by a model's features, answers for the real batch.

    K_ts (K_ss + λI)⁻¹ y_s with K the inner products of the features (Zhou et al. 2022, arXiv 2206.00719, eq. 4), and
    λ a share, ``ridge``, of the mean of K_ss's diagonal.

    Returns:
      ``float32[batch, classes]``, targets less 1 / classes, so that it is undecided where it knows nothing.
    """
    h_s, h_t = (features(model, params, batch) for batch in (synthetic, real))
    items, width = h_s.shape
    little = ridge * (jnp.mean(jnp.sum(h_s**2, 1)) + 1e-12)
    targets = _centred(synthetic.targets)
    if items <= width:
        system = h_s @ h_s.T + little * jnp.eye(items)
        return h_t @ (h_s.T @ jax.scipy.linalg.solve(system, targets, assume_a="pos"))
    # The same by (HᵀH + λI)⁻¹ Hᵀ: the kernel of more items than features is singular but for λ, and float32 loses it.
    system = h_s.T @ h_s + little * jnp.eye(width)
    return h_t @ jax.scipy.linalg.solve(system, h_s.T @ targets, assume_a="pos")


def _class_means(model: Model, params: Params, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Mean features of every class, ``float32[classes, width]``, and those of every example."""
    h = features(model, params, batch)
    hard = jax.nn.one_hot(jnp.argmax(batch.targets, -1), batch.targets.shape[-1])
    return _class_weights(hard) @ h, h


def _class_weights(targets: jax.Array) -> jax.Array:
    """Shares of examples in every class, ``float32[classes, batch]``; rows sum to 1, or to 0 in absent classes."""
    return (targets / jnp.maximum(jnp.sum(targets, 0), 1e-6)).T


def _present(targets: jax.Array) -> jax.Array:
    """Which classes some example has for its likeliest, ``bool[classes]``."""
    return jnp.any(jax.nn.one_hot(jnp.argmax(targets, -1), targets.shape[-1]) > 0, 0)


def _cosine_distance(a: jax.Array, b: jax.Array) -> jax.Array:
    # The small number under the root keeps the derivative finite where a gradient vanishes, as below a zero head.
    return 1 - jnp.vdot(a, b) * jax.lax.rsqrt(jnp.vdot(a, a) * jnp.vdot(b, b) + 1e-20)


def _centred(targets: jax.Array) -> jax.Array:
    return targets - 1 / targets.shape[-1]

"""One outer step of distillation as a benchmark states it: its sizes, its numbers, and `dd_al`'s way to compute it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.types import Batch, TextInputs
from dd_al.distillation.synthetic import Synthetic
from dd_al.distillation.unrolled import outer_loss
from dd_al.learner import optimizers
from dd_al.learner.learner import LearnerState, make_learner
from dd_al.models.text_cnn import text_cnn

B1, B2, EPS_ROOT = 0.9, 0.999, 1e-6


@dataclasses.dataclass(frozen=True)
class Case:
    """The sizes of one outer step; the real texts are as long as those of SST, cut at `longest`."""

    optimizer: str = "sgd"
    steps: int = 10
    rate: float = 0.1
    windows: tuple[int, ...] = (3, 4, 5)
    filters: int = 64
    items: int = 8
    length: int = 32
    dim: int = 100
    classes: int = 2
    nets: int = 4
    batch: int = 256
    longest: int = 40
    buckets: int = 4


class Problem(NamedTuple):
    """The numbers that every side starts from; NumPy, float32.

    Attributes:
      params: stacked over nets, as `dd_al` lays them out.
      synthetic: inputs, label logits and log-rates.
      real: texts sorted by length, ``float32[batch, longest, dim]``, zero on padding.
      lengths: ``int[batch]``.
      classes: ``int[batch]``.
    """

    params: dict
    synthetic: Synthetic
    real: np.ndarray
    lengths: np.ndarray
    classes: np.ndarray


def make_problem(case: Case, seed: int = 0) -> Problem:
    """Draws a problem: word vectors at random, and labels that lean towards a class each."""
    rng = np.random.default_rng(seed)
    # With longer vectors training leaves the stable region, and rounding grows with every step.
    scale = np.float32(0.3)
    lengths = np.sort(np.clip(rng.normal(20, 9, case.batch).round().astype(int), 2, min(52, case.longest)))
    real = scale * rng.normal(size=(case.batch, lengths.max(), case.dim)).astype(np.float32)
    real *= (np.arange(lengths.max()) < lengths[:, None])[..., None]
    init = jax.jit(jax.vmap(_model(case).init))
    synthetic = Synthetic(
        scale * rng.normal(size=(case.items, case.length, case.dim)).astype(np.float32),
        (2.0 * np.eye(case.classes)[np.arange(case.items) % case.classes]).astype(np.float32),
        np.full((case.steps, len(case.windows) + 1), np.log(case.rate), np.float32),
    )
    params = jax.tree.map(np.asarray, init(jax.random.split(jax.random.key(seed), case.nets)))
    return Problem(params, synthetic, real, lengths, rng.integers(0, case.classes, case.batch))


def _model(case: Case):
    return text_cnn(case.dim, case.classes, windows=case.windows, filters=case.filters)


def hypergradient(case: Case, problem: Problem, *, training: Callable | None = None) -> tuple[Callable, tuple]:
    """The hypergradient as `dd_al` computes it: a jitted function of its arguments, and the arguments.

    Args:
      case: the sizes; the real batch comes in `case.buckets` length buckets.
      problem: the numbers.
      training: makes of a learner the training that is differentiated; `outer_loss` has a default.
    """
    optimizer = optimizers.get(case.optimizer, momentum=B1, b2=B2, eps_root=EPS_ROOT)
    learner = make_learner(_model(case), optimizer)
    synthetic, params = jax.tree.map(jnp.asarray, (problem.synthetic, problem.params))
    states = LearnerState(params, jax.vmap(optimizer.init)(params))
    parts = []
    for rows in np.array_split(np.arange(case.batch), case.buckets):
        longest = problem.lengths[rows].max()
        mask = np.arange(longest) < problem.lengths[rows, None]
        parts.append(TextInputs(jnp.asarray(problem.real[rows, :longest]), jnp.asarray(mask)))
    real = Batch(tuple(parts), jnp.asarray(np.eye(case.classes, dtype=np.float32)[problem.classes]))

    train = None if training is None else training(learner)

    @jax.jit
    def gradient(synthetic: Synthetic, states: LearnerState, real: Batch) -> Synthetic:
        def loss(synthetic: Synthetic) -> jax.Array:
            return outer_loss(learner, synthetic, states, real, window_key=jax.random.key(0), train=train)[0]

        return jax.grad(loss)(synthetic)

    return gradient, (synthetic, states, real)

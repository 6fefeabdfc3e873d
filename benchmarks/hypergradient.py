"""Seconds of one hypergradient of `dd_al`, beside the same hypergradient in PyTorch.

    pip install -e .[bench]
    python -m benchmarks.hypergradient

One outer step of distillation: train several nets on the synthetic texts, take their loss on a batch of real texts, and
differentiate it with respect to the texts, their label logits and the logarithms of the rates. All sides compute the
same function of the same numbers, and the run fails unless their hypergradients agree.

- `dd_al`: `dd_al.distillation.unrolled.outer_loss` under one jit. The real batch comes in four length buckets, which
  is how `dd_al` draws its batches.
- `torch_autograd`: the unrolled training under `create_graph=True`.
- `torch_reverse`: the reverse loop of Wang et al. 2018 (arXiv 1811.10959, algorithm 1 and their code): every step is
  cut from the one before and keeps its own graph; the reverse pass takes one vector-Jacobian product per step.

The peers get the real batch as one array, padded to its longest text, as their own loaders do. They train all nets at
once, too: the filters of all nets lie side by side in one matrix (nets share their data, so this is one large product),
and windows are unfolded; those of synthetic texts once, not once a step. `torch.compile` has no double backward.
"""

from __future__ import annotations  # PyTorch may not be there

import dataclasses
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import REPEATS, THREADS, finish, flags, in_turn, installed
from dd_al.core.types import Batch, TextInputs
from dd_al.distillation.synthetic import Synthetic
from dd_al.distillation.unrolled import outer_loss
from dd_al.learner import optimizers
from dd_al.learner.learner import LearnerState, make_learner
from dd_al.models.base import Model
from dd_al.models.text_cnn import text_cnn

if installed("torch"):
    import torch

TOLERANCE = 1e-3
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

    def model(self) -> Model:
        """The TextCNN that is trained."""
        return text_cnn(self.dim, self.classes, windows=self.windows, filters=self.filters)


SGD = Case()
ADAM = Case(optimizer="adam", steps=20, rate=0.01, windows=(1, 2, 3), length=40)


class Problem(NamedTuple):
    """The numbers that every side starts from; NumPy, float32."""

    params: dict  # stacked over nets, as `dd_al` lays them out
    synthetic: Synthetic  # inputs, label logits and log-rates
    real: np.ndarray  # texts sorted by length, float32[batch, longest, dim], zero on padding
    lengths: np.ndarray  # int[batch]
    classes: np.ndarray  # int[batch]


def make_problem(case: Case, seed: int = 0) -> Problem:
    """Draws a problem: word vectors at random, and labels that lean towards a class each."""
    rng = np.random.default_rng(seed)
    # With longer vectors training leaves the stable region, and rounding grows with every step.
    scale = np.float32(0.3)
    lengths = np.sort(np.clip(rng.normal(20, 9, case.batch).round().astype(int), 2, min(52, case.longest)))
    real = scale * rng.normal(size=(case.batch, lengths.max(), case.dim)).astype(np.float32)
    real *= (np.arange(lengths.max()) < lengths[:, None])[..., None]
    init = jax.jit(jax.vmap(case.model().init))
    synthetic = Synthetic(
        scale * rng.normal(size=(case.items, case.length, case.dim)).astype(np.float32),
        (2.0 * np.eye(case.classes)[np.arange(case.items) % case.classes]).astype(np.float32),
        np.full((case.steps, len(case.windows) + 1), np.log(case.rate), np.float32),
    )
    params = jax.tree.map(np.asarray, init(jax.random.split(jax.random.key(seed), case.nets)))
    return Problem(params, synthetic, real, lengths, rng.integers(0, case.classes, case.batch))


def hypergradient(case: Case, problem: Problem, *, training: Callable | None = None) -> tuple[Callable, tuple]:
    """The hypergradient as `dd_al` computes it: a jitted function of its arguments, and the arguments.

    ``training(learner)`` makes the training that is differentiated; `outer_loss` has a default.
    """
    optimizer = optimizers.get(case.optimizer, momentum=B1, b2=B2, eps_root=EPS_ROOT)
    learner = make_learner(case.model(), optimizer)
    synthetic, params = jax.tree.map(jnp.asarray, (problem.synthetic, problem.params))
    states = LearnerState(params, jax.vmap(optimizer.init)(params))
    parts = []  # length buckets
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


class TorchSide:
    """The same outer step in PyTorch; parameters are a flat list, the filters of all nets side by side."""

    def __init__(self, case: Case, problem: Problem):
        self.case = case
        self.params = []  # kernel and bias of every window size in turn, then those of the output layer
        for window in case.windows:
            layer = problem.params[f"conv{window}"]
            kernel = layer["kernel"].reshape(case.nets * case.filters, window * case.dim)
            self.params += [torch.tensor(np.ascontiguousarray(kernel.T)), torch.tensor(layer["bias"]).reshape(-1)]
        output = problem.params["output"]
        self.params += [torch.tensor(output["kernel"]), torch.tensor(output["bias"])[:, None]]
        self.layer_of = [index // 2 for index in range(len(self.params))]
        self.synthetic = [torch.tensor(leaf) for leaf in jax.tree.leaves(problem.synthetic)]
        self.real = self.unfold(torch.tensor(problem.real))
        padding = np.arange(problem.real.shape[1]) >= problem.lengths[:, None]
        self.padding = torch.tensor(padding)[..., None]
        self.classes = torch.tensor(problem.classes).repeat(case.nets)

    def unfold(self, texts: torch.Tensor) -> list[torch.Tensor]:
        """The windows of each size, one behind the other."""
        length, views = texts.shape[1], []
        for window in self.case.windows:
            padded = torch.nn.functional.pad(texts, (0, 0, 0, window - 1))
            views.append(torch.cat([padded[:, i : i + length] for i in range(window)], -1))
        return views

    def logits(self, params: list[torch.Tensor], views: list[torch.Tensor], padding=None) -> torch.Tensor:
        """Returns ``[nets, batch, classes]``."""
        features = []
        for view, kernel, bias in zip(views, params[0:-2:2], params[1:-2:2], strict=True):
            responses = view @ kernel
            if padding is not None:
                responses = responses.masked_fill(padding, -1e9)
            best = responses.max(1).values + bias
            features.append(torch.relu(best).unflatten(-1, (self.case.nets, self.case.filters)).transpose(0, 1))
        return torch.cat(features, -1) @ params[-2] + params[-1]

    def direction(self, gradients: list[torch.Tensor], moments: list[torch.Tensor], step: int):
        """The optimizer's direction, and its moments after the step."""
        if self.case.optimizer == "sgd":
            return gradients, []
        half = len(moments) // 2
        first = [B1 * m + (1 - B1) * g for m, g in zip(moments[:half], gradients, strict=True)]
        second = [B2 * v + (1 - B2) * g * g for v, g in zip(moments[half:], gradients, strict=True)]
        c1, c2 = (1 - decay ** (step + 1) for decay in (B1, B2))
        return [(m / c1) / torch.sqrt(v / c2 + EPS_ROOT) for m, v in zip(first, second, strict=True)], first + second

    def step(self, params, moments, views, targets, rates, index):
        """One inner step of all nets, with a graph."""
        z = torch.log_softmax(self.logits(params, views), -1)
        # A sum over nets: each net's gradient is that of its own mean loss.
        loss = -(targets * z).sum() / self.case.items
        gradients = torch.autograd.grad(loss, params, create_graph=True)
        direction, moments = self.direction(gradients, moments, index)
        moved = [p - rates[layer] * d for p, d, layer in zip(params, direction, self.layer_of, strict=True)]
        return moved, moments

    def loss(self, params: list[torch.Tensor]) -> torch.Tensor:
        """The loss on the real texts, a mean over nets."""
        return torch.nn.functional.cross_entropy(
            self.logits(params, self.real, self.padding).flatten(0, 1), self.classes
        )

    def start(self) -> tuple[list[torch.Tensor], ...]:
        """What is differentiated, the windows, targets and rates made of it, and the optimizer's first moments."""
        leaves = [leaf.requires_grad_() for leaf in self.synthetic]
        made = [*self.unfold(leaves[0]), torch.softmax(leaves[1], -1), torch.exp(leaves[2])]
        return leaves, made, [] if self.case.optimizer == "sgd" else [torch.zeros_like(p) for p in self.params * 2]

    def autograd(self) -> Synthetic:
        """The hypergradient by `create_graph=True`."""
        leaves, (*views, targets, rates), moments = self.start()
        params = [p.requires_grad_() for p in self.params]
        for index in range(self.case.steps):
            params, moments = self.step(params, moments, views, targets, rates[index], index)
        return Synthetic(*torch.autograd.grad(self.loss(params), leaves))

    def reverse(self) -> Synthetic:
        """The hypergradient by the reverse loop of Wang et al."""
        leaves, made, moments = self.start()
        shared, params, tape = [one.detach().requires_grad_() for one in made[:-1]], self.params, []
        for index in range(self.case.steps):
            before = [leaf.detach().requires_grad_() for leaf in params + moments]
            step_rates = made[-1][index].detach().requires_grad_()
            half = len(params)
            params, moments = self.step(before[:half], before[half:], shared[:-1], shared[-1], step_rates, index)
            tape.append((before, step_rates, params + moments))
        last = [p.detach().requires_grad_() for p in params]
        adjoint = [*torch.autograd.grad(self.loss(last), last), *(torch.zeros_like(m) for m in moments)]
        to_shared, to_rates = [torch.zeros_like(leaf) for leaf in shared], []
        while tape:
            before, step_rates, after = tape.pop()
            found = torch.autograd.grad(after, [*before, *shared, step_rates], adjoint)
            adjoint = found[: len(before)]
            to_shared = [total.add_(part) for total, part in zip(to_shared, found[len(before) : -1], strict=True)]
            to_rates.append(found[-1])
        return Synthetic(*torch.autograd.grad(made, leaves, [*to_shared, torch.stack(to_rates[::-1])]))


def disagreement(ours: Synthetic, theirs: Synthetic) -> float:
    """The largest difference between two hypergradients, relative to the largest entry of each part."""
    pairs = zip(*(map(np.asarray, jax.tree.leaves(side)) for side in (ours, theirs)), strict=True)
    return float(np.max([np.abs(a - b).max() / np.abs(b).max() for a, b in pairs]))  # NaN where any is


def measure(case: Case, repeats: int) -> dict:
    """Times all sides on one case.

    Returns the seconds of each side, the fastest of the repeats (those of all calls under `all_s`), the ratio to the
    faster peer, and `max_relative_difference` of the hypergradients.
    """
    print(f"{case}", flush=True)
    problem = make_problem(case)
    gradient, arguments = hypergradient(case, problem)
    sides = {"dd_al": lambda: jax.block_until_ready(gradient(*arguments))}
    if installed("torch"):
        side = TorchSide(case, problem)
        sides |= {"torch_autograd": side.autograd, "torch_reverse": side.reverse}
    times, results = in_turn(sides, repeats)
    least = {f"{name}_s": min(runs[1:]) for name, runs in times.items()}
    ours, *peers = least.values()
    return {
        "ratio_to_fastest_peer": ours / min(peers) if peers else None,
        **least,
        "max_relative_difference": float(np.max([disagreement(results["dd_al"], one) for one in results.values()])),
        "all_s": times,
    }


def main(argv: list[str] | None = None) -> int:
    """Runs both cases and prints the results; 1 where hypergradients disagree."""
    options = flags(__doc__, argv, repeats=(10, REPEATS[1]))
    if installed("torch"):
        torch.set_num_threads(THREADS)
    sgd, adam = (measure(case, options.repeats) for case in (SGD, ADAM))
    worst = np.max([one["max_relative_difference"] for one in (sgd, adam)])  # NaN where one is
    wrong = "" if worst < TOLERANCE else f"the hypergradients disagree by {worst:.1e}, more than {TOLERANCE:.0e}"
    return finish({**sgd, "adam": adam}, "torch", "numpy", wrong=wrong)


if __name__ == "__main__":
    sys.exit(main())

"""Seconds of a two-moons distillation without compilation, against the same algorithm as a PyTorch loop.

    python -m benchmarks.moons
    python -m benchmarks.moons --layers 2,4

The distillation of `configs/moons.py`: 3 nets, 40 batches of 8 points that 5 epochs of inner steps meet in turn, 50
outer epochs of 16 batches of 64. The loop takes one outer epoch in the same run, which is scaled to 50: nets, inner
steps and outer steps follow one another in Python, with `torch.autograd.grad(..., create_graph=True)`. `difference` is
how far the two hypergradients are apart at the same points, nets and real batch, as a share of the largest entry. The
loop is left out where PyTorch is not installed.
"""

from __future__ import annotations  # PyTorch may not be there

import sys
import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import finish, flags, installed
from dd_al.cli.config_files import load
from dd_al.config.distill import DistillSettings
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.types import Batch
from dd_al.data import tables
from dd_al.distillation.optimise import optimise
from dd_al.distillation.synthetic import start
from dd_al.distillation.unrolled import outer_loss
from dd_al.learner.hypergradient import differentiable_training
from dd_al.task.task import Task, make_task

if installed("torch"):
    import torch

NETS, REAL = 3, 64  # networks, and real points, of an outer step


def task_of(layers: int, steps: int, iterations: int) -> tuple[Task, DistillSettings]:
    """The task and the distillation of the paper for a network of so many layers."""
    settings = from_config(Settings, load(f"dd_al:moons:layers={layers}"))
    found = settings.distill
    per_batch, batches = found.examples // found.batches, min(found.batches, steps)
    sizes = {"examples": per_batch * batches, "batches": batches, "steps": steps, "iterations": iterations}
    distill = replace(found, **sizes, log_every=iterations, evaluate_every=iterations)
    return make_task(replace(settings, distill=distill), tables.load(settings.data)), distill


class Loop:
    """The algorithm in PyTorch: points and rates by Adam, through unrolled gradient descent."""

    def __init__(self, layers: int, points: np.ndarray, steps: int, batches: int):
        self.sizes = [2, *[10] * (layers - 1), 1]
        self.batches = batches
        self.points = torch.tensor(points, requires_grad=True)
        self.classes = torch.tensor(np.arange(len(points)) % 2, dtype=torch.float32)
        self.free = torch.full((steps,), float(np.log(np.expm1(0.02))), requires_grad=True)
        self.optimizer = torch.optim.Adam([self.points, self.free], lr=0.01, betas=(0.5, 0.999))

    def fresh(self) -> list[torch.Tensor]:
        """Xavier-normal weights and zero biases."""
        params = []
        for inside, outside in zip(self.sizes[:-1], self.sizes[1:]):
            weight = torch.empty(inside, outside)
            torch.nn.init.xavier_normal_(weight)
            params += [weight.requires_grad_(), torch.zeros(outside, requires_grad=True)]
        return params

    @staticmethod
    def logit(params: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """The log-odds of the second class."""
        for i in range(0, len(params) - 2, 2):
            x = torch.relu(x @ params[i] + params[i + 1])
        return (x @ params[-2] + params[-1])[:, 0]

    def loss(self, nets: list[list[torch.Tensor]], real: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """The mean loss on real points of nets that were trained on the synthetic ones."""
        bce = torch.nn.functional.binary_cross_entropy_with_logits
        points, targets = (x.reshape(self.batches, -1, *x.shape[1:]) for x in (self.points, self.classes))
        losses = []
        for params in nets:
            for step, rate in enumerate(torch.nn.functional.softplus(self.free)):
                part = step % self.batches
                inner = bce(self.logit(params, points[part]), targets[part])
                gradients = torch.autograd.grad(inner, params, create_graph=True)
                params = [p - rate * g for p, g in zip(params, gradients)]
            losses.append(bce(self.logit(params, real), classes))
        return sum(losses) / len(losses)

    def step(self, real: torch.Tensor, classes: torch.Tensor) -> None:
        """One outer step."""
        self.optimizer.zero_grad()
        self.loss([self.fresh() for _ in range(NETS)], real, classes).backward()
        self.optimizer.step()


def difference(task: Task, loop: Loop, layers: int, real: np.ndarray, classes: np.ndarray) -> float:
    """How far the two hypergradients are apart from the same nets, as a share of the largest entry."""
    nets = [loop.fresh() for _ in range(NETS)]
    names = [*(f"hidden{i + 1}" for i in range(layers - 1)), "output"]
    stacked = [jnp.stack([jnp.asarray(one.detach().numpy()) for one in same]) for same in zip(*nets)]
    params = {name: {"kernel": stacked[2 * i], "bias": stacked[2 * i + 1]} for i, name in enumerate(names)}
    states = jax.vmap(task.learner.init)(jax.random.split(jax.random.key(0), NETS))._replace(params=params)
    synthetic = start(
        2, inputs=jnp.asarray(loop.points.detach().numpy()), item_classes=jnp.arange(len(loop.points)) % 2,
        steps=len(loop.free), layers=1, rate=0.02, label_scale=2.0,
    )  # fmt: skip
    batch = Batch((jnp.asarray(real),), jnp.eye(2)[jnp.asarray(classes)])
    train = differentiable_training(task.learner, parts=loop.batches)

    def loss(inputs: jax.Array) -> jax.Array:
        wide = jnp.repeat(synthetic.log_rates, layers, axis=-1)
        one = synthetic._replace(inputs=inputs, log_rates=wide)
        return outer_loss(task.learner, one, states, batch, labels="hard", train=train)[0]

    ours = np.asarray(jax.jit(jax.grad(loss))(synthetic.inputs))
    loop.loss(nets, torch.tensor(real), torch.tensor(classes, dtype=torch.float32)).backward()
    theirs = loop.points.grad.numpy()
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def measure(layers: int, steps: int = 200, epochs: int = 50, batches: int | None = None) -> dict[str, float]:
    """Seconds of ours, of the loop, and their ratio, for a network of so many layers, and inner ``steps``.

    There are as many ``batches`` in an outer epoch as 1,005 points give, if None.
    """
    batches = batches or -(-1005 // REAL)
    task, settings = task_of(layers, steps, epochs * batches)
    # A first call also compiles, outside of its count of seconds for that, the operations that prepare a set.
    optimise(task, replace(settings, iterations=1, log_every=1, evaluate_every=1), items=settings.examples)
    found = optimise(task, settings, items=settings.examples)
    numbers = {"seconds": found.optimise_s, "compile": found.compile_s}
    if not installed("torch"):
        return numbers
    raw, labels = task.raw["train"], task.labels("train")
    points = np.random.default_rng(0).normal(size=(settings.examples, 2)).astype(np.float32)
    loop = Loop(layers, points, steps, settings.batches)
    apart = difference(task, loop, layers, raw[:REAL], labels[:REAL])
    order = np.random.default_rng(1).permutation(len(raw))
    began = time.perf_counter()
    for i in range(batches):
        rows = order[np.arange(i * REAL, (i + 1) * REAL) % len(raw)]
        loop.step(torch.tensor(raw[rows]), torch.tensor(labels[rows], dtype=torch.float32))
    theirs = (time.perf_counter() - began) * epochs
    return numbers | {"torch": theirs, "speedup": theirs / found.optimise_s, "difference": apart}


def main(argv: list[str] | None = None) -> int:
    """Prints every network's numbers, then one line of JSON."""
    found = {}
    for layers in flags(__doc__, argv, layers=((1, 2, 4), "networks, comma-separated")).layers:
        found[layers] = measure(layers)
        shown = ", ".join(f"{key} {value:.3g}" for key, value in found[layers].items())
        print(f"  {layers} layers: {shown}", flush=True)
    return finish({key: {layers: one[key] for layers, one in found.items()} for key in found[layers]}, "torch")


if __name__ == "__main__":
    sys.exit(main())

"""Temporary memory of a hypergradient against the number of inner steps, by XLA's own analysis; nothing is run.

    python -m benchmarks.hypergradient_memory
    python -m benchmarks.hypergradient_memory --steps 10,40,100,160,640,1000

The case of `benchmarks.hypergradient` with Adam inside and 4 nets: 8 synthetic texts of 32 words, a TextCNN with
windows of 3, 4 and 5 words, a real batch of 256 texts in four length buckets. `ratio_sqrt_1000_to_100` divides the
memory that 1,000 steps need with √T rematerialisation by that of 100: √10 is 3.16.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

import jax
import jax.numpy as jnp

from dd_al.core.types import Batch, TextInputs
from dd_al.distill.synthetic import Synthetic
from dd_al.distill.unrolled import outer_loss
from dd_al.learner import optimizers
from dd_al.learner.learner import layers, make_learner
from dd_al.learner.unroll import REMAT
from dd_al.models.text_cnn import text_cnn

MB = 2**20


@dataclasses.dataclass(frozen=True)
class Case:
    """The sizes of one outer step; `buckets` are pairs of texts and their padded length."""

    windows: tuple[int, ...] = (3, 4, 5)
    filters: int = 64
    items: int = 8
    length: int = 32
    dim: int = 100
    classes: int = 2
    nets: int = 4
    buckets: tuple[tuple[int, int], ...] = ((64, 14), (64, 20), (64, 26), (64, 40))


def temporary_bytes(case: Case, steps: int, remat: str) -> int:
    """Compiles one hypergradient and returns what XLA sets aside for it besides arguments and results."""
    model = text_cnn(case.dim, case.classes, windows=case.windows, filters=case.filters)
    learner = make_learner(model, optimizers.get("adam"))

    def floats(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    states = jax.eval_shape(
        jax.vmap(learner.init), jax.eval_shape(lambda: jax.random.split(jax.random.key(0), case.nets))
    )
    synthetic = Synthetic(
        floats(case.items, case.length, case.dim),
        floats(case.items, case.classes),
        floats(steps, len(layers(model))),
    )
    inputs = tuple(
        TextInputs(floats(texts, length, case.dim), jax.ShapeDtypeStruct((texts, length), jnp.bool_))
        for texts, length in case.buckets
    )
    real = Batch(inputs, floats(sum(texts for texts, _ in case.buckets), case.classes))

    def hypergradient(synthetic, states, real):
        return jax.grad(lambda s: outer_loss(learner, s, states, real, remat=remat)[0])(synthetic)

    compiled = jax.jit(hypergradient).lower(synthetic, states, real).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def measure(case: Case, steps: tuple[int, ...] = (100, 1000)) -> dict:
    """Returns MB by rematerialisation and steps, and `ratio_sqrt_1000_to_100` (its name takes the ends of `steps`)."""
    megabytes: dict[str, dict[str, float]] = {}
    for remat in REMAT:
        megabytes[remat] = {str(count): temporary_bytes(case, count, remat) / MB for count in steps}
        for count, value in megabytes[remat].items():
            print(f"  {remat:5s} {count:>5s} steps {value:9.1f} MB", flush=True)
    low, high = str(min(steps)), str(max(steps))
    return {f"ratio_sqrt_{high}_to_{low}": megabytes["sqrt"][high] / megabytes["sqrt"][low], "mb": megabytes}


def main(argv: list[str] | None = None) -> int:
    """Prints the memory of every rematerialisation, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", default="100,1000", help="numbers of inner steps, comma-separated")
    steps = tuple(int(number) for number in parser.parse_args(argv).steps.split(","))
    print(f"{Case()}", flush=True)
    result = measure(Case(), steps)
    print(json.dumps({**result, "versions": {"jax": jax.__version__}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

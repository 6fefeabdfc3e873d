"""Time and memory of every way to differentiate through training, against the number of inner steps.

    python -m benchmarks.hypergradient_strategies
    python -m benchmarks.hypergradient_strategies --steps 10,40 --repeats 5

The case of `benchmarks.hypergradient_memory`: Adam inside, 4 nets, 8 synthetic texts of 32 words, a TextCNN with
windows of 3, 4 and 5 words, a real batch of 256 texts in four length buckets. Memory is what XLA sets aside beside
arguments and results; seconds are the least of the repeats. `everything` is JAX's plain reverse pass, which `full`
betters by computing what is cheap again. Truncated forms go through the last (or a random) ten steps, and
`random_truncated` also stops early. The last line has `checkpoint_to_everything`, `checkpoint_to_full` and the same of
`reverse`: memory at the most steps.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from benchmarks.case import Case, hypergradient, make_problem
from benchmarks.hypergradient_memory import CASE, MB
from dd_al.learner.hypergradient import NAMES, differentiable_training
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.unroll import unroll

WINDOW = 10


def _everything(learner: Learner) -> Callable[..., LearnerState]:
    return lambda *args, window_key, **options: unroll(learner, *args, remat="none", **options)


WAYS = {"everything": _everything} | {
    name: partial(differentiable_training, name=name, window=WINDOW) for name in NAMES
}


def measure(case: Case, steps: tuple[int, ...], repeats: int = 3) -> dict:
    """Returns `seconds` and `mb`, each by way and number of steps, the ratios, and how far the exact ways differ."""
    seconds, megabytes, worst = {way: {} for way in WAYS}, {way: {} for way in WAYS}, 0.0
    for count in steps:
        sized = dataclasses.replace(case, steps=count)
        problem, exact = make_problem(sized), None
        for way, training in WAYS.items():
            gradient, arguments = hypergradient(sized, problem, training=training)
            compiled = gradient.lower(*arguments).compile()
            megabytes[way][count] = compiled.memory_analysis().temp_size_in_bytes / MB
            times = []
            for _ in range(repeats + 1):
                start = time.perf_counter()
                result = jax.block_until_ready(compiled(*arguments))
                times.append(time.perf_counter() - start)
            seconds[way][count] = min(times[1:])
            line = f"  {count:4d} steps  {way:17s} {seconds[way][count]:8.3f} s {megabytes[way][count]:8.1f} MB"
            exact = result if exact is None else exact
            if "truncated" not in way:
                far = max(jax.tree.leaves(jax.tree.map(_difference, result, exact)))
                worst = max(worst, far)
                line += f"   differs by {far:.1e}"
            print(line, flush=True)
    last = max(steps)
    ratios = {
        f"{way}_to_{base}": megabytes[way][last] / megabytes[base][last]
        for way in ("checkpoint", "reverse")
        for base in ("everything", "full")
    }
    return {**ratios, "largest_difference": worst, "seconds": seconds, "mb": megabytes}


def _difference(a: jax.Array, b: jax.Array) -> float:
    """Relative to the norm of the whole array."""
    return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))


def main(argv: list[str] | None = None) -> int:
    """Prints a line per way and number of steps, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", default="10,40,160,640", help="numbers of inner steps, comma-separated")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each, after one that is not")
    flags = parser.parse_args(argv)
    case = dataclasses.replace(CASE, rate=1e-3)  # no unroll of 640 steps leaves the region where rounding stays small
    print(f"{case}, windows of {WINDOW} steps", flush=True)
    result = measure(case, tuple(int(number) for number in flags.steps.split(",")), flags.repeats)
    print(json.dumps({**result, "versions": {"jax": jax.__version__}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

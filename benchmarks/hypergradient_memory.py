"""Temporary memory of a hypergradient against the number of inner steps, by XLA's own analysis; nothing is run.

    python -m benchmarks.hypergradient_memory
    python -m benchmarks.hypergradient_memory --steps 10,40,100,160,640,1000

The case of `benchmarks.hypergradient` with Adam inside: 4 nets, 8 synthetic texts of 32 words, a TextCNN with windows
of 3, 4 and 5 words, a real batch of 256 texts in four length buckets. `ratio_sqrt_1000_to_100` divides the memory that
1,000 steps need with √T rematerialisation by that of 100: √10 is 3.16.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable

import jax

from benchmarks.case import Case, hypergradient, make_problem
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.unroll import REMAT, unroll

MB = 2**20
CASE = Case(optimizer="adam")


def temporary_bytes(case: Case, remat: str) -> int:
    """Compiles one hypergradient and returns what XLA sets aside for it besides arguments and results."""

    def training(learner: Learner) -> Callable[..., LearnerState]:
        return lambda *args, window_key, **options: unroll(learner, *args, remat=remat, **options)

    gradient, arguments = hypergradient(case, make_problem(case), training=training)
    return gradient.lower(*arguments).compile().memory_analysis().temp_size_in_bytes


def measure(case: Case, steps: tuple[int, ...] = (100, 1000)) -> dict:
    """Returns MB by rematerialisation and steps, and `ratio_sqrt_1000_to_100` (its name takes the ends of `steps`)."""
    megabytes: dict[str, dict[str, float]] = {}
    for remat in REMAT:
        megabytes[remat] = {}
        for count in steps:
            value = temporary_bytes(dataclasses.replace(case, steps=count), remat) / MB
            print(f"  {remat:5s} {count:5d} steps {value:9.1f} MB", flush=True)
            megabytes[remat][str(count)] = value
    low, high = str(min(steps)), str(max(steps))
    return {f"ratio_sqrt_{high}_to_{low}": megabytes["sqrt"][high] / megabytes["sqrt"][low], "mb": megabytes}


def main(argv: list[str] | None = None) -> int:
    """Prints the memory of every rematerialisation, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", default="100,1000", help="numbers of inner steps, comma-separated")
    steps = tuple(int(number) for number in parser.parse_args(argv).steps.split(","))
    print(f"{CASE}", flush=True)
    result = measure(CASE, steps)
    print(json.dumps({**result, "versions": {"jax": jax.__version__}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Time and memory of every way to differentiate through training, against the number of inner steps.

    python -m benchmarks.hypergradient_strategies
    python -m benchmarks.hypergradient_strategies --steps 10,40 --repeats 5
    python -m benchmarks.hypergradient_strategies --steps 100,1000 --ways everything,light,step,sqrt --repeats 0

The case of `benchmarks.hypergradient` with Adam inside: 4 nets, 8 synthetic texts of 32 words, a TextCNN with windows
of 3, 4 and 5 words, a real batch of 256 texts in four length buckets. Memory is what XLA sets aside beside arguments
and results, by its own analysis; seconds are the least of the repeats, and without repeats nothing is run.

`everything` is JAX's plain reverse pass, which `full` betters by computing what is cheap again; `light`, `step` and
`sqrt` are other rematerialisations of `dd_al.learner.unroll`. Truncated forms go through the last (or a random) ten
steps, and `random_truncated` also stops early. The last line has the memory of `checkpoint` and `reverse` at the most
steps over that of `everything` and `full`, and that of every way over its own at the fewest steps: `growth`.
"""

import dataclasses
import sys
from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from benchmarks.harness import fastest, finish, flags
from benchmarks.hypergradient import Case, hypergradient, make_problem
from dd_al.learner.hypergradient import NAMES, differentiable_training
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.unroll import REMAT, unroll

CASE = Case(optimizer="adam")
MB, WINDOW = 2**20, 10


def _unrolled(learner: Learner, *, remat: str) -> Callable[..., LearnerState]:
    return lambda *args, window_key, **options: unroll(learner, *args, remat=remat, **options)


WAYS = {
    "everything": partial(_unrolled, remat="none"),
    **{remat: partial(_unrolled, remat=remat) for remat in REMAT if remat != "none"},
    **{name: partial(differentiable_training, name=name, window=WINDOW) for name in NAMES},
}


def measure(case: Case, steps: tuple[int, ...], ways: tuple[str, ...], repeats: int = 3) -> dict:
    """Returns `seconds` and `mb`, each by way and number of steps, the ratios, and how far the exact ways differ."""
    seconds, megabytes, worst = {way: {} for way in ways}, {way: {} for way in ways}, 0.0
    for count in steps:
        sized = dataclasses.replace(case, steps=count)
        problem, exact = make_problem(sized), None
        for way in ways:
            gradient, arguments = hypergradient(sized, problem, training=WAYS[way])
            compiled = gradient.lower(*arguments).compile()
            megabytes[way][count] = compiled.memory_analysis().temp_size_in_bytes / MB
            line = f"  {count:4d} steps  {way:17s} {megabytes[way][count]:8.1f} MB"
            if repeats:
                run = partial(lambda run, given: jax.block_until_ready(run(*given)), compiled, arguments)
                seconds[way][count], result = fastest(run, repeats)
                line += f" {seconds[way][count]:8.3f} s"
                exact = result if exact is None else exact
                if "truncated" not in way:
                    far = max(jax.tree.leaves(jax.tree.map(_difference, result, exact)))
                    worst = max(worst, far)
                    line += f"   differs by {far:.1e}"
            print(line, flush=True)
    least, most = min(steps), max(steps)
    pairs = [
        (way, base) for way in ("checkpoint", "reverse") for base in ("everything", "full") if {way, base} <= {*ways}
    ]
    ratios = {f"{way}_to_{base}": megabytes[way][most] / megabytes[base][most] for way, base in pairs}
    growth = {way: megabytes[way][most] / megabytes[way][least] for way in ways}
    return {**ratios, "growth": growth, "largest_difference": worst, "seconds": seconds, "mb": megabytes}


def _difference(a: jax.Array, b: jax.Array) -> float:
    """Relative to the norm of the whole array."""
    return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))


def main(argv: list[str] | None = None) -> int:
    """Prints a line per way and number of steps, then one line of JSON."""
    options = flags(
        __doc__,
        argv,
        steps=((10, 40, 160, 640), "numbers of inner steps, comma-separated"),
        ways=(",".join(("everything", *NAMES)), f"comma-separated, of {', '.join(WAYS)}"),
        repeats=(3, "timed runs of each, after one that is not; none are run at 0"),
    )
    case = dataclasses.replace(CASE, rate=1e-3)  # no unroll of 640 steps leaves the region where rounding stays small
    print(f"{case}, windows of {WINDOW} steps", flush=True)
    return finish(measure(case, options.steps, tuple(options.ways.split(",")), options.repeats))


if __name__ == "__main__":
    sys.exit(main())

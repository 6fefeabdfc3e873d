"""Seconds until ten images train a known LeNet to 94 % of MNIST's validation images.

    python -m benchmarks.mnist
    python -m benchmarks.mnist --target 0.95 --seed 1

The distillation of `configs/mnist_distill.py` for one known initialisation, with a look at validation every 25 outer
steps. `seconds` begins with the data on the device, and has the choice of the images to start from, compilation and
looks in it. It goes on to the end of its schedule: `test` is the accuracy of the set that validation prefers.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace

import jax
import numpy as np

from benchmarks.harness import finish, flags
from dd_al.cli.config_files import load
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.data import images
from dd_al.distillation.optimise import optimise
from dd_al.distillation.synthetic import train_on
from dd_al.io.workdir import open_workdir
from dd_al.learner.predict import accuracy
from dd_al.task.task import known_inits, make_task


def measure(target: float, seed: int, iterations: int) -> dict[str, str | float | None]:
    """Seconds to a validation accuracy, None where it is not reached, and the accuracies of the best step's set."""
    settings = replace(from_config(Settings, load("dd_al:mnist_distill")), seed=seed)
    distill = replace(settings.distill, iterations=iterations, log_every=25, evaluate_every=25)
    task = make_task(settings, images.load(settings.data))
    with tempfile.TemporaryDirectory() as folder, open_workdir(folder, {}) as workdir:
        found = optimise(task, distill, items=distill.examples, workdir=workdir)
        course = [json.loads(line) for line in workdir.metrics.read_text().splitlines()]
    reached = [one["seconds"] for one in course if one["validation_accuracy"] >= target]
    best = jax.tree.map(lambda x: x[0], found.synthetic)
    trained = jax.jit(lambda states: train_on(task.learner, best, states, distill.labels))(known_inits(task, 1))
    test = accuracy(task.learner.model, trained.params, task.examples("test"), task.embed)
    return {
        "data": f"{task.dataset.name}, {len(task.dataset.train)} images",
        "seconds": reached[0] + found.compile_s if reached else None,
        "compile": found.compile_s,
        "whole": found.optimise_s + found.compile_s,
        "validation": float(found.best_accuracy[0]),
        "test": float(np.asarray(test)[0]),
    }


def main(argv: list[str] | None = None) -> int:
    """Prints one line of JSON; the exit code is 1 where the accuracy is not reached."""
    options = flags(
        __doc__, argv, target=(0.94, "validation accuracy"), seed=(0, "of the run"), iterations=(1500, "outer steps")
    )
    found = measure(**vars(options))
    wrong = "" if found["seconds"] else f"no set reached {options.target} on validation"
    return finish(found | {"target": options.target, "seed": options.seed}, wrong=wrong)


if __name__ == "__main__":
    sys.exit(main())

"""A task that takes no time."""

from collections.abc import Callable

import pytest

from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.data.sources import from_lists

TINY = {
    "vectors": {"corpus": "train", "dim": 8},
    "model": {"windows": (2,), "filters": 4},
    "distill": {
        "steps": 3,
        "iterations": 7,
        "nets": 2,
        "batch_size": 8,
        "log_every": 2,
        "evaluate_every": 4,
        "inner_rate": 0.05,
        "length": None,
        "candidates": 3,
    },
}


@pytest.fixture(scope="session")
def tiny_settings() -> Callable:
    """`tiny_settings(model=None, **distill)` gives the settings of a run that takes no time."""

    def make(model=None, **distill) -> Settings:
        changed = {"model": {**TINY["model"], **(model or {})}, "distill": {**TINY["distill"], **distill}}
        return from_config(Settings, {**TINY, **changed})

    return make


@pytest.fixture(scope="session")
def make_tiny_task(reviews, tiny_settings) -> Callable:
    """`make_tiny_task(names, train=14, settings=None)` gives a task with a class per name, in one bucket."""

    def make(names=("bad", "good"), train=14, settings=None):
        from dd_al.experiments.task import make_task

        parts = [reviews(len(names), rows, seed, names) for seed, rows in enumerate((train, 14, 14))]
        dataset = from_lists(*parts[0], validation=parts[1], test=parts[2])
        return make_task(settings or tiny_settings(), dataset)

    return make

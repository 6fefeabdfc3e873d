"""What a distilled set is judged against."""

import dataclasses

import jax
import numpy as np
import pytest

from dd_al.config.learner import FullSettings, RandomSettings
from dd_al.evaluation.baselines import choose_schedule, fit_full, random_batches
from dd_al.io.signals import Stop

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task(("bad", "fair", "good"), train=40)  # four buckets


def test_the_fit_is_compiled_once_and_keeps_the_best_step(task, compilations):
    settings = FullSettings(epochs=2, min_steps=36, batch_size=8, rate=0.02)
    states = task.inits("evaluation", 2)
    with compilations() as compiled:
        full = fit_full(task, settings, states, stop=Stop())
    assert compiled["jit(advance)"] == 1
    assert full.steps[-1] == 40  # whole epochs of five steps, as many as the least number of steps takes
    assert full.accuracy.shape == (len(full.steps), 2)
    best = full.accuracy.max(0)
    for learner, step in enumerate(full.chosen):
        assert full.accuracy[full.steps.tolist().index(int(step)), learner] == best[learner]
    assert best.mean() > 0.5  # three classes, told by two words


def test_random_subsets_are_balanced_and_differ(task):
    batch = random_batches(task, 6, 4)
    assert batch.targets.shape == (4, 6, 3) and batch.targets.sum((0, 1)).tolist() == [8, 8, 8]
    assert len({np.asarray(x).tobytes() for x in batch.inputs[0].embedded}) == 4
    again = random_batches(task, 6, 4)
    assert np.array_equal(batch.inputs[0].embedded, again.inputs[0].embedded)


@pytest.mark.parametrize("items", [1, 2, 40])
def test_random_subsets_of_any_size(task, items):
    batch = random_batches(task, items, 2)
    assert batch.targets.shape == (2, items, 3)
    rows = np.asarray(batch.inputs[0].embedded[0]).reshape(items, -1)
    assert items < 40 or batch.targets[0].sum(0).tolist() == np.bincount(task.labels("train")).tolist()
    assert len(np.unique(rows, axis=0)) > items / 2


def test_random_subsets_train_with_the_best_of_the_schedules(task):
    settings = RandomSettings(steps=(8, 2), rates=(1e-6, 3e-2))
    subsets, states = random_batches(task, 6, 2), task.inits("evaluation", 2)
    found = choose_schedule(task, settings, subsets, states, stop=Stop())
    rate, steps, _ = found.chosen.tolist()
    assert rate == pytest.approx(3e-2) and int(steps) in (2, 8)
    assert found.steps.tolist() == [2, 8] and found.accuracy.shape == (2, 2)
    assert dataclasses.asdict(settings)["steps"] == (8, 2)
    assert all(leaf.shape[0] == 2 for leaf in jax.tree.leaves(found.params))

"""What a distilled set is judged against."""

import dataclasses

import jax
import numpy as np
import pytest

from dd_al.config.learner import CORESETS, CoresetSettings, FullSettings, RandomSettings
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.coreset.methods import NAMES
from dd_al.evaluation.baselines import choose, choose_schedule, features_of, fit_full, random_batches
from dd_al.io.signals import Stop

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task(("bad", "fair", "good"), train=40)  # four buckets


@pytest.fixture(scope="module")
def two_classes(make_tiny_task):
    return make_tiny_task()


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


def test_the_config_names_every_method():
    assert CORESETS == ("prototypes", *NAMES)


def test_texts_are_compared_by_their_mean_word_vector_or_by_a_network(two_classes):
    ids, table = two_classes.raw["train"], np.asarray(two_classes.table)
    expected = np.stack([table[row[row > 0]].mean(0) if (row > 0).any() else 0 * table[0] for row in ids])
    np.testing.assert_allclose(
        features_of(two_classes, None, two_classes.train.buckets), expected, rtol=1e-5, atol=1e-6
    )
    params = two_classes.learner.model.init(jax.random.key(0))
    features = jax.jit(two_classes.learner.model.features)(params, two_classes.embed(ids))
    np.testing.assert_allclose(
        features_of(two_classes, params, two_classes.train.buckets), features, rtol=1e-5, atol=1e-6
    )


def test_as_many_of_each_class_as_can_be(two_classes, tiny_settings):
    settings = tiny_settings()
    full = jax.tree.map(lambda x: x[None], two_classes.learner.model.init(jax.random.key(0)))
    for features in ("network", "inputs"):
        own = dataclasses.replace(settings, coreset=CoresetSettings(("herding",), features))
        batch = choose(two_classes, own, "herding", 3, full)
        assert np.asarray(batch.targets).sum(0).tolist() == [2, 1]
    with pytest.raises(ConfigError, match="config.coreset.methods, 'herding': .* lower config.distill.examples"):
        choose(two_classes, settings, "herding", 1000, full)
    with pytest.raises(ConfigError, match="'prototypes' are means of images or rows, not of words"):
        from_config(Settings, {"coreset": {"methods": ("prototypes",)}})

"""What instance selection compares texts by, and what it hands on."""

import dataclasses

import jax
import numpy as np
import pytest

from dd_al.config.learner import CORESETS, CoresetSettings
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.coreset.methods import NAMES
from dd_al.evaluation.baselines import choose, features_of

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task()


def test_the_config_names_every_method():
    assert CORESETS == ("prototypes", *NAMES)


def test_texts_are_compared_by_their_mean_word_vector_or_by_a_network(task):
    ids, table = task.raw["train"], np.asarray(task.table)
    expected = np.stack([table[row[row > 0]].mean(0) if (row > 0).any() else 0 * table[0] for row in ids])
    np.testing.assert_allclose(features_of(task, None, task.train.buckets), expected, rtol=1e-5, atol=1e-6)
    params = task.learner.model.init(jax.random.key(0))
    features = jax.jit(task.learner.model.features)(params, task.embed(ids))
    np.testing.assert_allclose(features_of(task, params, task.train.buckets), features, rtol=1e-5, atol=1e-6)


def test_as_many_of_each_class_as_can_be(task, tiny_settings):
    settings = tiny_settings()
    full = jax.tree.map(lambda x: x[None], task.learner.model.init(jax.random.key(0)))
    for features in ("network", "inputs"):
        own = dataclasses.replace(settings, coreset=CoresetSettings(("herding",), features))
        batch = choose(task, own, "herding", 3, full)
        assert np.asarray(batch.targets).sum(0).tolist() == [2, 1]
    with pytest.raises(ConfigError, match="config.coreset.methods, 'herding': .* lower config.distill.examples"):
        choose(task, settings, "herding", 1000, full)
    with pytest.raises(ConfigError, match="'prototypes' are means of images or rows, not of words"):
        from_config(Settings, {"coreset": {"methods": ("prototypes",)}})

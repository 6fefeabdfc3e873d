"""Whole distillations: teachers' labels, and a schedule for sets that were distilled without an unroll."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.config.learner import FullSettings, RandomSettings
from dd_al.distillation.synthetic import columns
from dd_al.distillation.teachers import soft_labels, taught
from dd_al.evaluation.baselines import fit_full
from dd_al.experiments.distill import distil
from dd_al.io.signals import Stop
from dd_al.learner.learner import layers
from dd_al.learner.predict import predict

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task(("bad", "fair", "good"), train=40)  # four buckets


@pytest.fixture(scope="module")
def teachers(task):
    settings = FullSettings(epochs=3, min_steps=0, batch_size=8, rate=0.02)
    return fit_full(task, settings, task.inits("evaluation", 2), stop=Stop()).params


def by_row(examples):
    """Targets in the order of the split."""
    targets = np.concatenate([bucket.targets for bucket in examples.buckets])
    rows = np.empty_like(targets)
    rows[examples.order] = targets
    return rows


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_labels_lean_towards_the_ensemble(task, teachers, weight):
    z = predict(task.learner.model, teachers, task.train, task.embed)
    soft, labels = np.asarray(jax.nn.softmax(z)).mean(0), np.eye(3)[task.labels("train")]
    after = taught(task, soft_labels(task, teachers), weight)
    np.testing.assert_allclose(by_row(after.train), weight * soft + (1 - weight) * labels, atol=1e-6)
    assert (by_row(task.train) == labels).all()  # the task itself is as it was
    assert after.validation is task.validation


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kernel_regression", "distribution_matching"])
def test_a_set_without_a_schedule_gets_the_one_that_validation_prefers(task, teachers, tiny_settings, method):
    random = RandomSettings(rates=(1e-5, 3e-2), steps=(2, 7))
    settings = replace(tiny_settings(method=method, init="pool", pool=3, teacher=0.5), random=random)
    found = distil(task, settings, items=3, teachers=teachers)
    rates = np.exp(found.synthetic.log_rates)
    assert rates.shape in ((1, 2, 2), (1, 7, 2)) and np.unique(rates).size == 1
    assert rates[0, 0, 0] == pytest.approx(3e-2) and 0 <= found.best_accuracy[0] <= 1
    assert np.isfinite(found.synthetic.inputs).all()
    assert jnp.all(found.synthetic.label_logits[0].argmax(-1) == jnp.arange(3))


@pytest.mark.slow
def test_every_network_gets_a_rate_of_its_own_and_all_the_same_steps(make_tiny_task, tiny_settings):
    settings = tiny_settings(method="kernel_regression", init="pool", pool=3, also=("averaging",))
    settings = replace(settings, random=RandomSettings(rates=(1e-5, 3e-2), steps=(2, 7)))
    task = make_tiny_task(settings=settings)
    found = distil(task, settings, items=2)
    own, other = (found.synthetic.log_rates[..., part] for part in columns(task).values())
    assert own.shape[1] == other.shape[1] in (2, 7) and other.shape[2] == len(layers(task.others["averaging"].model))
    assert all(np.unique(part).size == 1 for part in (own, other))
    assert np.exp(other[0, 0, 0]) == pytest.approx(3e-2)  # at 1e-5 it would not have moved

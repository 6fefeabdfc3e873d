"""What is given away: sets that are real examples, sets of noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.distillation.synthetic import Synthetic
from dd_al.evaluation.protocol import membership
from dd_al.experiments.compare.sets import nearness


def of(inputs):
    inputs = jnp.asarray(inputs)
    return Synthetic(inputs, jnp.zeros((len(inputs), 2)), jnp.zeros((3, 2)))


def test_items_that_are_real_sentences_are_found(make_tiny_task):
    task = make_tiny_task()
    words = task.raw["train"][3][task.raw["train"][3] > 0]
    found = nearness(task, of(np.asarray(task.table)[words][None]), np.asarray([3]))
    assert found["nearest"] == pytest.approx(1.0, abs=1e-5) and found["recovered"] == 1.0
    assert found["chance"] < 1.0
    assert nearness(task, of(np.asarray(task.table)[words][None]), None).keys() == {"nearest", "chance"}


def test_noise_is_no_nearer_than_what_the_learner_never_saw(make_tiny_task):
    task = make_tiny_task(train=60)
    noise = jax.random.normal(jax.random.key(0), (20, 5, task.shape[1]))
    found = nearness(task, of(noise), None)
    assert found["nearest"] < found["chance"]


def test_losses_are_those_of_the_members_and_of_a_split_in_any_order(make_tiny_task):
    task = make_tiny_task()
    params = jax.tree.map(lambda x: x + 0.1 * jnp.arange(x.size).reshape(x.shape), task.inits("evaluation", 2).params)
    members = np.asarray([5, 3])
    inside, outside = membership(task, params, members, "test", 0)
    for found, split, rows in ((inside, "train", members), (outside, "test", np.arange(len(task.labels("test"))))):
        inputs, labels = task.embed(task.raw[split][rows]), task.labels(split)[rows]
        log_probs = jax.nn.log_softmax(jax.vmap(lambda p: task.learner.model.apply(p, inputs))(params))  # noqa: B023
        expected = -np.asarray(log_probs)[:, np.arange(len(rows)), labels]
        np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=1e-4, atol=1e-5)

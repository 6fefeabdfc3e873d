"""What is given away: sets that are real examples, sets of noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.distillation.synthetic import Synthetic
from dd_al.evaluation.privacy import nearness


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

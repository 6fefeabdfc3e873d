"""Students, alone and taught: what teachers hand on, and the command at toy size."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.losses import cross_entropy
from dd_al.distillation.teachers import relabelled, soft_labels
from examples import knowledge_distillation as example

pytestmark = pytest.mark.usefixtures("own_caches")
MODULE = "examples.knowledge_distillation"


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task()


def test_targets_keep_the_order_of_the_examples(task):
    targets = np.random.default_rng(0).random((len(task.raw["train"]), 5)).astype(np.float32)
    train = relabelled(task, targets).train
    np.testing.assert_array_equal(np.concatenate([b.targets for b in train.buckets]), targets[train.order])
    own = np.concatenate([b.targets for b in task.train.buckets])
    np.testing.assert_array_equal(own.argmax(1), task.labels("train")[train.order])


def test_teaching_is_hintons_loss():
    rng = np.random.default_rng(0)
    z, labels = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32), jnp.eye(3)[jnp.asarray([0, 2, 1, 0])]
    soft = jax.nn.softmax(jnp.asarray(rng.normal(size=(4, 3)), jnp.float32))
    both = jnp.concatenate([labels, soft], -1)
    np.testing.assert_allclose(example.teaching(5.0, 0.0)(z, both), cross_entropy(z, labels), rtol=1e-6)
    expected = 0.25 * cross_entropy(z, labels) + 0.75 * 4 * cross_entropy(z / 2, soft)
    np.testing.assert_allclose(example.teaching(2.0, 0.75)(z, both), expected, rtol=1e-6)
    # Where logits are small, T² keeps the pull of the soft targets whatever the temperature (section 2.1).
    theirs = 1e-2 * jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)

    def slope(t):
        soft = jax.nn.softmax(theirs / t)
        return jax.grad(lambda z: example.teaching(t, 1.0)(z, jnp.concatenate([labels, soft], -1)))(1e-2 * z)

    np.testing.assert_allclose(slope(1.0), slope(4.0), atol=2e-5)
    assert np.abs(slope(4.0)).max() > 5e-4


def test_a_temperature_softens(task):
    params = jax.vmap(task.learner.model.init)(jax.random.split(jax.random.key(0), 2))
    params = jax.tree.map(lambda x: x + 0.3 * np.random.default_rng(1).normal(size=x.shape).astype(np.float32), params)
    sharp, soft = soft_labels(task, params), soft_labels(task, params, 10.0)
    np.testing.assert_allclose(sharp.sum(1), 1, rtol=1e-5)
    assert soft.max() < sharp.max() and soft.shape == (len(task.raw["train"]), task.classes)


def test_students_take_the_best_temperature_and_weight(task, tiny_settings, monkeypatch):
    settings = tiny_settings()
    settings = replace(settings, full=replace(settings.full, epochs=2, min_steps=0))
    params, states = task.inits("teachers", 3).params, task.inits("evaluation", 2)

    def best(temperatures, weights):
        monkeypatch.setattr(example, "TEMPERATURES", temperatures)
        monkeypatch.setattr(example, "WEIGHTS", weights)
        return example.fit_taught(task, settings, task, params, states)

    found = best((1.0, 3.0), (0.5, 1.0))
    assert found.chosen[0] in (1.0, 3.0) and found.chosen[1] in (0.5, 1.0)
    tried = [best((t,), (w,)).accuracy.max(0).mean() for t in (1.0, 3.0) for w in (0.5, 1.0)]
    assert found.accuracy.max(0).mean() == max(tried)


@pytest.mark.slow
@pytest.mark.parametrize("teacher", ["sentences", "encoder"])
def test_the_command_ends_in_a_table(teacher, commands, write_reviews, write_encoder, tmp_path):
    reviews, encoder = write_reviews(tmp_path / "reviews", 2), write_encoder(tmp_path / "encoder")
    changes = ("vectors.corpus=train", "vectors.dim=8", "model.windows=2", "model.filters=4", "full.epochs=2",
               "full.min_steps=0", f"data.dir={reviews}", f"encoder.dir={encoder}")  # fmt: skip
    flags = (f"--teacher={teacher}", "--seeds=0,1", "--inits=2", *(f"--change={change}" for change in changes))
    out, _ = commands.run(MODULE, *flags)
    *_, head, first, second, mean = out.splitlines()
    assert head.split() == ["test,", "%", "teachers", "alone", "taught", "T", "w"]
    numbers = np.asarray([[float(x) for x in line.split()[2:]] for line in (first, second)])
    assert numbers.shape == (2, 5) and np.all(numbers[:, :3] <= 100)
    means = [float(x) for x in re.findall(r"([\d.]+) ±", mean)]
    np.testing.assert_allclose(means, numbers[:, :3].mean(0), atol=0.11)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--change=full.epoch=2", "did you mean"),
        ("--change=data.dir=nowhere", "nowhere"),
    ],
)
def test_mistakes_are_one_line(flag, message, commands):
    _, err = commands.run(MODULE, flag, code=2)
    assert err.startswith("error: ") and message in err and err.count("\n") == 1

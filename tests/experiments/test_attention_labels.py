"""Attention labels in a set, in its artefact, and in every way of training on it; tests/test_configs.py learns some."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dd_al
from dd_al.core.errors import DataError
from dd_al.distillation.optimise import Distillation
from dd_al.distillation.saved import describe, make_artefact
from dd_al.distillation.starts import starting_sets
from dd_al.distillation.synthetic import as_batch
from dd_al.evaluation.from_artefact import retrain
from dd_al.experiments import record
from dd_al.io import artefact as artefacts
from dd_al.task.task import known_inits

pytestmark = pytest.mark.usefixtures("own_caches")
WEIGHT, BLOCKS, HEADS, LENGTH = 3.0, 1, 2, 4


@pytest.fixture(scope="module")
def made(make_tiny_task, tiny_settings):
    """A task, a set for a known transformer with labels that prefer some words, and its artefact."""
    settings = tiny_settings(
        {"kind": "transformer", "width": 4, "blocks": BLOCKS, "heads": HEADS},
        attention=WEIGHT, init="known", steps=2, length=LENGTH, inner_rate=0.2, candidates=1,
    )  # fmt: skip
    settings = dataclasses.replace(settings, learner=dataclasses.replace(settings.learner, optimizer="sgd"))
    task = make_tiny_task(settings=settings)
    first, rows = starting_sets(task, settings.distill, 2, 1)
    assert first.attention_logits.shape == (1, 2, BLOCKS, HEADS, LENGTH) and not first.attention_logits.any()
    moved = jnp.asarray(np.random.default_rng(0).normal(size=first.attention_logits.shape), jnp.float32)
    found = Distillation(first._replace(attention_logits=moved), np.zeros(1), np.zeros(1), rows, 0.0, 0.0)
    return task, found, make_artefact(task, settings, found)


@pytest.fixture
def saved(made, tmp_path):
    artefacts.save(tmp_path / "a.safetensors", made[2])
    return tmp_path / "a.safetensors"


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def test_they_are_counted_and_described(made):
    task, found, _ = made
    logits = found.synthetic.attention_logits
    plain = found.synthetic._replace(attention_logits=None)
    stored = [record.given_of(one, len(task.dataset.train))["stored_floats"] for one in (found.synthetic, plain)]
    assert stored[0] - stored[1] == logits[0].size
    items = describe(task, found, "soft")["examples"]
    for item, one in zip(items, np.asarray(jax.nn.softmax(logits[0])), strict=True):
        np.testing.assert_allclose(item["attention"], one.mean((0, 1)), rtol=1e-5)


@pytest.mark.slow
def test_retraining_follows_them_as_documented(made, saved):
    """Plain gradient steps on the loss in `load_distilled`'s docstring."""
    task, found, artefact = made
    again = artefacts.load(saved)
    np.testing.assert_array_equal(again.attention_logits, artefact.attention_logits)
    kit, model = dd_al.load_distilled(saved), task.learner.model
    assert kit.attention_weight == WEIGHT and kit.attention.shape == (2, BLOCKS, HEADS, LENGTH)
    np.testing.assert_allclose(dd_al.load(saved).attention, kit.attention, atol=1e-7)
    inputs = as_batch(jax.tree.map(lambda x: x[0], found.synthetic)).inputs[0]

    @jax.jit
    @jax.grad
    def gradient(params, weight):
        scores, received = model.apply(params, inputs), model.attention(params, inputs)[1]
        loss = -jnp.sum(kit.targets * jax.nn.log_softmax(scores)) / 2
        pulled = jnp.sum(kit.attention * jnp.log(kit.attention / received))
        return loss + weight / (2 * BLOCKS * HEADS) * pulled

    def train(weight):
        params = jax.tree.map(lambda x: x[0], known_inits(task, 1).params)
        for row in kit.rates:
            g, rates = gradient(params, weight), dict(zip(kit.layers, row, strict=True))
            params = {name: jax.tree.map(lambda p, d, r=rates[name]: p - r * d, params[name], g[name]) for name in g}
        return leaves(params)

    ours = leaves(retrain(again).params)
    for a, b in zip(ours, train(kit.attention_weight), strict=True):
        np.testing.assert_allclose(a[0], b, rtol=1e-4, atol=1e-5)
    assert max(np.abs(a - b).max() for a, b in zip(ours, train(0.0), strict=True)) > 1e-3


def test_files_that_do_not_fit_together(made, tmp_path):
    artefact, path = made[2], tmp_path / "a.safetensors"
    spec = {name: value for name, value in artefact.spec.items() if name != "attention"}
    artefacts.save(path, dataclasses.replace(artefact, spec=spec, attention_logits=None))  # as older versions wrote it
    assert artefacts.load(path).attention_logits is None
    kit = dd_al.load_distilled(path)
    assert kit.attention is None and kit.attention_weight == 0 and dd_al.load(path).attention is None
    artefacts.save(path, dataclasses.replace(artefact, spec=spec))
    with pytest.raises(DataError, match="attention = None in its description does not fit"):
        artefacts.load(path)
    artefacts.save(path, dataclasses.replace(artefact, attention_logits=artefact.attention_logits[:, :, :, :1]))
    for read in (dd_al.load_distilled, lambda path: retrain(artefacts.load(path))):
        with pytest.raises(DataError, match=r"attention_logits ha.* the shape \(1, 2, 1, 1, 4\)"):
            read(path)

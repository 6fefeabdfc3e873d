"""Fresh learners from an artefact alone, and the networks that its set is tried on."""

import dataclasses
from dataclasses import replace

import chex
import jax
import numpy as np
import pytest

from dd_al.config.sweeps import TransferSettings
from dd_al.core.errors import DataError, UserError
from dd_al.distillation.optimise import optimise
from dd_al.distillation.saved import make_artefact, nearest_words
from dd_al.distillation.synthetic import train_on
from dd_al.evaluation.from_artefact import networks, retrain
from dd_al.evaluation.protocol import evaluate
from dd_al.io import artefact as artefacts
from dd_al.learner.learner import layers
from dd_al.task.task import known_inits

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task()


@pytest.fixture(scope="module")
def made(task, tiny_settings):
    """By initialisation: what was distilled, and its artefact."""
    out = {}
    for init, sets in (("random", 1), ("known", 2)):
        settings = tiny_settings(init=init)
        found = optimise(task, settings.distill, items=2, sets=sets, select_inits=2)
        out[init] = found, make_artefact(task, settings, found)
    return out


def test_the_seed_of_the_run_gives_the_judges_of_the_run(task, made, tmp_path):
    found, artefact = made["random"]
    artefacts.save(tmp_path / "a.safetensors", artefact)
    learners = retrain(artefacts.load(tmp_path / "a.safetensors"), seed=0, count=3)
    judges = train_on(task.learner, jax.tree.map(lambda x: x[0], found.synthetic), task.inits("evaluation", 3))
    texts = task.dataset.test.texts
    theirs = evaluate(task, task.learner.model, {"distilled": judges.params}, "test")["distilled"]
    assert np.array_equal(learners.logits(texts).argmax(-1), theirs.predicted)
    assert np.array_equal(theirs.truth, task.labels("test")) and theirs.validation.shape == (3,)
    assert len(retrain(artefact, seed=1, count=2)) == 2 and len(retrain(artefact)) == 10


def test_parts_of_the_items_are_seen_in_turn_again(task, tiny_settings):
    settings = tiny_settings(batches=2)
    found = optimise(task, settings.distill, items=2, sets=1, select_inits=2)
    learners = retrain(make_artefact(task, settings, found), seed=0, count=2)
    one, states = jax.tree.map(lambda x: x[0], found.synthetic), task.inits("evaluation", 2)
    for parts, same in ((2, True), (1, False)):
        leaves = jax.tree.leaves(train_on(task.learner, one, states, parts=parts).params)
        pairs = zip(jax.tree.leaves(learners.params), leaves, strict=True)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in pairs) == same


def test_known_initialisations_come_out_of_the_artefact(task, made):
    found, artefact = made["known"]
    learners = retrain(artefact)
    states = known_inits(task, 2)
    for i in range(2):
        own = jax.tree.map(lambda x, i=i: x[i], found.synthetic)
        alone = train_on(task.learner, own, jax.tree.map(lambda x, i=i: x[i : i + 1], states))
        one = jax.tree.map(lambda x, i=i: x[i : i + 1], learners.params)
        chex.assert_trees_all_close(one, alone.params, rtol=1e-7, atol=1e-5)
    assert len(retrain(artefact, count=1)) == 1
    with pytest.raises(UserError, match="2 known initialisations, so 3"):
        retrain(artefact, count=3)


def test_many_texts_are_answered_like_one_by_one(task, made, reviews):
    learners = retrain(made["random"][1], count=2)
    texts, _ = reviews(2, 300, seed=5)
    texts[3] = "nothing that is known !"
    together = learners.logits(texts)
    assert together.shape == (2, 300, 2) and together.dtype == np.float32 and np.isfinite(together).all()
    for i in (0, 3, 255, 256, 299):
        np.testing.assert_allclose(learners.logits(texts[i : i + 1])[:, 0], together[:, i], atol=1e-5)
    assert learners.logits([]).shape == (2, 0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ["conv9", "output"]}, r"rates are for the layers \['conv9', 'output'\]"),
        ({"model": {"stride": 3}}, "another version of dd_al: .*stride"),
    ],
)
def test_an_artefact_that_does_not_fit_together(made, change, message):
    artefact = made["random"][1]
    with pytest.raises(DataError, match=message):
        retrain(dataclasses.replace(artefact, spec={**artefact.spec, **change}))


def test_nearest_words():
    table = np.array([[0, 0], [0, 0], [1, 0], [0, 2], [-1, 0]], np.float32)
    words = ("[PAD]", "[UNK]", "east", "north", "west")
    near = nearest_words(words, table, np.array([[3, 1], [-1, 9]], np.float32), k=2)
    assert [[word for word, _ in row] for row in near] == [["east", "north"], ["north", "west"]]
    assert near[0][0][1] == pytest.approx(3 / 10**0.5)
    assert len(nearest_words(words, table, np.zeros((1, 2)), k=9)[0]) == 3


@pytest.fixture
def artefact(toy_artefact):
    """A set for a TextCNN and a transformer of one block."""
    made = toy_artefact(init="random", also={"transformer": ["block0", "input", "norm", "output"]})
    rates = np.concatenate([made.log_rates, made.log_rates], axis=-1)
    return replace(made, log_rates=rates, spec={**made.spec, "model": {**made.spec["model"], "width": 8}})


def tried(artefact, others=None, **options):
    none = {"networks": None, "widths": None, "init_scales": None}
    return networks(artefact, others or artefact.model, TransferSettings(**{**none, **options}), 3)


def test_the_sets_own_network_alone(artefact):
    (only,) = tried(artefact)
    assert (only.name, only.columns, only.count) == ("text_cnn", slice(0, 4), 3)


def test_networks_have_the_rates_that_the_set_has_for_them(artefact):
    found = tried(artefact, networks=("text_cnn", "lstm", "transformer"), widths=(0.5,), init_scales=(3,))
    assert [(one.name, one.columns) for one in found] == [
        ("text_cnn", slice(0, 4)),
        ("text_cnn, width × 0.5", slice(0, 4)),
        ("text_cnn, initial weights × 3", slice(0, 4)),
        ("lstm", None),
        ("transformer", slice(4, 8)),
    ]


def test_networks_that_the_set_was_distilled_for_have_its_sizes(artefact):
    deeper = replace(artefact.model, blocks=2)
    *_, transformer = tried(artefact, deeper, networks=("transformer",))
    assert transformer.columns == slice(4, 8) and len(layers(transformer.model)) == 4

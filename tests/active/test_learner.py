"""The loop in the user's own hands: labels in, positions out, nothing lost in between."""

import copy
import pickle
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import dd_al
from dd_al.active.acquisition import Acquisition
from dd_al.active.selectors import top_k
from dd_al.core.errors import ConfigError, DataError, UserError
from dd_al.models.linen import Classifier, as_model, example_text, masked_mean

pytestmark = pytest.mark.usefixtures("own_caches")
CONFIG = {
    "vectors": {"corpus": "train", "dim": 8},
    "model": {"kind": "averaging", "width": 8},
    "active": {"passes": 3, "steps": 60, "rate": 0.02},
}
NAMES = ["bad", "good"]


@pytest.fixture(scope="module")
def pool(reviews):
    return reviews(2, 40, names=NAMES)


def begun(pool, **options):
    learner = dd_al.ActiveLearner(pool[0], NAMES, **({"config": CONFIG} | options))
    learner.initialize([0, 1, 2, 3], pool[1][:4])
    return learner


def test_rounds(pool):
    texts, labels = pool
    learner = begun(pool, query="predictive_entropy")
    for _ in range(4):
        indices = learner.query(4)
        assert len(set(indices) - learner.answers.keys()) == 4
        learner.update([labels[i] for i in indices])
    assert len(learner.answers) == 20 and repr(learner).startswith("ActiveLearner(20 of 40")
    assert np.mean([a == b for a, b in zip(learner.predict(texts), labels)]) > 0.8
    probs = learner.predict_proba(["w1 c1s0 c1s1"])
    assert probs.shape == (1, 2) and learner.predict(["w1 c1s0 c1s1"]) == ["good"] and probs.sum() == pytest.approx(1)


def test_texts_that_are_set_aside_never_come(pool):
    learner = begun(pool, query="random")
    learner.ignore(range(10, 20))
    first = learner.query(5)
    learner.update([None, *(pool[1][i] for i in first[1:])])
    assert first[0] in learner.ignored and len(learner.answers) == 8
    left = set(range(40)) - set(range(10, 20)) - set(range(4)) - set(first)
    assert set(learner.query(100)) == left
    learner.update([pool[1][i] for i in learner.asked])
    assert learner.query(3) == []
    learner.update([pool[1][first[0]]], [first[0]])  # somebody is sure in the end
    assert first[0] in learner.answers and first[0] not in learner.ignored


def test_answers_come_in_parts_and_can_be_changed(pool):
    learner = begun(pool, query="random")
    asked = learner.query(3)
    learner.update(["bad"], [asked[1]])
    assert learner.asked == [asked[0], asked[2]]
    learner.update(["good", "good"])
    learner.update(["bad"], [asked[0]])
    assert [learner.answers[i] for i in asked] == ["bad", "bad", "good"] and learner.asked == []


def test_a_saved_learner_goes_on_as_if_it_had_not_been(pool, tmp_path):
    learner = begun(pool, query="bald", seed=3)
    learner.ignore([7])
    learner.save(tmp_path / "learner.safetensors")
    loaded = dd_al.ActiveLearner.load(tmp_path / "learner.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(pool[0]), learner.predict_proba(pool[0]))
    assert loaded.query(5) == learner.query(5)
    for one in (loaded, learner):
        one.update(["good"] * 5)
    assert (loaded.answers, loaded.ignored, loaded.labels) == (learner.answers, learner.ignored, learner.labels)
    assert loaded.query(5) == learner.query(5)


class OwnNetwork(Classifier):
    """The words' mean through a layer."""

    width: int = 6

    def layers(self):
        self.hidden = nn.Dense(self.width)

    def features(self, inputs):
        return nn.tanh(self.hidden(masked_mean(inputs.embedded, inputs.mask)))


def own_network(dim, classes, width=6):
    return as_model(OwnNetwork(classes, dropout=0.2, width=width), example_text(dim))


def with_a_pair(dim, classes):
    network = own_network(dim, classes)
    return network._replace(init=lambda key: {"output": tuple(network.init(key)["output"].values())})


# Vectors of these texts: those of the packaged corpus, which is the default, take a minute where none are kept.
TINY = partial(dd_al.ActiveLearner, ["a b", "b c"], NAMES, config={"vectors": CONFIG["vectors"]})


def test_a_query_of_the_users_own(pool, tmp_path):
    lowest = Acquisition((), lambda key, view, seen, k: top_k(key, -jnp.arange(40.0), view.available, k))
    learner = begun(pool, query=lowest)
    assert learner.query(3) == [4, 5, 6] and "one of your own" in repr(learner)
    learner.update([*pool[1][4:6], None])
    assert learner.query(2) == [7, 8] and learner.query(1, query="random") != []
    learner.save(tmp_path / "learner.safetensors")
    with pytest.raises(ConfigError, match="load\\(path, query=…\\) needs it again"):
        dd_al.ActiveLearner.load(tmp_path / "learner.safetensors")
    assert dd_al.ActiveLearner.load(tmp_path / "learner.safetensors", query=lowest).query(2) == [7, 8]


@pytest.mark.slow
def test_without_labels_again_nothing_is_predicted(pool):
    learner = begun(pool)
    learner.update([None] * 4, [0, 1, 2, 3])
    with pytest.raises(DataError, match="nothing is labelled yet"):
        learner.predict(pool[0])
    learner.update(["good", "bad"], [1, 2])
    assert set(learner.predict(pool[0])) <= set(NAMES)


@pytest.mark.slow
def test_a_network_of_the_users_own(pool, tmp_path):
    config = {name: CONFIG[name] for name in ("vectors", "active")}
    learner = begun(pool, query="badge", config=config, model=own_network)
    for _ in range(3):
        learner.update([pool[1][i] for i in learner.query(4)])
    assert learner._params.keys() == {"hidden", "output"}
    assert np.mean([a == b for a, b in zip(learner.predict(pool[0]), pool[1])]) > 0.8

    path = tmp_path / "learner.safetensors"
    learner.save(path)
    loaded = dd_al.ActiveLearner.load(path, model=own_network)
    np.testing.assert_array_equal(loaded.predict_proba(pool[0]), learner.predict_proba(pool[0]))
    assert loaded.query(5) == learner.query(5)
    with pytest.raises(ConfigError, match="load\\(path, model=…\\) needs it again"):
        dd_al.ActiveLearner.load(path)
    with pytest.raises(ConfigError, match="this model's are"):
        dd_al.ActiveLearner.load(path, model=partial(own_network, width=5))
    with pytest.raises(ConfigError, match="section model"):
        dd_al.ActiveLearner(pool[0], NAMES, config=CONFIG, model=own_network)
    begun(pool).save(path)
    with pytest.raises(ConfigError, match="load it without a model"):
        dd_al.ActiveLearner.load(path, model=own_network)


def test_before_there_are_labels(pool, tmp_path):
    learner = dd_al.ActiveLearner(pool[0], NAMES, config=CONFIG)
    with pytest.raises(DataError, match="nothing is labelled yet"):
        learner.predict(["a text"])
    with pytest.raises(DataError, match="nothing is labelled yet"):
        learner.query(2)
    first = learner.query(4, query="random")
    learner.save(tmp_path / "l.safetensors")
    assert dd_al.ActiveLearner.load(tmp_path / "l.safetensors").asked == first


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda own: own.update(["good"], [40]), "index 40: the pool's positions go from 0 to 39"),
        (lambda own: own.update(["god"], [5]), "label 'god' of index 5.*did you mean 'good'"),
        (lambda own: own.update(["good", "bad"], [5]), "2 labels for 1 indices"),
        (lambda own: own.query(0), "k = 0"),
        (lambda own: own.query(1, query="blad"), "did you mean 'bald'"),
        (lambda own: own.ignore([-1]), "index -1"),
        (lambda own: own.predict("a text"), "must be a list"),
        (lambda own: dd_al.ActiveLearner([], NAMES), "there are none"),
        (lambda own: dd_al.ActiveLearner(["a"], ["x"]), "two different ones"),
        (lambda own: dd_al.ActiveLearner(["a"], NAMES, config={"distill": {}}), "no section 'distill'"),
        (lambda own: dd_al.ActiveLearner.load("/nowhere"), "cannot read"),
        (lambda own: own.update(["good", "bad"], [5, 6.5]), "index 6.5: positions in the pool are whole numbers"),
        (lambda own: own.update(["good", "bad"], [True, False]), "index True"),
        (lambda own: own.ignore(np.zeros(40, bool)), "whole numbers"),
        (lambda own: own.query(1, query=max), "must be a name, or a dd_al.active.acquisition.Acquisition"),
        (lambda own: dd_al.ActiveLearner(["a"], NAMES, config={"active": {"noise": 0.5}}), "active.noise is for runs"),
        (lambda own: TINY(model="text_cnn"), "must be a function model"),
        (lambda own: TINY(model=lambda dim, classes: None), "gave None: must be a"),
        (lambda own: TINY(model=lambda d, c: own_network(d, 5)), "have the shape"),
        (lambda own: TINY(model=with_a_pair), "a dict of layers, of dicts of arrays"),
    ],
)  # fmt: skip
def test_mistakes_change_nothing(pool, do, message):
    learner = begun(pool)
    before = dict(learner.answers)
    with pytest.raises(UserError, match=message):
        do(learner)
    assert learner.answers == before


def test_a_file_of_another_kind(tmp_path):
    from dd_al.io.tensors import write_safetensors

    write_safetensors(tmp_path / "x.safetensors", {"a": np.zeros(2)})
    with pytest.raises(DataError, match="is no active learner"):
        dd_al.ActiveLearner.load(tmp_path / "x.safetensors")


def test_an_unknown_key_is_named():
    with pytest.raises(ConfigError, match="did you mean 'passes'"):
        dd_al.ActiveLearner(["a", "b"], NAMES, config={"active": {"pases": 3}})


def test_labels_from_numpy_are_kept_as_plain_ones(pool, tmp_path):
    texts, _ = pool
    learner = dd_al.ActiveLearner(texts, np.asarray([0, 1]), config=CONFIG)
    learner.initialize([0, 1, 2, 3], np.asarray([0, 1, 0, 1]))
    learner.save(tmp_path / "l.safetensors")
    assert type(learner.labels[0]) is int and dd_al.ActiveLearner.load(tmp_path / "l.safetensors").answers[1] == 1
    with pytest.raises(DataError, match="twice"):
        learner.update([0, 1], [4, 4])


def test_training_that_diverges_is_an_error_and_keeps_the_labels(pool):
    texts, labels = pool
    wild = {**CONFIG, "active": {**CONFIG.get("active", {}), "rate": 1e30}, "learner": {"optimizer": "sgd"}}
    learner = dd_al.ActiveLearner(texts, ["bad", "good"], config=wild)
    with pytest.raises(ConfigError, match=r"diverged: lower config\.active\.rate"):
        learner.initialize([0, 1, 2, 3], ["bad", "good", "bad", "good"])
    assert len(learner.answers) == 4


def test_predictions_after_an_update_compile_nothing_anew(pool, monkeypatch):
    texts, labels = pool
    learner = dd_al.ActiveLearner(texts, ["bad", "good"], config=CONFIG)
    learner.initialize([0, 1, 2, 3], ["bad", "good", "bad", "good"])
    before = learner.predict_proba(texts[:4])
    answer = learner._learners._answer
    learner.update(["good"], [4])
    after = learner.predict_proba(texts[:4])
    assert learner._learners._answer is answer and np.abs(after - before).max() > 0


@pytest.mark.parametrize("options", [{}, {"model": own_network, "config": {"vectors": CONFIG["vectors"]}}])
def test_a_learner_can_be_pickled_and_copied_and_goes_on(pool, options):
    learner = begun(pool, query="margin", **options)
    copies = pickle.loads(pickle.dumps(learner)), copy.deepcopy(learner)
    asked, probs = learner.query(3), learner.predict_proba(pool[0])
    for other in copies:
        assert other.answers == learner.answers and other.query(3) == asked
        np.testing.assert_array_equal(other.predict_proba(pool[0]), probs)
        other.update([pool[1][i] for i in asked])
    assert len(learner.answers) == 4  # copies are on their own


class WithState(Classifier):
    def layers(self):
        self.norm = nn.BatchNorm(use_running_average=False)

    def features(self, inputs):
        return self.norm(masked_mean(inputs.embedded, inputs.mask))


class WithoutFeatures(nn.Module):
    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(2)(inputs.embedded.mean(1))


@pytest.mark.parametrize(
    ("network", "found"),
    [
        (WithState(2, dropout=0.0), r"WithState keeps state \(batch_stats\)"),
        (WithoutFeatures(), "WithoutFeatures is no such network"),
        (object(), "builtins.object is no such network"),
    ],
)
def test_a_network_that_as_model_cannot_take_is_told_what_it_takes(pool, network, found):
    with pytest.raises(ConfigError, match=f"{found}: as_model takes a Flax Linen module with the methods features"):
        dd_al.ActiveLearner(
            pool[0], NAMES, config={"vectors": CONFIG["vectors"]},
            model=lambda dim, classes: as_model(network, example_text(dim)),
        )  # fmt: skip


def test_copies_share_a_label_and_are_asked_for_once(pool, caplog):
    texts, labels = pool[0][:10] * 4, pool[1][:10]
    learner = dd_al.ActiveLearner(texts, NAMES, query="random", config=CONFIG)
    with caplog.at_level("INFO"):
        asked = learner.query(40, query="random")
    assert "30 of 40 texts are copies of others" in caplog.text
    assert sorted(asked) == list(range(10))
    learner.update([labels[0]], [20])
    assert 0 not in learner.query(40, query="random") and learner.answers == {20: labels[0]}
    other = NAMES[labels[0] == NAMES[0]]
    learner.update([other], [0])  # somebody knows better
    assert learner.answers == {0: other}
    with pytest.raises(DataError, match=f"index 11: a copy of its text has the label {NAMES[0]!r} here"):
        learner.update(NAMES, [1, 11])
    assert learner.answers == {0: other}

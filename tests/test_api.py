"""`dd_al.distill` on plain lists, and what it returns."""

import copy
import inspect
import logging
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest

import dd_al
import dd_al.api
from dd_al.core.errors import ConfigError, DataError, UserError
from dd_al.data import sources
from dd_al.data.text import Vocabulary

pytestmark = pytest.mark.usefixtures("own_caches")
TINY = {
    "vectors": {"corpus": "train", "dim": 8},
    "model": {"windows": (1,), "filters": 8},
    "distill": {"steps": 5, "nets": 2, "batch_size": 16, "inner_rate": 0.05, "evaluate_every": 20, "log_every": 10},
    "evaluate": {"inits": 2, "select_inits": 2},
}
BAD_LISTS = (["a b", "c d"], [0, 1])


@pytest.fixture(scope="module")
def distilled(reviews):
    """Three classes of text labels, given out of order; the splits are made by the call."""
    texts, labels = reviews(3, 90, names=["good", "bad", "fair"])
    return dd_al.distill(texts, labels, examples=3, iterations=40, config=TINY)


def test_the_set(distilled):
    inputs, labels, rates = distilled.synthetic
    assert inputs.shape[0] == 3 and inputs.shape[2] == 8 and labels.shape == (3, 3) and rates.shape == (5, 2)
    assert all(type(array) is np.ndarray and array.dtype == np.float32 for array in distilled.synthetic)
    np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    assert (rates > 0).all() and len(distilled.sets) == 1
    assert distilled.labels == ["bad", "fair", "good"]
    assert "3 examples" in repr(distilled) and "3 classes" in repr(distilled)


def test_nearest_words(distilled):
    words = distilled.words(k=2)
    assert len(words) == 3 and {len(ranked) for item in words for ranked in item} == {2}
    assert [[ranked[:1] for ranked in item] for item in words] == distilled.words()


def test_the_classifier_has_learned(distilled, reviews):
    texts, labels = reviews(3, 60, seed=9, names=["good", "bad", "fair"])
    predicted = distilled.classifier.predict(texts)
    assert distilled.classifier is distilled.classifier and set(predicted) <= set(labels)
    assert np.mean([a == b for a, b in zip(predicted, labels, strict=True)]) > 0.6
    assert distilled.scores["test_accuracy"] > 0.6 and distilled.scores["test_majority_rate"] < 0.5


def test_probabilities(distilled):
    texts = ["c0s0 c0s1", "nothing of this is known"]
    one, many = distilled.train(seed=1), distilled.train(seed=1, ensemble=3)
    assert one.predict_proba(texts).shape == (2, 3) and "ensemble=3" in repr(many)
    np.testing.assert_allclose(many.predict_proba(texts).sum(1), 1, atol=1e-5)
    assert not np.allclose(one.predict_proba(texts), distilled.classifier.predict_proba(texts))
    assert one.predict([]) == [] and one.predict_proba([]).shape == (0, 3)


def test_saved_and_loaded(distilled, tmp_path):
    texts = ["c0s0 c0s1", "c1s0 w1", "nothing of this is known"]
    distilled.save(tmp_path / "new folder" / "set.safetensors")
    again = dd_al.load(tmp_path / "new folder" / "set.safetensors")
    assert again.labels == distilled.labels and again.scores == distilled.scores
    assert all(map(np.array_equal, again.synthetic, distilled.synthetic))
    expected = distilled.classifier.predict_proba(texts)
    assert np.array_equal(again.classifier.predict_proba(texts), expected)

    distilled.classifier.save(tmp_path / "c.safetensors")
    loaded = dd_al.Classifier.load(tmp_path / "c.safetensors")
    assert np.array_equal(loaded.predict_proba(texts), expected)
    assert loaded.predict(texts) == distilled.classifier.predict(texts)
    with pytest.raises(DataError, match="no distilled set"):
        dd_al.load(tmp_path / "c.safetensors")
    with pytest.raises(DataError, match="dd_al.load"):
        dd_al.Classifier.load(tmp_path / "new folder" / "set.safetensors")
    with pytest.raises(DataError, match="cannot read"):
        dd_al.Classifier.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([2, 1], [1, 2]),
        ([True, False], [False, True]),
        ([np.int64(1), np.int64(-1)], [-1, 1]),
        ([1.5, 0.5], [0.5, 1.5]),
        ([np.str_("5 stars"), np.str_("4.5 stars")], ["4.5 stars", "5 stars"]),
    ],
    ids=str,
)
def test_labels_stay_as_they_were_written(reviews, names, expected):
    texts, labels = reviews(2, 40, names=names)
    written = dd_al.api._names(sources.from_lists(texts, labels), dd_al.api.as_list(labels, "labels"))
    assert written == expected and [type(label) for label in written] == [type(label) for label in expected]


@pytest.mark.slow
def test_known_initialisation_and_number_labels(reviews, capsys):
    texts, labels = reviews(2, 40, names=[-1, 1])
    distilled = dd_al.distill(texts, labels, examples=2, iterations=1, config=TINY, init="known", progress=False)
    assert capsys.readouterr() == ("", "")
    predicted = distilled.classifier.predict(texts)
    assert set(predicted) <= {-1, 1} and {type(label) for label in predicted} == {int}
    with pytest.raises(UserError, match="1 known initialisations, so 2"):
        distilled.train(ensemble=2)


@pytest.mark.slow
def test_lines_are_shown_where_nobody_listens(reviews, capsys, monkeypatch):
    texts, labels = reviews(2, 40)
    log = logging.getLogger("dd_al")
    monkeypatch.setattr(log, "propagate", False)  # pytest listens at the root
    monkeypatch.setattr(log, "handlers", [])
    dd_al.distill(texts, labels, examples=2, iterations=1, config=TINY)
    assert "compiling the outer loop" in capsys.readouterr().err and log.handlers == []


def test_the_test_split_is_left_alone_on_request(reviews):
    texts, labels = reviews(2, 40)
    config = {**TINY, "evaluate": {"split": "validation"}}
    distilled = dd_al.distill(texts, labels, examples=2, iterations=1, config=config, progress=False)
    assert distilled.scores.keys() == {"validation_accuracy"}


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (([], []), {}, "no examples"),
        ((["a"], [0, 1]), {}, "1 texts, but 2 labels"),
        ((["a b", "c d"] * 20, [1] * 40), {}, "one class only"),
        ((["a b", None], [0, 1]), {}, "item 2: no text"),
        ((["a b", 3.5], [0, 1]), {}, r"item 2: the text is 3.5 \(float\)"),
        ((["a b", "c d"], [0, None]), {}, "item 2: no label"),
        (("a text", [0]), {}, "texts must be a list, not str"),
        ((None, [0]), {}, "texts must be a list, not NoneType"),
        ((["a b"], 1), {}, "labels must be a list, not int"),
        (BAD_LISTS, {"validation": ["a b"]}, r"validation must be a pair \(texts, labels\)"),
        (BAD_LISTS, {"test": (["a"], [2, 3])}, "lists test: 1 texts, but 2 labels"),
        (BAD_LISTS, {"examples": 0}, "config.distill.examples = 0: must be an integer of at least 1"),
        (BAD_LISTS, {"init": "knwon"}, "config.distill.init = 'knwon': .*did you mean 'known'"),
        (BAD_LISTS, {"config": {"model": {"filtres": 3}}}, "config.model.filtres = 3: no such key .*'filters'"),
        (BAD_LISTS, {"config": {"data": {"dir": "x"}}}, "no section 'data' here"),
        (BAD_LISTS, {"config": {"distill": 3}}, "config.distill = 3: is a section"),
        (BAD_LISTS, {"config": 3}, "config = 3: must be a dict of sections"),
    ],
)
def test_mistakes(args, options, message):
    with pytest.raises(UserError, match=message):
        dd_al.distill(*args, **options)


def test_hard_labels_need_an_item_of_each_class(reviews):
    texts, labels = reviews(2, 40)
    config = {**TINY, "distill": {**TINY["distill"], "labels": "hard"}}
    with pytest.raises(ConfigError, match="distill.examples = 1: .* needs an item of each of the 2 classes"):
        dd_al.distill(texts, labels, examples=1, config=config, progress=False)


def test_mistakes_with_the_classifier(distilled):
    with pytest.raises(DataError, match="must be a list, not str"):
        distilled.classifier.predict("one text")
    with pytest.raises(DataError, match=r"texts\[1\] is nan \(float\)"):
        distilled.classifier.predict(["a", float("nan")])
    with pytest.raises(ConfigError, match="ensemble = 0"):
        distilled.train(ensemble=0)


def test_the_sets_of_the_main_command_can_be_loaded(distilled, tmp_path):
    """Its labels are text, as a file's are; several spellings may share a class."""
    import dataclasses

    spec = {k: v for k, v in distilled.artefact.spec.items() if k not in ("labels", "scores")}
    spec["label_map"] = {"0": 0, "1": 0, "2": 1, "3": 2}
    other = dd_al.Distilled(dataclasses.replace(distilled.artefact, spec=spec))
    assert other.labels == ["0/1", "2", "3"] and other.scores == {}


IMPORTS = """
import sys
import dd_al
assert "jax" not in sys.modules and "numpy" not in sys.modules
assert {"distill", "load", "Distilled", "Classifier"} <= set(dir(dd_al))
from dd_al import distill
import dd_al.api
assert dd_al.distill is distill is dd_al.api.distill
import dd_al.distillation.unrolled as u
from dd_al.distillation import unrolled
from dd_al.distillation.unrolled import outer_loss
assert u is unrolled and u.outer_loss is outer_loss
from dd_al.api import distill as function
try:
    distill([], [])
except dd_al.api.DataError as error:
    print(error)
"""


def test_every_way_to_import(commands):
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, env=commands.environment)
    assert done.returncode == 0, done.stderr
    assert "no examples" in done.stdout


def test_help_and_signature():
    import pydoc

    assert list(inspect.signature(dd_al.distill).parameters)[:4] == ["texts", "labels", "examples", "iterations"]
    shown = pydoc.plain(pydoc.render_doc(dd_al.distill))
    assert "dd_al.distill(texts, labels, examples=8)" in shown and "validation: " in shown
    with pytest.raises(AttributeError, match="no attribute 'distil'"):
        dd_al.distil  # noqa: B018


def test_items_is_the_old_name_of_examples():
    with (
        pytest.warns(FutureWarning, match="items is called examples"),
        pytest.raises(ConfigError, match="examples = 0"),
    ):
        dd_al.distill(["a", "b"], [0, 1], items=0)


def test_sets_and_classifiers_can_be_pickled_and_copied_after_use(distilled, reviews):
    texts = reviews(2, 5)[0]
    expected = distilled.classifier.predict_proba(texts)
    for other in (pickle.loads(pickle.dumps(distilled)), copy.deepcopy(distilled)):
        np.testing.assert_array_equal(other.classifier.predict_proba(texts), expected)
    again = pickle.loads(pickle.dumps(distilled.classifier))
    np.testing.assert_array_equal(again.predict_proba(texts), expected)
    assert again.labels == distilled.labels


def test_one_classifier_answers_in_many_threads(distilled, reviews):
    """Texts of many lengths, which are cut at one, so that nothing of one call may reach another."""
    texts = [" ".join(reviews(2, 40)[0])] * 20
    expected = distilled.classifier.predict_proba(texts)
    counted = Vocabulary(distilled.classifier.learners.words).ids
    with ThreadPoolExecutor(4) as pool:
        lengths = pool.map(lambda length: {len(ids) for ids in counted(texts, length)}, [3, 5, None, 7] * 30)
        answers = pool.map(distilled.classifier.predict_proba, [texts] * 40)
        assert list(lengths) == [{3}, {5}, {len(counted(texts[:1])[0])}, {7}] * 30
        for answer in answers:
            np.testing.assert_array_equal(answer, expected)


def scalars(values):
    return [jnp.int32(value) for value in values]


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray, pandas.Series, list, scalars])
def test_labels_in_any_kind_of_array_come_back_as_plain_ones(reviews, array, tmp_path):
    texts, labels = reviews(2, 30)
    labels = [int(label) for label in labels]
    learner = dd_al.ActiveLearner(texts, array([0, 1]), config={"vectors": TINY["vectors"]})
    assert learner.labels == [0, 1] and all(type(label) is int for label in learner.labels)
    found = dd_al.api.as_list(array(labels), "labels")
    assert found == labels and all(type(label) is int for label in found)


@pytest.mark.slow
def test_double_precision_of_the_caller_changes_nothing(distilled, reviews, tmp_path):
    texts, labels = reviews(3, 90, names=["good", "bad", "fair"])
    with jax.enable_x64(True):
        again = dd_al.distill(
            texts,
            jnp.asarray([["good", "bad", "fair"].index(one) for one in labels]),
            examples=3,
            iterations=40,
            config=TINY,
        )
        probs = again.classifier.predict_proba(texts[:5])
    assert again.labels == [0, 1, 2] and probs.dtype == np.float32
    again.save(tmp_path / "a.safetensors")
    assert dd_al.load(tmp_path / "a.safetensors").labels == [0, 1, 2]


def test_a_length_is_obeyed(reviews):
    texts, labels = reviews(2, 40)
    config = TINY | {"distill": TINY["distill"] | {"iterations": 1, "candidates": 1}}
    found = dd_al.distill(texts, labels, examples=2, length=3, config=config, progress=False)
    assert found.artefact.spec["length"] == 3

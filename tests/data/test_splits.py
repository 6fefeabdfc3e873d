"""Splits are seeded, stratified and disjoint; a sentence is in one of them only."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data import splits
from dd_al.data.dataset import Split
from dd_al.data.sources import from_lists, load


def _split(labels, prefix="text"):
    labels = np.asarray(labels, np.int32)
    return Split(tuple(f"{prefix} {i}" for i in range(len(labels))), labels, np.arange(len(labels)))


@hypothesis.given(st.lists(st.integers(2, 60), min_size=2, max_size=6), st.integers(0, 3))
@hypothesis.settings(max_examples=60, deadline=None)
def test_carving_is_a_stratified_partition(counts, seed):
    split = _split(np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)))
    size = round(len(split) / 10)
    rest, part = splits.carve(split, size, seed, "test")
    assert sorted([*rest.rows, *part.rows]) == list(range(len(split)))
    assert (np.diff(rest.rows) > 0).all() and (np.diff(part.rows) > 0).all()
    kept, drawn = np.bincount(rest.labels), np.bincount(part.labels)
    assert (kept > 0).all() and (drawn > 0).all()
    share = np.array(counts) / len(split)
    assert (np.abs(drawn - size * share) <= 1).all()


def test_sizes_are_exact_where_classes_are_large():
    assert len(splits.stratified(np.arange(1000) % 7, 137, 0, "test")) == 137


def test_seed_and_purpose_decide_the_draw():
    labels = np.arange(200) % 2
    first = splits.stratified(labels, 20, 0, "test")
    np.testing.assert_array_equal(first, splits.stratified(labels, 20, 0, "test"))
    assert set(first) != set(splits.stratified(labels, 20, 1, "test"))
    assert set(first) != set(splits.stratified(labels, 20, 0, "validation"))


def test_too_few_rows_to_carve_from():
    with pytest.raises(DataError, match="too few rows"):
        splits.carve(_split([0, 1]), 0, 0, "test")


def test_a_published_test_split_keeps_its_sentences():
    train = Split(("in both", "own", "in test", "other"), np.array([0, 1, 0, 1], np.int32), np.arange(4))
    validation = Split(("in both", "in test"), np.array([0, 1], np.int32), np.arange(2))
    test = Split(("in test", "in test"), np.array([0, 1], np.int32), np.arange(2))
    found, dropped, notes = splits.arrange({"train": train, "validation": validation, "test": test}, 0)
    assert found["train"].texts == ("own", "other")
    assert found["train"].rows.tolist() == [1, 3]
    assert (found["validation"].texts, found["test"].texts) == (("in both",), test.texts)
    assert dropped == 3


def test_conflicting_copies_go_and_agreeing_ones_stay():
    train = Split(("a", "a", "b", "b", "c"), np.array([0, 1, 0, 0, 1], np.int32), np.arange(5))
    found, dropped = splits.drop_conflicts(train)
    assert (found.texts, dropped) == (("b", "b", "c"), 2)


def test_carved_splits_share_no_sentence():
    texts = tuple(f"text {i % 60}" for i in range(120))
    data = Split(texts, (np.arange(120) % 60 % 2).astype(np.int32), np.arange(120))
    found, dropped, notes = splits.arrange({"train": data}, 0)
    parts = [set(split.texts) for split in found.values()]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert [len(split) for split in found.values()] == [96, 6, 6]
    assert dropped == 12 and "12 further copies of texts in test and validation were removed" in notes


def test_a_class_of_few_texts_with_many_copies_is_in_every_split():
    texts = tuple(f"text {i % 4 if i < 400 else i}" for i in range(800))
    data = Split(texts, (np.arange(800) >= 400).astype(np.int32), np.arange(800))
    found, dropped, notes = splits.arrange({"train": data}, 0)
    for split, copies in zip(found.values(), (200, 1, 1), strict=True):
        assert (split.labels == 0).sum() == copies and (split.labels == 1).sum() >= 30
    assert dropped == 198


def test_validation_is_carved_from_train_with_a_note():
    found, dropped, notes = splits.arrange({"train": _split([0, 1] * 50), "test": _split([0, 1] * 5, "held out")}, 0)
    assert (len(found["train"]), len(found["validation"]), len(found["test"])) == (90, 10, 10)
    assert "no validation split given: a seeded stratified tenth of train (10 rows) became it" in notes


@pytest.mark.parametrize("total, train, test", [(11_855, 10_534, 1_316), (9_613, 8_545, 1_068)])
def test_seed_paper_sizes(total, train, test):
    labels = np.arange(total) % 5
    parts = {
        "train": _split(labels[:8000]),
        "validation": _split(labels[8000:9000], "v"),
        "test": _split(labels[9000:], "t"),
    }
    found, _ = splits.seed_paper(parts, 0)
    assert (len(found["train"]), len(found["test"])) == (train, test)
    assert not set(found["train"].rows) & set(found["test"].rows)
    assert {text[0] for text in found["test"].texts} == {"t", "v"}


def test_a_file_of_nothing_but_conflicts(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "same text,0\nsame text,1\n" * 10)
    with pytest.raises(DataError, match="all 20 rows of train hold texts that occur in it with different labels"):
        load(DataSettings(name="a", dir=str(tmp_path / "a.csv")))


def test_no_text_of_validation_is_in_test():
    texts, labels = [f"text {i}" for i in range(40)], [i % 2 for i in range(40)]
    data = from_lists(texts, labels, validation=(texts[:20], labels[:20]), test=(texts[10:30], labels[10:30]))
    assert data.test.texts == tuple(texts[10:30]) and data.validation.texts == tuple(texts[:10])
    assert data.train.texts == tuple(texts[30:])
    assert "10 rows whose text is in test too were removed from validation" in data.notes

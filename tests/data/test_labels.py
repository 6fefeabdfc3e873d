"""Labels of every spelling become classes in a predictable order."""

import pytest

from dd_al.core.errors import DataError
from dd_al.data import labels
from dd_al.data.rows import checked
from dd_al.data.sources import from_lists


def _map(written):
    return labels.infer_map([checked([(i, f"text {i}", label) for i, label in enumerate(written * 20)], "a.csv")])


@pytest.mark.parametrize(
    "written, expected",
    [
        ([0, 1], {"0": 0, "1": 1}),
        ([2, 1, 10], {"1": 0, "2": 1, "10": 2}),
        ([1, -1], {"-1": 0, "1": 1}),
        (["1", "1.0", 2.0], {"1": 0, "1.0": 0, "2": 1}),
        ([0.5, 1.0], {"0.5": 0, "1": 1}),
        ([True, False], {"false": 0, "true": 1}),
        (["positive", "negative", "neutral"], {"negative": 0, "neutral": 1, "positive": 2}),
        (["10 stars", "1 star", "4-Stars"], {"1 star": 0, "4-Stars": 1, "10 stars": 2}),
        (["★★★", "★☆☆", "★★½"], {"★☆☆": 0, "★★½": 1, "★★★": 2}),
        (["4/5", "2/5"], {"2/5": 0, "4/5": 1}),
        (["10", "9", "many"], {"10": 0, "9": 1, "many": 2}),
    ],
)
def test_sorted_order(written, expected):
    found = _map(written)
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    "written",
    [
        ["1.1", "1.2", "1.9", "1.10"],
        ["7", "007", "70"],
        ["1/5", "4/10", "4/5"],
        ["9007199254740992", "9007199254740993"],
        [9007199254740992, 9007199254740993],
        ["1 star", "1", "2"],
        ["1.5", "1.50"],
    ],
)
def test_codes_are_labels_of_their_own(written):
    found = _map(written)
    assert sorted(found.values()) == list(range(len(written))) and set(found) == set(map(str, written))
    assert not labels.joined(found)


def test_ratings_out_of_different_numbers_are_ordered_by_their_share():
    assert list(_map(["4/5", "4/10", "1/5"])) == ["1/5", "4/10", "4/5"]


def test_floats_of_whole_numbers_are_joined_and_that_is_said():
    texts, written = [f"text {i}" for i in range(60)], ["1", "1.0", "2"] * 20
    data = from_lists(texts, written)
    assert data.label_map == {"1": 0, "1.0": 0, "2": 1}
    assert "spellings of one number are one label: '1' and '1.0'" in data.notes
    assert from_lists(texts, ["1", "1.0", "x"] * 20).num_classes == 3  # not a column of numbers


def test_labels_that_may_mean_none_are_classes_and_that_is_said():
    data = from_lists([f"text {i}" for i in range(60)], ["favor", "against", "NONE"] * 20)
    assert set(data.label_map) == {"favor", "against", "NONE"}
    assert any("the label 'NONE' (20) is a class" in note for note in data.notes)


def test_encode_matches_a_number_written_as_a_float():
    rows = checked([(1, "a", "2.0"), (2, "b", "1")], "a.csv")
    assert labels.encode(rows, {"1": 0, "2": 1}).labels.tolist() == [1, 0]
    for other in ("02", "1 star", "1/5"):
        with pytest.raises(DataError, match=f"the label '{other}' is not one of '1', '2'"):
            labels.encode(checked([(1, "a", other)], "a.csv"), {"1": 0, "2": 1})


def test_label_map_may_join_labels_and_must_name_all():
    texts, written = [f"text {i}" for i in range(60)], ["bad", "awful", "good"] * 20
    data = from_lists(texts, written, label_map="bad:0, awful:0,good:1")
    assert (data.num_classes, data.label_map) == (2, {"bad": 0, "awful": 0, "good": 1})
    with pytest.raises(DataError, match="lists train, item 2: the label 'awful' is not one of 'bad', 'good'"):
        from_lists(texts, written, label_map={"bad": 0, "good": 1})


@pytest.mark.parametrize("label_map", ["bad:0,good", "bad:1,good:2", "bad:0", {"bad": "x"}, ":0,a:1", ["bad"]])
def test_bad_label_maps(label_map):
    with pytest.raises(DataError, match="label_map"):
        labels.parse_map(label_map)


def test_one_class_only():
    with pytest.raises(DataError, match="one class only"):
        _map(["good"])


def test_free_text_read_as_labels():
    with pytest.raises(DataError, match="20 different labels.*in 20 rows.*label_column"):
        labels.infer_map([checked([(i, "text", f"some sentence {i}") for i in range(20)], "a.csv")])


def test_small_data_is_no_mistake():
    data = from_lists([f"text {i}" for i in range(12)], ["yes", "no"] * 6)
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 2, 2)


def test_class_absent_from_train():
    texts = [f"text {i}" for i in range(40)]
    with pytest.raises(DataError, match="class 2 .label '2'. is absent from train .it is in test."):
        from_lists(texts, [0, 1] * 20, test=(["x", "y"], [1, 2]))
    with pytest.raises(DataError, match="class 2 .*no split has it"):
        from_lists(texts, [0, 1] * 20, label_map={"0": 0, "1": 1, "2": 2})


def test_fewer_rows_than_classes():
    with pytest.raises(DataError, match="fewer rows than classes: train has 2 rows for 3 classes"):
        from_lists(["a", "b"], [0, 1], label_map={"0": 0, "1": 1, "2": 2})


def test_a_note_says_what_is_joined_and_nothing_else():
    texts = [f"text {i}" for i in range(80)]
    apart = from_lists(texts, ["1", "1.0", "2", "none"] * 20)
    assert apart.num_classes == 4 and not any("spellings" in note for note in apart.notes)
    apart = from_lists(texts, ["1", "1.0"] * 40, label_map="1:0,1.0:1")
    assert apart.num_classes == 2 and not any("spellings" in note for note in apart.notes)


def test_numbers_of_any_size_and_form():
    assert list(_map(["1e-05", "0.5", "2E3"])) == ["1e-05", "0.5", "2E3"]
    assert set(_map(["9" * 5000, "1"])) == {"9" * 5000, "1"}
    assert set(_map(["1/" + "9" * 5000, "1"])) == {"1/" + "9" * 5000, "1"}

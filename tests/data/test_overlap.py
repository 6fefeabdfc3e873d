import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dd_al.data.overlap import corpora, overlapping, sketch, squeeze

TEXT = st.text(alphabet="ab c.", max_size=12)


def by_the_rule(rows, held_out, min_overlap):
    sentences = [s for s in map(squeeze, held_out) if s]
    return [
        any((s in row and len(s) >= min_overlap) or (row and row in s) for s in sentences) for row in map(squeeze, rows)
    ]


@given(st.lists(TEXT, max_size=8), st.lists(TEXT, max_size=5), st.sampled_from([0, 3, 10]))
def test_marks_exactly_what_the_rule_says(rows, held_out, min_overlap):
    marked = overlapping(rows, held_out, min_overlap)
    assert marked.dtype == bool
    assert marked.tolist() == by_the_rule(rows, held_out, min_overlap)


def test_finds_long_sentences_wherever_they_stand():
    sentence = "A stirring , funny and finally transporting film !"
    rows = [
        "Before it. A stirring, funny, and finally transporting film! After it.",
        "a STIRRING , funny and finally transporting film",
        "funny and finally",
        "a stirring, funny and finally transporting firm",
        "",
    ]
    assert overlapping(rows, [sentence], min_overlap=12).tolist() == [True, True, True, False, False]


def test_a_short_sentence_excludes_only_what_it_equals_or_contains():
    rows = ["I know nothing.", "No!", "n"]
    assert overlapping(rows, ["No ."], min_overlap=12).tolist() == [False, True, True]
    assert overlapping(rows, ["No ."], min_overlap=0).tolist() == [True, True, True]


def test_a_match_across_two_rows_is_none():
    assert not overlapping(["one half of a sen", "tence that is split"], ["half of a sentence that"], 0).any()


def test_texts_without_letters_match_nothing():
    assert np.array_equal(overlapping(["!!!", "abc"], ["???", "…"], 0), [False, False])


def test_data_sets_that_share_their_sentences_are_one_corpus():
    first = [f"sentence number {i}" for i in range(50)]
    again = [f"Sentence, number {i}!" for i in range(25, 40)]
    other = [f"something else {i}" for i in range(50)]
    texts = {"two": first, "news": other, "five": again, "empty": []}
    found = corpora({name: sketch(some) for name, some in texts.items()})
    assert found == {"two": "two", "news": "news", "five": "two", "empty": "empty"}


def test_sketches_of_long_corpora_find_what_they_share():
    long = [f"a sentence of many, number {i}" for i in range(3000)]
    half = [f"a sentence of many, number {i}" for i in range(2940, 6000)]  # 60 in common, a fiftieth
    short = long[:100]
    texts = {"long": long, "half": half, "short": short, "other": [f"nothing in common {i}" for i in range(3000)]}
    sketches = {name: sketch(some, size=1000) for name, some in texts.items()}
    assert max(map(len, sketches.values())) == 1000 and len(sketches["short"]) == 100
    assert corpora(sketches) == {"long": "long", "half": "long", "short": "long", "other": "other"}
    assert corpora(sketches, share=0.2)["half"] == "half"

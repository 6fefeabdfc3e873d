import numpy as np
import pytest

from dd_al.data.text import PAD, UNKNOWN, Vocabulary, build_vocabulary, choose_length, unseen


def words_of(text):
    vocabulary = build_vocabulary([text])
    return [vocabulary.words[i] for i in vocabulary.ids([text])[0]]


@pytest.mark.parametrize(
    "raw, treebank",
    [
        ("It isn't bad", "it is n't bad"),
        ("We won't, they'll!", "we wo n't , they 'll !"),
        ("the film’s best", "the film 's best"),
        ("wait ... what", "wait ... what"),
        ("re-imagining", "re - imagining"),
        ("line<br /><br />break", "line break"),
        ("-LRB- yes -RRB-", "( yes )"),
    ],
)
def test_raw_and_tokenised_text_give_the_same_words(raw, treebank):
    assert words_of(raw) == treebank.split()
    if "-" not in raw:
        assert words_of(treebank) == treebank.split()


def test_the_most_frequent_words_come_first_and_rare_ones_are_left_out():
    vocabulary = build_vocabulary(["a b b c c c", "d"], min_count=2)
    assert vocabulary.words == (PAD, UNKNOWN, "c", "b")


def test_ids_are_cut_and_padded():
    vocabulary = Vocabulary((PAD, UNKNOWN, "good", "film"))
    ids = vocabulary.encode(["good film good film", "film", "", "never seen"], 3)
    assert ids.dtype == np.int32
    assert ids.tolist() == [[2, 3, 2], [3, 0, 0], [0, 0, 0], [1, 1, 0]]
    # A length asked for once does not stick.
    assert len(vocabulary.ids(["good film good film"])[0]) == 4


def test_the_length_covers_the_texts_but_for_the_longest():
    assert choose_length([10] * 99 + [500]) == 12
    assert choose_length([300] * 10) == 64
    assert choose_length([1]) == 4


def test_scripts_without_spaces_are_read_by_character():
    words = build_vocabulary(["上周看了abc中文", "カタ ภาษ 한국어 हिन्दी"]).words
    assert set(words[2:]) == {*"上周看了中文カタภาษ", "abc", "한국어", "हिन्दी"}


def test_what_is_not_read_is_said():
    words = build_vocabulary(["a b c d e f"] * 9)
    texts = words.ids(["a b c d e f"] * 9 + ["a b x y"])
    assert unseen(texts, 6) == []
    cut, unknown = unseen(texts, 4) + unseen(words.ids(["a x y z"]), 4)
    assert "9 of 10 texts are longer than 4 words" in cut and "31% of all words" in cut and "config.data.length" in cut
    assert unknown.startswith("75% of all words are unknown")


def test_fractions_and_powers_belong_to_their_words():
    assert {"8½", "x²", "½"} < set(build_vocabulary(["8½ x² ½"]).words)

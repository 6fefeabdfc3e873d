"""The original release of the treebank, with the quirks it is known for."""

import pytest

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data import treebank
from dd_al.data.sources import load

# (sentence as datasetSentences.txt has it, as dictionary.txt has it, sentiment, split)
SENTENCES = [
    ("A very bad film .", "A very bad film .", 0.1, 1),
    ("A bad film .", "A bad film .", 0.4, 1),
    ("A film .", "A film .", 0.5, 1),
    ("A good film -LRB- really -RRB- .", "A good film ( really ) .", 0.8, 1),
    ("A crÃ¨me brÃ»lÃ©e of a film .", "A crème brûlée of a film .", 0.9, 1),
    ("A dreadful 1\\/2 hour .", "A dreadful 1/2 hour .", 0.0, 3),
    ("A splendid hour .", "A splendid hour .", 1.0, 2),
    ("An hour .", "An hour .", 0.6, 2),
    ("In no dictionary .", None, None, 1),
]
PHRASES = [("bad film", 0.3), ("splendid hour", 0.95), ("film", 0.5), ("hour", 0.5), ("A", 0.5)]


@pytest.fixture
def release(tmp_path):
    known = [(phrase, value) for _, phrase, value, _ in SENTENCES if phrase] + PHRASES
    sentences = "".join(f"{i}\t{row[0]}\n" for i, row in enumerate(SENTENCES, 1))
    files = {
        "datasetSentences.txt": "sentence_index\tsentence\n" + sentences,
        "datasetSplit.txt": "sentence_index,splitset_label\n"
        + "".join(f"{i},{row[3]}\n" for i, row in enumerate(SENTENCES, 1)),
        "dictionary.txt": "".join(f"{phrase}|{i}\n" for i, (phrase, _) in enumerate(known)),
        "sentiment_labels.txt": "phrase ids|sentiment values\n\n"
        + "".join(f"{i}|{value}\n" for i, (_, value) in enumerate(known)),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_five_classes_by_the_usual_cut_offs(release):
    data = load(DataSettings(name="sst5", dir=str(release)))
    assert data.train.texts == tuple(row[1] for row in SENTENCES[:5])
    assert data.train.labels.tolist() == [0, 1, 2, 3, 4]
    assert (data.validation.texts, data.validation.labels.tolist()) == (("A dreadful 1/2 hour .",), [0])
    assert data.test.labels.tolist() == [4, 2]
    assert data.test.rows.tolist() == [6, 7]
    assert "1 sentences of datasetSentences.txt are not in dictionary.txt" in " ".join(data.notes)


@pytest.mark.parametrize(
    "value, label", [(0, 0), (0.2, 0), (0.20001, 1), (0.4, 1), (0.6, 2), (0.61, 3), (0.8, 3), (0.81, 4), (1, 4)]
)
def test_cut_offs(value, label):
    assert treebank.grade(value) == label


def test_sst2_leaves_neutral_sentences_out(release):
    data = load(DataSettings(name="sst2", dir=str(release)))
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert data.train.rows.tolist() == [0, 1, 3, 4]
    assert data.test.labels.tolist() == [1]
    assert data.label_map == {"0": 0, "1": 1}
    assert "neutral" in " ".join(data.notes)


def test_missing_file_is_named(release):
    (release / "dictionary.txt").unlink()
    with pytest.raises(DataError, match="missing: dictionary.txt"):
        load(DataSettings(dir=str(release)))


@pytest.mark.parametrize(
    "name, line, message",
    [
        ("sentiment_labels.txt", "7|high", "sentiment_labels.txt, line 1[0-9]: the sentiment 'high'"),
        ("dictionary.txt", "no separator", "dictionary.txt, line 14: two fields"),
        ("datasetSentences.txt", "99\tUnknown .", "datasetSentences.txt, line 11: .* for sentence '99'"),
    ],
)
def test_malformed_lines(release, name, line, message):
    with (release / name).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        load(DataSettings(name="sst5", dir=str(release)))


def test_files_of_different_releases(release):
    (release / "dictionary.txt").write_text("something else|0\n")
    with pytest.raises(DataError, match="no sentence"):
        load(DataSettings(name="sst5", dir=str(release)))

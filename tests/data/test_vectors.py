import numpy as np
import pytest

from dd_al.config.data import VectorSettings
from dd_al.core.errors import DataError
from dd_al.data import packaged
from dd_al.data.counts import Text, count_vectors, document_counts, factorise, neighbour_counts, ppmi
from dd_al.data.vectors import read_vectors, word_vectors

TRAIN = ["the good film was good", "the bad film was bad", "a good story", "a bad story"] * 5
OPTIONS = {"corpus": "train", "dim": 4, "min_count": 1}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_neighbours_count_by_distance_within_a_document():
    text = Text(np.array([2, 3, 4, 2, 1, 3]), np.array([0, 0, 0, 1, 1, 1]))
    counts = neighbour_counts(text, 5, window=2).toarray()
    expected = np.zeros((5, 5))
    expected[2, 3] = expected[3, 4] = 1.0
    expected[2, 4] = 0.5
    expected[2, 3] += 0.5  # the second document, over an unknown word
    assert np.allclose(counts, expected + expected.T)


def test_documents_count_known_words():
    counts = document_counts(Text(np.array([2, 2, 1, 3]), np.array([0, 0, 0, 1])), 4)
    assert counts.toarray().tolist() == [[0, 0], [0, 0], [2, 0], [0, 1]]


def test_ppmi_is_the_formula():
    counts = np.array([[0, 3.0, 1.0], [3.0, 0, 0], [1.0, 0, 2.0]])
    import scipy.sparse as sp

    context = counts.sum(0) ** 0.75 / (counts.sum(0) ** 0.75).sum()
    with np.errstate(divide="ignore"):
        pmi = np.log(counts / counts.sum(1, keepdims=True) / context)
    assert np.allclose(ppmi(sp.csr_matrix(counts), 0.75).toarray(), np.maximum(pmi, 0), atol=1e-6)


def test_factors_reconstruct_a_matrix_of_low_rank():
    rng = np.random.default_rng(0)
    import scipy.sparse as sp

    matrix = rng.normal(size=(30, 4)) @ rng.normal(size=(4, 25))
    u = factorise(sp.csr_matrix(matrix.astype(np.float32)), 4, weight=1.0)
    assert np.allclose(u @ u.T, matrix @ matrix.T, rtol=1e-3, atol=1e-2)
    wide = factorise(sp.csr_matrix(matrix.astype(np.float32)), 40, weight=1.0)
    assert wide.shape == (30, 40)
    assert not wide[:, 25:].any()


def test_words_of_one_kind_end_up_together():
    ids = {"good": 2, "great": 3, "bad": 4, "film": 5, "meal": 6}
    sentences = [["good", "film"], ["great", "film"], ["bad", "meal"]] * 10
    words = np.array([ids[w] for s in sentences for w in s])
    table = count_vectors(
        Text(words, np.repeat(np.arange(30), 2)),
        7, 2, window=2, document_share=0.0,
    )  # fmt: skip
    assert table[2] @ table[3] > 0.99 > table[2] @ table[4]


def test_counted_vectors_are_normalised_and_deterministic():
    made = word_vectors(VectorSettings(**OPTIONS), TRAIN, [])
    assert made.table.dtype == np.float32
    assert not made.table[:2].any()
    assert np.allclose(np.sqrt((made.table[2:] ** 2).mean(1)), 0.5, atol=1e-3)
    assert np.array_equal(made.table, made.table.astype(np.float16))
    assert made.trained == len(made.vocabulary.words) == 9
    cached = word_vectors(VectorSettings(**OPTIONS), TRAIN, [])
    assert np.array_equal(cached.table, made.table)
    assert cached.vocabulary == made.vocabulary


def test_held_out_text_is_not_counted(monkeypatch):
    monkeypatch.setattr(packaged, "texts", lambda: ["a wholly secret sentence indeed", "another line", "another line"])
    options = {**OPTIONS, "corpus": "packaged"}
    made = word_vectors(VectorSettings(**options), TRAIN, ["A wholly SECRET sentence, indeed!"])
    assert made.report["excluded_rows"] == 1
    assert "secret" not in made.vocabulary.words
    assert "another" in made.vocabulary.words
    # Words of the training text come first; they are the ones that fine-tuning may move.
    assert "another" in made.vocabulary.words[made.trained :]


def test_a_damaged_cache_is_counted_again(tmp_path, caplog):
    made = word_vectors(VectorSettings(**OPTIONS), TRAIN, [])
    (file,) = (tmp_path / "cache" / "dd_al" / "vectors").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    again = word_vectors(VectorSettings(**OPTIONS), TRAIN, [])
    assert "damaged" in caplog.text
    assert np.array_equal(again.table, made.table)


def test_an_unwritable_cache_is_only_a_warning(tmp_path, caplog, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(word_vectors(VectorSettings(**OPTIONS), TRAIN, []).table) == 9
    assert "cannot keep" in caplog.text


def test_too_few_words_is_an_error():
    with pytest.raises(DataError, match="no word occurs 1000 times .* lower config.vectors.min_count"):
        word_vectors(VectorSettings(corpus="train", min_count=1000), TRAIN, [])


def test_vectors_from_a_file(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("good 1 0\nfilm 0 1\nzebra 1 1\n")
    made = word_vectors(VectorSettings(path=str(path)), TRAIN, [])
    assert made.vocabulary.words[2:] == ("good", "film", "zebra")
    assert made.trained == 4
    assert 0 < made.report["coverage"] < 1
    path.write_text("nichts 1 0\n")
    with pytest.raises(DataError, match="no word of the training text"):
        word_vectors(VectorSettings(path=str(path)), TRAIN, [])


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_text_formats(tmp_path, header):
    path = tmp_path / "v.txt"
    path.write_text(header + "The 1 2\nof 3 4\nthe 9 9\n")
    words, table = read_vectors(path)
    assert words == ("the", "of")
    assert table.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("separator", [b"", b"\n"])
def test_binary_format(tmp_path, separator):
    path = tmp_path / "v.bin"
    rows = [(b"good", [0.5, -1.25]), (b"film", [2.0, 0.125])]
    path.write_bytes(b"2 2\n" + b"".join(w + b" " + np.array(v, "<f4").tobytes() + separator for w, v in rows))
    words, table = read_vectors(path)
    assert words == ("good", "film")
    assert table.tolist() == [[0.5, -1.25], [2.0, 0.125]]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match="word 2 of 2.*cut short"):
        read_vectors(path)


def test_large_files_keep_the_first_words_and_the_wanted(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("".join(f"w{i} {i} 1\n" for i in range(10)))
    assert read_vectors(path, wanted={"w8"}, keep=2)[0] == ("w0", "w1", "w8")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"good 1 2\nbad 1\n", "line 2: 1 numbers where the first word has 2"),
        (b"good 1 x\n", "line 1: expected a word and numbers"),
        (b"good 1 2\nb\xff 1 2\n", "line 2: byte 1 is not UTF-8"),
        (b"good nan 2\n", "'good' has an entry that is not finite"),
    ],
)
def test_bad_vector_files(tmp_path, content, message):
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_vectors(path)


def test_a_missing_vector_file(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read_vectors(tmp_path / "none.txt")

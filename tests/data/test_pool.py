"""Files of texts of which some or none have labels."""

import pyarrow
import pytest
from pyarrow import parquet

from dd_al.core.errors import DataError
from dd_al.data.formats import read_file

TEXTS = ("one film", "two, films", "three films")


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("a.csv", 'text,label\none film,good\n"two, films",\nthree films,none\n', ("good", "", "none")),
        ("a.csv", 'text\none film\n"two, films"\nthree films\n', ("", "", "")),
        ("a.tsv", "label\ttext\n1\tone film\n\ttwo, films\n0\tthree films\n", ("1", "", "0")),
        (
            "a.jsonl",
            '{"text": "one film"}\n{"text": "two, films", "label": null}\n{"text": "three films", "label": 1}\n',
            ("", "", "1"),
        ),
        ("a.txt", "one film\n\ntwo, films\nthree films\n", ("", "", "")),
    ],
)
def test_labels_may_be_missing(tmp_path, name, content, labels):
    (tmp_path / name).write_text(content)
    rows = read_file(tmp_path / name, optional=True)
    assert (rows.texts, rows.labels) == (TEXTS, labels)


@pytest.mark.parametrize("labels", [None, ["good", None, "bad"]])
def test_parquet(tmp_path, labels):
    columns = {"text": list(TEXTS)} | ({} if labels is None else {"label": labels})
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    rows = read_file(tmp_path / "a.parquet", optional=True)
    assert rows.texts == TEXTS and rows.labels == tuple(label or "" for label in labels or [None] * 3)


def test_other_mistakes_are_found_as_ever(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na film,good\n ,bad\n")
    with pytest.raises(DataError, match="line 3: the text is empty"):
        read_file(tmp_path / "a.csv", optional=True)
    (tmp_path / "b.csv").write_text("txt\na film\n")
    with pytest.raises(DataError, match="no column 'text'.*did you mean 'txt'"):
        read_file(tmp_path / "b.csv", optional=True)
    (tmp_path / "c.xlsx").write_text("")
    with pytest.raises(DataError, match="unknown ending"):
        read_file(tmp_path / "c.xlsx", optional=True)
    (tmp_path / "d.csv").write_text("text\na film\n")
    with pytest.raises(DataError, match="no column 'label'"):
        read_file(tmp_path / "d.csv")

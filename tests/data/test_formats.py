"""Every local format reads the same examples; every bad file is refused with its name and line."""

import json

import numpy as np
import pandas
import pytest

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data import formats
from dd_al.data.sources import load

TEXTS = ('a "fine" film , really', "dull\u2028and flat", "crème brûlée of a film", "not good")
LABELS = ("1", "0", "1", "0")


def _pairs():
    return zip(TEXTS, LABELS, strict=True)


def _write_jsonl(path):
    path.write_text("".join(json.dumps({"label": int(y), "text": x}) + "\n\n" for x, y in _pairs()), encoding="utf-8")


def _write_table(separator):
    def write(path):
        frame = pandas.DataFrame({"id": range(4), "text": TEXTS, "label": LABELS})
        frame.to_csv(path, index=False, sep=separator, encoding="utf-8-sig")

    return write


def _write_parquet(path):
    pandas.DataFrame({"text": TEXTS, "label": pandas.Categorical(LABELS), "other": 0.5}).to_parquet(path)


def _write_lines(path):
    path.write_text("".join(f"{y}\t{x}\r\n" for x, y in _pairs()), encoding="utf-8", newline="")


def _write_trees(path):
    def tree(text, label):
        words = "".join(f" (2 {word})" for word in text.split(" "))
        return f"({label}{words})\n"

    path.write_text("".join(tree(x, y) for x, y in _pairs()), encoding="utf-8")


WRITERS = {
    ".jsonl": _write_jsonl,
    ".csv": _write_table(","),
    ".tsv": _write_table("\t"),
    ".parquet": _write_parquet,
    ".txt": _write_lines,
    ".tree": _write_trees,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_every_format_reads_the_same(tmp_path, ending):
    path = tmp_path / f"examples{ending}"
    WRITERS[ending](path)
    rows = formats.read_file(path)
    assert rows.texts == TEXTS
    assert rows.labels == LABELS
    np.testing.assert_array_equal(rows.rows, np.arange(4))


def test_tree_files_may_be_called_txt(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("(3 (2 The) (3 (2 -LRB-) (3 best)))\n")
    rows = formats.read_file(path)
    assert (rows.texts, rows.labels) == (("The ( best",), ("3",))


def test_tsv_without_quoting(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text('text\tlabel\n"quoted" at the start\t1\nnever " closed\t0\n')
    assert formats.read_file(path).texts == ('"quoted" at the start', 'never " closed')


def test_tsv_without_quoting_whose_marks_come_in_pairs(tmp_path):
    rows = [f"film {i} is fine\t{i % 2}" for i in range(40)]
    rows[10], rows[20] = '" a fine film\t0', 'a so-called "\t0'  # read as quoted, ten rows are one cell
    rows[30] = '" a film " of note\t1'
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "\n".join(rows))
    read = formats.read_file(tmp_path / "a.tsv")
    assert len(read.texts) == 40 and read.texts[10] == '" a fine film' and read.texts[30] == '" a film " of note'


def test_tsv_with_quoted_tabs_and_line_feeds(tmp_path):
    (tmp_path / "a.tsv").write_text('text\tlabel\n"one\ttwo\nthree"\t0\nfour\t1\n')
    assert formats.read_file(tmp_path / "a.tsv").texts == ("one\ttwo\nthree", "four")


@pytest.mark.parametrize("missing", ["", " ", "NaN", "nan", "<NA>"])
def test_tables_without_a_label(tmp_path, missing):
    (tmp_path / "a.csv").write_text(f"text,label\nnull,0\nfine,{missing}\n")
    with pytest.raises(DataError, match="a.csv, line 3: no label"):
        formats.read_file(tmp_path / "a.csv")


@pytest.mark.parametrize("label", ["none", "NONE", "NA", "n/a", "null", "None"])
def test_a_label_is_what_the_file_says(tmp_path, label):
    (tmp_path / "a.csv").write_text(f"text,label\nnull,0\nfine,{label}\n")
    assert formats.read_file(tmp_path / "a.csv").labels == ("0", label)


def test_a_label_map_names_any_label(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nsame,good\nfine,NaN\n")
    settings = DataSettings(label_map="good:0,NaN:1")
    assert formats.read_file(tmp_path / "a.csv", settings).labels == ("good", "NaN")


def test_a_very_long_text(tmp_path):
    (tmp_path / "a.csv").write_text(f'text,label\n"{"long " * 50_000}",0\nshort,1\n')
    assert len(formats.read_file(tmp_path / "a.csv").texts[0]) == 249_999


def test_csv_cell_over_several_lines_keeps_the_line_numbers(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text('text,label\n"one\ntwo",1\nthree,\n')
    with pytest.raises(DataError, match="train.csv, line 4: no label"):
        formats.read_file(path)


def test_other_columns_and_encoding(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_bytes("sentence,stars\ncafé,4 stars\n".encode("cp1252"))
    rows = formats.read_file(path, DataSettings(text_column="sentence", label_column="stars", encoding="cp1252"))
    assert (rows.texts, rows.labels) == (("café",), ("4 stars",))


def test_byte_order_mark_is_tolerated(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a b", "label": true}\n')
    assert formats.read_file(path).labels == ("true",)


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_wrong_encoding_names_file_line_and_byte(tmp_path, start):
    path = tmp_path / "a.csv"
    path.write_bytes(start + b"text,label\ncaf\xe9,1\n")
    with pytest.raises(DataError, match=rf"a.csv, line 2: .*0xe9 at byte {14 + len(start)} .*option encoding"):
        formats.read_file(path)


@pytest.mark.parametrize("encoding", ["utf-9", "base64"])
def test_unknown_encoding(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,1\n")
    with pytest.raises(DataError, match=f"'{encoding}' is unknown"):
        formats.read_file(path, DataSettings(encoding=encoding))


BAD = {
    "empty file": ("a.jsonl", " \n", "a.jsonl: the file is empty"),
    "header alone": ("a.csv", "text,label\n", "a.csv: no examples"),
    "malformed JSON": ("a.jsonl", '{"text": "a", "label": 1}\n{"text": \n', "a.jsonl, line 2: not JSON"),
    "a JSON list": ("a.jsonl", "[1]\n", "a.jsonl, line 1: list where"),
    "a missing key": ("a.jsonl", '{"texts": "a", "label": 1}\n', "line 1: no column 'text'.*mean 'texts'"),
    "another separator": (
        "a.csv",
        "text;label\na;1\n",
        "no column 'text', but ';' in the only one, 'text;label': a .csv",
    ),
    "a missing column": ("a.csv", "text,labels\na,1\n", "no column 'label'.*mean 'labels'.*'text', 'labels'"),
    "a short row": ("a.csv", "text,label\na,1\nb\n", "a.csv, line 3: 1 columns where the first line has 2"),
    "a comma without quotes": ("a.csv", "text,label\na, b,1\n", "a.csv, line 2: 3 columns.*double quotes"),
    "a short TSV row": ("a.tsv", "text\tlabel\na\t1\nb\n", "a.tsv, line 3: 1 columns"),
    "a quote that stays open": ("a.csv", 'text,label\nb,0\n"a,1\n', "a.csv, line 3: .*not closed"),
    "a null label": ("a.jsonl", '{"text": "a", "label": null}\n', "a.jsonl, line 1: no label"),
    "a NaN label": ("a.jsonl", '{"text": "a", "label": NaN}\n', "a.jsonl, line 1: no label"),
    "an empty label": ("a.tsv", "text\tlabel\na\t\nb\t\n", "a.tsv, line 2: no label.*1 more row"),
    "a list as label": ("a.jsonl", '{"text": "a", "label": [1]}\n', r"line 1: the label is \[1\] \(list\)"),
    "a NaN text": ("a.jsonl", '{"text": NaN, "label": 1}\n', "line 1: no text"),
    "NaN in a table": ("a.csv", "text,label\na,1\nNaN,1\n", "line 3: no text"),
    "a number as text": ("a.jsonl", '{"text": 3, "label": 1}\n', r"line 1: the text is 3 \(int\)"),
    "a column of numbers as text": ("a.csv", "text,label\n3.5,1\n4,0\n", "holds numbers only"),
    "an empty text": ("a.jsonl", '{"text": " ", "label": 1}\n', "line 1: the text is empty"),
    "a label alone": ("a.txt", "1 good\n0\n", "a.txt, line 2: the text is empty"),
    "a NUL": ("a.txt", "1 go\0od\n", "a.txt, line 1: .*NUL"),
    "half a surrogate pair": ("a.jsonl", '{"text": "\\ud83d", "label": 1}\n', "line 1: .*surrogate"),
    "a tree that stays open": ("a.txt", "(3 (2 a))\n(3 (2 b)\n", "a.txt, line 2: not a tree"),
    "an inner label that is none": ("a.tree", "(0 (2 a) (x b))\n", "a.tree, line 1: not a tree"),
    "two trees on a line": ("a.tree", "(3 (2 a)) (2 b)\n", "a.tree, line 1: not a tree"),
    "an unknown ending": ("a.json", "[]", r"unknown ending '.json' \(did you mean '.jsonl'\?\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    name, content, message = BAD[case]
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        formats.read_file(tmp_path / name)


def test_bad_parquet(tmp_path):
    (tmp_path / "a.parquet").write_text("text,label\n")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        formats.read_file(tmp_path / "a.parquet")
    pandas.DataFrame({"text": ["a", None, "b"], "label": [1.0, 2.0, np.nan]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="b.parquet, row 2: no text.*1 more row"):
        formats.read_file(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="no column 'txt'.*did you mean 'text'"):
        formats.read_file(tmp_path / "b.parquet", DataSettings(text_column="txt"))


@pytest.mark.parametrize("validation", ["validation", "dev", "valid", "VAL"])
def test_folder_splits_by_file_name_in_any_format(tmp_path, validation):
    for name, writer in (("train", ".jsonl"), (validation, ".parquet"), ("test", ".csv")):
        WRITERS[writer](tmp_path / (name + writer))
    (tmp_path / "README.md").write_text("not data")
    assert set(formats.split_files(tmp_path, formats.EXTENSIONS)) == {"train", "validation", "test"}


def test_folder_with_one_split_twice(tmp_path):
    WRITERS[".jsonl"](tmp_path / "train.jsonl")
    WRITERS[".csv"](tmp_path / "train.csv")
    with pytest.raises(DataError, match="train.csv and train.jsonl are both its train split"):
        load(DataSettings(dir=str(tmp_path)))


@pytest.mark.parametrize("present, missing", [("train", "test"), ("test", "train")])
def test_folder_without_train_or_test(tmp_path, present, missing):
    WRITERS[".jsonl"](tmp_path / f"{present}.jsonl")
    with pytest.raises(DataError, match=f"no {missing} split in this folder; it has {present}"):
        load(DataSettings(dir=str(tmp_path)))


def test_folder_without_any_split(tmp_path):
    (tmp_path / "sentences.jsonl").write_text("{}")
    with pytest.raises(DataError, match="it holds sentences.jsonl"):
        load(DataSettings(dir=str(tmp_path)))

"""Files that people fill in, with every kind of mistake; and a record that loses nothing."""

import csv
import json

import pytest

from dd_al.active.annotation import AnswerLog, read_queries, write_queries
from dd_al.core.errors import DataError

TEXTS = ["zero", 'one, with "quotes"', "two\nlines", "three ; four", "vier – fünf"]
LABELS = ("bad", "good")


def fill(path, answers, **columns):
    """Writes labels into a file of queries; `columns` replace whole columns."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row | {"label": label}) + "\n" for row, label in zip(rows, answers)))
        return
    rows = list(csv.DictReader(path.open(newline="", encoding="utf-8-sig")))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("index", "text", "label"), delimiter=columns.pop("delimiter", ","))
        writer.writeheader()
        for at, (row, label) in enumerate(zip(rows, answers, strict=True)):
            writer.writerow(row | {"label": label} | {name: values[at] for name, values in columns.items()})


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_is_filled_in_is_read_back(tmp_path, ending):
    path = tmp_path / f"queries.{ending}"
    write_queries(path, [4, 1, 2, 3], TEXTS)
    assert read_queries(path, [4, 1, 2, 3], TEXTS, LABELS) == {}
    fill(path, ["good", " bad ", "?", ""])
    assert read_queries(path, [4, 1, 2, 3], TEXTS, LABELS) == {4: "good", 1: "bad", 2: None}


def test_a_file_that_is_there_is_left_alone(tmp_path):
    path = tmp_path / "queries.csv"
    write_queries(path, [0], TEXTS)
    fill(path, ["good"])
    write_queries(path, [1, 2], TEXTS)
    assert read_queries(path, [0], TEXTS, LABELS) == {0: "good"}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_spreadsheets_make_of_it(tmp_path, delimiter):
    path = tmp_path / "queries.csv"
    write_queries(path, [0, 1, 2, 3], TEXTS)
    fill(path, ["good", "bad", "good", "bad"], delimiter=delimiter)
    lines = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    path.write_bytes(b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode())
    assert read_queries(path, [0, 1, 2, 3], TEXTS, LABELS) == {0: "good", 1: "bad", 2: "good", 3: "bad"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": ["goood", ""]}, r"line 2: label 'goood': must be one of bad, good, or \? .*did you mean 'good'"),
        ({"index": ["9", "1"]}, "line 2: index 9 was not asked for"),
        ({"index": ["x", "1"]}, "line 2: index 'x' is no number"),
        ({"index": ["1", "1"], "text": [TEXTS[1]] * 2}, "line 3: index 1 has another label than in line 2"),
        ({"text": ["one", "zero"]}, "line 2: its text is not that of index 0, .*were rows moved"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_lines(tmp_path, columns, message):
    path = tmp_path / "queries.csv"
    write_queries(path, [0, 1], TEXTS)
    fill(path, ["good", "bad"], **columns)
    with pytest.raises(DataError, match=message) as error:
        read_queries(path, [0, 1], TEXTS, LABELS)
    assert str(path) in str(error.value) and "no label was taken" in str(error.value)


def test_all_mistakes_are_named_at_once(tmp_path):
    path = tmp_path / "queries.jsonl"
    write_queries(path, range(5), TEXTS)
    fill(path, ["god", "good", "baad", 3, None])
    with pytest.raises(DataError) as error:
        read_queries(path, range(5), TEXTS, LABELS)
    assert [f"line {n}" in str(error.value) for n in (1, 2, 3, 4, 5)] == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column index"),
        ("index,txt\n0,x\n", "no column label"),
        ("a;b\n", "no column index and no column label"),
    ],
)
def test_columns_that_are_missing(tmp_path, content, message):
    (tmp_path / "queries.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read_queries(tmp_path / "queries.csv", [0], TEXTS, LABELS)


def test_lines_that_are_no_json(tmp_path):
    (tmp_path / "queries.jsonl").write_text('{"index": 0, "label": "good"}\n{"index": 1,\n')
    with pytest.raises(DataError, match="line 2: not JSON"):
        read_queries(tmp_path / "queries.jsonl", [0, 1], TEXTS, LABELS)


def test_the_record_survives(tmp_path):
    path = tmp_path / "answers.jsonl"
    with AnswerLog(path, LABELS) as log:
        log.add(3, "good")
        log.add(1, None)
        log.add(3, "bad")
        assert path.read_text().count("\n") == 3  # on disk at once
    with AnswerLog(path, LABELS) as log:
        assert log.answers == {1: None, 3: "bad"}
        assert log.undo() == 3 and log.undo() == 1 and log.undo() is None
    with open(path, "a") as file:
        file.write('{"index": 4, "la')  # killed in the middle of a line
    with AnswerLog(path, LABELS) as log:
        assert log.answers == {}
        log.add(4, "good")
    with AnswerLog(path, LABELS) as log:
        assert log.answers == {4: "good"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"index": -1, "label": "good"}', "line 1: index = -1"),
        ('{"index": 1, "label": "god"}', "line 1: label 'god'.*did you mean 'good'"),
        ("[1]", "line 1: list where a JSON object is needed"),
    ],
)
def test_a_record_that_is_none(tmp_path, line, message):
    (tmp_path / "answers.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        AnswerLog(tmp_path / "answers.jsonl", LABELS)


def test_labels_that_do_not_exist_are_not_recorded(tmp_path):
    with AnswerLog(tmp_path / "answers.jsonl", LABELS) as log, pytest.raises(DataError, match="must be one of"):
        log.add(0, "great")
    assert (tmp_path / "answers.jsonl").read_text() == ""


def test_a_correction_in_a_file_replaces_what_was_taken_from_it(tmp_path):
    path, record = tmp_path / "001.csv", tmp_path / "answers.jsonl"
    write_queries(path, [0, 1, 3], TEXTS)
    fill(path, ["good", "?", ""])
    with AnswerLog(record, LABELS) as log:
        assert log.take(path, [0, 1, 3], TEXTS) == 2 and log.take(path, [0, 1, 3], TEXTS) == 0
        log.add(3, "bad")  # at the terminal
    fill(path, ["bad", "good", ""])
    with AnswerLog(record, LABELS) as log:  # another process
        assert log.take(path, [0, 1, 3], TEXTS) == 2 and log.answers == {0: "bad", 1: "good", 3: "bad"}
        log.add(0, "good")  # later, and elsewhere: the file has nothing new
        assert log.take(path, [0, 1, 3], TEXTS) == 0 and log.answers[0] == "good"


@pytest.mark.parametrize(("tail", "kept"), [('{"index": 1, "label": "bad"}', 2), ('{"index": 1, "lab', 1)])
def test_a_last_line_without_an_end_counts_if_it_is_whole(tmp_path, tail, kept):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"index": 0, "label": "good"}\n' + tail)
    with AnswerLog(path, LABELS) as log:
        log.add(2, "bad")
        assert len(log.answers) == kept + 1
    with AnswerLog(path, LABELS) as log:
        assert len(log.answers) == kept + 1


def test_what_excel_does_to_a_file(tmp_path):
    texts = ["café", "=1+1", "- no", "a\rb", "x" * 200_000]
    path = tmp_path / "queries.csv"
    write_queries(path, range(5), texts)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # so that Excel reads UTF-8
    assert read_queries(path, range(5), texts, LABELS) == {}
    shown = [row["text"] for row in csv.DictReader(path.open(newline="", encoding="utf-8-sig"))]
    assert shown[1:4] == ["'=1+1", "'- no", "a\rb"]  # nothing that it would compute
    fill(path, ["good"] * 5)
    assert read_queries(path, range(5), texts, LABELS) == dict.fromkeys(range(5), "good")
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))  # saved as a plain CSV
    assert len(read_queries(path, range(5), texts, LABELS)) == 5
    path.unlink()
    write_queries(path, range(5), texts)
    fill(path, ["bad"] * 5, text=["café", "#NAME?", "- no", "a b", texts[4]])
    assert read_queries(path, range(5), texts, LABELS) == dict.fromkeys(range(5), "bad")


def test_cells_too_many_and_exports_that_are_none(tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text("index,text,label\n0,zero,good,better\n")
    with pytest.raises(DataError, match="line 2: has more cells than columns"):
        read_queries(path, [0], TEXTS, LABELS)
    path = tmp_path / "queries.json"
    choice = [{"result": [{"value": {"choices": [label]}}]} for label in LABELS]
    path.write_text(json.dumps([{"data": {"index": 0, "text": "zero"}, "annotations": choice}]))
    with pytest.raises(DataError, match="label 'bad / good'"):
        read_queries(path, [0], TEXTS, LABELS)
    for task in ({"data": {"index": 0}, "annotations": ["good"]}, {"data": "x"}, {"id": 1, "data": [1]}):
        path.write_text(json.dumps([task]))
        with pytest.raises(DataError, match="task 1: not as Label Studio exports it"):
            read_queries(path, [0], TEXTS, LABELS)
    path.write_text(json.dumps([{"index": 0}, {"index": 1, "label": "great"}], indent=4))
    with pytest.raises(DataError, match="\n  task 2: label 'great'"):  # on line 7
        read_queries(path, [0, 1], TEXTS, LABELS)

"""Templates make tables of rows, and sentences of lines."""

from dd_al.report.render import columns, flow
from dd_al.report.tables import Cell


def test_columns_read_rows_and_show_a_dash_for_what_one_lacks():
    rows = [{"name": "<b>", "costs": {"labels": 6920}, "ends": [0.1, 0.2]}, {"name": "x", "costs": {"labels": None}}]
    shown = columns(
        rows,
        {"Name": "name", "Labels": "costs.labels|count", "Ends": "name|cell(ends|interval)", "Split": "split"},
        split="test",
    )
    assert shown.head == ["Name", "Labels", "Ends", "Split"]
    assert shown.rows[0] == ["<b>", "6,920", Cell("<b>", "[10.0, 20.0]"), "test"]
    assert shown.rows[1] == ["x", "–", "–", "test"]


def test_sentences_are_in_one_line_and_keep_what_must_not_break():
    assert flow(" one\n two \n\nthree\u00a0% ") == "one two three\u00a0%"

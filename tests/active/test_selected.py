"""The record of what was bought: rounds, scores, and what the texts are like."""

import json

import numpy as np
import pytest

from dd_al.active import selected
from dd_al.data.dataset import Split


def test_lines_name_rounds_rows_and_scores_and_are_read_back(tmp_path):
    indices, rows = np.asarray([3, 0, 4, 1, 2]), np.asarray([10, 11, 12, 13, 14])
    scores = np.asarray([np.nan, np.nan, 0.5, 0.25, np.nan])
    lines = list(selected.lines("bald", 7, [2, 4, 5], indices, scores, np.asarray([1, 0, 1, 1, 0]), rows))
    found = [json.loads(line) for line in lines]
    assert [one["round"] for one in found] == [0, 0, 1, 1, 2]
    assert [one["row"] for one in found] == [13, 10, 14, 11, 12]
    assert [one["score"] for one in found] == [None, None, 0.5, 0.25, None]
    assert {(one["method"], one["seed"]) for one in found} == {("bald", 7)}
    path = tmp_path / "selected.jsonl"
    path.write_text("".join(lines))
    assert selected.positions(path).tolist() == indices.tolist()


def test_what_was_picked_is_described():
    train = Split(("a b c", "d", "e f"), np.asarray([0, 1, 1]), np.arange(3))
    found = selected.picked(train, 3, np.asarray([[0, 1], [1, 2]]))
    assert found["classes"] == [0.25, 0.75, 0] and found["words"] == 7 / 4 and found["examples"] == ["a b c", "d"]
    assert selected.picked(train, 2, np.asarray([2, 0]))["words"] == pytest.approx(2.5)
    nothing = selected.picked(train, 2, np.zeros((2, 0), int))
    assert nothing == {"classes": [0, 0], "words": 0.0, "examples": []}

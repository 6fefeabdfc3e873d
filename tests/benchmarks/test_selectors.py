"""The benchmark of batch selectors at toy size: all cases run, and agree with the peers that are installed."""

import json

import pytest

from benchmarks import selectors as benchmark

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time


def test_the_last_line_is_the_result(capsys):
    benchmark.main(["--pool", "80", "--labelled", "8", "--repeats", "1"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert all(result[name]["ours_s"] > 0 for name in benchmark.CASES)
    for name in ("core_set", "batch_bald"):
        assert result[name].get("same_picks", True)

"""The memory benchmark of large pools on small ones: both sizes are measured, and scored."""

import json

import pytest

from benchmarks import pool_memory


@pytest.mark.slow
def test_the_last_line_is_the_result(capfd):
    assert pool_memory.main(["--texts", "20000", "--small", "500", "--passes", "2"]) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["more_mb"] == result["large"]["mb"] - result["small"]["mb"]
    assert 0 < result["more_mb"] < 200 and result["small"]["mb"] > 50

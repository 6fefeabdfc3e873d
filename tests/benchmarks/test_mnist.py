"""The benchmark of MNIST on a few outer steps."""

import json

import pytest

from benchmarks import mnist


@pytest.mark.slow
def test_seconds_end_where_validation_gets_there(capfd):
    assert mnist.main(["--iterations", "50", "--target", "0.4"]) == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert found["compile"] < found["seconds"] <= found["whole"]
    assert found["validation"] >= 0.4 and found["test"] > 0.3

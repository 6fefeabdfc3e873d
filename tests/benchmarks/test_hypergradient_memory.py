"""The memory benchmark on a tiny case: compiles, counts and prints."""

import json

import pytest

from benchmarks import hypergradient_memory as benchmark
from benchmarks.case import Case

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

TINY = Case(optimizer="adam", windows=(2,), filters=4, items=2, length=4, dim=3, nets=2, batch=9, longest=7, buckets=2)


@pytest.mark.slow
def test_the_last_line_is_the_result(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "CASE", TINY)
    assert benchmark.main(["--steps", "16,256"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    megabytes = result["mb"]
    assert result["ratio_sqrt_256_to_16"] == megabytes["sqrt"]["256"] / megabytes["sqrt"]["16"]
    assert all(0 < by_steps["16"] < by_steps["256"] for by_steps in megabytes.values())
    assert megabytes["sqrt"]["256"] < megabytes["step"]["256"] < megabytes["none"]["256"]

"""The benchmark of strategies on a tiny case: every way runs, the exact ones agree, the last line is the result."""

import json

import pytest

from benchmarks import hypergradient_strategies as benchmark
from benchmarks.case import Case
from dd_al.learner.hypergradient import NAMES

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

TINY = Case(optimizer="adam", windows=(2,), filters=4, items=2, length=4, dim=3, nets=2, batch=9, longest=7, buckets=2)


@pytest.mark.slow
def test_the_last_line_is_the_result(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "CASE", TINY)
    monkeypatch.setattr(benchmark, "WINDOW", 2)
    assert benchmark.main(["--steps", "64", "--repeats", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["seconds"].keys() == result["mb"].keys() == {"everything", *NAMES}
    assert all(by_steps["64"] > 0 for by_steps in result["seconds"].values())
    assert result["largest_difference"] < 1e-4
    for way in ("checkpoint", "reverse"):
        assert result[f"{way}_to_everything"] == result["mb"][way]["64"] / result["mb"]["everything"]["64"] < 0.6

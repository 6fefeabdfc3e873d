"""The benchmark of strategies on a tiny case: every way runs, the exact ones agree, memory is counted without runs."""

import json

import pytest

from benchmarks import hypergradient_strategies as benchmark
from benchmarks.hypergradient import Case
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


@pytest.mark.slow
def test_memory_alone_is_counted_without_a_run(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "CASE", TINY)
    ways = ("everything", "step", "sqrt")
    assert benchmark.main(["--steps", "16,256", "--ways", ",".join(ways), "--repeats", "0"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["mb"].keys() == set(ways) and result["seconds"]["sqrt"] == {}
    megabytes = [result["mb"][way] for way in ways]
    assert all(0 < by_steps["16"] < by_steps["256"] for by_steps in megabytes)
    assert result["growth"]["sqrt"] == megabytes[2]["256"] / megabytes[2]["16"]
    assert megabytes[0]["256"] > megabytes[1]["256"] > megabytes[2]["256"]

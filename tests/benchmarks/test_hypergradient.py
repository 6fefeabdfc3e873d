"""The benchmark's sides compute one hypergradient, also in float64; its last line."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from benchmarks import hypergradient as benchmark
from benchmarks.harness import installed

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

TINY = dataclasses.replace(
    benchmark.SGD, steps=3, windows=(1, 2), filters=4, items=3, length=5, dim=6, classes=3, nets=2, batch=9, longest=7,
    buckets=2,
)  # fmt: skip
CASES = {"sgd": TINY, "adam": dataclasses.replace(TINY, optimizer="adam", rate=0.01)}


@pytest.mark.slow
@pytest.mark.skipif(not installed("torch"), reason="the peer is not installed")
@pytest.mark.parametrize("name", CASES)
def test_every_side_finds_the_same_hypergradient(name):
    case = CASES[name]
    problem = benchmark.make_problem(case)
    gradient, arguments = benchmark.hypergradient(case, problem)
    ours = gradient(*arguments)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(ours))
    assert jax.tree.map(np.shape, ours) == jax.tree.map(np.shape, problem.synthetic)
    side = benchmark.TorchSide(case, problem)
    for _ in range(2):  # a second call finds the same numbers
        assert benchmark.disagreement(ours, side.autograd()) < 1e-4
        assert benchmark.disagreement(ours, side.reverse()) < 1e-4


def test_disagreement_is_relative_to_the_largest_entry():
    a, b = ([np.array([1.0, 4.0]), np.array([0.0, 2.0])], [np.array([1.0, 4.0]), np.array([0.5, 2.0])])
    assert benchmark.disagreement(a, b) == 0.25
    assert not benchmark.disagreement(a, [np.array([np.nan, 4.0]), b[1]]) < benchmark.TOLERANCE


def test_texts_are_as_long_as_promised():
    problem = benchmark.make_problem(benchmark.SGD)
    assert problem.real.shape == (256, 40, 100) and problem.lengths.min() >= 2 and problem.lengths.max() == 40
    assert 18 < problem.lengths.mean() < 22
    np.testing.assert_array_equal((problem.real != 0).any(-1).sum(1), problem.lengths)


@pytest.mark.slow
def test_the_last_line_is_the_result(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "SGD", CASES["sgd"])
    monkeypatch.setattr(benchmark, "ADAM", CASES["adam"])
    assert benchmark.main(["--repeats", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    for part in (result, result["adam"]):
        assert part["dd_al_s"] == min(part["all_s"]["dd_al"][1:]) > 0 and part["max_relative_difference"] < 1e-4
        if installed("torch"):
            peer = min(part["torch_autograd_s"], part["torch_reverse_s"])
            assert part["ratio_to_fastest_peer"] == pytest.approx(part["dd_al_s"] / peer)
        else:
            assert part["ratio_to_fastest_peer"] is None
    assert result["threads"] >= 1 and ("torch" in result["versions"]) == installed("torch")


@pytest.mark.parametrize("difference", [2e-3, np.nan])
def test_hypergradients_that_disagree_fail_the_run(monkeypatch, capsys, difference):
    monkeypatch.setattr(
        benchmark,
        "measure",
        lambda case, *_: {"max_relative_difference": difference if case is benchmark.ADAM else 1e-6},
    )
    assert benchmark.main([]) == 1
    output = capsys.readouterr()
    assert "disagree by" in output.err and "adam" in json.loads(output.out.splitlines()[-1])

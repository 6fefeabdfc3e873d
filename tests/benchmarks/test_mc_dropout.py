"""The benchmark of MC dropout at toy size: both cases run, and the sides agree where the peer is installed."""

import json

import pytest

from benchmarks import mc_dropout as benchmark

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time


def test_the_last_line_is_the_result(monkeypatch, capsys):
    for name, size in {"VOCABULARY": 50, "DIM": 8, "LENGTH": 6, "FILTERS": 4, "CHUNK": 64}.items():
        monkeypatch.setattr(benchmark, name, size)
    assert benchmark.main(["--texts", "400", "--passes", "3", "--repeats", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    cases = ("trunk_reuse", "full_passes", "word_table")
    assert all(result[f"dd_al_{case}_s"] > 0 for case in cases)
    assert (result["texts"], result["passes"]) == (400, 3)
    for case in cases:
        if f"speedup_{case}" in result:
            assert result[f"difference_{case}"] < 0.01

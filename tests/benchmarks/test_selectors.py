"""The benchmark of batch selectors at toy size: all cases run, and agree with the peers that are installed."""

import importlib.util
import json

import pytest

from benchmarks import selectors as benchmark

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time


def test_the_last_line_is_the_result(capsys):
    assert benchmark.main(["--pool", "80", "--labelled", "8", "--repeats", "1"]) == 0  # 1 where a peer disagrees
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert all(result[name]["ours_s"] > 0 for name in benchmark.CASES)
    for name, package, peer in (
        ("core_set", "small_text", "small_text"),
        ("core_set", "skactiveml", "scikit_activeml"),
        ("batch_bald", "skactiveml", "scikit_activeml"),
        ("badge", "sklearn", "scikit_learn"),
    ):
        assert (peer in result[name]) == (importlib.util.find_spec(package) is not None)
        assert result[name].get(peer, {}).get("same_picks", True)

"""The benchmark's two sides run the same algorithm."""

import pytest

pytest.importorskip("torch")

from benchmarks import moons  # noqa: E402

pytestmark = pytest.mark.usefixtures("own_caches")


def test_both_sides_find_the_same_hypergradient():
    found = moons.measure(2, steps=6, epochs=2, batches=2)
    assert found["difference"] < 1e-4
    assert found["speedup"] == found["torch"] / found["seconds"] > 0

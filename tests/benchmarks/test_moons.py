"""The benchmark's two sides run the same algorithm; ours alone where PyTorch is not installed."""

import pytest

from benchmarks import moons
from benchmarks.harness import installed

pytestmark = pytest.mark.usefixtures("own_caches")


def test_both_sides_find_the_same_hypergradient():
    found = moons.measure(2, steps=6, epochs=2, batches=2)
    assert found["seconds"] > 0 and ("torch" in found) == installed("torch")
    if installed("torch"):
        assert found["difference"] < 1e-4 and found["speedup"] == found["torch"] / found["seconds"]

"""How many of each class a set has."""

import numpy as np
import pytest

from dd_al.experiments.compare.sets import shares


@pytest.mark.parametrize(
    ("count", "available", "expected"),
    [
        (4, [9, 9], [2, 2]),
        (5, [9, 9, 9], [2, 2, 1]),
        (10, [1, 9, 9], [1, 5, 4]),
        (12, [1, 2, 20], [1, 2, 9]),
        (1, [3, 3], [1, 0]),
        (6, [3, 3], [3, 3]),
        (0, [3, 3], [0, 0]),
    ],
)
def test_sets_are_as_even_as_rare_classes_allow(count, available, expected):
    assert shares(count, np.asarray(available)).tolist() == expected


def test_whatever_the_classes_the_sum_is_right_and_none_has_more_than_there_is():
    rng = np.random.default_rng(0)
    for _ in range(100):
        available = rng.integers(0, 30, rng.integers(1, 25))
        count = int(rng.integers(0, available.sum() + 1))
        found = shares(count, available)
        assert found.sum() == count and np.all(found <= available)
        full = found == available
        assert np.ptp(found[~full]) <= 1 if (~full).any() else True  # even among those that have more
        assert found[full].max(initial=0) <= found[~full].max(initial=10**9) + 1

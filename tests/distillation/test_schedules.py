"""Longer schedules, by hand."""

import numpy as np
import pytest

from dd_al.distillation.synthetic import lengthened

RATES = np.asarray([[1.0], [2.0], [3.0], [4.0]], np.float32)  # two epochs of two batches


@pytest.mark.parametrize(
    ("name", "longest", "rates", "ends"),
    [
        ("learned", 3, [1, 2, 3, 4], [4]),
        ("repeated", 2, [1, 2, 3, 4, 0.9, 1.8, 2.7, 3.6], [4, 8]),
        ("continued", 2, [1, 2, 3, 4, 3 * 0.98, 4 * 0.98, 3 * 0.98**2, 4 * 0.98**2], [4, 6, 8]),
        ("continued", 1, [1, 2, 3, 4], [4]),
        ("rising", 1, [0.3, 0.3, 0.33, 0.33], [2, 4]),
    ],
)
def test_rates_and_where_they_may_end(name, longest, rates, ends):
    found, points = lengthened(name, RATES, 2, longest)
    np.testing.assert_allclose(found[:, 0], rates, rtol=1e-6)
    assert points.tolist() == ends and found.dtype == np.float32
    both, _ = lengthened(name, np.stack([RATES, 2 * RATES]), 2, longest)
    np.testing.assert_allclose(both[0], found)


def test_rising_rates_fall_after_ten_epochs():
    found, _ = lengthened("rising", np.ones((12, 1)), 1, 1)
    np.testing.assert_allclose(found[9, 0], 0.3 * 1.1**9, rtol=1e-6)
    np.testing.assert_allclose(found[11, 0], 0.3 * 1.1**9 * 0.95**2, rtol=1e-6)


def test_an_unknown_schedule():
    with pytest.raises(ValueError, match="unknown schedule 'rise'; allowed: learned, repeated"):
        lengthened("rise", RATES, 2, 2)

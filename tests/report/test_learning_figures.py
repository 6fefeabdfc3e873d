"""Curves of active learning: what their bands are."""

import numpy as np
import pytest
from matplotlib import pyplot

from dd_al.report.learning_figures import gains, learning_curves
from dd_al.report.statistics import bootstrap_interval

RNG = np.random.default_rng(0)
VALUES = {name: 0.7 + 0.1 * RNG.random((3, 6)) for name in ("random", "bald")}  # [rounds, seeds]
CURVES = {name: {"labels": [10, 20, 30], "values": values.tolist()} for name, values in VALUES.items()}


def bands(figure):
    """Lowest and highest points of the filled bands at each x, ``[bands][rounds, 2]``."""
    found = []
    for band in figure.axes[0].collections:
        corners = band.get_paths()[0].vertices
        found.append(np.array([[f(corners[corners[:, 0] == x, 1]) for f in (np.min, np.max)] for x in (10, 20, 30)]))
    pyplot.close(figure)
    return found


@pytest.mark.parametrize("draw", [learning_curves, gains])
def test_bands_are_intervals_of_the_mean_over_seeds(draw):
    found = bands(draw(CURVES))
    drawn = VALUES.values() if draw is learning_curves else [VALUES["bald"] - VALUES["random"]]
    assert len(found) == len(drawn)
    for band, values in zip(found, drawn):
        np.testing.assert_allclose(band, [np.multiply(100, bootstrap_interval(v[:, None])) for v in values])


def test_one_seed_has_no_band():
    curves = {name: {**curve, "values": [[v[0]] for v in curve["values"]]} for name, curve in CURVES.items()}
    assert bands(learning_curves(curves)) == []

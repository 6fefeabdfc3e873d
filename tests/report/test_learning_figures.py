"""Curves of active learning: what their bands are."""

import numpy as np
import pytest
from matplotlib import pyplot

from dd_al.report.figures import gains, learning_curves
from dd_al.report.statistics import mean_interval

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
        np.testing.assert_allclose(band, 100 * np.stack(mean_interval(values), -1))


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_no_band(seeds):
    curves = {name: {**curve, "values": [v[:seeds] for v in curve["values"]]} for name, curve in CURVES.items()}
    assert bands(learning_curves(curves)) == []


@pytest.mark.parametrize("stopped", CURVES)
@pytest.mark.parametrize("rounds", [1, 2])
def test_gains_are_of_the_rounds_that_both_had(stopped, rounds):
    early = {key: value[:rounds] for key, value in CURVES[stopped].items()}
    figure = gains(CURVES | {stopped: early})
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "BALD"]
    np.testing.assert_array_equal(line.get_xdata(), [10, 20, 30][:rounds])
    np.testing.assert_allclose(line.get_ydata(), 100 * (VALUES["bald"] - VALUES["random"]).mean(1)[:rounds])
    pyplot.close(figure)

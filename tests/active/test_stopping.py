"""Rules to stop by, by hand."""

import numpy as np
import pytest

from dd_al.active import stopping
from dd_al.config.active import ActiveSettings


def test_kappa():
    a = np.array([0, 0, 1, 1])
    assert stopping.kappa(a, a, 2) == 1
    assert stopping.kappa(a, np.array([0, 1, 0, 1]), 2) == 0
    assert stopping.kappa(a, 1 - a, 2) == -1
    # Agreement 0.75; by chance 0.5 · 0.25 + 0.5 · 0.75 = 0.5.
    assert stopping.kappa(a, np.array([0, 1, 1, 1]), 3) == pytest.approx(0.5)
    assert np.isnan(stopping.kappa(np.zeros(5, int), np.zeros(5, int), 2))  # one class alone: chance agrees, too
    assert stopping.kappa(np.zeros(4, int), a, 2) == 0


def test_predictions_are_stable_when_they_have_long_agreed():
    agreements = [np.nan, 0.9, 0.995, 1.0, 0.98, 1.0, 0.992]
    assert stopping.stable(agreements, threshold=0.99, rounds=2) == 3
    assert stopping.stable(agreements, threshold=0.99, rounds=3) == 4
    assert stopping.stable(agreements, threshold=0.999) is None
    assert stopping.stable(agreements[:3]) is None and stopping.stable([]) is None


def test_each_rule_that_has_its_threshold_names_a_round_for_every_seed():
    agreement = np.array([[np.nan, np.nan], [1.0, 0.5], [1.0, 1.0], [1.0, 1.0]])
    uncertainty = np.array([[0.5, 0.5], [0.2, 0.4], [0.3, 0.3], [0.1, 0.3]])
    accuracy = np.array([[0.6, 0.6], [0.75, 0.6], [0.7, 0.6], [0.8, 0.7]])
    assert stopping.stops(ActiveSettings(), agreement, uncertainty, accuracy) == {"stable": [3, None]}
    every = ActiveSettings(thresholds={"stable": 0.8, "certain": 0.25, "accurate": 0.7})
    assert stopping.stops(every, agreement, uncertainty, accuracy) == {
        "stable": [3, 3], "certain": [1, None], "accurate": [1, 3],
    }  # fmt: skip
    unsaid = np.where([[1, 1], [1, 1], [0, 1], [0, 1]], np.nan, 0.0)
    assert stopping.stops(every, agreement + unsaid, uncertainty + unsaid, accuracy + unsaid) == {
        "stable": [None, None], "certain": [3, None], "accurate": [2, None],
    }  # fmt: skip

"""Learning curves: areas, deficiencies, labels needed and paired tests, by hand and against scipy."""

import numpy as np
import pytest
from scipy import stats

from dd_al.report import statistics as learning


@pytest.mark.parametrize("draws", [2, 5, 10])
def test_intervals_of_means_cover_what_they_say(draws):
    low, high = learning.mean_interval(np.random.default_rng(0).normal(3.0, 2.0, (2000, draws)))
    assert np.mean((low < 3) & (high > 3)) == pytest.approx(0.95, abs=0.02)
    with pytest.raises(ValueError, match="two draws at least"):
        learning.mean_interval([1.0])


def test_the_area_is_a_mean_accuracy():
    assert learning.area([10, 20, 30], [0.5, 0.7, 0.7]) == pytest.approx(0.65)
    np.testing.assert_allclose(learning.area([1, 2, 4], np.full((3, 5), 0.8)), 0.8)
    np.testing.assert_allclose(learning.area([0, 1, 3], np.asarray([[0.0], [1.0], [1.0]])), [2.5 / 3])


@pytest.mark.parametrize("labels", [[1], [1, 1], [2, 1]])
def test_areas_need_rising_labels(labels):
    with pytest.raises(ValueError, match="rising"):
        learning.area(labels, np.ones(len(labels)))


def test_deficiency_of_random_is_one_and_less_for_a_better_curve():
    reference = [0.5, 0.6, 0.7]
    assert learning.deficiency(reference, reference) == 1
    assert learning.deficiency([0.6, 0.7, 0.7], reference) == pytest.approx((0.1 + 0 + 0) / 0.3)
    assert np.isnan(learning.deficiency([0.6, 0.7], [0.5, 0.5]))


def test_labels_to_reach():
    labels, accuracy = [10, 20, 30], [0.5, 0.7, 0.65]
    assert learning.labels_to_reach(labels, accuracy, 0.4) == 10
    assert learning.labels_to_reach(labels, accuracy, 0.6) == pytest.approx(15)
    assert learning.labels_to_reach(labels, accuracy, 0.8) is None


def test_five_pairs_cannot_go_below_a_sixteenth():
    found = learning.paired([1, 2.1, 3.3, 4.6, 5.2], np.zeros(5))
    assert found["p"] == found["smallest_p"] == 0.0625
    assert found["difference"] == pytest.approx(3.24) and found["pairs"] == 5
    values = [1, 2.1, 3.3, 4.6, 5.2]
    assert found["interval"] == pytest.approx(stats.t.interval(0.95, 4, np.mean(values), stats.sem(values)))


@pytest.mark.parametrize("seed", range(5))
def test_the_test_is_scipys(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 12))
    assert learning.paired(a, b)["p"] == pytest.approx(stats.wilcoxon(a, b, method="exact").pvalue)


def test_equal_values_and_single_pairs_prove_nothing():
    assert learning.paired([0.5, 0.6], [0.5, 0.6])["p"] == 1
    one = learning.paired([0.9], [0.5])
    assert one["p"] == one["smallest_p"] == 1 and one["interval"] is None
    assert 0 < learning.paired([0.5, 0.5, 0.6, 0.7], [0.4, 0.4, 0.6, 0.6])["p"] <= 1  # ties and a zero
    for pairs in (5, 10, 40):  # where all differ by the same, no test can say more than that many signs
        same = learning.paired(np.full(pairs, 0.6), np.full(pairs, 0.5))
        assert same["smallest_p"] <= same["p"] < 2.1 * 2.0 ** (1 - min(pairs, 16))
    with pytest.raises(ValueError, match="paired"):
        learning.paired([], [])


def test_holm_by_hand():
    assert learning.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert learning.holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert learning.holm({}) == {}

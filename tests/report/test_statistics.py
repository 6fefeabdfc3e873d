"""Scores against closed forms; intervals against simulation, the binomial distribution and degenerate cases."""

import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dd_al.report import bootstrap_interval, macro_f1, retention_interval, summary
from dd_al.report.statistics import ranked_apart

classes = hnp.arrays(int, st.integers(1, 40), elements=st.integers(0, 3))
shares = st.floats(0, 1, allow_subnormal=False)


def test_summary():
    assert summary([0.5]) == {"mean": 0.5, "std": 0.0, "n": 1, "values": [0.5]}
    assert summary(np.float32([1, 2, 3, 4])) == {
        "mean": 2.5,
        "std": pytest.approx(np.sqrt(5 / 3)),
        "n": 4,
        "values": [1.0, 2.0, 3.0, 4.0],
    }
    for wrong in ([], [[1.0]], 1.0):
        with pytest.raises(ValueError, match="flat list"):
            summary(wrong)


@given(st.lists(shares, min_size=2, max_size=20), st.randoms())
def test_summary_ignores_order(values, random):
    shuffled = random.sample(values, len(values))
    assert summary(values)["mean"] == pytest.approx(summary(shuffled)["mean"])
    assert summary(values)["std"] == pytest.approx(summary(shuffled)["std"], abs=1e-12)


def test_macro_f1_closed_forms():
    assert macro_f1([0, 1, 2], [0, 1, 2], 3) == 1
    assert macro_f1([0, 0, 0, 0], [0, 0, 0, 1], 2) == pytest.approx((6 / 7 + 0) / 2)  # a constant answer, 3 to 1
    assert macro_f1([0, 1, 1], [0, 1, 0], 2) == pytest.approx(2 / 3)
    assert macro_f1([0, 0], [0, 0], 5) == 1  # four classes that occur nowhere do not count
    assert macro_f1([[0, 1], [1, 0]], [0, 1], 2).tolist() == [1, 0]


@given(classes, st.integers(0, 10**6))
def test_scores_do_not_depend_on_order_or_names(labels, seed):
    rng = np.random.default_rng(seed)
    predictions = rng.integers(0, 4, labels.shape)
    order, names = rng.permutation(len(labels)), rng.permutation(4)
    expected = macro_f1(predictions, labels, 4)
    assert 0 <= expected <= 1
    assert macro_f1(predictions[order], labels[order], 4) == pytest.approx(expected)
    assert macro_f1(names[predictions], names[labels], 4) == pytest.approx(expected)
    assert macro_f1(predictions.astype(float), labels.astype(float), 4) == expected


def test_shapes_that_do_not_fit_are_refused():
    for predictions, labels in (([0, 1], [0]), ([], []), ([[0]], [[0]])):
        with pytest.raises(ValueError, match="do not fit"):
            macro_f1(predictions, labels, 2)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.25])
def test_no_spread_no_width(value):
    correct = np.full((4, 30), value)
    assert bootstrap_interval(correct) == pytest.approx((value, value))
    if value:
        assert retention_interval(correct / 2, correct) == pytest.approx((0.5, 0.5))
        assert retention_interval(correct, correct[:1]) == pytest.approx((1, 1))


def test_a_learner_against_itself_keeps_everything():
    correct = np.random.default_rng(0).random((6, 200)) < 0.7
    assert retention_interval(correct, correct, paired=True) == pytest.approx((1, 1))
    low, high = retention_interval(correct, correct)  # other initialisations of the same kind: about 1
    assert 0.9 < low < 1 < high < 1.1


def test_one_initialisation_is_binomial():
    correct = np.arange(500) < 400
    expected = scipy.stats.binom.ppf([0.025, 0.975], 500, 0.8) / 500
    assert bootstrap_interval(correct, resamples=20_000) == pytest.approx(expected, abs=0.003)


def test_identical_sentences_leave_the_spread_of_initialisations():
    values = np.linspace(0.7, 0.8, 10)
    low, high = bootstrap_interval(np.repeat(values[:, None], 50, axis=1), resamples=20_000)
    error = values.std() / np.sqrt(10)
    assert (low, high) == pytest.approx((0.75 - 1.96 * error, 0.75 + 1.96 * error), abs=0.002)


def test_sharing_sentences_narrows_retention():
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.3
    full = (rng.random((10, 400)) < 0.98) & ~hard
    method = (rng.random((10, 400)) < 0.95) & ~hard
    low, high = retention_interval(method, full)
    alone = np.subtract(*bootstrap_interval(method)[::-1]) / full.mean()
    assert high - low < alone / 2


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 60), shares, st.integers(0, 10**6))
def test_interval_is_ordered_seeded_and_inside_the_data(inits, sentences, rate, seed):
    rng = np.random.default_rng(seed)
    correct = rng.random((inits, sentences)) < rate
    low, high = bootstrap_interval(correct, resamples=200)
    assert 0 <= low <= high <= 1 + 1e-12
    assert (low, high) == bootstrap_interval(correct.astype(float), resamples=200)


def test_interval_does_not_depend_on_order():
    rng = np.random.default_rng(0)
    correct = rng.random((10, 300)) < np.linspace(0.5, 0.9, 10)[:, None]
    mixed = correct[rng.permutation(10)][:, rng.permutation(300)]
    assert bootstrap_interval(correct, resamples=10_000) == pytest.approx(
        bootstrap_interval(mixed, resamples=10_000), abs=0.006
    )


def _simulated(rng, mean, hard, inits=10):
    """Returns [inits, sentences] of answers with effects of the initialisation, the sentence, and chance."""
    easy = np.clip(mean + 0.02 * rng.standard_normal((inits, 1)) + hard, 0, 1)
    return rng.random((inits, len(hard))) < easy


def test_coverage_of_both_intervals():
    rng = np.random.default_rng(0)
    trials, inside, inside_ratio = 300, 0, 0
    for _ in range(trials):
        hard = rng.choice([-0.2, 0.2], 300)
        method, full = _simulated(rng, 0.6, hard), _simulated(rng, 0.75, hard)
        low, high = bootstrap_interval(method, resamples=400)
        inside += low <= 0.6 <= high
        low, high = retention_interval(method, full, resamples=400)
        inside_ratio += low <= 0.8 <= high
    assert 0.91 <= inside / trials <= 0.995
    assert 0.91 <= inside_ratio / trials <= 0.995


def test_a_replicate_without_a_denominator_is_left_out():
    low, high = retention_interval([1, 1, 1], [1, 0, 0])
    assert np.isfinite([low, high]).all()


def test_wrong_arguments_are_refused():
    ok = np.ones((2, 3))
    for wrong in (np.ones((0, 3)), np.ones((2, 2, 2))):
        with pytest.raises(ValueError, match="at least one"):
            bootstrap_interval(wrong)
    for arguments, options, message in [
        ((ok, np.ones((2, 4))), {}, "3 sentences"),
        ((ok, np.ones((3, 3))), {"paired": True}, "as many initialisations"),
        ((ok, 0 * ok), {}, "never right"),
    ]:
        with pytest.raises(ValueError, match=message):
            retention_interval(*arguments, **options)


def test_a_whole_test_split_takes_under_a_second_of_a_processor():
    correct = np.random.default_rng(0).random((10, 1821)) < 0.8
    start = time.process_time()  # what else runs on this machine does not count
    retention_interval(correct, correct)
    assert time.process_time() - start < 1


def test_ranked_apart_is_the_share_of_pairs_with_ties_as_halves():
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(0, 6, 40), rng.integers(0, 5, 30)
    wins = np.mean((ours[:, None] > theirs) + 0.5 * (ours[:, None] == theirs))
    assert ranked_apart(ours, theirs) == pytest.approx(wins)
    assert ranked_apart([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert ranked_apart([1.0], [1.0]) == 0.5


def test_ranked_apart_counts_float32_in_full_precision():
    ours, theirs = (
        np.random.default_rng(seed).integers(0, 6, size).astype(np.float32) for seed, size in ((0, 15), (1, 12))
    )
    assert ranked_apart(ours, theirs) == ranked_apart(ours.astype(float), theirs.astype(float))

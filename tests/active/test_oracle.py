"""The simulated oracle errs as often as it is told to; how many labels a run with it has in each round."""

import numpy as np
import pytest

from dd_al.active.oracle import label_counts, noisy_labels, plan_of
from dd_al.config.active import ActiveSettings
from dd_al.core.errors import ConfigError


@pytest.mark.parametrize("classes", [2, 4])
def test_as_many_answers_are_wrong_as_were_asked_for(classes):
    labels = np.random.default_rng(0).integers(0, classes, 4000)
    for share in (0.0, 0.25, 1.0):
        answers = noisy_labels(np.random.default_rng(1), labels, classes, share)
        assert answers.dtype == np.int32 and set(answers.tolist()) <= set(range(classes))
        assert np.mean(answers != labels) == pytest.approx(share, abs=0.03)
    missed = (answers - labels) % classes  # all of them are wrong: every other class is as likely
    np.testing.assert_allclose(np.bincount(missed, minlength=classes)[1:] / 4000, 1 / (classes - 1), atol=0.03)


def test_an_oracle_is_of_its_generator():
    labels = np.zeros(50, np.int64)
    first, again, other = (noisy_labels(np.random.default_rng(seed), labels, 2, 0.5) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("budgets", "size", "expected"),
    [
        ([4], 3, [4]),
        ([4, 10], 3, [4, 7, 10]),
        ([4, 9, 20], 5, [4, 9, 14, 19, 20]),
        ([2, 4, 5], 10, [2, 4, 5]),
    ],
)
def test_every_budget_is_met_by_queries_of_a_size_at_most(budgets, size, expected):
    assert label_counts(budgets, size) == expected


def test_a_plan_ends_with_its_rounds_or_with_the_pool():
    assert plan_of(ActiveSettings(size=5, rounds=3), 100).counts == [5, 10, 15, 20]
    assert plan_of(ActiveSettings(size=5, rounds=None, start_size=2), 14).counts == [2, 7, 12, 14]
    assert plan_of(ActiveSettings(rounds=2), 500).counts == [5, 10, 15]
    for wrong in ({"size": 5, "rounds": 3}, {"size": 20}, {"size": 5, "subset": 3, "rounds": 1}):
        with pytest.raises(ConfigError):
            plan_of(ActiveSettings(**wrong), 19)

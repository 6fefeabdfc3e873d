"""How many labels a simulated run has in each round."""

import pytest

from dd_al.active.seed_sets import label_counts, plan_of
from dd_al.config.active import ActiveSettings
from dd_al.core.errors import ConfigError


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

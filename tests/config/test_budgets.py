"""Budgets in examples: whole classes, and no more than there is."""

import pytest

from dd_al.config.grid import examples, in_examples
from dd_al.core.errors import ConfigError

BUDGETS = ("1/class", "1%", "10%")


@pytest.mark.parametrize(
    ("budget", "train", "classes", "expected"),
    [
        ("1/class", 6920, 2, 2),
        ("3/class", 100, 5, 15),
        ("0.1%", 6920, 2, 8),
        ("0.1%", 8544, 5, 10),
        ("1%", 600, 2, 6),
        ("15 %", 6920, 2, 1038),
    ],
)
def test_budgets_are_whole_classes(budget, train, classes, expected):
    assert examples(budget, train, classes) == expected


@pytest.mark.parametrize("budget", ["1%/class", "one", "0%", "100%", "-1%", "60/class", "0/class"])
def test_other_budgets_are_refused_by_name(budget):
    with pytest.raises(ConfigError, match="config.compare.budgets"):
        examples(budget, 100, 2)


def test_budgets_rise():
    assert in_examples(BUDGETS, 1000, 2, "toy") == {"1/class": 2, "1%": 10, "10%": 100}
    with pytest.raises(ConfigError, match="'1/class' and '1%' are 2 and 2 of 100 training examples"):
        in_examples(BUDGETS, 100, 2, "toy")


def test_a_data_set_that_is_too_small_for_a_budget_is_named():
    with pytest.raises(ConfigError, match="the data of 'mine': config.compare.budgets: '9/class' are 18 of 12"):
        in_examples(("9/class",), 12, 2, "mine")

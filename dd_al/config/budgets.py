"""Budgets as a config writes them: examples of each class, or a share of the training data."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from dd_al.core.errors import ConfigError, named

_PER_CLASS = re.compile(r"(\d+)\s*/\s*class")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def examples(budget: str, train: int, classes: int) -> int:
    """How many examples a budget is: ``"2/class"`` of each, or ``"0.5%"`` of the training data, in whole classes.

    Args:
      budget: as in `config.compare.budgets`.
      train: training examples.
      classes: how many there are.

    Raises:
      ConfigError: it is no such text, or more than there is.
    """
    if found := _PER_CLASS.fullmatch(budget.strip()):
        count = int(found[1]) * classes
    elif found := _SHARE.fullmatch(budget.strip()):
        count = math.ceil(round(float(found[1]) / 100 * train, 9) / classes) * classes
    else:
        raise ConfigError(f"config.compare.budgets: {budget!r} is neither like '2/class' nor like '0.5%'")
    if not 0 < count < train:
        raise ConfigError(f"config.compare.budgets: {budget!r} are {count} of {train} training examples")
    return count


def in_examples(budgets: Sequence[str], train: int, classes: int, name: str) -> dict[str, int]:
    """Every budget of a data set in examples.

    Args:
      budgets: texts such as ``"2/class"`` and ``"0.5%"``, as `examples` reads them.
      train: training examples.
      classes: how many there are.
      name: of the data set, for messages.

    Raises:
      ConfigError: they do not rise, or are more than there is.
    """
    with named(f"the data of {name!r}"):
        found = {budget: examples(budget, train, classes) for budget in budgets}
        for (one, few), (other, many) in pairwise(found.items()):
            if few >= many:
                raise ConfigError(
                    f"config.compare.budgets: {one!r} and {other!r} are {few} and {many} of {train} training examples; "
                    "they have to rise: leave one out"
                )
    return found

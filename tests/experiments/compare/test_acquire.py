"""What random sampling and every query of a comparison begin with."""

import numpy as np
import pytest

from dd_al.config.sweeps import STARTS
from dd_al.experiments.compare.acquire import first_labels


def drawn(task, start="", seed=0, size=6):
    return first_labels(task, size, seed, start)


@pytest.mark.parametrize("start", ["", *STARTS])
def test_a_seed_set_is_of_its_seed_and_kind(make_tiny_task, start):
    task = make_tiny_task()
    rows = drawn(task, start)
    assert rows.dtype == np.int32 and len(set(rows.tolist())) == 6
    np.testing.assert_array_equal(rows, drawn(task, start))
    assert set(rows.tolist()) != set(drawn(task, start, seed=1).tolist())
    if start:
        assert set(rows.tolist()) != set(drawn(task).tolist())


def test_only_those_without_regard_to_classes_may_miss_one(make_tiny_task):
    task = make_tiny_task()
    labels = task.labels("train")
    for start in ("", "another"):
        for seed in range(20):
            assert set(labels[drawn(task, start, seed, size=task.classes)].tolist()) == set(range(task.classes))
    several = [labels[drawn(task, "random", seed, size=task.classes)].tolist() for seed in range(20)]
    assert any(len(set(one)) < task.classes for one in several)

"""The simulated oracle errs as often as it is told to, and then names any other class."""

import numpy as np
import pytest

from dd_al.active.oracle import noisy_labels


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

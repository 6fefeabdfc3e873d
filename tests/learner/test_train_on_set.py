"""Training by a schedule: what is kept of several numbers of steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.learner.train_on_set import along, best_along


def advance(state, first, until):
    return state + (until - first)


@pytest.mark.parametrize(("wanted", "index"), [(5, 1), (1, 0), (99, 2)])
def test_the_best_of_several_numbers_of_steps_is_kept(wanted, index):
    points = jnp.asarray([2, 5, 9])

    def look(state):
        return {"at": state}, 1 / (1 + jnp.abs(state - wanted))

    found, best = jax.jit(lambda state: best_along(advance, state, points, look))(jnp.float32(0))
    assert int(best) == index and float(found["at"]) == points[index]
    last, looks = along(advance, jnp.float32(0), points, look)
    assert float(last) == 9
    np.testing.assert_array_equal(looks[0]["at"], points)


def test_of_equals_the_first_is_kept():
    found, best = best_along(advance, jnp.float32(0), jnp.asarray([1, 2, 3]), lambda state: (state, jnp.float32(0)))
    assert int(best) == 0 and float(found) == 1

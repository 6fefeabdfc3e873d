"""Fitting: learners side by side are the learners alone, stretches are the whole, and the best parameters are kept."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.learner import optimizers
from dd_al.learner.examples import make_examples
from dd_al.learner.fit import cosine, fitting
from dd_al.learner.learner import make_learner
from dd_al.learner.predict import accuracy
from dd_al.models.base import Model

pytestmark = pytest.mark.usefixtures("own_caches")

RNG = np.random.default_rng(0)
TABLE = jnp.asarray(RNG.normal(size=(20, 4)), jnp.float32).at[0].set(0)
BAG = Model(
    init=lambda key: {"weight": 0.1 * jax.random.normal(key, (4, 3))},
    features=lambda params, x, key=None: x,
    head=lambda params, h, key=None: (
        (h if key is None else h * jax.random.bernoulli(key, 0.8, h.shape)) @ params["weight"]
    ),
)
TRUTH = RNG.normal(size=(4, 3))
LEARNER = make_learner(BAG, optimizers.get("adam"))


def embed(ids):
    return TABLE[ids].sum(1)


def examples(n):
    ids = RNG.integers(1, 20, (n, 6)).astype(np.int32) * (np.arange(6) < RNG.integers(2, 7, (n, 1)))
    classes = np.asarray(embed(ids) @ TRUTH).argmax(1)
    return make_examples(ids.astype(np.int32), np.eye(3, dtype=np.float32)[classes])


TRAIN, VALIDATION = examples(64), examples(40)
KEYS = jax.random.split(jax.random.key(1), 3)
STATES = jax.vmap(LEARNER.init)(jax.random.split(jax.random.key(0), 3))


def fit(states, keys, stops, rate=0.3, learner=LEARNER):
    init, advance = fitting(learner, TRAIN, VALIDATION, embed, batch_size=16, schedule=cosine(rate, 24))
    chex.clear_trace_counter()
    state, seen, advance = (
        init(states),
        [],
        jax.jit(chex.assert_max_traces(advance, n=1)),
    )  # for stretches of any length
    for stop in stops:
        state, now = advance(keys, state, stop)
        seen.append(np.asarray(now))
    return state, np.array(seen)


def test_learners_side_by_side_are_the_learners_alone():
    together, _ = fit(STATES, KEYS, [24])
    for i in range(3):
        alone, _ = fit(jax.tree.map(lambda x, i=i: x[i : i + 1], STATES), KEYS[i : i + 1], [24])
        one = jax.tree.map(lambda x, i=i: x[i : i + 1], together.learner)
        chex.assert_trees_all_close(one, alone.learner, rtol=1e-4, atol=1e-5)
    assert len({np.asarray(w).tobytes() for w in together.learner.params["weight"]}) == 3


def test_learners_one_by_one_are_the_learners_side_by_side():
    apart = make_learner(BAG._replace(apart=True), optimizers.get("adam"))
    together, one_by_one = (fit(STATES, KEYS, [8, 24], learner=learner) for learner in (LEARNER, apart))
    chex.assert_trees_all_close(together, one_by_one, rtol=1e-4, atol=1e-5)


def test_a_fit_in_stretches_is_the_fit_in_one():
    whole, _ = fit(STATES, KEYS, [24])
    parts, _ = fit(STATES, KEYS, [1, 7, 24])
    chex.assert_trees_all_equal(whole.learner, parts.learner)
    assert int(parts.step) == 24


def test_the_first_best_parameters_are_kept():
    stops = [2, 4, 8, 12, 16, 20, 24]
    state, seen = fit(STATES, KEYS, stops, rate=3.0)  # a rate that overshoots: the last is not the best
    np.testing.assert_array_equal(state.best_accuracy, seen.max(0))
    np.testing.assert_array_equal(state.best_step, np.array(stops)[seen.argmax(0)])
    np.testing.assert_array_equal(accuracy(BAG, state.best, VALIDATION, embed), seen.max(0))
    assert (seen[-1] < seen.max(0)).any() and seen.max(0).mean() > 0.7


def test_the_rate_falls_along_half_a_cosine():
    rates = np.array([cosine(0.4, 10)(step) for step in (0, 5, 10, 12)])
    np.testing.assert_allclose(rates, [0.4, 0.2, 0.0, 0.0], atol=1e-7)

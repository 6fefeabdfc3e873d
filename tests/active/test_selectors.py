"""Batch selectors against their definitions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr

from dd_al.active import scores, selectors
from dd_al.active.batch_bald import batch_bald

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
POOL, WIDTH, CLASSES = 25, 4, 3
FEATURES = jnp.asarray(RNG.normal(size=(POOL, WIDTH)), jnp.float32)
PROBS = jax.nn.softmax(jnp.asarray(RNG.normal(size=(POOL, CLASSES)) * 2, jnp.float32))
ALL = jnp.ones(POOL, bool)
LABELLED, COUNTED = jnp.asarray([3, 8, 0, 0]), jnp.asarray([True, True, False, False])
AVAILABLE = ALL.at[jnp.asarray([3, 8])].set(False)


def many(select, draws=3000):
    """The picks of many keys, ``int[draws, k]``."""
    return np.asarray(jax.jit(jax.vmap(select))(jax.random.split(KEY, draws)))


def test_top_k_sorts_and_knows_nan_and_infinities():
    values = jnp.asarray([1.0, jnp.nan, 3.0, -jnp.inf, 2.0, jnp.inf])
    available = jnp.asarray([True] * 5 + [False])
    np.testing.assert_array_equal(selectors.top_k(KEY, values, available, 3), [2, 4, 0])
    assert set(np.asarray(selectors.top_k(KEY, values, available, 5)).tolist()) == {0, 1, 2, 3, 4}


def test_ties_are_broken_by_key_not_by_index():
    picks = many(lambda key: selectors.top_k(key, jnp.zeros(POOL), AVAILABLE, 2))
    counts = np.bincount(picks.ravel(), minlength=POOL) / len(picks)
    np.testing.assert_allclose(counts, np.asarray(AVAILABLE) * 2 / 23, atol=0.03)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_power_draws_in_proportion_to_a_power_of_the_score(beta):
    values = jnp.asarray([1.0, 2.0, 3.0, 0.0])
    picks = many(lambda key: selectors.power(key, values, jnp.asarray([True] * 3 + [False]), 1, beta=beta))
    expected = np.asarray([1.0, 2.0, 3.0, 0.0]) ** beta * [1, 1, 1, 0]
    np.testing.assert_allclose(
        np.bincount(picks.ravel(), minlength=4) / len(picks), expected / expected.sum(), atol=0.03
    )


def test_core_set_starts_from_what_is_labelled():
    first = selectors.core_set(KEY, FEATURES, LABELLED, COUNTED, AVAILABLE, 1)[0]
    reach = np.linalg.norm(np.asarray(FEATURES)[:, None] - np.asarray(FEATURES)[[3, 8]][None], axis=-1).min(1)
    assert first == np.where(AVAILABLE, reach, -1).argmax()


def test_badge_is_plus_plus_on_gradients():
    """The first has the longest gradient; the second is drawn by squared distances of gradients, formed here."""
    gradients = jax.vmap(lambda h, p: jnp.outer(p - jax.nn.one_hot(p.argmax(), CLASSES), h).ravel())(FEATURES, PROBS)
    gradients = np.asarray(gradients)
    first = np.linalg.norm(gradients, axis=1).argmax()
    picks = many(lambda key: selectors.badge(key, FEATURES, PROBS, ALL, 2))
    assert (picks[:, 0] == first).all()
    expected = ((gradients - gradients[first]) ** 2).sum(1)
    np.testing.assert_allclose(np.bincount(picks[:, 1], minlength=POOL) / 3000, expected / expected.sum(), atol=0.03)


def test_clusters_give_one_text_each():
    centers = np.eye(WIDTH, dtype=np.float32)[[0, 1, 2]] * 50
    features = jnp.asarray(np.repeat(centers, 8, 0) + RNG.normal(size=(24, WIDTH)), jnp.float32)
    picks = np.asarray(selectors.clustered(KEY, features, jnp.ones(24, bool), 3))
    assert sorted(picks // 8) == [0, 1, 2]


def test_contrastive_by_hand():
    probs, features = np.asarray(PROBS, np.float64), np.asarray(FEATURES)
    for neighbours in (1, 2, 10):
        expected = np.zeros(POOL)
        for i in range(POOL):
            near = sorted((3, 8), key=lambda j: np.linalg.norm(features[i] - features[j]))[:neighbours]
            expected[i] = np.mean([rel_entr(probs[j], probs[i]).sum() for j in near])
        order = np.argsort(-np.where(AVAILABLE, expected, -np.inf))[:5]
        picks = selectors.contrastive(KEY, FEATURES, PROBS, LABELLED, COUNTED, AVAILABLE, 5, neighbours=neighbours)
        np.testing.assert_array_equal(picks, order)


def test_feature_mixing_takes_texts_near_the_boundary():
    """Of a linear head in one dimension those change class whose logit is small for how far the anchor is."""
    points = jnp.asarray([[-9.0, 0], [-0.1, 0], [0.1, 0], [9.0, 0], [5.0, 0]])
    head = lambda h: jnp.stack([-h[:, 0], h[:, 0]], -1)  # noqa: E731
    labelled, targets = jnp.asarray([0, 3]), jnp.eye(2)
    picks = selectors.feature_mixing(
        KEY, points, head, labelled, targets, jnp.asarray([False, True, True, False, True]), 2
    )
    assert set(np.asarray(picks).tolist()) == {1, 2}
    # Fewer change than are wanted: the rest are the least confident.
    points = points.at[1, 0].set(-4.0)
    picks = selectors.feature_mixing(
        KEY, points, head, labelled, targets, jnp.asarray([False, True, True, False, True]), 2
    )
    assert set(np.asarray(picks).tolist()) == {1, 2}


def mutual_information(probs, rows):
    """I(y₁ … y_n; ω) by going through all labellings."""
    probs = np.asarray(probs, np.float64)
    joint = 0.0
    for labels in itertools.product(range(probs.shape[2]), repeat=len(rows)):
        likelihood = np.prod([probs[:, row, label] for row, label in zip(rows, labels)], axis=0).mean()
        joint -= likelihood * np.log(likelihood)
    own = sum(-(probs[:, row] * np.log(probs[:, row])).sum(-1).mean() for row in rows)
    return joint - own


def test_batch_bald_is_greedy_on_the_joint_mutual_information():
    probs = jax.nn.softmax(jnp.asarray(np.random.default_rng(2).normal(size=(6, 8, 2)) * 2, jnp.float32))
    chosen = []
    for pick in np.asarray(batch_bald(KEY, probs, jnp.ones(8, bool).at[5].set(False), 4)).tolist():
        gains = {i: mutual_information(probs, [*chosen, i]) for i in range(8) if i not in (5, *chosen)}
        assert pick == max(gains, key=gains.get)
        chosen.append(pick)
    assert chosen[0] == int(jnp.argmax(scores.bald(probs).at[5].set(-1)))


def test_batch_bald_by_samples_is_close_to_the_exact_one():
    probs = jax.nn.softmax(jnp.asarray(np.random.default_rng(3).normal(size=(5, 9, 3)) * 2, jnp.float32))
    exact = batch_bald(KEY, probs, jnp.ones(9, bool), 4, samples=10**6)
    drawn = batch_bald(KEY, probs, jnp.ones(9, bool), 4, samples=300)  # more than 27 labellings are drawn
    best, found = (mutual_information(probs, np.asarray(p).tolist()) for p in (exact, drawn))
    assert found > 0.97 * best


def test_batch_bald_passes_over_copies():
    """Copies of the best text add little; top-k on BALD takes them all."""
    probs = jax.nn.softmax(jnp.asarray(np.random.default_rng(4).normal(size=(8, 6, 2)) * 2, jnp.float32))
    best = int(scores.bald(probs).argmax())
    copied = jnp.concatenate([probs, jnp.repeat(probs[:, best : best + 1], 3, 1)], 1)
    copies = {best, 6, 7, 8}
    available = jnp.ones(9, bool)
    assert set(np.asarray(selectors.top_k(KEY, scores.bald(copied), available, 4)).tolist()) == copies
    assert len(copies & set(np.asarray(batch_bald(KEY, copied, available, 4)).tolist())) < 4


def test_rect_is_a_sweep_with_a_rising_limit():
    values = np.asarray(RNG.permutation(POOL), np.float32)
    units = np.asarray(FEATURES) / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    picks, limit = [], 0.0
    while len(picks) < 9:  # the algorithm as it is written, sweep by sweep
        for i in np.argsort(-values):
            if i not in picks and AVAILABLE[i] and len(picks) < 9:
                if limit > 1 or all(units[i] @ units[j] <= limit for j in picks):
                    picks.append(int(i))
        limit += 0.1
    found = selectors.by_cosine(KEY, jnp.asarray(values), FEATURES, AVAILABLE, 9)
    np.testing.assert_array_equal(found, picks)


def test_rect_takes_copies_in_the_end():
    same = jnp.ones((4, 2))
    picks = selectors.by_cosine(KEY, jnp.asarray([1.0, 4.0, 2.0, 3.0]), same, jnp.ones(4, bool), 4)
    np.testing.assert_array_equal(picks, [1, 3, 2, 0])


def test_sud_weighs_by_the_density_of_the_pool():
    values = jnp.asarray(RNG.uniform(size=POOL), jnp.float32)
    units = np.asarray(FEATURES) / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    density = np.sort(units @ units.T, axis=1)[:, ::-1][:, 1:11].mean(1)
    expected = np.argsort(-np.where(AVAILABLE, np.asarray(values) * density, -np.inf))[:6]
    np.testing.assert_array_equal(selectors.by_density(KEY, values, FEATURES, AVAILABLE, 6), expected)


def test_sud_sorts_no_rows_of_the_whole_pool():
    """XLA looks for the largest few by a sort, twenty times slower, if it does not recognise what is asked."""
    seeds, pool = 2, 300
    args = jnp.ones((seeds, pool)), jnp.zeros((seeds, pool, WIDTH)), jnp.ones((seeds, pool), bool)
    program = jax.jit(jax.vmap(lambda *a: selectors.by_density(KEY, *a, 6))).lower(*args).compile().as_text()
    sorts = [line for line in program.splitlines() if " sort(" in line]
    assert f"{seeds},256,{pool}" in program  # rows of a block
    assert not any(f"256,{pool}" in line for line in sorts), sorts


def test_ret_looks_again_after_every_step():
    """A learner that forgets its interest in what it has seen, and in its neighbours."""
    values = jnp.asarray([5.0, 4.9, 1.0, 3.0, 2.0, 0.5])

    def rescore(key, state, rows):
        return values[rows] - 10 * state[rows]

    def step(key, state, index):
        return state.at[index].add(1).at[index + 1].add(1)

    picks = selectors.by_training(KEY, values, jnp.zeros(6), step, rescore, jnp.ones(6, bool), 3, subset=5)
    np.testing.assert_array_equal(picks, [0, 3, 2])


def test_scores_that_are_not_numbers_do_not_repeat_a_text():
    points = jnp.full((6, 3), jnp.nan)
    available = jnp.ones(6, bool).at[0].set(False)
    picks = selectors.core_set(KEY, points, jnp.asarray([0]), jnp.ones(1, bool), available, 4)
    assert len(set(picks.tolist())) == 4 and 0 not in picks.tolist()


def test_power_of_nothing_draws_uniformly():
    scores_ = jnp.asarray([0.0, 0.0, 1.0, 2.0])
    draw = jax.vmap(lambda key: selectors.power(key, scores_, jnp.ones(4, bool), 1, beta=0.0)[0])
    counts = np.bincount(draw(jax.random.split(KEY, 400)), minlength=4)
    assert counts.min() > 60

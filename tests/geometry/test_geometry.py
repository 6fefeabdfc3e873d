"""Geometry: distances in blocks, spreads against brute force, clusters against scikit-learn's rules by hand."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.geometry import points as geometry

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
POINTS = jnp.asarray(RNG.normal(size=(40, 3)), jnp.float32)
KEY = jax.random.key(0)
ALL = jnp.ones(40, bool)
NONE = jnp.full(40, jnp.inf)


def exact(points, others):
    return ((np.asarray(points)[:, None] - np.asarray(others)[None]) ** 2).sum(-1)


def test_distances():
    np.testing.assert_allclose(geometry.squared(POINTS, POINTS[:7]), exact(POINTS, POINTS[:7]), atol=1e-5)
    np.testing.assert_allclose(geometry.to_points(POINTS)(3), exact(POINTS, POINTS[3:4])[:, 0], atol=1e-6)


@pytest.mark.parametrize("block", [1, 7, 40, 100])
def test_blocks_change_nothing(block):
    doubled = geometry.by_block(lambda rows: rows * 2, POINTS, block=block)
    np.testing.assert_array_equal(doubled, POINTS * 2)


def test_distances_of_outer_products_need_none_of_them():
    a, b = POINTS, jnp.asarray(RNG.normal(size=(40, 5)), jnp.float32)
    products = (a[:, :, None] * b[:, None, :]).reshape(40, -1)
    expected = geometry.to_points(products)(4)
    np.testing.assert_allclose(geometry.to_products(a, b)(4), expected, atol=1e-4)


def test_distance_to_the_nearest_of_those_that_count():
    counted = jnp.asarray([True, False, True])
    expected = exact(POINTS, POINTS[jnp.asarray([5, 7])]).min(1)
    np.testing.assert_allclose(geometry.to_nearest(POINTS, POINTS[5:8], counted), expected, atol=1e-5)
    assert jnp.isinf(geometry.to_nearest(POINTS, POINTS[:2], jnp.zeros(2, bool))).all()


def test_farthest_first_is_the_greedy_rule():
    to, nearest = geometry.to_points(POINTS), geometry.to_nearest(POINTS, POINTS[:2], jnp.ones(2, bool))
    available = ALL.at[jnp.asarray([0, 1, 9])].set(False)
    picks = np.asarray(geometry.farthest_first(KEY, to, nearest, available, 5))
    centers = [0, 1]
    for pick in picks:
        reach = exact(POINTS, POINTS[jnp.asarray(centers)]).min(1)
        reach[~np.asarray(available)] = -1
        assert pick == reach.argmax()
        centers.append(int(pick))


def test_farthest_first_covers_within_twice_the_best():
    few = POINTS[:12]
    picks = geometry.farthest_first(KEY, geometry.to_points(few), NONE[:12], ALL[:12], 3)

    def radius(centers):
        return np.sqrt(exact(few, few[jnp.asarray(centers)]).min(1).max())

    best = min(radius(centers) for centers in itertools.combinations(range(12), 3))
    assert best <= radius(picks) <= 2 * best


def test_plus_plus_draws_in_proportion_to_squared_distances():
    line = jnp.asarray([[0.0], [1.0], [2.0]])
    nearest = geometry.to_points(line)(0)
    keys = jax.random.split(KEY, 4000)
    picks = jax.vmap(lambda key: geometry.plus_plus(key, geometry.to_points(line), nearest, ALL[:3], 1)[0])(keys)
    np.testing.assert_allclose(np.bincount(picks, minlength=3) / 4000, [0, 0.2, 0.8], atol=0.03)


@pytest.mark.parametrize("method", [geometry.farthest_first, geometry.plus_plus])
def test_equal_points_are_all_chosen_once(method):
    same = jnp.zeros((6, 2))
    picks = method(KEY, geometry.to_points(same), NONE[:6], ALL[:6].at[2].set(False), 5)
    assert sorted(np.asarray(picks).tolist()) == [0, 1, 3, 4, 5]


def test_of_equal_values_any_is_first():
    values = jnp.asarray([1.0, 3.0, 3.0, 5.0])
    available = jnp.asarray([True, True, True, False])
    picks = jax.vmap(lambda key: geometry.first(key, values, available))(jax.random.split(KEY, 100))
    assert set(np.asarray(picks).tolist()) == {1, 2}


def test_k_means_finds_clusters_that_are_there():
    centers = np.asarray([[0, 0, 0], [9, 0, 0], [0, 9, 0]], np.float32)
    member = RNG.integers(0, 3, 60)
    points = jnp.asarray(centers[member] + RNG.normal(size=(60, 3)) * 0.3, jnp.float32)
    found, labels = geometry.k_means(KEY, points, jnp.ones(60), 3)
    means = np.stack([np.asarray(points)[member == c].mean(0) for c in range(3)])
    np.testing.assert_allclose(sorted(found.tolist()), sorted(means.tolist()), atol=1e-4)
    assert len({(a, b) for a, b in zip(member.tolist(), labels.tolist())}) == 3


def test_k_means_is_a_fixed_point_of_its_two_steps_and_ignores_points_without_weight():
    weights = jnp.asarray(RNG.integers(0, 3, 40), jnp.float32)
    centers, labels = geometry.k_means(KEY, POINTS, weights, 4, iterations=100)
    np.testing.assert_array_equal(labels, exact(POINTS, centers).argmin(1))
    for c in range(4):
        inside = np.asarray(labels) == c
        mean = np.average(np.asarray(POINTS)[inside], axis=0, weights=np.asarray(weights)[inside])
        np.testing.assert_allclose(centers[c], mean, atol=1e-5)
    moved = POINTS.at[jnp.flatnonzero(weights == 0)].add(100)
    np.testing.assert_allclose(geometry.k_means(KEY, moved, weights, 4, iterations=100)[0], centers, atol=1e-5)


def test_nearest_points_are_taken_once():
    centers = POINTS[jnp.asarray([3, 3, 3])]
    picks = np.asarray(geometry.nearest_to(centers, POINTS, ALL.at[3].set(False)))
    expected = exact(POINTS, POINTS[3:4])[:, 0].argsort()[1:4]
    np.testing.assert_array_equal(picks, expected)

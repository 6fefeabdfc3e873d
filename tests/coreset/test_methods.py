"""Instance selection: what holds for every method, and each against what defines it."""

import itertools

import jax
import numpy as np
import pytest

from dd_al.coreset.methods import NAMES, prototypes, select

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
CENTERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
LABELS = np.arange(60) % 3
POINTS = (CENTERS[LABELS] + RNG.normal(size=(60, 2))).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_keeps_what_was_asked_of_each_class(name):
    for per_class in ([1, 1, 1], [3, 0, 5], [20, 20, 20]):
        rows = select(name, KEY, POINTS, LABELS, np.asarray(per_class))
        assert len(set(rows.tolist())) == len(rows) == sum(per_class)
        assert np.bincount(LABELS[rows], minlength=3).tolist() == per_class


@pytest.mark.parametrize("name", NAMES)
def test_equal_points_are_no_obstacle(name):
    rows = select(name, KEY, np.zeros((10, 2), np.float32), np.arange(10) % 2, np.asarray([3, 3]))
    assert len(set(rows.tolist())) == 6


@pytest.mark.parametrize("name", NAMES)
def test_more_than_there_are(name):
    with pytest.raises(ValueError, match="21 examples of class 1 are wanted; there are 20"):
        select(name, KEY, POINTS, LABELS, np.asarray([1, 21, 1]))


def test_an_unknown_method():
    with pytest.raises(ValueError, match="unknown method 'herd'; allowed: herding"):
        select("herd", KEY, POINTS, LABELS, np.ones(3, int))


def test_herding_follows_the_mean():
    """Greedily: each next point is the best that there is, given those before."""
    rows = select("herding", KEY, POINTS, LABELS, np.asarray([6, 0, 0]))
    own = np.flatnonzero(LABELS == 0)
    for size in range(1, 7):
        gaps = {
            row: np.linalg.norm(POINTS[own].mean(0) - POINTS[[*rows[: size - 1], row]].mean(0))
            for row in own
            if row not in rows[: size - 1]
        }
        assert rows[size - 1] == min(gaps, key=gaps.get)


def test_k_center_begins_in_the_middle_and_is_within_twice_the_best():
    own = np.flatnonzero(LABELS == 1)[:12]
    points, labels = POINTS[own], np.zeros(12, int)
    rows = select("k_center", KEY, points, labels, np.asarray([3]))
    assert rows[0] == np.linalg.norm(points - points.mean(0), axis=1).argmin()

    def radius(chosen):
        return max(min(np.linalg.norm(p - points[c]) for c in chosen) for p in points)

    assert radius(rows) <= 2 * min(map(radius, itertools.combinations(range(12), 3))) + 1e-6


def test_k_medoids_cannot_be_bettered_by_another_medoid_of_a_cluster():
    points = np.concatenate([CENTERS[c] * 3 + RNG.normal(size=(15, 2)) for c in range(3)]).astype(np.float32)
    rows = select("k_medoids", KEY, points, np.zeros(45, int), np.asarray([3]))
    assert sorted(rows // 15) == [0, 1, 2]  # one in each of the clouds
    for row in rows:
        cloud = np.arange(45)[np.arange(45) // 15 == row // 15]
        costs = np.linalg.norm(points[cloud][:, None] - points[cloud], axis=-1).sum(1)
        assert row == cloud[costs.argmin()]


@pytest.mark.parametrize("classes", [2, 3])
def test_support_vectors_lie_at_the_border(classes):
    chosen = LABELS < classes
    points, labels = POINTS[chosen], LABELS[chosen]
    rows = select("support_vectors", KEY, points, labels, np.full(classes, 3))
    from sklearn.svm import SVC

    machine = SVC().fit(points, labels)
    weights = np.zeros(len(labels))
    weights[machine.support_] = np.abs(machine.dual_coef_).sum(0)
    for c in range(classes):
        own = np.flatnonzero(labels == c)
        np.testing.assert_allclose(sorted(weights[rows[labels[rows] == c]]), sorted(weights[own])[-3:], rtol=1e-6)


def test_the_condensed_set_answers_every_training_point():
    """As many as Hart's rule keeps, in its order: the nearest of them has the class of every point."""
    from sklearn.neighbors import KNeighborsClassifier

    points = (CENTERS[LABELS] * 0.6 + RNG.normal(size=(60, 2))).astype(np.float32)  # they overlap
    order = select("condensed", KEY, points, LABELS, np.full(3, 20)).reshape(3, 20)

    def answers_all(kept):
        rows = order[:, :kept].ravel()
        return KNeighborsClassifier(1).fit(points[rows], LABELS[rows]).score(points, LABELS) == 1

    assert any(map(answers_all, range(1, 20)))


def test_prototypes_are_the_means_of_classes_or_of_their_clusters():
    rng = np.random.default_rng(0)
    centers = np.asarray([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], np.float32)
    points = np.concatenate([center + 0.1 * rng.normal(size=(20, 2)) for center in centers]).astype(np.float32)
    labels = np.repeat([0, 0, 1], 20)
    one = prototypes(0, points, labels, np.asarray([1, 1]))
    np.testing.assert_allclose(one, [points[:40].mean(0), points[40:].mean(0)], atol=1e-5)
    two = prototypes(0, points, labels, np.asarray([2, 1]))
    found = two[:2][np.argsort(two[:2, 0])]
    np.testing.assert_allclose(found, [points[:20].mean(0), points[20:40].mean(0)], atol=1e-5)
    with pytest.raises(ValueError, match="21 examples of class 1 are wanted; there are 20"):
        prototypes(0, points, labels, np.asarray([1, 21]))

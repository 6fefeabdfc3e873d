"""Instance selection, by name: from features with their classes to the rows to keep, so many of each class.

All of them look at every label, as distillation does; active learning (`dd_al.active`) chooses without.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.geometry.points import farthest_first, plus_plus, squared, to_points


def select(name: str, key: jax.Array, features: np.ndarray, labels: np.ndarray, per_class: np.ndarray) -> np.ndarray:
    """The rows that a method keeps, ``int64[sum of per_class]``, class after class, none twice.

    ===============  ==================================================================================================
    herding          again and again the point that brings the mean of those kept nearest to the mean of its class
                     (Welling 2009, "Herding dynamical weights to learn", eq. 3)
    k_center         the point farthest from those kept, in each class, from the one nearest to the mean on (Gonzalez
                     1985; Sener & Savarese 2018, arXiv 1708.00489)
    k_medoids        points with the least sum of distances to those of their class that lie nearest to them (Park & Jun
                     2009, "A simple and fast algorithm for K-medoids clustering")
    support_vectors  the largest dual coefficients of a support vector machine with a Gaussian kernel (Cortes & Vapnik
                     1995), the points nearest to its border behind them
    condensed        those that the nearest of the kept ones would get wrong, in the order in which they are met (Hart
                     1968, "The condensed nearest neighbor rule"), and others in random order behind them
    ===============  ==================================================================================================

    Args:
      name: one of `NAMES`.
      key: of what is random.
      features: ``float32[n, dim]``.
      labels: ``int[n]``.
      per_class: ``int[classes]``, how many to keep of each.

    Raises:
      ValueError: for an unknown name, or more of a class than there are.
    """
    if name not in NAMES:
        raise ValueError(f"unknown method {name!r}; allowed: {', '.join(NAMES)}")
    _check_counts(labels, per_class)
    if name in _RANKED:
        order = _RANKED[name](key, features, labels)
        return np.concatenate([order[labels[order] == c][:k] for c, k in enumerate(per_class)])
    kept = []
    for c, k in enumerate(per_class):
        rows = np.flatnonzero(labels == c)
        if k:
            kept.append(rows[np.asarray(_BY_CLASS[name](jax.random.fold_in(key, c), features[rows], int(k)))])
    return np.concatenate(kept).astype(np.int64)


def _herding(key: jax.Array, points: np.ndarray, k: int) -> np.ndarray:
    mean, total = points.mean(0), np.zeros(points.shape[1])
    left, kept = np.ones(len(points), bool), []
    for size in range(1, k + 1):
        gaps = ((mean - (total + points) / size) ** 2).sum(1)
        kept.append(int(np.argmin(np.where(left, gaps, np.inf))))
        left[kept[-1]], total = False, total + points[kept[-1]]
    return np.asarray(kept)


def _k_center(key: jax.Array, points: np.ndarray, k: int) -> np.ndarray:
    first = int(((points - points.mean(0)) ** 2).sum(1).argmin())
    if k == 1:
        return np.asarray([first])
    x = jnp.asarray(points)
    nearest, available = to_points(x)(first), jnp.ones(len(points), bool).at[first].set(False)
    return np.concatenate([[first], np.asarray(farthest_first(key, to_points(x), nearest, available, k - 1))])


def _k_medoids(key: jax.Array, points: np.ndarray, k: int, iterations: int = 50) -> np.ndarray:
    x, n = jnp.asarray(points), len(points)
    distances = np.sqrt(np.asarray(squared(x, x)))
    medoids = np.asarray(plus_plus(key, to_points(x), jnp.full(n, jnp.inf), jnp.ones(n, bool), k))
    for _ in range(iterations):
        nearest = distances[:, medoids].argmin(1)
        nearest[medoids] = np.arange(k)  # of equal points, each medoid keeps itself
        moved = medoids.copy()
        for cluster in range(k):
            members = np.flatnonzero(nearest == cluster)
            moved[cluster] = members[distances[np.ix_(members, members)].sum(1).argmin()]
        if (moved == medoids).all():
            break
        medoids = moved
    return medoids


def _support_vectors(key: jax.Array, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from sklearn.svm import SVC

    machine = SVC(decision_function_shape="ovr").fit(features, labels)
    weights = np.zeros(len(labels))
    weights[machine.support_] = np.abs(machine.dual_coef_).sum(0)
    scores = machine.decision_function(features)
    if scores.ndim == 1:
        margins = np.abs(scores)
    else:
        own = machine.classes_ == labels[:, None]
        margins = np.abs(scores[own] - np.where(own, -np.inf, scores).max(1))
    return np.lexsort((margins, -weights))


def _condensed(key: jax.Array, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    order = np.asarray(jax.random.permutation(key, len(labels)))
    store = dict.fromkeys(int(order[np.argmax(labels[order] == c)]) for c in np.unique(labels))  # in order
    nearest, answer = np.full(len(labels), np.inf), np.zeros(len(labels), labels.dtype)

    def keep(row: int) -> None:
        closer = (distance := ((features - features[row]) ** 2).sum(1)) < nearest
        nearest[closer], answer[closer] = distance[closer], labels[row]

    for row in store:
        keep(row)
    changed = True
    while changed:
        changed = False
        for row in order.tolist():
            if answer[row] != labels[row] and row not in store:
                store[row] = None
                keep(row)
                changed = True
    return np.asarray([*store, *(row for row in order.tolist() if row not in store)])


# (key, points of one class, k) -> rows of them, and (key, features, labels) -> all rows, the best first
_BY_CLASS = {"herding": _herding, "k_center": _k_center, "k_medoids": _k_medoids}
_RANKED = {"support_vectors": _support_vectors, "condensed": _condensed}
NAMES = (*_BY_CLASS, *_RANKED)


def prototypes(seed: int, inputs: np.ndarray, labels: np.ndarray, per_class: np.ndarray) -> np.ndarray:
    """The means of so many clusters of each class, ``float32[sum of per_class, dim]``, class after class.

    The inputs are ``float32[n, dim]``, with labels ``int[n]``; per_class is ``int[classes]``.

    Raises:
      ValueError: more of a class than there are examples.
    """
    from sklearn.cluster import KMeans

    _check_counts(labels, per_class)
    return np.concatenate([
        KMeans(int(k), n_init=3, random_state=seed).fit(inputs[labels == c]).cluster_centers_
        for c, k in enumerate(per_class) if k
    ]).astype(np.float32)  # fmt: skip


def _check_counts(labels: np.ndarray, per_class: np.ndarray) -> None:
    for c, (wanted, count) in enumerate(zip(per_class, np.bincount(labels, minlength=len(per_class)), strict=True)):
        if count < wanted:
            raise ValueError(f"{wanted} examples of class {c} are wanted; there are {count}")

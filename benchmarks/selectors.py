"""Batch selectors beside the same algorithms in public packages, on the same inputs.

    pip install -e '.[bench]'
    pip install --no-deps batchbald-redux==2.0.5 toma blackhc.project  # asks for a torchvision that is not needed here
    python -m benchmarks.selectors

- `core_set`: small-text's `greedy_coreset` and scikit-activeml's `k_greedy_center`; the picks are the same but for
  distances that float32 cannot tell apart, and so is the largest distance left.
- `batch_bald`: batchbald-redux' `get_batchbald_batch` and scikit-activeml's `batch_bald`, exact joint entropies; the
  picks must be the same.
- `badge`: scikit-activeml's `Badge`, and scikit-learn's `kmeans_plusplus` on the gradients, formed; all are random, so
  the sums of squared distances to the nearest pick are compared, as means over thirty draws, without scikit-learn's
  choice among several candidates.
- `k_means`: scikit-learn's `kmeans_plusplus`, and then `KMeans` from our start, with as many iterations at most; sums
  of squared distances to the centers.

A peer that is not installed is left out. The fastest of `--repeats` calls counts, after a first one.
"""

import itertools
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import REPEATS, fastest, finish, flags, installed
from dd_al.active import selectors
from dd_al.active.batch_bald import batch_bald
from dd_al.geometry.points import k_means, plus_plus, to_points

PASSES, WIDTH, CLASSES = 10, 192, 5
KEY = jax.random.key(0)


class Case(NamedTuple):
    """An algorithm, by us and by its peers."""

    ours: Callable[[], np.ndarray]  # what was picked, or the centers of clusters
    peers: dict[str, Callable[[], np.ndarray]]
    objective: Callable[[np.ndarray], float] | None = None  # of what was picked; small is good
    same: bool = False  # whether all find the same
    draws: int = 1  # that the objective is a mean over


def make_problem(pool: int, labelled: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features ``[pool, width]``, passes ``[passes, pool, classes]`` and positions of labelled texts."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(pool, WIDTH)).astype(np.float32)
    logits = rng.normal(size=(pool, CLASSES)) + rng.normal(size=(PASSES, pool, CLASSES))
    probs = np.asarray(jax.nn.softmax(jnp.asarray(logits, jnp.float32)))
    return features, probs, rng.permutation(pool)[:labelled].astype(np.int32)


def core_set(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> Case:
    """Greedy k-center."""
    available = jnp.ones(len(features), bool).at[labelled].set(False)
    counted = jnp.ones(len(labelled), bool)
    run = jax.jit(lambda x: selectors.core_set(KEY, x, jnp.asarray(labelled), counted, available, k))
    peers = {}
    if installed("small_text"):
        from small_text.query_strategies.coresets import greedy_coreset

        # It takes its picks, positions among the unlabelled, for positions in all: those are the same where the
        # unlabelled come first.
        rest = np.setdiff1d(np.arange(len(features)), labelled)
        sorted_features, first = features[np.concatenate([rest, labelled])], np.arange(len(rest))
        behind = np.arange(len(rest), len(features))
        peers["small_text"] = lambda: rest[
            greedy_coreset(sorted_features, first, behind, k, distance_metric="euclidean")
        ]
    if installed("skactiveml"):
        from skactiveml.pool import k_greedy_center

        known = np.full(len(features), np.nan)
        known[labelled] = 0
        peers["scikit_activeml"] = lambda: k_greedy_center(features, known, k, random_state=0)[0]

    def radius(picks: np.ndarray) -> float:
        return float(np.sqrt(_to_nearest(features, features[np.concatenate([labelled, picks])]).max()))

    return Case(lambda: np.asarray(run(features)), peers, radius, same=True)


def batch_bald_case(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> Case:
    """BatchBALD with exact joint entropies."""
    available, samples, peers = jnp.ones(probs.shape[1], bool), CLASSES**k, {}
    run = jax.jit(lambda p: batch_bald(KEY, p, available, k, samples=samples))
    if installed("batchbald_redux"):
        import torch
        from batchbald_redux.batchbald import get_batchbald_batch

        log_probs = torch.from_numpy(np.log(np.moveaxis(probs, 0, 1)))
        peers["batchbald_redux"] = lambda: np.asarray(
            get_batchbald_batch(log_probs, k, samples, dtype=torch.double, device="cpu").indices
        )
    if installed("skactiveml"):
        from skactiveml.pool import batch_bald as activeml

        peers["scikit_activeml"] = lambda: np.nanargmax(activeml(probs.astype(float), k, samples, 0), 1)
    return Case(lambda: np.asarray(run(probs)), peers, same=True)


def badge(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> Case:
    """k-means++ on gradients of the output layer."""
    mean, available = jnp.asarray(probs.mean(0)), jnp.ones(len(features), bool)
    run = jax.jit(lambda key: selectors.badge(key, jnp.asarray(features), mean, available, k))
    errors = np.asarray(mean - jax.nn.one_hot(mean.argmax(-1), CLASSES))
    gradients = (errors[:, :, None] * features[:, None]).reshape(len(features), -1)

    draws, peers = itertools.count(), {}
    if installed("sklearn"):
        from sklearn.cluster import kmeans_plusplus

        peers["scikit_learn"] = lambda: kmeans_plusplus(gradients, k, random_state=next(draws), n_local_trials=1)[1]
    if installed("skactiveml"):
        from skactiveml.base import SkactivemlClassifier
        from skactiveml.pool import Badge

        class Known(SkactivemlClassifier):
            """Answers rows, not inputs; there is nothing to fit."""

            def fit(self, X, y, sample_weight=None):
                return self

            def predict_proba(self, X, embed=True):
                rows = X[:, 0].astype(int)
                return np.asarray(mean)[rows].astype(float), features[rows]

        rows, nothing = np.arange(len(features))[:, None], np.full(len(features), np.nan)

        def activeml() -> np.ndarray:
            badge = Badge(clf_embedding_flag_name="embed", random_state=next(draws))
            return np.asarray(badge.query(rows, nothing, Known(range(CLASSES)), fit_clf=False, batch_size=k))

        peers["scikit_activeml"] = activeml

    def potential(picks: np.ndarray) -> float:
        return float(_to_nearest(gradients, gradients[picks]).sum())

    return Case(lambda: np.asarray(run(jax.random.key(next(draws)))), peers, potential, draws=30)


def k_means_case(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> Case:
    """Lloyd's algorithm; what is returned are the centers."""
    ones, iterations, peers = jnp.ones(len(features)), 30, {}
    run = jax.jit(lambda x: k_means(KEY, x, ones, k, iterations=iterations)[0])
    start = np.asarray(plus_plus(KEY, to_points(jnp.asarray(features)), ones * jnp.inf, ones > 0, k))

    if installed("sklearn"):
        from sklearn.cluster import KMeans, kmeans_plusplus

        def learn() -> np.ndarray:
            kmeans_plusplus(features, k, random_state=0)  # ours draws its start, too
            found = KMeans(k, init=features[start], n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
            return found.fit(features).cluster_centers_

        peers["scikit_learn"] = learn
    return Case(lambda: np.asarray(run(features)), peers, lambda centers: float(_to_nearest(features, centers).sum()))


CASES: dict[str, tuple[Callable[..., Case], int]] = {
    "core_set": (core_set, 69), "batch_bald": (batch_bald_case, 4), "badge": (badge, 69), "k_means": (k_means_case, 69)
}  # fmt: skip


def measure(case: Case, repeats: int) -> tuple[dict, list[str]]:
    """The seconds, speedups and objectives of all sides, and the peers that disagree with ours."""

    def timed(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray, float | None]:
        seconds, found = fastest(run, repeats)
        return seconds, found, case.objective and float(np.mean([case.objective(run()) for _ in range(case.draws)]))

    seconds, ours, own = timed(case.ours)
    entry, wrong = {"ours_s": seconds, "objective": own}, []
    for peer, run in case.peers.items():
        theirs_s, theirs, objective = timed(run)
        entry[peer] = {"seconds": theirs_s, "speedup": theirs_s / seconds, "objective": objective}
        if case.same:
            equal = ours == np.asarray(theirs)
            entry[peer] |= {"same_picks": bool(equal.all()), "share_of_same_picks": float(equal.mean())}
            # Other picks will do only if what is left far away is as near, to the digits of float32.
            agree = equal.all() or (case.objective and np.isclose(own, objective, rtol=1e-6))
        else:
            agree = own <= 1.02 * objective
        if not agree:
            wrong.append(peer)
    return entry, wrong


def main(argv: list[str] | None = None) -> int:
    """Times all sides and prints the result; 1 where they disagree."""
    options = flags(__doc__, argv, pool=(5000, "texts"), labelled=(500, "of them, for core-set"), repeats=REPEATS)
    problem, result, wrong = make_problem(options.pool, options.labelled), {"pool": options.pool}, []
    for name, (make, k) in CASES.items():
        k = min(k, options.pool // 4)
        entry, disagreeing = measure(make(*problem, k), options.repeats)
        result[name] = {"k": k, **entry}
        wrong += [f"{name} and {peer}" for peer in disagreeing]
    packages = ("small-text", "scikit-activeml", "batchbald-redux", "scikit-learn")
    return finish(result, *packages, wrong=f"the sides disagree: {', '.join(wrong)}" if wrong else "")


def _to_nearest(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """The squared distance of each point to the nearest center."""
    a, b = points.astype(float), centers.astype(float)
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0).min(1)


if __name__ == "__main__":
    sys.exit(main())

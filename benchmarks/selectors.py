"""Batch selectors beside the same algorithms in public packages, on the same inputs.

    pip install -e '.[bench]' scikit-learn
    pip install --no-deps batchbald-redux toma small-text==1.4.1  # their dependencies are not needed for this
    python -m benchmarks.selectors

- `core_set`: small-text's `greedy_coreset`; the picks are the same but for distances that float32 cannot tell apart,
  and so is the largest distance left.
- `batch_bald`: batchbald-redux' `get_batchbald_batch`, exact joint entropies; the picks must be the same.
- `badge`: scikit-learn's `kmeans_plusplus` on the gradients, formed; both are random, so the sums of squared distances
  to the nearest pick are compared, as means over thirty draws, without scikit-learn's choice among several candidates.
- `k_means`: scikit-learn's `kmeans_plusplus`, and then `KMeans` from our start, with as many iterations at most; sums
  of squared distances to the centers.

A peer that is not installed is left out. The fastest of `--repeats` calls counts, after a first one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active import selectors
from dd_al.active.batch_bald import batch_bald
from dd_al.select.clusters import assign, k_means
from dd_al.select.distances import to_points
from dd_al.select.spread import plus_plus

PASSES, WIDTH, CLASSES = 10, 192, 5
KEY = jax.random.key(0)


def make_problem(pool: int, labelled: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features ``[pool, width]``, passes ``[passes, pool, classes]`` and positions of labelled texts."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(pool, WIDTH)).astype(np.float32)
    logits = rng.normal(size=(pool, CLASSES)) + rng.normal(size=(PASSES, pool, CLASSES))
    probs = np.asarray(jax.nn.softmax(jnp.asarray(logits, jnp.float32)))
    return features, probs, rng.permutation(pool)[:labelled].astype(np.int32)


def core_set(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> dict:
    """Greedy k-center."""
    available = jnp.ones(len(features), bool).at[labelled].set(False)
    counted = jnp.ones(len(labelled), bool)
    run = jax.jit(lambda x: selectors.core_set(KEY, x, jnp.asarray(labelled), counted, available, k))
    case = {"ours": lambda: np.asarray(run(features))}
    if importlib.util.find_spec("small_text"):
        from small_text.query_strategies.coresets import greedy_coreset

        # It takes its picks, positions among the unlabelled, for positions in all: those are the same where the
        # unlabelled come first.
        rest = np.setdiff1d(np.arange(len(features)), labelled)
        sorted_features, first = features[np.concatenate([rest, labelled])], np.arange(len(rest))
        behind = np.arange(len(rest), len(features))
        case["peer"] = lambda: rest[greedy_coreset(sorted_features, first, behind, k, distance_metric="euclidean")]

    def radius(picks: np.ndarray) -> float:
        centers = np.concatenate([labelled, picks])
        return float(np.sqrt(np.min(_squared(features.astype(float), features[centers].astype(float)), 1).max()))

    return case | {"objective": radius}


def batch_bald_case(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> dict:
    """BatchBALD with exact joint entropies."""
    available = jnp.ones(probs.shape[1], bool)
    run = jax.jit(lambda p: batch_bald(KEY, p, available, k, samples=CLASSES**k))
    case = {"ours": lambda: np.asarray(run(probs))}
    if importlib.util.find_spec("batchbald_redux"):
        import torch
        from batchbald_redux.batchbald import get_batchbald_batch

        log_probs = torch.from_numpy(np.log(np.moveaxis(probs, 0, 1)))

        def peer() -> np.ndarray:
            found = get_batchbald_batch(log_probs, k, CLASSES**k, dtype=torch.double, device="cpu")
            return np.asarray(found.indices)

        case["peer"] = peer
    return case


def badge(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> dict:
    """k-means++ on gradients of the output layer."""
    mean, available = jnp.asarray(probs.mean(0)), jnp.ones(len(features), bool)
    run = jax.jit(lambda key: selectors.badge(key, jnp.asarray(features), mean, available, k))
    errors = np.asarray(mean - jax.nn.one_hot(mean.argmax(-1), CLASSES))
    gradients = (errors[:, :, None] * features[:, None]).reshape(len(features), -1)

    def potential(picks: np.ndarray) -> float:
        return float(np.min(_squared(gradients, gradients[picks]), 1).sum())

    draws = iter(range(10**6))
    case = {"ours": lambda: np.asarray(run(jax.random.key(next(draws)))), "objective": potential}
    if importlib.util.find_spec("sklearn"):
        from sklearn.cluster import kmeans_plusplus

        case["peer"] = lambda: kmeans_plusplus(gradients, k, random_state=next(draws), n_local_trials=1)[1]
    return case


def k_means_case(features: np.ndarray, probs: np.ndarray, labelled: np.ndarray, k: int) -> dict:
    """Lloyd's algorithm; what is returned are the centers."""
    ones, iterations = jnp.ones(len(features)), 30
    run = jax.jit(lambda x: k_means(KEY, x, ones, k, iterations=iterations)[0])
    start = np.asarray(plus_plus(KEY, to_points(jnp.asarray(features)), ones * jnp.inf, ones > 0, k))

    def potential(centers: np.ndarray) -> float:
        nearest = np.asarray(assign(jnp.asarray(features), jnp.asarray(centers)))
        return float(((features - centers[nearest]) ** 2).sum())

    case = {"ours": lambda: np.asarray(run(features)), "objective": potential}
    if importlib.util.find_spec("sklearn"):
        from sklearn.cluster import KMeans, kmeans_plusplus

        def peer() -> np.ndarray:
            kmeans_plusplus(features, k, random_state=0)  # ours draws its start, too
            peers = KMeans(k, init=features[start], n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
            return peers.fit(features).cluster_centers_

        case["peer"] = peer
    return case


CASES: dict[str, tuple[Callable, int]] = {
    "core_set": (core_set, 69), "batch_bald": (batch_bald_case, 4), "badge": (badge, 69), "k_means": (k_means_case, 69)
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Times all sides and prints the result; 1 where they disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=int, default=5000, help="texts")
    parser.add_argument("--labelled", type=int, default=500, help="of them, for core-set")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each side, after a first one")
    options = parser.parse_args(argv)
    problem, result, wrong = make_problem(options.pool, options.labelled), {"pool": options.pool}, []
    for name, (make, k) in CASES.items():
        case = make(*problem, min(k, options.pool // 4))
        entry = result[name] = {"k": k}
        sides = [side for side in ("ours", "peer") if side in case]
        answers = {}
        for side in sides:
            entry[f"{side}_s"], answers[side] = _timed(case[side], options.repeats)
        if "peer" not in case:
            continue
        entry["speedup"] = entry["peer_s"] / entry["ours_s"]
        if "objective" in case:
            draws = 30 if name == "badge" else 1
            means = [np.mean([case["objective"](case[side]()) for _ in range(draws)]) for side in sides]
            entry["objective"] = dict(zip(sides, means))
            agree = means[0] <= 1.02 * means[1]
        if name in ("core_set", "batch_bald"):
            same = answers["ours"] == np.asarray(answers["peer"])
            entry["same_picks"], entry["share_of_same_picks"] = bool(same.all()), float(same.mean())
            # Other picks will do only if what is left far away is as near, to the digits of float32.
            agree = entry["same_picks"] or ("objective" in case and np.isclose(*means, rtol=1e-6))
        if not agree:
            wrong.append(name)
    print(json.dumps(result))
    if wrong:
        print(f"the sides disagree: {', '.join(wrong)}", file=sys.stderr)
    return int(bool(wrong))


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)


def _timed(side: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    best, answer = np.inf, side()
    for _ in range(repeats):
        start = time.perf_counter()
        answer = side()
        best = min(best, time.perf_counter() - start)
    return best, answer


if __name__ == "__main__":
    sys.exit(main())

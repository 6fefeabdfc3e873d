"""Every way to query by its name, with one signature: ``query(key, view, k) -> int32[k]``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active import mc_dropout, redundancy, selectors
from dd_al.active.batch_bald import batch_bald
from dd_al.active.scores import SCORES, Statistics
from dd_al.core.keys import stream
from dd_al.core.types import Batch
from dd_al.learner.examples import Bucket, Examples
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import on_every


@dataclass(frozen=True)
class View:
    """What a query can see of the pool; what it does not look at is not computed.

    Attributes:
      learner: the network and its training step.
      state: of the learner, trained on what is labelled.
      raw: ``int32[n, length]``, all texts, with the labelled ones.
      pool: the same in buckets.
      embed: raw rows to model inputs.
      key: of the dropout masks.
      passes: with dropout.
      available: ``bool[n]``, what can be queried.
      labelled: ``int32[m]``, positions of the labelled texts.
      targets: ``float[m, classes]``, their classes as one-hot rows; zero rows mark places without a text.
      score: the one that power, ret, rect and sud start from; a name in `SCORES`.
      rate: of the single training steps of ret.
    """

    learner: Learner
    state: LearnerState
    raw: jax.Array
    pool: Examples
    embed: Callable[[jax.Array], Any]
    key: jax.Array
    passes: int
    available: jax.Array
    labelled: jax.Array
    targets: jax.Array
    score: str = "predictive_entropy"
    rate: float = 1e-3

    @property
    def counted(self) -> jax.Array:
        """``bool[m]``: which places of ``labelled`` hold a text."""
        return self.targets.sum(-1) > 0

    @cached_property
    def features(self) -> jax.Array:
        """``float[n, width]``, without dropout."""
        model, params = self.learner.model, self.state.params
        return on_every(self.pool, lambda raw, _: model.features(params, self.embed(raw)))

    @cached_property
    def predicted(self) -> jax.Array:
        """``float[n, classes]``, the distributions predicted without dropout."""
        return jax.nn.softmax(self.head(self.features))

    @cached_property
    def statistics(self) -> Statistics:
        """Of passes whose masks are each text's own."""
        return self._passes(mc_dropout.statistics, self.pool)

    @cached_property
    def networks(self) -> jax.Array:
        """``float[passes, n, classes]``, each pass one network for all texts."""
        return self._passes(mc_dropout.probabilities, self.pool, consistent=True)

    @cached_property
    def scores(self) -> jax.Array:
        """``float[n]``, by ``score``."""
        return SCORES[self.score](self.statistics)

    def head(self, h: jax.Array) -> jax.Array:
        """Features to logits."""
        return self.learner.model.head(self.state.params, h)

    def trained_on(self, key: jax.Array, state: LearnerState, index: jax.Array) -> LearnerState:
        """One step on a text, as if its class were the one predicted: its label has yet to be bought."""
        model, inputs = self.learner.model, self.embed(self.raw[index][None])
        logits = model.apply(state.params, inputs)
        batch = Batch((inputs,), jax.nn.one_hot(logits.argmax(-1), logits.shape[-1]))
        return self.learner.train_step(key, state, batch, jnp.full(len(state.params), self.rate))

    def scored(self, key: jax.Array, state: LearnerState, rows: jax.Array) -> jax.Array:
        """The scores of some texts, ``int32[rows]``, by another state of the learner."""
        some = Examples((Bucket(self.raw[rows], self.targets[:0]),), np.arange(len(rows)))
        function = mc_dropout.statistics
        sums = function(self.learner.model, state.params, some, self.embed, key, passes=self.passes)
        return SCORES[self.score](sums)

    def _passes(self, function: Callable, pool: Examples, **options: Any) -> Any:
        model, params = self.learner.model, self.state.params
        return function(model, params, pool, self.embed, self.key, passes=self.passes, **options)


Query = Callable[[jax.Array, View, int], jax.Array]


def _by_score(name: str) -> Query:
    return lambda key, view, k: selectors.top_k(key, SCORES[name](view.statistics), view.available, k)


def _random(key: jax.Array, view: View, k: int) -> jax.Array:
    return selectors.top_k(key, jnp.zeros(len(view.available)), view.available, k)


def _power_bald(key: jax.Array, view: View, k: int) -> jax.Array:
    return selectors.power(key, SCORES["bald"](view.statistics), view.available, k)


def _batch_bald(key: jax.Array, view: View, k: int) -> jax.Array:
    return batch_bald(key, view.networks, view.available, k)


def _core_set(key: jax.Array, view: View, k: int) -> jax.Array:
    return selectors.core_set(key, view.features, view.labelled, view.counted, view.available, k)


def _badge(key: jax.Array, view: View, k: int) -> jax.Array:
    return selectors.badge(key, view.features, view.predicted, view.available, k)


def _k_means(key: jax.Array, view: View, k: int) -> jax.Array:
    return selectors.clustered(key, view.features, view.available, k)


def _contrastive(key: jax.Array, view: View, k: int) -> jax.Array:
    return selectors.contrastive(
        key, view.features, view.predicted, view.labelled, view.counted, view.available, k
    )  # fmt: skip


def _feature_mixing(key: jax.Array, view: View, k: int) -> jax.Array:
    return selectors.feature_mixing(
        key, view.features, view.head, view.labelled, view.targets, view.available, k
    )  # fmt: skip


def _ret(key: jax.Array, view: View, k: int) -> jax.Array:
    return redundancy.by_training(
        key, view.scores, view.available, k, state=view.state, step=view.trained_on, rescore=view.scored
    )


def _rect(key: jax.Array, view: View, k: int) -> jax.Array:
    return redundancy.by_cosine(key, view.scores, view.features, view.available, k)


def _sud(key: jax.Array, view: View, k: int) -> jax.Array:
    return redundancy.by_density(key, view.scores, view.features, view.available, k)


QUERIES: dict[str, Query] = {
    "random": _random,
    **{name: _by_score(name) for name in SCORES if name != "random"},
    "power_bald": _power_bald,
    "batch_bald": _batch_bald,
    "core_set": _core_set,
    "badge": _badge,
    "k_means": _k_means,
    "contrastive": _contrastive,
    "feature_mixing": _feature_mixing,
    "ret": _ret,
    "rect": _rect,
    "sud": _sud,
}


def query(name: str, key: jax.Array, view: View, k: int) -> jax.Array:
    """Positions in the pool whose labels are wanted, ``int32[k]``, by the query of that name."""
    return QUERIES[name](stream(key, "query"), view, k)

"""The registry of acquisition functions: every way to choose which texts to label next, by its name.

To add one, write its scores or its selection in a file of this folder, and enter it in `ACQUISITIONS`.
"""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active import mc_dropout, selectors
from dd_al.active.batch_bald import batch_bald
from dd_al.active.scores import SCORES, Statistics
from dd_al.config.active import ActiveSettings
from dd_al.core.types import Batch
from dd_al.learner.examples import Bucket, Examples
from dd_al.learner.learner import Learner, LearnerState
from dd_al.learner.predict import on_every, trunk_of


class Seen(NamedTuple):
    """What queries look at, computed once for all seeds to share a program; None for what is not needed."""

    statistics: Statistics | None = None  # of passes over the pool whose masks are each text's own
    networks: jax.Array | None = None  # float[passes, m, classes], each pass one network for the whole pool
    features: jax.Array | None = None  # float[n, width] of all texts, without dropout
    predicted: jax.Array | None = None  # float[n, classes], distributions without dropout; comes with ``features``


class View(NamedTuple):
    """The pool, and the learner as it is trained on what is labelled."""

    settings: ActiveSettings  # passes with dropout, and the rate of ret's single steps
    learner: Learner
    state: LearnerState
    raw: jax.Array  # int32[n, length], all texts: first those that can be asked for, perhaps the labelled ones behind
    pool: Examples  # of those the first, in buckets: what passes are made over
    everything: Examples  # all of them in buckets, for queries that compare with what is labelled
    embed: Callable[[jax.Array], Any]  # raw rows to model inputs
    key: jax.Array  # of the dropout masks
    available: jax.Array  # bool[n], what can be queried
    labelled: jax.Array  # int32[m], positions of the labelled texts
    targets: jax.Array  # float[m, classes], their classes as one-hot rows; zero rows mark places without a text

    @property
    def open(self) -> jax.Array:
        """``bool[m]``: which texts of ``pool`` can be queried."""
        return self.available[: len(self.pool.order)]

    @property
    def counted(self) -> jax.Array:
        """``bool[m]``: which places of ``labelled`` hold a text."""
        return self.targets.sum(-1) > 0

    def head(self, h: jax.Array) -> jax.Array:
        """Features to logits."""
        return self.learner.model.head(self.state.params, h)

    def look(self, needs: Collection[str]) -> Seen:
        """Computes some fields of `Seen`."""
        model, params, seen = self.learner.model, self.state.params, {}
        if "statistics" in needs:
            seen["statistics"] = self._passes(mc_dropout.statistics, self.pool, self.state, self.key)
        if "networks" in needs:
            seen["networks"] = self._passes(mc_dropout.probabilities, self.pool, self.state, self.key, consistent=True)
        if "features" in needs:
            trunk = trunk_of(model, params, self.everything, self.embed)
            features = on_every(self.everything, lambda raw, _: trunk(raw))
            seen |= {"features": features, "predicted": jax.nn.softmax(self.head(features))}
        return Seen(**seen)

    def trained_on(self, key: jax.Array, state: LearnerState, index: jax.Array) -> LearnerState:
        """One step on a text, as if its class were the one predicted: its label has yet to be bought."""
        model, inputs = self.learner.model, self.embed(self.raw[index][None])
        logits = model.apply(state.params, inputs)
        batch = Batch((inputs,), jax.nn.one_hot(logits.argmax(-1), logits.shape[-1]))
        return self.learner.train_step(key, state, batch, jnp.full(len(state.params), self.settings.rate))

    def entropies(self, key: jax.Array, state: LearnerState, rows: jax.Array) -> jax.Array:
        """The predictive entropies of some texts, ``int32[rows]``, by another state of the learner."""
        some = Examples((Bucket(self.raw[rows], self.targets[:0]),), np.arange(len(rows)))
        return SCORES["predictive_entropy"](self._passes(mc_dropout.statistics, some, state, key))

    def _passes(self, function: Callable, pool: Examples, state: LearnerState, key: jax.Array, **options: Any) -> Any:
        return function(self.learner.model, state.params, pool, self.embed, key, passes=self.settings.passes, **options)


class Acquisition(NamedTuple):
    """An acquisition function: the fields of `Seen` that it needs, and how it chooses by them.

    ``select(key, view, seen, k) -> int32[k]``. Where the query takes the texts with the largest scores,
    ``score(statistics) -> float[n]`` gives those.
    """

    needs: tuple[str, ...]
    select: Callable[[jax.Array, View, Seen, int], jax.Array]
    score: Callable[[Statistics], jax.Array] | None = None


def _of(selector: Callable, *names: str) -> Acquisition:
    """A batch selector ``(key, *arguments, k)``; its arguments are scores, or parts of Seen and View, by name."""
    looked = ["statistics" if name in SCORES else "features" if name == "predicted" else name for name in names]
    needs = tuple(name for name in Seen._fields if name in looked)

    def argument(name: str, view: View, seen: Seen) -> Any:
        if name in SCORES:
            return SCORES[name](seen.statistics)
        return getattr(seen if name in Seen._fields else view, name)

    def select(key: jax.Array, view: View, seen: Seen, k: int) -> jax.Array:
        return selector(key, *(argument(name, view, seen) for name in names), k)

    return Acquisition(needs, select)


ACQUISITIONS: dict[str, Acquisition] = {
    "random": _of(selectors.uniform, "available"),
    **{name: _of(selectors.top_k, name, "open")._replace(score=score) for name, score in SCORES.items()},
    "power_bald": _of(selectors.power, "bald", "open"),
    "batch_bald": _of(batch_bald, "networks", "open"),
    "core_set": _of(selectors.core_set, "features", "labelled", "counted", "available"),
    "badge": _of(selectors.badge, "features", "predicted", "available"),
    "k_means": _of(selectors.clustered, "features", "available"),
    "contrastive": _of(selectors.contrastive, "features", "predicted", "labelled", "counted", "available"),
    "feature_mixing": _of(selectors.feature_mixing, "features", "head", "labelled", "targets", "available"),
    "ret": _of(selectors.by_training, "predictive_entropy", "state", "trained_on", "entropies", "open"),
    "rect": _of(selectors.by_cosine, "predictive_entropy", "features", "open"),
    "sud": _of(selectors.by_density, "predictive_entropy", "features", "open"),
}

"""Active learning with a loop of the user's own: which texts to label next, and a classifier of those that are."""

import logging
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from dd_al.active.acquisition import ACQUISITIONS, Acquisition
from dd_al.active.loop import Loop, LoopState
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, DataError, nearest
from dd_al.core.precision import in_float32
from dd_al.core.types import TextInputs
from dd_al.data.rows import Label, as_list, strings
from dd_al.data.text import choose_length, unseen
from dd_al.data.vectors import word_vectors
from dd_al.io.artefact import settings_from
from dd_al.learner.examples import make_examples
from dd_al.learner.learner import LearnerState, make_learner
from dd_al.models.base import Model, Params
from dd_al.models.embedding import Lookup
from dd_al.task import text_learners
from dd_al.task.task import length_buckets, make_optimizer
from dd_al.task.text_learners import TextLearners

_LOG = logging.getLogger(__name__)
_SECTIONS = ("vectors", "model", "learner", "active")
# Keys of config.active that say what a run of `dd_al.main` does, not how to train or what queries look at.
OF_RUNS = {
    "queries", "seeds", "rounds", "size", "start", "start_size", "noise", "stop", "thresholds",
}  # fmt: skip


class ActiveLearner:
    """A pool of texts, the labels that some of them have, and a classifier that is trained on those.

        learner = dd_al.ActiveLearner(texts, ["bad", "good"], query="badge")
        learner.initialize([3, 17, 20, 5], ["good", "bad", "bad", "good"])
        for _ in range(10):
            indices = learner.query(5)
            learner.update([ask(texts[i]) for i in indices])  # None: not sure, never asked for again
        learner.predict(["what a lovely film"])

    What it does is a function of its arguments and of the labels, in their order.

    Attributes:
      texts: the pool.
      labels: those that can be given; predictions come back so.
      answers: position in the pool → label, in the order in which they came.
      ignored: positions that are set aside.
      asked: the last query's positions that have no answer yet.
    """

    def __init__(
        self,
        texts: Iterable[str],
        labels: Sequence[Label],
        *,
        query: str | Acquisition = "badge",
        seed: int = 0,
        length: int | None = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        model: Callable[[int, int], Model] | None = None,
    ):
        """Makes word vectors for the pool; without labels there is no classifier yet.

        Args:
          texts: the pool.
          labels: all that can be given, two at least.
          query: what `query` does unless told otherwise; a name in `dd_al.active.acquisition.ACQUISITIONS`, or a
            `dd_al.active.acquisition.Acquisition` of your own.
          seed: of the initial weights, the minibatches, the dropout and the ties.
          length: words of a text that are read; what leaves 98 % of the texts whole, 64 at most, if None.
          config: keys of the sections vectors, model, learner and active of `python -m dd_al.main --help`, such as
            ``{"active": {"passes": 20}}``; of active those that say how to train and what queries look at.
          model: ``model(dim, classes)``, a network of your own in place of config's: a `dd_al.models.base.Model` whose
            inputs are `dd_al.core.types.TextInputs`. `dd_al.models.linen.as_model` makes one of a Flax module that
            inherits `dd_al.models.linen.Classifier`.

        Raises:
          UserError: no texts, texts that are none, fewer than two labels, an unknown query or key.
        """
        if model is not None and "model" in (config or {}):
            raise ConfigError("config: the section model describes networks of dd_al; with a model it has no meaning")
        self.texts = strings(texts)
        self.labels = as_list(labels, "labels")
        if not self.texts:
            raise DataError("texts: there are none")
        if len(self.labels) < 2 or len(set(map(str, self.labels))) < len(self.labels):
            raise DataError(f"labels = {self.labels!r}: give two different ones at least")
        if unused := [name for name in config or {} if name not in _SECTIONS]:
            section, dot, key = unused[0].partition(".")
            hint = f"; write {{{section!r}: {{{key!r}: …}}}}" if dot and section in _SECTIONS else ""
            raise ConfigError(f"config: no section {unused[0]!r} here; there are {', '.join(_SECTIONS)}{hint}")
        if unused := [key for key in (config or {}).get("active", {}) if key in OF_RUNS]:
            raise ConfigError(f"config: active.{unused[0]} is for runs of dd_al.main, and does nothing here")
        self._settings = from_config(Settings, {**(config or {}), "seed": seed, "data": {"length": length}})
        self._query = query
        _acquisition(query)
        self.answers: dict[int, Label] = {}
        self.ignored: set[int] = set()
        self.asked: list[int] = []
        vectors = word_vectors(self._settings.vectors, self.texts, ())
        read = vectors.vocabulary.ids(self.texts)
        length = self._settings.data.length or choose_length([len(ids) for ids in read])
        for note in unseen(read, length):
            _LOG.warning("%s", note)
        texts = TextLearners(None, len(self.labels), length, vectors.vocabulary.words, vectors.table, None)
        self._learners = self._untrained(model, texts)

    def initialize(self, indices: Sequence[int], labels: Sequence[Label | None]) -> None:
        """Takes the first labels, and trains: `update` with its arguments the other way round."""
        self.update(labels, indices)

    @in_float32
    def query(self, k: int = 1, *, query: str | Acquisition | None = None) -> list[int]:
        """The positions of the ``k`` texts whose labels are wanted next.

        Args:
          k: how many; fewer come back where fewer are left, or looked at (config.active.subset).
          query: another one than the learner's own.

        Raises:
          UserError: nothing is labelled yet, an unknown query, or ``k`` is below 1.
        """
        query = self._query if query is None else query
        acquisition = _acquisition(query)
        if not self.answers and query != "random":
            raise DataError("nothing is labelled yet: initialize(indices, labels) first, or query='random'")
        if k < 1:
            raise ConfigError(f"k = {k}: must be at least 1")
        left = int(self._available().sum())
        k = min(k, left, self._settings.active.subset or k)
        if not k:
            self.asked = []
            return []
        self.asked = np.asarray(self._ask(*self._state(), acquisition, k)).tolist()
        return list(self.asked)

    @in_float32
    def update(self, labels: Sequence[Label | None], indices: Sequence[int] | None = None) -> None:
        """Takes labels, and trains on all that there are.

        Args:
          labels: one for each index; None sets the text aside.
          indices: positions in the pool; those of the last query if None.

        Raises:
          DataError: not one label for each index, a label or an index that does not exist; nothing is taken then.
        """
        indices = self.asked if indices is None else self._positions(indices)
        labels = as_list(labels, "labels")
        if len(labels) != len(indices):
            missing = " (nothing is asked: call query(k) first, or pass indices)" if not indices else ""
            raise DataError(
                f"{len(labels)} labels for {len(indices)} indices{missing}: give one for each, None where not sure"
            )
        if len(set(indices)) < len(indices):
            raise DataError("indices: one is there twice")
        for index, label in zip(indices, labels):
            if label is not None and label not in self.labels:
                hint = nearest(label, map(str, self.labels)) if isinstance(label, str) else ""
                raise DataError(f"label {label!r} of index {index}: must be one of {self.labels}{hint}")
        told: dict[str, Label | None] = {}
        for index, label in zip(indices, labels):
            if told.setdefault(self.texts[index], label) != label:
                raise DataError(
                    f"index {index}: a copy of its text has the label {told[self.texts[index]]!r} here, not {label!r}; "
                    "copies share a label"
                )
        for index in [index for index in self.answers if self.texts[index] in told and index not in indices]:
            del self.answers[index]  # of a copy, which has another label now
        for index, label in zip(indices, labels):
            if label is None:
                self.ignored.add(index)
                self.answers.pop(index, None)
            else:
                self.answers[index] = self.labels[self.labels.index(label)]  # not NumPy's, which JSON does not know
                self.ignored.discard(index)
        self.asked = [index for index in self.asked if index not in indices]
        params = self._fit(*self._state(), self._first) if self.answers else None
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(params)):
            raise ConfigError(
                f"training on {len(self.answers)} labels has diverged: lower config.active.rate (they are kept)"
            )
        self._learners = self._learners.with_params(_stacked(params))

    def ignore(self, indices: Sequence[int]) -> None:
        """Sets texts aside: they are never asked for. Those that have a label keep it."""
        indices = self._positions(indices)
        self.ignored |= set(indices) - self.answers.keys()
        self.asked = [index for index in self.asked if index not in self.ignored]

    def predict(self, texts: Sequence[str]) -> list[Label]:
        """The most probable label of each text, of the pool or not."""
        return [self.labels[index] for index in self.predict_proba(texts).argmax(-1)]

    @in_float32
    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, ``float32[texts, labels]``.

        Raises:
          DataError: nothing is labelled yet, or a text is none.
        """
        if self._learners.params is None:
            raise DataError("nothing is labelled yet: update(labels) what query(k, query='random') gives first")
        return np.asarray(jax.nn.softmax(self._learners.logits(strings(texts))[0]))

    def save(self, path: str | os.PathLike) -> None:
        """Writes one self-contained safetensors file: pool, answers, word vectors and the trained network."""
        spec = {
            "texts": self.texts, "labels": self.labels, "query": self._query if isinstance(self._query, str) else None,
            "config": {name: asdict(getattr(self._settings, name)) for name in _SECTIONS},
            "own_model": self._make is not None, "seed": self._settings.seed, "answers": list(self.answers.items()),
            "ignored": sorted(self.ignored), "asked": self.asked,
        }  # fmt: skip
        text_learners.save(path, "active_learner", spec, self._learners, self._params or {})

    @classmethod
    @in_float32
    def load(
        cls,
        path: str | os.PathLike,
        *,
        model: Callable[[int, int], Model] | None = None,
        query: str | Acquisition | None = None,
    ) -> Self:
        """Reads what `save` wrote; it goes on as the one that was saved would have.

        Args:
          path: the file.
          model: the network that it was made with, if that was one of the user's own; the file has its parameters only.
          query: in place of the one that it was made with; needed if that was one of the user's own.

        Raises:
          DataError: no such file, or none of this version.
          ConfigError: a model is missing, or one too many, or it has other parameters.
        """
        spec, saved = text_learners.load(path, "active_learner")
        learner, params = cls.__new__(cls), saved.params or None
        learner.texts, learner.labels, learner.asked = spec["texts"], spec["labels"], spec["asked"]
        learner.answers, learner.ignored = dict(map(tuple, spec["answers"])), set(spec["ignored"])
        learner._settings = settings_from(Settings, {**spec["config"], "seed": spec["seed"]}, str(path))
        learner._query, own = spec["query"] if query is None else query, spec.get("own_model", False)
        if learner._query is None:
            raise ConfigError(f"{path} was saved with a query of its user's own: load(path, query=…) needs it again")
        _acquisition(learner._query)
        if own != (model is not None):
            raise ConfigError(
                f"{path} was saved with a model of its user's own: load(path, model=…) needs it again"
                if own
                else f"{path} was saved with a network of dd_al: load it without a model"
            )
        learner._learners = learner._untrained(model, saved).with_params(_stacked(params))
        if params is not None:
            expected, found = (jax.tree.map(np.shape, p) for p in (learner._first.params, params))
            if expected != found:
                raise ConfigError(f"{path} has parameters of the shapes {found}; this model's are {expected}")
        return learner

    def __getstate__(self) -> dict:
        """All but what has been compiled; the user's own network is made again by its function."""
        state = {name: value for name, value in self.__dict__.items() if not hasattr(type(self), name)}
        return state | {"_learners": replace(self._learners, model={}) if self._make else self._learners}

    def __setstate__(self, state: dict) -> None:
        """See `__getstate__`."""
        self.__dict__ |= state
        self._learners = self._untrained(self._make, self._learners).with_params(self._learners.params)

    def __repr__(self) -> str:
        """How much is labelled."""
        query = repr(self._query) if isinstance(self._query, str) else "one of your own"
        return f"ActiveLearner({len(self.answers):,} of {len(self.texts):,} texts labelled, query={query})"

    def _positions(self, indices: Iterable[Any]) -> list[int]:
        """Indices as Python's; a mask of booleans, a fraction or a number beyond the pool is no position."""
        found = []
        for index in indices:
            try:
                if isinstance(index, (bool, np.bool_)):
                    raise TypeError
                found.append(operator.index(index))
            except TypeError:
                raise DataError(f"index {index!r}: positions in the pool are whole numbers") from None
            if not 0 <= found[-1] < len(self.texts):
                raise DataError(f"index {index}: the pool's positions go from 0 to {len(self.texts) - 1}")
        return found

    def _untrained(self, make: Callable | None, texts: TextLearners) -> TextLearners:
        """The settings' network, or the user's own, with all that reading texts takes."""
        self._make = make
        network = (
            asdict(self._settings.model) if make is None else _network(make, texts.vectors.shape[1], texts.classes)
        )
        return replace(texts, model=network, params=None)

    @property
    def _params(self) -> Params | None:
        """Of the network as it is trained now."""
        return jax.tree.map(lambda x: x[0], self._learners.params)

    @cached_property
    def _loop(self) -> Loop:
        active, own, classes = self._settings.active, self._learners, len(self.labels)
        ids = own.vocabulary.encode(self.texts, own.length)
        learner = make_learner(own.network, make_optimizer(self._settings.learner))
        pool = make_examples(ids, np.zeros((len(ids), classes), np.float32), buckets=length_buckets(len(ids)))
        words = Lookup(jnp.asarray(own.vectors[: ids.max() + 1]))  # those of the pool come first
        return Loop(active, learner, jnp.asarray(ids), pool, words, classes)

    @cached_property
    def _first(self) -> LearnerState:
        """The learner before its first label."""
        return self._loop.init(jax.random.key(self._settings.seed), 1).learner

    def _available(self) -> np.ndarray:
        """Which texts can be asked for, ``bool[pool]``: of copies the first, while none of them has an answer."""
        available = self._firsts == np.arange(len(self.texts))
        available[self._firsts[[*self.answers, *self.ignored]]] = False
        return available

    @cached_property
    def _firsts(self) -> np.ndarray:
        """The position of the first copy of each text, ``int[pool]``."""
        places: dict[str, int] = {}
        firsts = np.asarray([places.setdefault(text, index) for index, text in enumerate(self.texts)])
        if copies := len(firsts) - len(places):
            _LOG.info(
                "%d of %d texts are copies of others: they share a label, and are asked for once", copies, len(firsts)
            )
        return firsts

    def _state(self) -> tuple[LoopState, int]:
        """The loop's state, and the number of labels."""
        count = len(self.answers)
        # Room for a power of two of labels: few sizes, and so few compilations.
        budget = max(64, 1 << (count - 1).bit_length()) if count else 64
        state = self._loop.init(jax.random.key(self._settings.seed), budget)
        places, classes = np.zeros((2, budget), np.int32)
        places[:count] = list(self.answers)
        classes[:count] = [self.labels.index(label) for label in self.answers.values()]
        told = {"labelled": places, "answers": classes, "available": self._available()}
        state = state._replace(**{name: jnp.asarray(value) for name, value in told.items()})
        if (params := self._params) is not None:
            state = state._replace(learner=state.learner._replace(params=jax.tree.map(jnp.asarray, params)))
        return state, count

    @cached_property
    def _fit(self):
        return jax.jit(lambda state, count, first: self._loop.fit(state, count, first).learner.params)

    @cached_property
    def _ask(self):
        def ask(state: LoopState, count: jax.Array, query: Acquisition, k: int) -> jax.Array:
            return self._loop.ask(state, count, self._loop.look(state, count, query.needs), query, k)[0]

        return jax.jit(ask, static_argnums=(2, 3))


def _stacked(params: Params | None) -> Params | None:
    """The parameters of one learner, as those of several are."""
    return jax.tree.map(lambda x: np.asarray(x)[None], params)


def _acquisition(query: str | Acquisition) -> Acquisition:
    if isinstance(query, Acquisition):
        return query
    if not isinstance(query, str):
        raise ConfigError(f"query = {query!r}: must be a name, or a dd_al.active.acquisition.Acquisition")
    if query not in ACQUISITIONS:
        raise ConfigError(f"query = {query!r}: must be one of {', '.join(ACQUISITIONS)}{nearest(query, ACQUISITIONS)}")
    return ACQUISITIONS[query]


def _network(make: Callable[[int, int], Model], dim: int, classes: int) -> Model:
    """The user's own network; one that cannot be saved, or answers in another shape, is refused."""
    if not callable(make):
        raise ConfigError(f"model = {make!r}: must be a function model(dim, classes) that makes a network")
    model = make(dim, classes)
    if not isinstance(model, Model):
        raise ConfigError(f"model(dim, classes) gave {model!r}: must be a dd_al.models.base.Model")
    params = jax.eval_shape(model.init, jax.random.key(0))
    names = flatten_dict(params) if isinstance(params, dict) else {}
    if not names or not all(hasattr(leaf, "shape") for leaf in names.values()):
        raise ConfigError("model: its parameters must be a dict of layers, of dicts of arrays")
    inputs = TextInputs(jnp.zeros((2, 3, dim)), jnp.ones((2, 3), bool))
    shape = jax.eval_shape(model.apply, params, inputs).shape
    if shape != (2, classes):
        raise ConfigError(f"model: its logits of 2 texts have the shape {shape}; for {classes} labels {(2, classes)}")
    return model

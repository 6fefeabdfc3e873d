"""A distilled set in plain NumPy arrays, with all that training on it elsewhere takes; nothing here imports JAX."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

from dd_al.config.distill import DistillSettings
from dd_al.config.learner import ModelSettings
from dd_al.core.errors import DataError
from dd_al.data.rows import Label, strings
from dd_al.data.text import Vocabulary
from dd_al.io import artefact as artefacts
from dd_al.io.artefact import Artefact, settings_from


class Optimizer(NamedTuple):
    """The inner optimizer; its rates are in `TrainingSet.rates`, and `load_distilled` gives the equations.

    Attributes:
      name: "sgd", "momentum" or "adam".
      momentum: decay of the first moment (momentum, adam), μ.
      b2: decay of the second moment (adam), β₂.
      eps_root: added under adam's root, ε.
    """

    name: str
    momentum: float
    b2: float
    eps_root: float


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSet:
    """One synthetic training set, its schedule, and the words that real texts are read with.

    Attributes:
      inputs: ``float32[items, length, dim]``, a word vector at every position, all of which count as words; or images
        ``float32[items, height, width, channels]`` or rows ``float32[items, columns]``, scaled (see `scale`).
      targets: ``float32[items, classes]``, what cross-entropy is taken against: distributions, or any numbers where
        labels were "unrestricted".
      rates: ``float32[steps, layers]``, positive: the learning rate of each step and layer.
      layers: the names of the columns of ``rates``, top-level entries of the parameters.
      also: kind → layer → ``float32[steps]``, the rates of further networks that the set was distilled for; their sizes
        are those in ``model``.
      optimizer: its name and constants.
      model: the network that the set was distilled for: ``kind`` and its sizes.
      labels: the label of each class, as it was written in the data.
      words: the vocabulary; padding and the unknown word come first. () for images and rows.
      vectors: ``float32[words, dim]``, the word vectors of real texts; padding's is zero. None for images and rows.
      length: words that a real text is cut and padded to, which synthetic ones need not be.
      init: "random" where any fresh network may be trained, "known" for the one in ``params``.
      params: that network's first parameters by flat name ("conv1/kernel"); {} where ``init`` is "random".
      encoder: of a set of sentence vectors, the hash of the files of all-MiniLM-L6-v2; None for one of word vectors.
      attention: ``float32[items, blocks, heads, length]``, distributions over positions, what the attention of a
        transformer is drawn to; None for a set without attention labels.
      attention_weight: of that pull in the loss, λ.
      batches: step t = 1, 2, … of the schedule sees the (t − 1 mod ``batches``)-th part of the items, dealt in their
        order; all of them in every step where it is 1.
      shift: every step moves each image that it sees by whole pixels, at most so many up or down and so many sideways,
        each with the same chance; what is left uncovered repeats the edge.
      columns: what the numbers of a row are called; () for texts and images.
      mean: ``float32[channels or columns]`` of real images or rows; None for texts.
      std: ``float32[channels or columns]`` of real images or rows; None for texts.
    """

    inputs: np.ndarray
    targets: np.ndarray
    rates: np.ndarray
    layers: tuple[str, ...]
    also: dict[str, dict[str, np.ndarray]]
    optimizer: Optimizer
    model: dict[str, Any]
    labels: list[Label]
    words: tuple[str, ...]
    vectors: np.ndarray | None
    length: int
    init: str
    params: dict[str, np.ndarray]
    encoder: str | None = None
    attention: np.ndarray | None = None
    attention_weight: float = 0.0
    batches: int = 1
    shift: int = 0
    columns: tuple[str, ...] = ()
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    def __repr__(self) -> str:
        items, *shape = self.inputs.shape
        of = f"{shape[0]} vectors of {shape[1]}" if self.mean is None else " × ".join(map(str, shape)) + " numbers"
        return (
            f"TrainingSet({items} items of {of}, {len(self.labels)} classes, "
            f"{len(self.rates)} steps of {self.optimizer.name}, init={self.init!r})"
        )

    def embed(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Real texts as networks read them; split into words as the package does.

        Args:
          texts: as they are. A thousand take about 4 kB · length · dim: give many in parts.

        Returns:
          ``float32[texts, length, dim]``, zero at padding and unknown words, and the mask ``bool[texts, length]``, true
          on words (unknown ones too).

        Raises:
          DataError: texts that are no list of strings, or a set of sentence vectors, images or rows.
        """
        if self.mean is not None:
            raise DataError("this set is of images or rows: scale them with `scale`")
        if self.encoder:
            raise DataError(
                "this set was distilled for sentence vectors: embed texts with all-MiniLM-L6-v2, scale the vectors "
                f"by the square root of their size ({self.inputs.shape[2]}), and let the mask be one word of length 1"
            )
        ids = self._vocabulary.encode(strings(texts), self.length)
        return self.vectors[ids], ids != 0

    def scale(self, raw: np.ndarray) -> np.ndarray:
        """Real images (pixels from 0 to 255) or rows as networks read them, ``float32`` of the same shape.

        Raises:
          DataError: they do not have the shape of the set's, or it is a set of texts.
        """
        if self.mean is None:
            raise DataError("this set is of texts: read them with `embed`")
        try:
            raw = np.asarray(raw, np.float32)
        except (TypeError, ValueError) as error:
            raise DataError(f"not all of these are numbers ({error}); wanted are {self._wanted}") from error
        if raw.shape[1:] != self.inputs.shape[1:]:
            raise DataError(f"the shape {raw.shape} does not fit this set's: wanted are {self._wanted}")
        if not np.isfinite(raw).all():
            raise DataError("some of these numbers are missing or not finite")
        return (raw - self.mean) / self.std

    @property
    def _wanted(self) -> str:
        shape = ", ".join(map(str, ("examples", *self.inputs.shape[1:])))
        names = [*self.columns[:20], *(["…"] if len(self.columns) > 20 else [])]
        return ", ".join([f"[{shape}]", *names])

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.words)


def load_distilled(path: str | os.PathLike, set: int = 0) -> TrainingSet:
    """Reads a distilled set as plain NumPy arrays, for training anything with anything; JAX is not imported.

        kit = dd_al.load_distilled("runs/sst2")
        embedded, mask = kit.embed(["a fine film"])

    **Schedule.** Begin with the parameters in ``params``, or fresh ones where that is empty. Take a step per
    row of ``rates``, each on all items at once (but see ``batches`` and ``shift``), without dropout. The loss is the
    mean over items of cross-entropy,

        L = −1/items · Σᵢ Σ_c targets[i, c] · log softmax(logits[i])_c,   g = ∂L/∂θ,

    and the parameters θ of the layer ``layers[j]`` move in step t = 1, 2, … by their own rate along a direction d:

        θ ← θ − rates[t − 1, j] · d
        sgd:       d = g
        momentum:  m ← g + μ m;                                                  d = m
        adam:      m ← μ m + (1 − μ) g;  v ← β₂ v + (1 − β₂) g²;
                   d = m / (1 − μᵗ) / √(v / (1 − β₂ᵗ) + ε)

    with m = v = 0 at first and μ, β₂, ε = ``optimizer.momentum, .b2, .eps_root``; ε lies under the root and nothing
    is added outside it (Kingma & Ba 2015, algorithm 1, but for that). The rates were learned for the layers of the
    network in ``model``, and those in ``also`` for further ones; any other needs rates of its own.

    docs/artefact.md has the networks in equations, what fresh parameters are drawn from, and the term that
    ``attention`` labels add to the loss.

    Args:
      path: a ``distilled.safetensors`` or its work directory, as `dd_al.load` takes it.
      set: which one, where there is one per known initialisation.

    Raises:
      DataError: no such file, a damaged one, or no such set in it; names the file.
    """
    return training_set(artefacts.load(path), set)


def training_set(artefact: Artefact, set: int = 0) -> TrainingSet:
    """One set of an artefact, as `load_distilled` gives it.

    Raises:
      DataError: there is no such set, or the artefact does not fit together.
    """
    spec, where, sets = artefact.spec, artefact.source, len(artefact.inputs)
    settings_from(DistillSettings, {"init": spec["init"], "attention": spec.get("attention", 0.0)}, where)
    learner, model = artefact.learner, artefact.model
    if not isinstance(set, (int, np.integer)) or not 0 <= set < sets:
        raise DataError(f"{where}: set = {set!r}: must be an integer from 0 to {sets - 1}, for it holds {sets}")
    rates, layers = np.exp(artefact.log_rates[set]), tuple(spec["layers"])
    # The rates of further networks come behind those of the set's own.
    further = iter(np.ascontiguousarray(rates[:, len(layers) :].T))
    params = {name: value[set] for name, value in artefact.params.items()}
    if spec["init"] == "known":
        _check_params(params, artefact, model)
    shared = {name: getattr(artefact, name) for name in ("labels", "words", "vectors", "mean", "std")}
    return TrainingSet(
        inputs=artefact.inputs[set],
        targets=_targets(artefact.label_logits[set], spec.get("targets", "soft")),
        rates=rates[:, : len(layers)],
        layers=layers,
        also={kind: {name: next(further) for name in names} for kind, names in spec.get("also", {}).items()},
        optimizer=Optimizer(learner.optimizer, learner.momentum, learner.b2, learner.eps_root),
        model={**dataclasses.asdict(model), "windows": list(model.windows)},
        length=spec["length"],
        init=spec["init"],
        params=params,
        encoder=spec.get("encoder"),
        attention=None if artefact.attention_logits is None else softmax(artefact.attention_logits[set], axis=-1),
        attention_weight=float(spec.get("attention", 0.0)),
        batches=spec.get("batches", 1),
        shift=learner.shift,
        columns=tuple(spec.get("columns", ())),
        **shared,
    )


def _targets(logits: np.ndarray, labels: str) -> np.ndarray:
    """`dd_al.distillation.synthetic.targets`, which is for tracing, in NumPy."""
    if labels == "hard":
        return np.eye(logits.shape[-1], dtype=np.float32)[logits.argmax(-1)]
    return logits if labels == "unrestricted" else softmax(logits, axis=-1)


def _check_params(params: Mapping[str, np.ndarray], artefact: Artefact, model: ModelSettings) -> None:
    """Known parameters are there, and laid out as docs/artefact.md says, which those of old versions are not."""
    dim, classes = artefact.inputs.shape[-1], artefact.spec["classes"]
    expected: dict[str, Sequence[int]] = {"output/bias": (1 if model.one_logit else classes,)}
    if model.kind == "text_cnn":
        expected["output/kernel"] = (len(model.windows) * model.filters, classes)
        for window in model.windows:
            expected[f"conv{window}/kernel"] = (model.filters, window * dim)
            expected[f"conv{window}/bias"] = (model.filters,)
    for name, shape in expected.items():
        if name not in params:
            raise DataError(f"{artefact.source}: its initialisation is known, but lacks {name}")
        if params[name].shape != shape:
            raise DataError(f"{artefact.source}: {name} has the shape {params[name].shape}, its model needs {shape}")

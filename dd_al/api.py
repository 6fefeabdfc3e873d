"""The project on plain Python lists: distil, look, train, predict, save and load."""

import contextlib
import dataclasses
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dd_al.config.distill import KNOWN
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, DataError
from dd_al.core.precision import in_float32
from dd_al.data import sources
from dd_al.data.dataset import Dataset
from dd_al.data.rows import Label, as_list, strings
from dd_al.distillation.saved import make_artefact, nearest_words
from dd_al.distillation.starts import number_of_items
from dd_al.evaluation.from_artefact import retrain, tested
from dd_al.experiments.distill import distil
from dd_al.io import artefact as artefacts
from dd_al.io.artefact import Artefact
from dd_al.io.progress import hidden
from dd_al.report.statistics import summary
from dd_al.takeaway import training_set
from dd_al.task import text_learners
from dd_al.task.task import make_task
from dd_al.task.text_learners import TextLearners

_LOG = logging.getLogger(__name__)
_SECTIONS = ("encoder", "vectors", "model", "learner", "full", "random", "distill", "evaluate")


@in_float32
def distill(
    texts: Iterable[str],
    labels: Iterable[Label],
    *,
    examples: int | None = None,
    iterations: int | None = None,
    seed: int = 0,
    init: str = "random",
    inputs: str = "words",
    length: int | None = None,
    validation: tuple[Iterable[str], Iterable[Label]] | None = None,
    test: tuple[Iterable[str], Iterable[Label]] | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    progress: bool = True,
    items: int | None = None,
) -> "Distilled":
    """Distils labelled texts into a few synthetic ones that train a classifier nearly as well.

        distilled = dd_al.distill(texts, labels, examples=8)
        distilled.classifier.predict(["what a lovely film"])

    It does what ``configs/sst_distill.py`` does, without the baselines, the work directory and the report. The result
    is a function of the arguments.

    Args:
      texts: training texts.
      labels: their labels, strings or numbers; predictions come back as they were written here.
      examples: synthetic examples in all; if None 0.1 % of train, rounded up to a multiple of the classes, or one per
        class for a known initialisation.
      iterations: outer steps; as many as the main job takes if None.
      seed: of everything but the splits.
      init: "random" for a set that trains any fresh network, "known" for one that trains one network, whose
        initialisation is kept with the set, with fewer examples.
      inputs: "words" for word vectors; "sentences" for one frozen vector of all-MiniLM-L6-v2 a text, which takes a
        minute, and suits ``config={"model": {"kind": "averaging", "width": 0}}``, a linear classifier.
      length: words of a text that are read; what leaves 98 % of the texts whole, 64 at most, if None.
      validation: (texts, labels) that choose the best outer step; a seeded stratified tenth of the training texts
        if None.
      test: (texts, labels) for `Distilled.scores`, which choose nothing; another tenth of the training texts if None.
      config: any other key by section, as ``{"model": {"filters": 100}, "distill": {"steps": 40}}``: those of
        `dd_al.config.settings.Settings` that `python -m dd_al.main --config=… --help` lists.
      progress: whether to show a bar (on a terminal) or lines (elsewhere: by the logger "dd_al", or on stderr where
        nothing listens to it).
      items: the name of ``examples`` in the version before; it goes with the next one.

    Returns:
      The synthetic set, with a classifier.

    Raises:
      UserError: lists that are empty or of different lengths, texts that are no text, missing labels, one class only,
        classes that train lacks, unknown keys and values out of range; the message says where and what is allowed.
    """
    if items is not None:
        warnings.warn("items is called examples now; the old name goes with the next version", FutureWarning, 2)
        examples = items if examples is None else examples
    given = {"seed": seed, "inputs": inputs, "data": {"length": length}}
    settings = _settings(config or {}, given, examples=examples, iterations=iterations, init=init)
    texts, written = as_list(texts, "texts"), as_list(labels, "labels")
    held_out = {"validation": _pair("validation", validation), "test": _pair("test", test)}
    dataset = sources.from_lists(texts, written, **held_out)
    with _shown() if progress else hidden():
        for note in dataset.notes:
            _LOG.info("%s", note)
        count = number_of_items(settings.distill, len(dataset.train), dataset.num_classes)
        task = make_task(settings, dataset)
        found = distil(task, settings, items=count)
    made = make_artefact(task, settings, found)
    made = dataclasses.replace(made, spec={**made.spec, "labels": _names(dataset, written)})
    scores = {"validation_accuracy": float(found.best_accuracy[0])}
    if settings.evaluate.split == "test":  # which fresh networks answer, once
        judges = None if settings.distill.init == "known" else settings.evaluate.inits
        answers = tested(made, dataset.test, seed=seed, count=judges, encoder_dir=settings.encoder.dir)
        accuracy = summary(answers.correct.mean(1))
        scores |= {"test_accuracy": accuracy["mean"], "test_accuracy_std": accuracy["std"]}
        scores["test_majority_rate"] = dataset.majority_rate()
    return Distilled(dataclasses.replace(made, spec={**made.spec, "scores": scores}), settings.encoder.dir)


def load(path: str | os.PathLike) -> "Distilled":
    """Reads what `Distilled.save` wrote, or the main command: its ``distilled.safetensors``, or its work directory.

    Raises:
      DataError: no such file, or not a distilled set of texts.
    """
    artefact = artefacts.load(path)
    artefact.require_texts("dd_al.load reads sets of texts")
    return Distilled(artefact)


class Synthetic(NamedTuple):
    """A synthetic training set in NumPy arrays.

    Attributes:
      inputs: ``float32[items, length, dim]``, matrices of word vectors.
      labels: ``float32[items, classes]``, what cross-entropy is taken against. Each row sums to 1, unless the set was
        distilled with unrestricted labels.
      rates: ``float32[steps, layers]``, the learning rates of the training steps.
    """

    inputs: np.ndarray
    labels: np.ndarray
    rates: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Distilled:
    """A distilled set, which can be looked at, trained on, saved and taken away.

    Attributes:
      artefact: everything, as it is in the file.
      encoder_dir: the folder of a sentence encoder's files, where they are not installed and not in $DD_AL_ENCODER.
    """

    artefact: Artefact
    encoder_dir: str | None = None

    def __repr__(self) -> str:
        inputs, rates = self.synthetic.inputs, self.synthetic.rates
        words = "1 word" if inputs.shape[1] == 1 else f"{inputs.shape[1]} words"
        return (
            f"Distilled({len(inputs)} examples of {words} for {len(self.labels)} classes, "
            f"{len(rates)} training steps, init={self.artefact.spec['init']!r})"
        )

    @property
    def sets(self) -> tuple[Synthetic, ...]:
        """The synthetic sets: one, or one per known initialisation where the main command made several."""
        sets = (training_set(self.artefact, index) for index in range(len(self.artefact.inputs)))
        return tuple(Synthetic(one.inputs, one.targets, one.rates) for one in sets)

    @property
    def synthetic(self) -> Synthetic:
        """The (first) synthetic set."""
        return self.sets[0]

    @property
    def attention(self) -> np.ndarray | None:
        """The attention labels of the (first) set, ``float32[items, blocks, heads, length]``; None without."""
        return training_set(self.artefact).attention

    @property
    def labels(self) -> list[Label]:
        """The label of each class, as it was written."""
        return self.artefact.labels

    @property
    def scores(self) -> dict[str, float]:
        """How good the set was found to be when it was made here; {} for the main command's, see its results.json.

        ``validation_accuracy`` (which chose the best step), ``test_accuracy``, ``test_accuracy_std`` (both over fresh
        networks, which no step saw), ``test_majority_rate``; the first alone under
        ``config={"evaluate": {"split": "validation"}}``.
        """
        return dict(self.artefact.spec.get("scores", {}))

    def words(self, k: int = 1) -> list[list[list[str]]]:
        """The ``k`` known words nearest to each position of each item, by cosine: ``words()[item][position][rank]``."""
        words, table = self.artefact.words, self.artefact.vectors
        found = [nearest_words(words, table, item, k) for item in self.synthetic.inputs]
        return [[[word for word, _ in near] for near in item] for item in found]

    @cached_property
    def classifier(self) -> "Classifier":
        """A classifier that was trained on this set: `train` with its defaults, on first use."""
        return self.train()

    @in_float32
    def train(self, seed: int = 0, ensemble: int = 1) -> "Classifier":
        """Trains fresh networks on this set, which takes a second or so.

        Args:
          seed: of their initialisation; without effect where that is known.
          ensemble: how many networks answer together, by their mean probabilities.

        Raises:
          UserError: an ensemble larger than the number of known initialisations.
        """
        if ensemble < 1:
            raise ConfigError(f"ensemble = {ensemble}: must be at least 1")
        return Classifier(retrain(self.artefact, seed=seed, count=ensemble, encoder_dir=self.encoder_dir), self.labels)

    def save(self, path: str | os.PathLike) -> None:
        """Writes one self-contained safetensors file, which `load` and `python -m dd_al.evaluate` read."""
        artefacts.save(_in_folder(path), self.artefact)


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """Trained networks that answer texts.

    Attributes:
      learners: the networks, with vocabulary and word vectors.
      labels: the label of each class, as the user wrote it.
    """

    learners: TextLearners
    labels: list[Label]

    def __repr__(self) -> str:
        return f"Classifier(labels={self.labels!r}, ensemble={len(self.learners)})"

    def predict(self, texts: Sequence[str]) -> list[Label]:
        """The most probable label of each text, in the type and spelling of the training labels.

        Raises:
          DataError: a text that is no string.
        """
        return [self.labels[index] for index in self.predict_proba(texts).argmax(-1)]

    @in_float32
    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, ``float32[texts, classes]`` in the order of `labels`; a mean over the networks.

        Raises:
          DataError: a text that is no string.
        """
        return np.asarray(jax.nn.softmax(self.learners.logits(strings(texts))).mean(0))

    def save(self, path: str | os.PathLike) -> None:
        """Writes one self-contained safetensors file."""
        own = self.learners
        spec = {"labels": self.labels, "model": own.model, "encoder": own.encoder}
        text_learners.save(_in_folder(path), "classifier", spec, own, own.params)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Classifier":
        """Reads what `save` wrote.

        Raises:
          DataError: no such file, or not a classifier of this version.
        """
        spec, learners = text_learners.load(path, "classifier", "; a distilled set is read by dd_al.load")
        return cls(learners, spec["labels"])


@contextlib.contextmanager
def _shown() -> Iterator[None]:
    """Lines of the log go to stderr where nobody has set up logging, as in most notebooks."""
    if _LOG.hasHandlers():
        yield
        return
    log, handler = logging.getLogger("dd_al"), logging.StreamHandler()
    before = log.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _settings(config: Mapping[str, Mapping[str, Any]], further: Mapping[str, Any], **distill: Any) -> Settings:
    """The settings of `config`, with the arguments on top; a section that is not used is a mistake."""
    if not isinstance(config, Mapping):
        raise ConfigError(f"config = {config!r}: must be a dict of sections, such as {{'model': {{'filters': 100}}}}")
    if unused := [name for name in config if name not in _SECTIONS]:
        raise ConfigError(f"config: no section {unused[0]!r} here; there are {', '.join(_SECTIONS)}")
    given = {name: value for name, value in distill.items() if value is not None}
    section = config.get("distill", {})
    defaults = KNOWN if given.get("init") == "known" else {}
    merged = {**defaults, **section, **given} if isinstance(section, Mapping) else section
    return from_config(Settings, {**config, **further, "distill": merged})


def _pair(name: str, pair: Any) -> tuple[list, list] | None:
    if pair is None:
        return None
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise DataError(f"{name} must be a pair (texts, labels)")
    return as_list(pair[0], f"{name} texts"), as_list(pair[1], f"{name} labels")


def _names(dataset: Dataset, written: list) -> list[Label]:
    """The label of each class as it stands in the list first."""
    _, first = np.unique(dataset.train.labels, return_index=True)
    return [written[row] for row in dataset.train.rows[first]]


def _in_folder(path: str | os.PathLike) -> Path:
    path = Path(path).expanduser()
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

"""A task on the device: what every experiment starts from."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.learner import IMAGE_KINDS, LearnerSettings, ModelSettings, network
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.core.keys import stream
from dd_al.data.dataset import Dataset, Split
from dd_al.data.text import choose_length, padded, unseen
from dd_al.data.vectors import WordVectors, word_vectors
from dd_al.learner import optimizers
from dd_al.learner.attention import attention_loss
from dd_al.learner.examples import Bucket, Examples, make_examples, whole
from dd_al.learner.learner import Learner, LearnerState, make_learner
from dd_al.models.base import Model
from dd_al.models.dense import averaging, mlp
from dd_al.models.embedding import Lookup, Scaled
from dd_al.models.images import image_network
from dd_al.models.recurrent import recurrent
from dd_al.models.text_cnn import text_cnn
from dd_al.models.transformer import transformer
from dd_al.task.encoder import sentence_vectors, word_pieces

_LOG = logging.getLogger(__name__)
_SPLITS = ("train", "validation", "test")
_PER_BUCKET = 512  # training examples below which a length bucket saves less than its compilation costs


# What programs read of a task, handed to them: the buckets of train, and `Task.embed`, whose arrays are leaves. Arrays
# that a program closes over are written into it: with a table of word vectors it takes seconds more to compile.
Arrays = tuple[tuple[Bucket, ...], Callable[[jax.Array], Any]]


@dataclass(frozen=True)
class Task:
    """A data set, its word vectors where it has words, and the learner.

    Attributes:
      vectors: vocabulary and its table; with `config.inputs=sentences` the training sentences stand for words. None
        for images and rows.
      shape: of one example as networks read it: (length, dim), (height, width, channels) or (columns,); a sentence
        vector has the length 1.
      raw: each split as it is held: ``int32[n, length]``, rows of ``table``; images
        ``uint8[n, height, width, channels]``; or rows ``float32[n, columns]``.
    """

    dataset: Dataset
    vectors: WordVectors | None
    inputs: str  # "words", "pieces" or "sentences": what the rows of ``table`` stand for; "images" or "rows"
    shape: tuple[int, ...]
    raw: dict[str, np.ndarray]
    embed: Callable[[jax.Array], Any]  # raw examples to what networks read
    train: Examples  # on the device, as validation; the test split stays off it until the end
    validation: Examples
    table: jax.Array | None  # float32[rows, dim] on the device; None for images and rows
    learner: Learner  # model and inner optimizer, the same for every method
    others: dict[str, Learner]  # further ones that a distilled set must train (`config.distill.also`), by network
    key: jax.Array  # of the run
    seconds: dict[str, float]  # what loading and word vectors took

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.dataset.num_classes

    @property
    def embed_train(self) -> Callable[[jax.Array], Any]:
        """`embed` for training examples alone; the words of texts come first in the table."""
        return Lookup(self.table[: self.vectors.trained]) if self.inputs == "words" else self.embed

    @property
    def numbers(self) -> int:
        """What is stored of one real example: ids of words, pixels, or the numbers of a row."""
        return math.prod(self.raw["train"].shape[1:])

    @property
    def arrays(self) -> Arrays:
        """Arguments of programs that begin with `given`."""
        return self.train.buckets, self.embed

    def given(self, arrays: Arrays) -> Self:
        """The task as a compiled program sees it: the arrays are the program's arguments."""
        buckets, embed = arrays
        table = None if self.table is None else embed.table
        return replace(self, train=self.train._replace(buckets=buckets), embed=embed, table=table)

    def examples(self, split: str) -> Examples:
        """A split on the device, in one bucket: it is read once, and each bucket is a program to compile."""
        return _examples(self.raw[split], one_hot(self.labels(split), self.classes), buckets=1)

    def labels(self, split: str) -> np.ndarray:
        """The classes of a split, ``int32[n]``."""
        return getattr(self.dataset, split).labels

    def inits(self, purpose: str, count: int):
        """Stacked fresh learner states; every purpose has initialisations of its own."""
        return jax.vmap(self.learner.init)(jax.random.split(stream(self.key, purpose), count))


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Classes as distributions, ``float32[n, classes]``."""
    return np.eye(classes, dtype=np.float32)[labels]


def length_buckets(texts: int) -> int:
    """How many buckets are worth their compilation for so many texts."""
    return min(4, max(1, texts // _PER_BUCKET))


def make_learners(settings: Settings, names: Iterable[str], shape: Sequence[int], classes: int) -> dict[str, Learner]:
    """Learners with several networks, by their names (see `settings.network`)."""
    optimizer = make_optimizer(settings.learner)
    further = {"loss": attention_loss(settings.distill.attention), "shift": settings.learner.shift}
    networks = {name: make_model(network(settings.model, name, "distill.also"), shape, classes) for name in names}
    return {name: make_learner(model, optimizer, **further) for name, model in networks.items()}


def make_model(settings: ModelSettings, shape: Sequence[int], classes: int) -> Model:
    """The network of a config, over examples of some shape; of texts only its last number, that of a vector, counts.

    Raises:
      ConfigError: the network does not fit the examples.
    """
    kind, dim = settings.kind, shape[-1]
    common = {"width": settings.width, "dropout": settings.dropout}
    if kind in IMAGE_KINDS:
        common |= {"depth": settings.depth, "weights": settings.weights}
        if kind != "mlp":
            return image_network(kind, shape, classes, **common)
        if settings.one_logit and classes != 2:
            raise ConfigError(f"config.model.one_logit tells two classes apart; there are {classes}")
        return mlp(shape, classes, one_logit=settings.one_logit, **common)
    if kind == "text_cnn":
        return text_cnn(dim, classes, windows=settings.windows, filters=settings.filters, dropout=settings.dropout)
    if kind == "transformer":
        return transformer(dim, classes, blocks=settings.blocks, heads=settings.heads, **common)
    return averaging(dim, classes, **common) if kind == "averaging" else recurrent(dim, classes, kind=kind, **common)


def make_optimizer(settings: LearnerSettings):
    """The inner optimizer of a config."""
    return optimizers.get(settings.optimizer, momentum=settings.momentum, b2=settings.b2, eps_root=settings.eps_root)


def make_task(
    settings: Settings, dataset: Dataset, load_seconds: float = 0.0, *, vectors: WordVectors | None = None
) -> Task:
    """Makes word or sentence vectors where they are needed, puts the splits into numbers, and builds the learner.

    Word vectors that are given take the place of those that the settings describe. ``load_seconds`` is what loading the
    data took, for the record.

    Raises:
      DataError: no usable word vectors, or no sentence encoder.
      ConfigError: windows longer than the texts, or a network that does not fit the examples.
    """
    start = time.perf_counter()
    model, kind, pretrained, table = settings.model, settings.model.kind, None, None
    if settings.inputs in ("images", "rows"):
        ids = {split: getattr(dataset, split).inputs for split in _SPLITS}
        embed = Scaled(jnp.asarray(dataset.scaling.mean), jnp.asarray(dataset.scaling.std))
        pixels, shift = min(ids["train"].shape[1:3]), settings.learner.shift
        if 4 * shift > pixels and shift:
            raise ConfigError(
                f"config.learner.shift = {shift} moves much of an image of {pixels} pixels out of sight; {pixels // 4} "
                "at most"
            )
    elif settings.inputs == "pieces":
        vectors, ids, pretrained = word_pieces(settings.encoder, dataset, settings.data.length, model.dropout)
        table = vectors.table
    elif settings.inputs == "sentences":
        vectors, table, ids = sentence_vectors(settings.encoder, dataset)
    else:
        held_out = dataset.validation.texts + dataset.test.texts
        vectors = vectors or word_vectors(settings.vectors, dataset.train.texts, held_out)
        table = vectors.table
        read = {split: vectors.vocabulary.ids(getattr(dataset, split).texts) for split in _SPLITS}
        length = settings.data.length or choose_length([len(i) for i in read["train"]])
        dataset = _with_notes(dataset, unseen(sum(read.values(), []), length))
        ids = {split: padded([i[:length] for i in texts], length) for split, texts in read.items()}
    seconds = {"data_s": load_seconds, "vectors_s": time.perf_counter() - start}
    shape = ids["train"].shape[1:]
    if table is not None:
        _LOG.info("%s vectors: %d of %d dimensions (%.1f s)", settings.inputs[:-1], *table.shape, seconds["vectors_s"])
        table = jnp.asarray(table)
        shape, embed = (*shape, table.shape[1]), Lookup(table)
    if kind == "text_cnn" and max(model.windows) > shape[0]:
        raise ConfigError(f"config.model.windows: {max(model.windows)} words in a text of {shape[0]}")
    if pretrained is None:
        learners = make_learners(settings, (kind, *(settings.distill.also or ())), shape, dataset.num_classes)
    else:
        learners = {kind: make_learner(pretrained, make_optimizer(settings.learner))}
    targets = {split: one_hot(getattr(dataset, split).labels, dataset.num_classes) for split in ("train", "validation")}
    return Task(
        dataset, vectors, settings.inputs, shape, raw=ids, embed=embed, table=table, seconds=seconds,
        train=_examples(ids["train"], targets["train"]),
        validation=_examples(ids["validation"], targets["validation"], buckets=1),
        learner=learners.pop(kind), others=learners, key=jax.random.key(settings.seed),
    )  # fmt: skip


def _with_notes(dataset: Dataset, notes: list[str]) -> Dataset:
    """The data set with further things to say about it, which are said at once, too."""
    for note in notes:
        _LOG.warning("%s", note)
    return replace(dataset, notes=(*dataset.notes, *notes))


def _examples(raw: np.ndarray, targets: np.ndarray, *, buckets: int | None = None) -> Examples:
    """Texts in buckets by length, as many as suit so many texts if None; anything else in one."""
    is_ids = raw.ndim == 2 and raw.dtype == np.int32
    return make_examples(raw, targets, buckets=buckets or length_buckets(len(raw))) if is_ids else whole(raw, targets)


def with_training(task: Task, raw: np.ndarray, split: Split, *, buckets: int | None = None) -> Task:
    """The task with other training data, as it is held (`Task.raw`) and with its classes; all else is as it was."""
    dataset, held = replace(task.dataset, train=split), {**task.raw, "train": raw}
    train = _examples(raw, one_hot(split.labels, task.classes), buckets=buckets)
    return replace(task, dataset=dataset, raw=held, train=train)


def known_inits(task: Task, sets: int) -> LearnerState:
    """The known initialisations, one per set: stacked learner states."""
    return task.inits("known_init", sets)

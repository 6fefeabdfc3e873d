"""Texts through a pretrained encoder: as frozen sentence vectors, or as the word pieces that it is trained on."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.config.data import EncoderSettings
from dd_al.core.errors import ConfigError, DataError
from dd_al.data import minilm_files
from dd_al.data.dataset import Dataset
from dd_al.data.minilm_files import MAX_PIECES, EncoderFiles
from dd_al.data.text import PAD, UNKNOWN, Vocabulary, choose_length, padded
from dd_al.data.vectors import WordVectors, cached
from dd_al.io.progress import Progress
from dd_al.models.base import Model
from dd_al.models.minilm import EncoderSizes, SentenceEncoder, fine_tuned, sizes_of
from dd_al.models.minilm_weights import params_from

_VERSION = 2  # part of the cache's key: raise it with every change to what the vectors are
# Word pieces that texts are padded to, each a program to compile; a sixth of what is computed for SST is padding.
_WIDTHS = (16, 24, 32, 40, 64, 128, MAX_PIECES)
# Word pieces in a batch. More are no faster on a CPU: this many stay in its caches.
_PIECES = 1024
_LEAST = 3  # word pieces: a text begins with [CLS] and ends with [SEP]
_SPLITS = ("train", "validation", "test")


def sentence_vectors(
    settings: EncoderSettings, dataset: Dataset
) -> tuple[WordVectors, np.ndarray, dict[str, np.ndarray]]:
    """The sentences of a task in the form of words (`config.inputs=sentences`): each is a "word" with its own vector.

    Returns:
      The training texts as a vocabulary, to look nearest ones up in; the vectors of all texts, ``float32[rows, dim]``;
      and the row of each text by split, ``int32[texts, 1]``.
    """
    start = time.perf_counter()
    files = minilm_files.load(settings)
    splits = {split: getattr(dataset, split).texts for split in _SPLITS}
    features = sentence_features([text for texts in splits.values() for text in texts], files, keep=True)
    table = np.concatenate([np.zeros((2, features.shape[1]), np.float32), features])  # padding and the unknown word
    ends = np.cumsum([len(texts) for texts in splits.values()])
    ids = dict(zip(splits, np.split(np.arange(2, len(table), dtype=np.int32)[:, None], ends[:-1])))
    words = (PAD, UNKNOWN, *(" ".join(text.split()) for text in dataset.train.texts))
    report = _report(files, table) | {"sentences": len(features), "seconds": round(time.perf_counter() - start, 3)}
    return WordVectors(Vocabulary(words), table[: len(words)], len(words), report), table, ids


def word_pieces(
    settings: EncoderSettings, dataset: Dataset, length: int | None, dropout: float
) -> tuple[WordVectors, dict[str, np.ndarray], Model]:
    """The texts of a task as word pieces (`config.inputs=pieces`), and the network that reads them.

    Without a length it is what leaves 98 % of the training texts whole.

    Returns:
      The word pieces with their vectors; ``int32[n, length]`` of each split; and the encoder with a head.

    Raises:
      ConfigError: the length leaves no room for a word piece.
    """
    if length is not None and length < _LEAST:
        raise ConfigError(
            f"config.data.length = {length}: [CLS] and [SEP] leave no room for words; give {_LEAST} at least"
        )
    files = minilm_files.load(settings)
    if files.tokenizer.token_to_id(PAD) != 0:
        raise DataError(f"{files.folder / 'tokenizer.json'}: the word piece with the id 0 has to be {PAD}")
    length = length or choose_length([len(pieces) for pieces in files.word_pieces(dataset.train.texts)])
    sizes, params = pretrained(files, length)
    ids = {split: padded(files.word_pieces(getattr(dataset, split).texts, length), length) for split in _SPLITS}
    table = params["words"].copy()
    table[0] = 0  # of padding, which nothing reads
    words = tuple(files.tokenizer.id_to_token(i) or f"[unused{i}]" for i in range(len(table)))
    vectors = WordVectors(Vocabulary(words), table, len(words), _report(files, table) | {"words": len(table)})
    return vectors, ids, fine_tuned(sizes, params, dataset.num_classes, dropout=dropout)


def _report(files: EncoderFiles, table: np.ndarray) -> dict[str, str | int]:
    return {"source": f"{files.name} ({files.source})", "sha256": files.sha256, "dim": table.shape[1]}


def encoder_of(sha256: str, settings: EncoderSettings | None = None) -> EncoderFiles:
    """The encoder whose files have this hash; DataError if they are other ones."""
    files = minilm_files.load(settings)
    if files.sha256 != sha256:
        raise DataError(
            f"this set was distilled with a sentence encoder whose files have the hash {sha256[:12]}…; those in "
            f"{files.folder} have {files.sha256[:12]}…: set DD_AL_ENCODER to the folder that it was made with"
        )
    return files


def sentence_features(texts: Sequence[str], files: EncoderFiles, *, keep: bool = False) -> np.ndarray:
    """A vector per text, of which the first `MAX_PIECES` word pieces count, ``float32[texts, width]``.

    They are scaled to a mean square of 1, which suits the learners' first rates and the float16 of artefacts. With
    ``keep`` the user's cache folder keeps them.
    """
    texts = list(texts)
    if keep:
        key = [_VERSION, files.sha256, texts]
        made = cached("the sentence vectors", "sentences", key, lambda: {"vectors": compute(texts, files)})
        vectors = made["vectors"]
    else:
        vectors = compute(texts, files)
    return (vectors * vectors.shape[1] ** 0.5).astype(np.float16).astype(np.float32)


def compute(texts: Sequence[str], files: EncoderFiles) -> np.ndarray:
    """Sentence vectors of unit length in the order of the texts, ``float32[texts, width]``; see `sentence_features`."""
    sizes, params = pretrained(files)
    params = jax.tree.map(jnp.asarray, params)
    pieces = files.word_pieces(texts)
    out = np.zeros((len(pieces), sizes.hidden_size), np.float32)
    with Progress(len(pieces), "embedding sentences") as progress:
        for width, batch in batches([len(ids) for ids in pieces]):
            rows = [pieces[text] for text in batch]
            rows += [rows[-1]] * (_PIECES // width - len(batch))  # a last batch has the shape of all others
            mask = np.arange(width) < np.array([len(ids) for ids in rows])[:, None]
            out[batch] = _features(sizes, params, padded(rows, width), mask)[: len(batch)]
            progress.update(len(batch))
    return out


def batches(lengths: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields texts of about one length, the longest first: the word pieces to pad to, and their positions."""
    order, start = np.argsort(lengths, kind="stable")[::-1], 0
    while start < len(order):
        width = next(width for width in _WIDTHS if width >= lengths[order[start]])
        yield width, order[start : start + _PIECES // width]
        start += _PIECES // width


def pretrained(files: EncoderFiles, length: int = MAX_PIECES) -> tuple[EncoderSizes, dict]:
    """The encoder's sizes, and its published parameters in NumPy.

    DataError where the files do not belong together, or have no room for texts of so many word pieces.
    """
    origin = str(files.folder / "config.json")
    sizes = sizes_of(files.config, origin)
    needed = {"vocab_size": files.tokenizer.get_vocab_size(), "max_position_embeddings": length}
    for key, least in needed.items():
        # An index out of range is no error in JAX.
        if (value := getattr(sizes, key)) < least:
            raise DataError(f"{origin}: {key} is {value}, and the texts as tokenizer.json cuts them need {least}")
    return sizes, params_from(files.tensors, sizes, str(files.folder / "model.safetensors"))


@partial(jax.jit, static_argnums=0)
def _features(sizes: EncoderSizes, params: dict, ids: jax.Array, mask: jax.Array) -> jax.Array:
    # Accelerators would round the factors of float32 products.
    with jax.default_matmul_precision("float32"):
        return SentenceEncoder(sizes).sentence_features(params, ids, mask)

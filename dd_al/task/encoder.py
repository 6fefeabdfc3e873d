"""Sentence vectors of whole corpora, kept in the user's cache."""

from __future__ import annotations

import io
import itertools
import json
import logging
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.errors import DataError, UserError
from dd_al.core.files import atomic_write, sha256_of, user_cache
from dd_al.data.minilm_files import MAX_PIECES, EncoderFiles
from dd_al.io.progress import Progress
from dd_al.models.minilm import EncoderSizes, sentence_encoder, sizes_of
from dd_al.models.minilm_weights import params_from

_LOG = logging.getLogger(__name__)
_VERSION = 1  # part of the cache's key: raise it with every change to what the vectors are
# Short texts share rows of 64 word pieces: one program to compile, and next to no padding. Longer texts share rows of
# 256, where attention costs more.
_WIDTHS = (64, MAX_PIECES)
# Word pieces in a batch. More are no faster on a CPU: this many stay in its caches.
_PIECES = 1024


def embed(texts: Sequence[str], files: EncoderFiles) -> np.ndarray:
    """The sentence vectors of a corpus: from the cache where the same texts were embedded with the same files.

    Args:
      texts: any, of which the first `MAX_PIECES` word pieces count; an empty one has a vector, too.
      files: of `dd_al.data.minilm_files.load`.

    Returns:
      ``float32[texts, width]`` of unit length, in the order of the texts.

    Raises:
      DataError: the files do not belong together.
    """
    texts = list(texts)
    path = user_cache() / "sentences" / f"{sha256_of(json.dumps([_VERSION, files.sha256, texts]))[:32]}.npz"
    if (found := _load(path, len(texts))) is not None:
        return found
    made = compute(texts, files)
    buffer = io.BytesIO()
    np.savez(buffer, vectors=made)  # an archive, which has checksums
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, buffer.getvalue())
    except (OSError, UserError) as error:
        _LOG.warning("cannot keep the sentence vectors in %s (%s): they are computed again next time", path, error)
    return made


def compute(texts: Sequence[str], files: EncoderFiles) -> np.ndarray:
    """What `embed` returns, without the cache."""
    sizes, params = pretrained(files)
    params = jax.tree.map(jnp.asarray, params)
    pieces = files.word_pieces(texts)
    out = np.zeros((len(pieces), sizes.width), np.float32)
    with Progress(len(pieces), "embedding sentences") as progress:
        for batch in batches(pieces):
            vectors = np.asarray(_features(sizes, params, batch.ids, batch.sentences, batch.texts.shape[1]))
            filled = batch.texts >= 0
            out[batch.texts[filled]] = vectors[filled]
            progress.update(int(filled.sum()))
    return out


class Packed(NamedTuple):
    """Several texts in each row.

    Attributes:
      ids: ``int32[rows, width]`` of word pieces, zero on padding.
      sentences: ``int32[rows, width]``, the slot in the row from 1, zero on padding.
      texts: ``int32[rows, slots]``, which text lies in a slot, -1 in none.
    """

    ids: np.ndarray
    sentences: np.ndarray
    texts: np.ndarray


def batches(pieces: Sequence[np.ndarray]) -> Iterator[Packed]:
    """Packs texts into batches of two shapes, the longest first.

    Args:
      pieces: ids of each text, ``int32[length]``, at most `MAX_PIECES`; a text without any is in no batch.
    """
    rows = _rows([len(p) for p in pieces])
    for width, group in itertools.groupby(rows, key=lambda row: row[0]):
        while chunk := [row for _, row in itertools.islice(group, _PIECES // width)]:
            yield _packed(pieces, chunk, width)


def _rows(lengths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Fills rows with the longest text that is left and still fits; yields widths and positions of texts."""
    waiting: list[list[int]] = [[] for _ in range(MAX_PIECES + 1)]
    for text, length in reversed(list(enumerate(lengths))):
        waiting[length].append(text)
    longest = MAX_PIECES
    while longest:
        if not waiting[longest]:
            longest -= 1
            continue
        width = next(width for width in _WIDTHS if width >= longest)
        row, room, length = [], width, longest
        while length and len(row) < width // 2:
            if length <= room and waiting[length]:
                row.append(waiting[length].pop())
                room -= length
            else:
                length = min(length - 1, room)
        yield width, row


def _packed(pieces: Sequence[np.ndarray], rows: list[list[int]], width: int) -> Packed:
    batch = _PIECES // width
    ids, sentences = np.zeros((2, batch, width), np.int32)
    texts = np.full((batch, width // 2), -1, np.int32)  # two word pieces at least, [CLS] and [SEP]
    for i, row in enumerate(rows):
        lengths = [len(pieces[text]) for text in row]
        ids[i, : sum(lengths)] = np.concatenate([pieces[text] for text in row])
        sentences[i, : sum(lengths)] = np.repeat(np.arange(1, len(row) + 1), lengths)
        texts[i, : len(row)] = row
    return Packed(ids, sentences, texts)


def pretrained(files: EncoderFiles, length: int = MAX_PIECES) -> tuple[EncoderSizes, dict]:
    """The encoder's sizes, and its published parameters in NumPy.

    Args:
      files: of the encoder.
      length: word pieces in a text at most.

    Raises:
      DataError: the sizes have no room for whatever the tokenizer gives, or the files do not belong together.
    """
    origin = str(files.folder / "config.json")
    sizes = sizes_of(files.config, origin)
    needed = {"vocab_size": (sizes.words, files.tokenizer.get_vocab_size())}
    needed["max_position_embeddings"] = (sizes.positions, length)
    for key, (value, least) in needed.items():
        # An index out of range is no error in JAX.
        if value < least:
            raise DataError(f"{origin}: {key} is {value}, and the texts as tokenizer.json cuts them need {least}")
    return sizes, params_from(files.tensors, sizes, str(files.folder / "model.safetensors"))


@partial(jax.jit, static_argnums=(0, 4))
def _features(sizes: EncoderSizes, params: dict, ids: jax.Array, sentences: jax.Array, slots: int) -> jax.Array:
    # Accelerators would round the factors of float32 products.
    with jax.default_matmul_precision("float32"):
        return sentence_encoder(sizes).packed_features(params, ids, sentences, slots)


def _load(path: Path, count: int) -> np.ndarray | None:
    if not path.exists():
        return None
    try:
        with np.load(path) as file:  # plain arrays: pickles are refused
            vectors = file["vectors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _LOG.warning("%s is damaged (%s): embedding the sentences again", path, error)
        return None
    return vectors if len(vectors) == count else None

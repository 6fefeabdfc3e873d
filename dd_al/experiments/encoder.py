"""Sentence vectors of whole corpora, kept in the user's cache."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

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
# Padded lengths. Each is a program to compile (under a second), and half a step of each is arithmetic on padding.
_WIDTHS = (*range(8, 64, 8), *range(64, 128, 16), *range(128, MAX_PIECES + 1, 32))
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
    sizes = _sizes(files)
    params = jax.tree.map(jnp.asarray, params_from(files.tensors, sizes, str(files.folder / "model.safetensors")))
    pieces = files.word_pieces(texts)
    out = np.zeros((len(pieces), sizes.width), np.float32)
    with Progress(len(pieces), "embedding sentences") as progress:
        for rows, ids, mask in batches(pieces):
            out[rows] = _features(sizes, params, ids, mask)[: len(rows)]
            progress.update(len(rows))
    return out


def batches(pieces: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Texts of like length in batches of few shapes, the longest first.

    Args:
      pieces: ids of each text, ``int32[length]``, of 1 to `MAX_PIECES`.

    Yields:
      rows: positions in ``pieces``, ``int64[n]``.
      ids: ``int32[batch, width]``, ``n <= batch``; zero on padding, in the last batch in whole rows.
      mask: ``bool[batch, width]``, true on word pieces.
    """
    lengths = np.array([len(p) for p in pieces], int)
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        width = next(w for w in _WIDTHS if w >= lengths[order[0]])
        batch = max(1, _PIECES // width)
        rows, order = order[:batch], order[batch:]
        ids, mask = np.zeros((batch, width), np.int32), np.zeros((batch, width), bool)
        mask[: len(rows)] = np.arange(width) < lengths[rows, None]
        ids[mask] = np.concatenate([pieces[row] for row in rows])
        yield rows, ids, mask


def _sizes(files: EncoderFiles) -> EncoderSizes:
    """The encoder's sizes, with room for whatever the tokenizer gives."""
    origin = str(files.folder / "config.json")
    sizes = sizes_of(files.config, origin)
    needed = {"vocab_size": (sizes.words, files.tokenizer.get_vocab_size())}
    needed["max_position_embeddings"] = (sizes.positions, MAX_PIECES)
    for key, (value, least) in needed.items():
        # An index out of range is no error in JAX.
        if value < least:
            raise DataError(f"{origin}: {key} is {value}, and the texts as tokenizer.json cuts them need {least}")
    return sizes


@partial(jax.jit, static_argnums=0)
def _features(sizes: EncoderSizes, params: dict, ids: jax.Array, mask: jax.Array) -> jax.Array:
    # Accelerators would round the factors of float32 products.
    with jax.default_matmul_precision("float32"):
        return sentence_encoder(sizes).sentence_features(params, ids, mask)


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

"""Sentence vectors of whole corpora, kept in the user's cache."""

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.errors import DataError
from dd_al.data.cache import cached
from dd_al.data.minilm_files import MAX_PIECES, EncoderFiles
from dd_al.data.text import padded
from dd_al.io.progress import Progress
from dd_al.models.minilm import EncoderSizes, SentenceEncoder, sizes_of
from dd_al.models.minilm_weights import params_from

_VERSION = 2  # part of the cache's key: raise it with every change to what the vectors are
# Word pieces that texts are padded to, each a program to compile; a sixth of what is computed for SST is padding.
_WIDTHS = (16, 24, 32, 40, 64, 128, MAX_PIECES)
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
    key = [_VERSION, files.sha256, texts]
    return cached("the sentence vectors", "sentences", key, lambda: {"vectors": compute(texts, files)})["vectors"]


def compute(texts: Sequence[str], files: EncoderFiles) -> np.ndarray:
    """What `embed` returns, without the cache."""
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

    Args:
      files: of the encoder.
      length: word pieces in a text at most.

    Raises:
      DataError: the sizes have no room for whatever the tokenizer gives, or the files do not belong together.
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

"""Word vectors: counted from text by default, or read from a file."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dd_al.config.data import VectorSettings
from dd_al.core.errors import DataError, UserError
from dd_al.core.files import atomic_write, sha256_of, user_cache
from dd_al.data import counts, packaged
from dd_al.data.overlap import overlapping
from dd_al.data.text import PAD, UNKNOWN, Vocabulary, build_vocabulary
from dd_al.data.vector_file import read_vectors

_LOG = logging.getLogger(__name__)
_SCALE = 0.5  # root mean square of a vector's entries
_VERSION = 2  # part of the cache's key: raise it with every change to how vectors are counted


@dataclasses.dataclass(frozen=True)
class WordVectors:
    """A vocabulary with its vectors.

    Attributes:
      vocabulary: its first `trained` words occur in the training text.
      table: ``float32[words, dim]``; padding and the unknown word are zero. Entries are float16 numbers, so that an
        artefact can hold them in half the space without loss.
      trained: words up to here (padding and unknown included) occur in the training text.
      report: plain values for `results.json`.
    """

    vocabulary: Vocabulary
    table: np.ndarray
    trained: int
    report: dict


def word_vectors(settings: VectorSettings, train: Sequence[str], held_out: Sequence[str]) -> WordVectors:
    """Counts or reads the vectors of a task.

    Args:
      settings: how.
      train: training texts.
      held_out: validation and test texts. They are not counted in, nor is any packaged row that gives one away; they
        serve to find those rows.

    Raises:
      DataError: the file is bad, the packaged reviews are not installed, or no word is left.
    """
    start = time.perf_counter()
    if settings.path is not None:
        words, table = read_vectors(Path(settings.path).expanduser(), wanted=set(build_vocabulary(train).words))
        made = _ordered(words, table, train, {"kind": "file", "path": settings.path})
    else:
        made = _cached(settings, list(train), list(held_out))
    rms = np.sqrt(np.mean(made.table[2:] ** 2, axis=1, keepdims=True))
    table = made.table.copy()
    table[2:] *= _SCALE / np.maximum(rms, 1e-9)
    table = table.astype(np.float16).astype(np.float32)
    report = {**made.report, "words": len(table), "dim": table.shape[1], "seconds": time.perf_counter() - start}
    return dataclasses.replace(made, table=table, report=report)


def _cached(settings: VectorSettings, train: list[str], held_out: list[str]) -> WordVectors:
    corpus = packaged.texts() if settings.corpus == "packaged" else []
    key = sha256_of(json.dumps([_VERSION, dataclasses.asdict(settings), train, held_out, corpus]))[:32]
    path = user_cache() / "vectors" / f"{key}.npz"
    if (found := _load(path)) is not None:
        return found
    made = _count(settings, train, corpus, held_out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, _pack(made))
    except (OSError, UserError) as error:
        _LOG.warning("cannot keep the word vectors in %s (%s): they are counted again next time", path, error)
    return made


def _count(settings: VectorSettings, train: list[str], corpus: list[str], held_out: list[str]) -> WordVectors:
    excluded = overlapping(corpus, held_out, settings.min_overlap)
    texts = train + [text for text, out in zip(corpus, excluded) if not out]
    _LOG.info(
        "counting word vectors in %d texts (%d of %d packaged rows left out: they share text with validation or test)",
        len(texts), excluded.sum(), len(corpus),
    )  # fmt: skip
    vocabulary = build_vocabulary(texts, min_count=2)
    if len(vocabulary.words) <= 2:
        raise DataError("no word occurs twice in the text; give more of it, or config.vectors.path")
    ids = vocabulary.ids(texts)
    text = counts.Text(np.concatenate(ids), np.repeat(np.arange(len(ids), dtype=np.int32), [len(i) for i in ids]))
    table = counts.count_vectors(text, len(vocabulary.words), settings.dim)
    report = {
        "kind": "counted",
        "corpus": settings.corpus,
        "texts": len(texts),
        "tokens": len(text.words),
        "excluded_rows": int(excluded.sum()),
    }
    return _ordered(vocabulary.words[2:], table[2:], train, report)


def _ordered(words: Sequence[str], table: np.ndarray, train: Sequence[str], report: dict) -> WordVectors:
    """Puts the words of the training text first, and padding and the unknown word before them."""
    vocabulary = Vocabulary((PAD, UNKNOWN, *words))
    seen = np.bincount(np.concatenate(vocabulary.ids(train)), minlength=len(words) + 2)
    coverage = 1 - seen[1] / max(seen.sum(), 1)
    if coverage == 0:
        raise DataError("no word of the training text has a vector; is the vectors' file of another language?")
    inside = np.flatnonzero(seen[2:])
    outside = np.flatnonzero(seen[2:] == 0)
    order = np.concatenate([inside, outside])
    full = np.zeros((len(words) + 2, table.shape[1]), np.float32)
    full[2:] = table[order]
    vocabulary = Vocabulary((PAD, UNKNOWN, *(words[i] for i in order)))
    return WordVectors(vocabulary, full, len(inside) + 2, {**report, "coverage": float(coverage)})


def _pack(made: WordVectors) -> bytes:
    buffer = io.BytesIO()
    words = np.frombuffer("\n".join(made.vocabulary.words).encode(), np.uint8)
    report = np.frombuffer(json.dumps(made.report).encode(), np.uint8)
    np.savez(buffer, words=words, table=made.table.astype(np.float32), trained=made.trained, report=report)
    return buffer.getvalue()


def _load(path: Path) -> WordVectors | None:
    if not path.exists():
        return None
    try:
        with np.load(path) as file:  # plain arrays: pickles are refused
            words = tuple(file["words"].tobytes().decode().split("\n"))
            report = json.loads(file["report"].tobytes())
            return WordVectors(Vocabulary(words), file["table"], int(file["trained"]), report)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _LOG.warning("%s is damaged (%s): counting the word vectors again", path, error)
        return None

"""Word vectors, counted from text or read from a file, and the cache of all vectors that take long to make."""

import dataclasses
import io
import json
import logging
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from dd_al.config.data import VectorSettings
from dd_al.core.errors import DataError, UserError
from dd_al.core.files import atomic_write, sha256_of, user_cache
from dd_al.data import counts, packaged
from dd_al.data.overlap import overlapping
from dd_al.data.text import PAD, UNKNOWN, Vocabulary, build_vocabulary

_LOG = logging.getLogger(__name__)
_SCALE = 0.5  # root mean square of a vector's entries
_KEEP = 40_000  # of a large file: its first, which are its most frequent, and whatever the training text has
_VERSION = 3  # part of the cache's key: raise it with every change to how vectors are counted


@dataclasses.dataclass(frozen=True)
class WordVectors:
    """A vocabulary with its vectors, ``float32[words, dim]``; padding and the unknown word are zero.

    Entries are float16 numbers, so that an artefact can hold them in half the space without loss.
    """

    vocabulary: Vocabulary
    table: np.ndarray
    trained: int  # words up to here (padding and unknown included) occur in the training text
    report: dict  # plain values for `results.json`


def word_vectors(settings: VectorSettings, train: Sequence[str], held_out: Sequence[str]) -> WordVectors:
    """Counts or reads the vectors of a task with these training texts.

    The ``held_out`` texts, of validation and test, are not counted in, nor is any packaged row that gives one away.

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

    def make() -> dict[str, np.ndarray]:
        made = _count(settings, train, corpus, held_out)
        texts = {"words": "\n".join(made.vocabulary.words), "report": json.dumps(made.report)}
        kept = {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
        return {**kept, "table": made.table, "trained": np.asarray(made.trained)}

    key = [_VERSION, dataclasses.asdict(settings), train, held_out, corpus]
    found = cached("the word vectors", "vectors", key, make)
    words, report = (found[name].tobytes().decode() for name in ("words", "report"))
    return WordVectors(Vocabulary(tuple(words.split("\n"))), found["table"], int(found["trained"]), json.loads(report))


def _count(settings: VectorSettings, train: list[str], corpus: list[str], held_out: list[str]) -> WordVectors:
    excluded = overlapping(corpus, held_out, settings.min_overlap)
    texts = train + [text for text, out in zip(corpus, excluded) if not out]
    _LOG.info(
        "counting word vectors in %d texts (%d of %d packaged rows left out: they share text with validation or test)",
        len(texts), excluded.sum(), len(corpus),
    )  # fmt: skip
    vocabulary = build_vocabulary(texts, settings.min_count)
    if len(vocabulary.words) <= 2:
        raise DataError(f"no word occurs {settings.min_count} times in the text; lower config.vectors.min_count")
    ids = vocabulary.ids(texts)
    text = counts.Text(np.concatenate(ids), np.repeat(np.arange(len(ids), dtype=np.int32), [len(i) for i in ids]))
    table = counts.count_vectors(text, len(vocabulary.words), settings.dim)
    report = {"kind": "counted", "corpus": settings.corpus, "texts": len(texts), "tokens": len(text.words)}
    report["excluded_rows"] = int(excluded.sum())
    return _ordered(vocabulary.words[2:], table[2:], train, report)


def _ordered(words: Sequence[str], table: np.ndarray, train: Sequence[str], report: dict) -> WordVectors:
    """Puts the words of the training text first, and padding and the unknown word before them."""
    vocabulary = Vocabulary((PAD, UNKNOWN, *words))
    seen = np.bincount(np.concatenate(vocabulary.ids(train)), minlength=len(words) + 2)
    coverage = 1 - seen[1] / max(seen.sum(), 1)
    if coverage == 0:
        raise DataError("no word of the training text has a vector; is the vectors' file of another language?")
    order = np.argsort(seen[2:] == 0, kind="stable")
    full = np.concatenate([np.zeros((2, table.shape[1]), np.float32), table[order]])
    vocabulary, trained = Vocabulary((PAD, UNKNOWN, *(words[i] for i in order))), np.count_nonzero(seen[2:]) + 2
    return WordVectors(vocabulary, full, int(trained), {**report, "coverage": float(coverage)})


def cached(what: str, folder: str, key: Any, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the arrays that were kept for `key`, or makes and keeps them; a damaged file is made again.

    The `key`, of JSON values, decides what the arrays hold; warnings call them `what`.
    """
    path = user_cache() / folder / f"{sha256_of(json.dumps(key))[:32]}.npz"
    if path.exists():
        try:
            with np.load(path) as file:  # an archive with checksums, of plain arrays: pickles are refused
                return dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            _LOG.warning("%s is damaged (%s): making %s again", path, error, what)
    made, buffer = make(), io.BytesIO()
    np.savez(buffer, **made)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, buffer.getvalue())
    except (OSError, UserError) as error:
        _LOG.warning("cannot keep %s in %s (%s): they are made again next time", what, path, error)
    return made


def read_vectors(path: Path, wanted: Set[str] = frozenset(), keep: int = _KEEP) -> tuple[tuple[str, ...], np.ndarray]:
    """Reads words, lower-cased and each once, and their vectors, ``float32[words, dim]``.

    The file has "word number number …" lines (GloVe), the same below a "words dim" line (word2vec text), or word2vec's
    binary format. The first ``keep`` words are kept, and those ``wanted`` wherever they stand in the file.

    Raises:
      DataError: missing, empty or malformed; names the line (or, in a binary file, the word).
    """
    try:
        head = path.open("rb").read(1 << 16)
    except OSError as error:
        raise DataError(f"config.vectors.path: cannot read {path}: {error.strerror}") from error
    if not head:
        raise DataError(f"{path} is empty: expected word vectors")
    first = head.split(b"\n", 1)[0].split()
    counted = len(first) == 2 and all(part.isdigit() for part in first)
    body = head[head.find(b"\n") + 1 :] if counted else head
    # Text has no control bytes; four-byte floats soon do.
    binary = counted and any(b < 9 for b in body)
    entries = _binary(path, int(first[0]), int(first[1])) if binary else _text(path, skip=int(counted))
    words, rows = {}, []
    for word, row in entries:
        word = word.lower()
        if word not in words and (len(rows) < keep or word in wanted):
            words[word] = len(rows)
            rows.append(row)
    if not rows:
        raise DataError(f"{path} holds no word vectors")
    table = np.stack(rows)
    if not np.isfinite(table).all():
        bad = list(words)[int(np.flatnonzero(~np.isfinite(table).all(1))[0])]
        raise DataError(f"{path}: the vector of {bad!r} has an entry that is not finite")
    return tuple(words), table


def _text(path: Path, skip: int) -> Iterator[tuple[str, np.ndarray]]:
    dim = None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number <= skip or not line.strip():
                continue
            try:
                word, *numbers = line.decode("utf-8").rstrip().split(" ")
                dim = len(numbers) if dim is None else dim
                # GloVe has a few "words" with spaces inside: the numbers are counted from the end.
                row = np.array(numbers[-dim:] if dim else [], np.float32)
            except UnicodeDecodeError as error:
                raise DataError(f"{path}, line {number}: byte {error.start} is not UTF-8") from error
            except ValueError as error:
                raise DataError(f"{path}, line {number}: expected a word and numbers ({error})") from error
            if not dim or len(row) != dim:
                raise DataError(f"{path}, line {number}: {len(row)} numbers where the first word has {dim}")
            yield word, row


def _binary(path: Path, count: int, dim: int) -> Iterator[tuple[str, np.ndarray]]:
    with path.open("rb") as file:
        file.readline()
        for number in range(1, count + 1):
            word = bytearray()
            while (byte := file.read(1)) not in (b" ", b""):
                word += byte
            data = file.read(4 * dim)
            if len(data) < 4 * dim:
                raise DataError(f"{path} ends inside word {number} of {count}: the file is cut short")
            yield word.decode("utf-8", "replace").strip(), np.frombuffer(data, "<f4")

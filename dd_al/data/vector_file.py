"""word2vec and GloVe files, text or binary."""

from collections.abc import Iterator, Set
from pathlib import Path

import numpy as np

from dd_al.core.errors import DataError

_KEEP = 40_000  # of a large file: its first, which are its most frequent, and whatever the training text has


def read_vectors(path: Path, wanted: Set[str] = frozenset(), keep: int = _KEEP) -> tuple[tuple[str, ...], np.ndarray]:
    """Reads words, lower-cased and each once, and their vectors, ``float32[words, dim]``.

    Args:
      path: "word number number …" lines (GloVe), the same below a "words dim" line (word2vec text), or word2vec's
        binary format.
      wanted: words to keep wherever they stand in the file.
      keep: how many others to keep.

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
                if dim is None:
                    dim = len(numbers)
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

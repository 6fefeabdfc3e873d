"""Which rows of an unlabelled corpus give away an evaluation sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_ALNUM = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")
_OTHERS = bytes(b for b in range(256) if b not in _ALNUM)
_KEY = 8  # bytes that index a sentence; shorter ones are searched one by one


def squeeze(text: str) -> bytes:
    """The letters and digits alone, ``a-z0-9`` in lower case: spacing and punctuation drop out."""
    return text.lower().encode().translate(None, _OTHERS)


def overlapping(rows: Sequence[str], held_out: Sequence[str], min_overlap: int) -> np.ndarray:
    """Marks the rows whose letters and digits contain, or are contained in, a held-out sentence.

    Args:
        rows: the corpus.
        held_out: validation and test sentences.
        min_overlap: letters and digits that a sentence needs to count as contained in a longer row. "No." is
          a test sentence, and most reviews contain its letters without giving anything away. 0 counts every one.
          Rows inside a sentence, and rows equal to one, count at any length.

    Returns:
        ``bool[rows]``.
    """
    squeezed = [squeeze(row) for row in rows]
    sentences = sorted({s for s in map(squeeze, held_out) if s})
    marked = np.zeros(len(squeezed), bool)
    if not sentences:
        return marked
    whole, longest = b"|".join(sentences), max(map(len, sentences))
    for i, row in enumerate(squeezed):
        marked[i] = bool(row) and len(row) <= longest and row in whole
    marked[_containing(squeezed, [s for s in sentences if len(s) >= min_overlap])] = True
    return marked


def _containing(rows: list[bytes], sentences: list[bytes]) -> np.ndarray:
    """Indices of the rows that contain a sentence, by a table of their first eight letters."""
    text = b"|".join(rows) + b"|" * _KEY
    ends = np.cumsum([len(row) + 1 for row in rows])
    hits = []

    by_key: dict[int, list[bytes]] = {}
    for sentence in sentences:
        if len(sentence) >= _KEY:
            by_key.setdefault(int.from_bytes(sentence[:_KEY], "little"), []).append(sentence)
            continue
        position = text.find(sentence)
        while position >= 0:
            hits.append(position)
            # One hit marks the whole row, so the search goes on in the next.
            position = text.find(sentence, int(ends[np.searchsorted(ends, position, "right")]))

    windows = np.ndarray((len(text) - _KEY,), "<u8", text, strides=(1,))
    # A bitmap of hashed keys passes over nearly every position before anything exact is compared.
    bucket = lambda keys: (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(42)  # noqa: E731
    bitmap = np.zeros(1 << 22, bool)
    bitmap[bucket(np.fromiter(by_key, np.uint64, len(by_key)))] = True
    for position in np.flatnonzero(bitmap[bucket(windows)]):
        for sentence in by_key.get(int(windows[position]), ()):
            if text.startswith(sentence, int(position)):
                hits.append(int(position))
                break
    return np.searchsorted(ends, np.asarray(hits, np.int64), "right")


def corpora(texts: Mapping[str, Sequence[str]], *, share: float = 0.01) -> dict[str, str]:
    """Which data sets are the same corpus under several names: the first name of each group, by name.

    SST-2, SST-5 and Rotten Tomatoes are the same sentences, for one.

    Args:
        texts: of every data set.
        share: of the smaller one's texts, by letters and digits, from which on two are the same corpus.
    """
    found = {name: {squeeze(text) for text in some} - {b""} for name, some in texts.items()}
    groups: dict[str, str] = {}
    for name, ours in found.items():
        alike = (
            first
            for other, first in groups.items()
            if len(ours & found[other]) > share * max(min(len(ours), len(found[other])), 1)
        )
        groups[name] = next(alike, name)
    return groups

"""Texts that two corpora share, found by their letters and digits."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

_OTHERS = bytes(b for b in range(256) if b not in b"abcdefghijklmnopqrstuvwxyz0123456789")
_KEY = 8  # bytes that index a sentence; shorter ones are searched one by one


def squeeze(text: str) -> bytes:
    """The letters and digits alone, ``a-z0-9`` in lower case: spacing and punctuation drop out."""
    return text.lower().encode().translate(None, _OTHERS)


def overlapping(rows: Sequence[str], held_out: Sequence[str], min_overlap: int) -> np.ndarray:
    """Marks the rows of a corpus that contain, or are contained in, a held-out sentence, ``bool[rows]``.

    A sentence needs ``min_overlap`` letters and digits to count as contained in a longer row: "No." is a test sentence,
    and most reviews contain its letters without giving anything away. Rows inside a sentence, and rows equal to one,
    count at any length.
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

    def bucket(keys: np.ndarray) -> np.ndarray:
        return (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(42)

    windows = np.ndarray((len(text) - _KEY,), "<u8", text, strides=(1,))
    # A bitmap of hashed keys passes over nearly every position before anything exact is compared.
    bitmap = np.zeros(1 << 22, bool)
    bitmap[bucket(np.fromiter(by_key, np.uint64, len(by_key)))] = True
    for position in np.flatnonzero(bitmap[bucket(windows)]).tolist():
        if any(text.startswith(sentence, position) for sentence in by_key.get(int(windows[position]), ())):
            hits.append(position)
    return np.searchsorted(ends, np.asarray(hits, np.int64), "right")


def sketch(texts: Iterable[str], *, size: int = 4096) -> list[int]:
    """A corpus as the smallest hashes of its texts' letters and digits, rising (Broder 1997, "bottom-k").

    There are ``size`` at most; a corpus of no more texts is held whole.
    """
    squeezed = {squeeze(text) for text in texts} - {b""}
    hashes = (int.from_bytes(hashlib.blake2b(one, digest_size=6).digest(), "big") for one in squeezed)
    return sorted(set(hashes))[:size]


def corpora(sketches: Mapping[str, Sequence[int]], *, share: float = 0.01) -> dict[str, str]:
    """Which data sets are the same corpus under several names: the first name of each group, by name.

    SST-2, SST-5 and Rotten Tomatoes are the same sentences, for one. Two sets are the same corpus where more than a
    ``share`` of the smaller one's texts is in the sketches of both. All sketches are of one size.
    """
    longest = max(map(len, sketches.values()), default=0)
    groups: dict[str, str] = {}
    for name, ours in sketches.items():
        alike = (first for other, first in groups.items() if _common(ours, sketches[other], longest) > share)
        groups[name] = next(alike, name)
    return groups


def _common(one: Sequence[int], other: Sequence[int], size: int) -> float:
    """The share of the smaller corpus that is in the other, of the hashes that both sketches reach to."""
    full = [sketch[-1] for sketch in (one, other) if len(sketch) == size]  # others have every hash there is
    reach = min(full, default=1 << 48)
    ours, theirs = ({value for value in sketch if value <= reach} for sketch in (one, other))
    return len(ours & theirs) / max(min(len(ours), len(theirs)), 1)

"""Words: a treebank-style tokenizer, a vocabulary, and ids of fixed length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

PAD, UNKNOWN = "[PAD]", "[UNK]"
_UNKNOWN = 1  # its id
MAX_LENGTH = 64
_NOTED = 0.1  # the share that nobody sees, above which that is said

# Contractions are split as the Penn treebank does it (wo|n't, it|'s), so text that is tokenised already
# and raw text meet in the same words. Hyphenated compounds are split: their parts have vectors.
# In scripts without spaces between words every character is a word.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"(?:(?![{_UNSPACED}])\w)"  # not an intersection of classes, which lacks the fractions of \w, such as ½
_TOKEN = rf"[{_UNSPACED}]|{_LETTER}+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|d|m)\b|{_LETTER}+|\.\.+|[^\w\s]"


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    brackets = [normalizers.Replace(*pair) for pair in (("’", "'"), ("-lrb-", "("), ("-rrb-", ")"))]
    tags = normalizers.Replace(Regex(r"<br\s*/?>"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), tags, normalizers.Lowercase(), *brackets])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_TOKEN), "removed", invert=True)
    return tokenizer


@dataclass(frozen=True)
class Vocabulary:
    """Known words, the padding and the unknown word first; row ``i`` of a table of vectors belongs to ``words[i]``."""

    words: tuple[str, ...]

    @cached_property
    def _encoder(self) -> Tokenizer:
        return _tokenizer({word: i for i, word in enumerate(self.words)})

    def ids(self, texts: Sequence[str], length: int | None = None) -> list[np.ndarray]:
        """The ids of every text's words, ``int32[words]`` each, at most ``length`` of them."""
        # Cut here: the tokenizer's own limit is one for all threads that use it.
        return [np.asarray(e.ids[:length], np.int32) for e in self._encoder.encode_batch_fast(list(texts))]

    def encode(self, texts: Sequence[str], length: int) -> np.ndarray:
        """Ids cut and padded to ``int32[texts, length]``."""
        return padded(self.ids(texts, length), length)


def padded(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Rows of ids, none longer than ``length``, filled up with zeros: ``int32[rows, length]``."""
    out = np.zeros((len(rows), length), np.int32)
    for row, ids in zip(out, rows):
        row[: len(ids)] = ids
    return out


def build_vocabulary(texts: Iterable[str], min_count: int = 1) -> Vocabulary:
    """The words that occur at least ``min_count`` times, the most frequent first."""
    from tokenizers import trainers

    tokenizer = _tokenizer({PAD: 0, UNKNOWN: 1})
    trainer = trainers.WordLevelTrainer(
        vocab_size=10_000_000, min_frequency=min_count, special_tokens=[PAD, UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    return Vocabulary(tuple(sorted(ids, key=ids.__getitem__)))


def unseen(texts: Sequence[np.ndarray], length: int) -> list[str]:
    """Notes on what networks do not see of texts, where it is more than a tenth: words cut off, and unknown words.

    Args:
      texts: the ids of the words of each, uncut.
      length: words of a text that are read.
    """
    counts = np.array([len(ids) for ids in texts])
    cut, notes, total = np.maximum(counts - length, 0), [], max(counts.sum(), 1)
    if max(cut.sum() / total, (cut > 0).mean()) > _NOTED:
        notes.append(
            f"{(cut > 0).sum():,} of {len(counts):,} texts are longer than {length} words, the rest of which nobody "
            f"reads: {cut.sum() / total:.0%} of all words; config.data.length sets how many are read"
        )
    strange = sum(np.count_nonzero(ids == _UNKNOWN) for ids in texts) / total
    if strange > _NOTED:
        notes.append(
            f"{strange:.0%} of all words are unknown, and nobody sees them: they occur once, or have no vector"
        )
    return notes


def choose_length(lengths: Sequence[int], limit: int = MAX_LENGTH) -> int:
    """A length that leaves 98 % of the texts whole, as a multiple of 4, at most ``limit``."""
    if not len(lengths):
        raise ValueError("no texts to choose a length from")
    return int(min(limit, max(4, -(-np.percentile(lengths, 98) // 4) * 4)))

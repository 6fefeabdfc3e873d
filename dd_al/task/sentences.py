"""Texts as frozen sentence vectors: what networks read in place of word vectors (`config.inputs=sentences`)."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from dd_al.config.data import EncoderSettings
from dd_al.core.errors import DataError
from dd_al.data import minilm_files
from dd_al.data.dataset import Dataset
from dd_al.data.minilm_files import EncoderFiles
from dd_al.data.text import Vocabulary
from dd_al.data.vectors import WordVectors
from dd_al.task.encoder import compute, embed


def sentence_features(texts: Sequence[str], files: EncoderFiles, *, keep: bool = False) -> np.ndarray:
    """A vector per text, ``float32[texts, width]``.

    They are scaled to a mean square of 1, which suits the learners' first rates and the float16 of artefacts.

    Args:
      texts: any.
      files: of the encoder.
      keep: whether the vectors are kept in the user's cache folder, and looked for there.
    """
    vectors = (embed if keep else compute)(texts, files)
    return (vectors * vectors.shape[1] ** 0.5).astype(np.float16).astype(np.float32)


def sentence_vectors(
    settings: EncoderSettings, dataset: Dataset
) -> tuple[WordVectors, np.ndarray, dict[str, np.ndarray]]:
    """The sentences of a task in the form of words: every text is one "word" with a vector of its own.

    Returns:
      The training texts as a vocabulary, to look nearest ones up in; the vectors of all texts, ``float32[rows, dim]``;
      and the row of each text by split, ``int32[texts, 1]``.

    Raises:
      DataError: the encoder's files are not there; the message has the command that installs them.
    """
    start = time.perf_counter()
    files = minilm_files.load(settings)
    splits = {split: getattr(dataset, split).texts for split in ("train", "validation", "test")}
    features = sentence_features([text for texts in splits.values() for text in texts], files, keep=True)
    table = np.concatenate([np.zeros((2, features.shape[1]), np.float32), features])  # padding and the unknown word
    ids, first = {}, 2
    for split, texts in splits.items():
        ids[split] = np.arange(first, first + len(texts), dtype=np.int32)[:, None]
        first += len(texts)
    words = ("[PAD]", "[UNK]", *(" ".join(text.split()) for text in dataset.train.texts))
    report = {
        "source": f"{files.name} ({files.source})",
        "sha256": files.sha256,
        "dim": table.shape[1],
        "sentences": first - 2,
        "seconds": round(time.perf_counter() - start, 3),
    }
    return WordVectors(Vocabulary(words), table[: len(words)], len(words), report), table, ids


def encoder_of(sha256: str, settings: EncoderSettings | None = None) -> EncoderFiles:
    """The encoder whose files have this hash.

    Raises:
      DataError: its files are not there, or they are other ones.
    """
    files = minilm_files.load(settings)
    if files.sha256 != sha256:
        raise DataError(
            f"this set was distilled with a sentence encoder whose files have the hash {sha256[:12]}…; those in "
            f"{files.folder} have {files.sha256[:12]}…: set DD_AL_ENCODER to the folder that it was made with"
        )
    return files

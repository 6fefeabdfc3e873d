"""Texts as frozen sentence vectors: what networks read in place of word vectors (`config.inputs=sentences`)."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from dd_al.core.errors import DataError
from dd_al.data import minilm_files
from dd_al.data.dataset import TextDataset
from dd_al.data.minilm_files import EncoderFiles, EncoderSettings
from dd_al.data.text import Vocabulary
from dd_al.data.vectors import WordVectors
from dd_al.experiments.encoder import embed


def sentence_table(texts: Sequence[str], files: EncoderFiles) -> np.ndarray:
    """A row per text behind two rows of zeros, ``float32[2 + texts, width]``.

    Rows are scaled to a mean square of 1, which suits the learners' first rates and the float16 of artefacts.
    """
    vectors = embed(texts, files)
    scaled = (vectors * vectors.shape[1] ** 0.5).astype(np.float16).astype(np.float32)
    return np.concatenate([np.zeros((2, vectors.shape[1]), np.float32), scaled])


def sentence_vectors(
    settings: EncoderSettings, dataset: TextDataset
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
    table = sentence_table([text for texts in splits.values() for text in texts], files)
    ids, first = {}, 2
    for split, texts in splits.items():
        ids[split] = np.arange(first, first + len(texts), dtype=np.int32)[:, None]
        first += len(texts)
    words = ("[PAD]", "[UNK]", *(" ".join(text.split()) for text in dataset.train.texts))
    report = {
        "source": f"{minilm_files.REPOSITORY} ({files.source})",
        "sha256": files.sha256,
        "dim": table.shape[1],
        "sentences": first - 2,
        "seconds": round(time.perf_counter() - start, 3),
    }
    return WordVectors(Vocabulary(words), table[: len(words)], len(words), report), table, ids


def encoder_of(spec: dict, settings: EncoderSettings | None = None) -> EncoderFiles:
    """The encoder that an artefact's sets were distilled with.

    Raises:
      DataError: its files are not there, or they are other ones.
    """
    files = minilm_files.load(settings)
    if files.sha256 != spec["encoder"]:
        raise DataError(
            f"this set was distilled with a sentence encoder whose files have the hash {spec['encoder'][:12]}…; "
            f"those in {files.folder} have {files.sha256[:12]}…"
        )
    return files

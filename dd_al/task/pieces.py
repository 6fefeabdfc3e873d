"""Texts as the word pieces of a pretrained encoder, which is trained on them (`config.inputs=pieces`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dd_al.config.data import EncoderSettings
from dd_al.core.errors import ConfigError, DataError
from dd_al.data import minilm_files
from dd_al.data.dataset import Dataset
from dd_al.data.text import PAD, Vocabulary, choose_length, padded
from dd_al.data.vectors import WordVectors
from dd_al.models.base import Model
from dd_al.models.fine_tuned import fine_tuned
from dd_al.task.encoder import pretrained

_LEAST = 3  # a text begins with [CLS] and ends with [SEP]


class Pieces(NamedTuple):
    """A task's texts as word pieces, and the network that reads them.

    Attributes:
      vectors: the word pieces with their vectors.
      ids: ``int32[n, length]`` of each split.
      model: the encoder with a head.
    """

    vectors: WordVectors
    ids: dict[str, np.ndarray]
    model: Model


def word_pieces(settings: EncoderSettings, dataset: Dataset, length: int | None, dropout: float) -> Pieces:
    """Cuts the texts into word pieces, and makes the network.

    Args:
      settings: where the encoder is.
      dataset: the texts.
      length: word pieces of a text at most, [CLS] and [SEP] among them; if None, what leaves 98 % of the training texts
        whole.
      dropout: in the encoder, and in its head.

    Raises:
      ConfigError: the length leaves no room for a word piece.
      DataError: the encoder's files are not there, or do not belong together.
    """
    if length is not None and length < _LEAST:
        raise ConfigError(
            f"config.data.length = {length}: [CLS] and [SEP] leave no room for words; give {_LEAST} at least"
        )
    files = minilm_files.load(settings)
    if files.tokenizer.token_to_id(PAD) != 0:
        raise DataError(f"{files.folder / 'tokenizer.json'}: the word piece with the id 0 has to be {PAD}")
    length = length or choose_length([len(pieces) for pieces in files.word_pieces(dataset.train.texts)])
    sizes, params = pretrained(files, length)
    ids = {
        split: padded(files.word_pieces(getattr(dataset, split).texts, length), length)
        for split in ("train", "validation", "test")
    }
    table = params["words"].copy()
    table[0] = 0  # of padding, which nothing reads
    words = tuple(files.tokenizer.id_to_token(i) or f"[unused{i}]" for i in range(len(table)))
    report = {"source": f"{files.name} ({files.source})", "sha256": files.sha256}
    report |= {"dim": sizes.hidden_size, "words": len(table)}
    vectors = WordVectors(Vocabulary(words), table, len(words), report)
    return Pieces(vectors, ids, fine_tuned(sizes, params, dataset.num_classes, dropout=dropout))

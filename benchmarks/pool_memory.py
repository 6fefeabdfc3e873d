"""Peak memory of scoring a large pool with MC dropout, over that of a small one.

    python -m benchmarks.pool_memory

A TextCNN (windows 1, 2, 3 of 64 filters) over 100-dimensional word vectors, sentences of 32 words that are embedded on
the fly, 10 passes, 5 classes: `dd_al.active.mc_dropout.streaming`, then every score, compiled. A process for each size,
which also holds the ids of its pool; `more_mb` is what the large pool takes over the small one.
"""

import sys
import time
from multiprocessing import get_context

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import finish, flags
from dd_al.active.mc_dropout import streaming
from dd_al.active.scores import SCORES
from dd_al.io.environment import peak_rss_mb
from dd_al.models.embedding import Lookup
from dd_al.models.text_cnn import text_cnn

VOCABULARY, DIM, LENGTH, CLASSES = 20_000, 100, 32, 5


def peak(texts: int, passes: int) -> dict:
    """Scores a pool and returns the seconds and the largest memory of this process, in MB."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(VOCABULARY, DIM)).astype(np.float32) * 0.1
    model, table = text_cnn(DIM, CLASSES, windows=(1, 2, 3), filters=64, dropout=0.5), jnp.asarray(vectors)
    ids = rng.integers(1, VOCABULARY, (texts, LENGTH), np.uint16)  # half of int32, and as good an index
    run = streaming(model, Lookup(table), passes=passes)
    start = time.perf_counter()
    statistics = run(model.init(jax.random.key(0)), ids, jax.random.key(1))
    for name, score in SCORES.items():
        values = jax.jit(score)(statistics)
        if values.shape != (texts,) or not np.isfinite(values).all():
            raise AssertionError(f"{name}: {values.shape}")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mb": peak_rss_mb()}


def main(argv: list[str] | None = None) -> int:
    """Measures both sizes and prints one line of JSON."""
    pools = {"texts": (1_000_000, "in the large pool"), "small": (10_000, "in the small one")}
    options = flags(__doc__, argv, **pools, passes=(10, "with dropout"))
    sizes = [(texts, options.passes) for texts in (options.small, options.texts)]
    with get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        small, large = processes.starmap(peak, sizes, chunksize=1)
    return finish({"more_mb": large["mb"] - small["mb"], "small": small, "large": large})


if __name__ == "__main__":
    sys.exit(main())

"""MC-dropout scoring of a pool, beside baal on PyTorch.

    pip install -e '.[bench]'
    pip install --no-deps baal==2.1.0 structlog torchmetrics lightning-utilities  # the peer; left out where it is not
    python -m benchmarks.mc_dropout

A KimCNN (windows 3, 4, 5 of 100 filters, dropout 0.5) over 300-dimensional word vectors, sentences of 50 words, 10
passes, 5 classes. Both sides get token ids and return the probabilities of every pass, with the same weights, number
of threads and chunk of texts; the fastest of `--repeats` calls counts.

- `trunk_reuse`: dropout after the pooling, as in KimCNN, so that the trunk runs once; baal runs it in every pass.
- `full_passes`: words are dropped, too (rate 0.1), so that every pass is different from its first layer on, on both
  sides, and runs all of the network on both.
- `word_table`: the same again, with what the network makes of a word alone computed once for each word, as dd_al does
  on a CPU (`trunk_reuse` does so, too).

The run fails unless the mean predictions agree as closely as their number of passes allows.
"""

import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import REPEATS, THREADS, fastest, finish, flags, installed
from dd_al.active import mc_dropout
from dd_al.learner.examples import make_examples
from dd_al.models.base import Model
from dd_al.models.embedding import Lookup, dropping_words
from dd_al.models.text_cnn import text_cnn

VOCABULARY, DIM, LENGTH, CLASSES, WINDOWS, FILTERS = 10_000, 300, 50, 5, (3, 4, 5), 100
CHUNK, WORD_DROPOUT = 256, 0.1


def make_problem(texts: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict]:
    """Token ids without padding, word vectors, and parameters none of which is zero."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(VOCABULARY, DIM)).astype(np.float32) * 0.1
    vectors[0] = 0
    ids = rng.integers(1, VOCABULARY, (texts, LENGTH)).astype(np.int32)
    shapes = jax.eval_shape(_model().init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: (rng.normal(size=leaf.shape) * 0.1).astype(np.float32), shapes)
    return ids, vectors, params


def _model() -> Model:
    return text_cnn(DIM, CLASSES, windows=WINDOWS, filters=FILTERS, dropout=0.5)


def dd_al_side(
    ids: np.ndarray, vectors: np.ndarray, params: dict, passes: int, full: bool, by_word: bool = True
) -> Callable[[], np.ndarray]:
    """Ids to ``float32[passes, texts, classes]``; for ``full`` and ``by_word`` see above."""
    model = dropping_words(_model(), WORD_DROPOUT) if full else _model()
    model = model if by_word else model._replace(over_table=None)
    table, key = jnp.asarray(vectors), jax.random.key(0)
    pool = make_examples(ids, np.zeros((len(ids), CLASSES), np.float32), buckets=1)

    @jax.jit
    def run(params: dict, table: jax.Array, buckets: tuple) -> jax.Array:
        texts = pool._replace(buckets=buckets)  # an argument: a constant would be folded into the program
        return mc_dropout.probabilities(model, params, texts, Lookup(table), key, passes=passes, chunk=CHUNK)

    return lambda: np.asarray(run(params, table, pool.buckets))


def baal_side(ids: np.ndarray, vectors: np.ndarray, params: dict, passes: int, full: bool) -> Callable[[], np.ndarray]:
    """The same by baal's `ModelWrapper.predict_on_dataset`, with the layers as PyTorch has them."""
    import torch
    from baal.active.dataset.base import Dataset
    from baal.bayesian.dropout import patch_module
    from baal.modelwrapper import ModelWrapper, TrainingArgs

    class KimCNN(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words = torch.nn.Embedding.from_pretrained(torch.from_numpy(vectors))
            self.convs = torch.nn.ModuleList(torch.nn.Conv1d(DIM, FILTERS, w, padding=w - 1) for w in WINDOWS)
            self.drop_words = torch.nn.Dropout2d(WORD_DROPOUT)  # of planes [1, dim]: baal makes this one stochastic
            self.dropout, self.output = torch.nn.Dropout(0.5), torch.nn.Linear(len(WINDOWS) * FILTERS, CLASSES)

        def forward(self, rows):
            x = self.words(rows.long())
            if full:  # what is kept is scaled up; dd_al leaves it as it is
                x = self.drop_words(x[:, :, None])[:, :, 0] * (1 - WORD_DROPOUT)
            x = x.transpose(1, 2)
            # A window may start on any word and reach past the last one.
            pooled = [conv(x)[..., conv.kernel_size[0] - 1 :].amax(-1) for conv in self.convs]
            return self.output(self.dropout(torch.relu(torch.cat(pooled, 1))))

    class Pool(Dataset):
        def __len__(self):
            return len(ids)

        def __getitem__(self, index):
            return torch.from_numpy(ids[index]), 0

    torch.set_num_threads(THREADS)
    network = KimCNN()
    with torch.no_grad():
        for window, conv in zip(WINDOWS, network.convs):
            layer = params[f"conv{window}"]
            kernel = layer["kernel"].reshape(FILTERS, window, DIM).transpose(0, 2, 1)
            conv.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
            conv.bias.copy_(torch.from_numpy(layer["bias"]))
        network.output.weight.copy_(torch.from_numpy(np.ascontiguousarray(params["output"]["kernel"].T)))
        network.output.bias.copy_(torch.from_numpy(params["output"]["bias"]))
    arguments = TrainingArgs(batch_size=CHUNK, use_cuda=False, workers=0, replicate_in_memory=True)
    wrapper = ModelWrapper(patch_module(network), arguments)

    def run() -> np.ndarray:
        with torch.no_grad():
            logits = wrapper.predict_on_dataset(Pool(), iterations=passes, verbose=False)  # [texts, classes, passes]
        return torch.softmax(torch.from_numpy(logits), 1).permute(2, 0, 1).numpy()

    return run


def main(argv: list[str] | None = None) -> int:
    """Times all sides and prints the result; 1 where they disagree."""
    options = flags(
        __doc__,
        argv,
        texts=(10_000, "in the pool"),
        passes=(10, "with dropout"),
        repeats=REPEATS,
        peer_repeats=(1, "timed calls of baal, which take a minute each"),
    )
    problem, wrong, peers = make_problem(options.texts), [], {}  # baal is the same with and without a table of words
    result: dict = {"texts": options.texts, "passes": options.passes}
    for name, full, by_word in (
        ("trunk_reuse", False, True), ("full_passes", True, False), ("word_table", True, True)
    ):  # fmt: skip
        seconds, ours = fastest(dd_al_side(*problem, options.passes, full, by_word), options.repeats)
        result[f"dd_al_{name}_s"] = seconds
        if not installed("baal"):
            continue
        if full not in peers:
            peers[full] = fastest(baal_side(*problem, options.passes, full), options.peer_repeats)
        theirs_s, theirs = peers[full]
        # Means of as many independent passes, over all texts and classes: a hundredth is far outside of chance.
        difference = float(np.abs(ours.mean((0, 1)) - theirs.mean((0, 1))).max())
        result |= {f"baal_{name}_s": theirs_s, f"speedup_{name}": theirs_s / seconds, f"difference_{name}": difference}
        if not difference < 0.01:
            wrong.append(name)
    return finish(result, "torch", "baal", wrong=f"the sides disagree: {', '.join(wrong)}" if wrong else "")


if __name__ == "__main__":
    sys.exit(main())

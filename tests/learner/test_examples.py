"""Length buckets and their minibatches: every example once an epoch, with its own target, in fixed shapes."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.learner import optimizers
from dd_al.learner.examples import make_examples, minibatch, steps_per_epoch
from dd_al.learner.learner import make_learner
from dd_al.models.embedding import embed
from dd_al.models.text_cnn import text_cnn

CLASSES = 3


def texts(n, length=12, seed=0):
    """Texts whose first word is their row + 1 and whose target holds that row, so that the two can be compared."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, length + 1, n)
    ids = rng.integers(1, 50, (n, length)) * (np.arange(length) < lengths[:, None])
    ids[:, 0] = np.arange(n) + 1
    targets = np.stack([np.arange(n), lengths, np.zeros(n)], 1)
    return ids.astype(np.int32), targets.astype(np.float32)


def rows_of(batch):
    """The rows in a batch, after checking that inputs and targets agree on them."""
    rows = np.concatenate([part[:, 0] for part in batch.inputs]) - 1
    np.testing.assert_array_equal(batch.targets[:, 0], rows)
    return rows


def epoch(examples, batch_size, number=0, key=0):
    per_epoch = steps_per_epoch(examples, batch_size)
    draw = jax.jit(lambda step: minibatch(examples, lambda raw: raw, jax.random.key(key), step, batch_size))
    return [rows_of(draw(number * per_epoch + i)) for i in range(per_epoch)]


@pytest.mark.parametrize(("n", "buckets"), [(40, 4), (43, 4), (43, 1), (9, 4), (3, 4)])
def test_buckets_hold_every_text_once_sorted_and_cut_by_length(n, buckets):
    ids, targets = texts(n)
    examples = make_examples(ids, targets, buckets=buckets)
    assert sum(len(b.raw) for b in examples.buckets) == n and len(examples.buckets) == max(1, min(buckets, n // 8))
    np.testing.assert_array_equal(np.sort(examples.order), np.arange(n))
    sizes = [len(bucket.raw) for bucket in examples.buckets]
    assert max(sizes) - min(sizes) <= 1
    widths = [bucket.raw.shape[1] for bucket in examples.buckets]
    assert widths == sorted(widths) and widths[-1] == (ids != 0).sum(1).max()
    start = 0
    for bucket in examples.buckets:
        rows = examples.order[start : start + len(bucket.raw)]
        np.testing.assert_array_equal(bucket.raw, ids[rows, : bucket.raw.shape[1]])
        assert not ids[rows, bucket.raw.shape[1] :].any()  # nothing but padding was cut
        np.testing.assert_array_equal(bucket.targets, targets[rows])
        start += len(bucket.raw)


def test_texts_of_one_length_keep_their_order():
    ids, targets = texts(20)
    ids[:] = ids[:, :1]
    np.testing.assert_array_equal(make_examples(ids, targets, buckets=2).order, np.arange(20))


def test_an_empty_text_keeps_one_position():
    examples = make_examples(np.zeros((2, 5), np.int32), np.zeros((2, 2)))
    assert examples.buckets[0].raw.shape == (2, 1)


@pytest.mark.parametrize(("n", "buckets", "batch_size"), [(40, 4, 8), (40, 1, 10), (40, 2, 40), (32, 4, 32)])
def test_an_epoch_covers_each_example_once(n, buckets, batch_size):
    examples = make_examples(*texts(n), buckets=buckets)
    drawn = epoch(examples, batch_size)
    assert all(len(rows) == batch_size for rows in drawn)
    np.testing.assert_array_equal(np.sort(np.concatenate(drawn)), np.arange(n))


@pytest.mark.parametrize(("n", "buckets", "batch_size", "shape"), [(43, 4, 10, (5, 8)), (43, 1, 64, (1, 43))])
def test_odd_sizes_repeat_nothing_within_an_epoch(n, buckets, batch_size, shape):
    drawn = np.array(epoch(make_examples(*texts(n), buckets=buckets), batch_size))
    assert drawn.shape == shape and len(np.unique(drawn)) == drawn.size


def test_a_minibatch_draws_the_same_number_of_every_length():
    examples = make_examples(*texts(40), buckets=4)
    parts = np.array_split(examples.order, 4)
    for rows in epoch(examples, 8):
        assert [np.isin(rows, part).sum() for part in parts] == [2, 2, 2, 2]


def test_epochs_and_keys_shuffle_differently_and_repeatably():
    examples = make_examples(*texts(40), buckets=1)
    first, again, second, other = (np.array(epoch(examples, 8, *each)) for each in ((0,), (0,), (1,), (0, 1)))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any() and (first != other).any()


@pytest.mark.usefixtures("own_caches")  # compiles in half the time
def test_twenty_training_steps_trace_once():
    ids, _ = texts(43)
    examples = make_examples(ids, np.eye(CLASSES)[ids[:, 0] % CLASSES], buckets=2)
    vectors = jnp.asarray(np.random.default_rng(1).normal(size=(64, 4)), jnp.float32).at[0].set(0)
    learner = make_learner(text_cnn(4, CLASSES, windows=(2,), filters=4), optimizers.get("momentum"))
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def train_step(state, step):
        batch = minibatch(examples, lambda raw: embed(vectors, raw), jax.random.key(0), step, 8)
        return learner.train_step(jax.random.key(1), state, batch, jnp.full(2, 0.01))

    state = jax.jit(learner.init)(jax.random.key(2))
    for step in range(20):  # four epochs of five steps
        state = train_step(state, jnp.int32(step))
    chex.assert_tree_all_finite(state.params)

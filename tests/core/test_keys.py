"""Random streams: a function of key, name and index alone; pinned, because results hang on them."""

import itertools

import jax
import numpy as np
import pytest

from dd_al.core.keys import stream


def bits(key):
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


@pytest.mark.parametrize(
    ("seed", "name", "index", "expected"),
    [
        (0, "inner_init", None, (3636980158, 3498372047)),
        (0, "inner_init", 0, (3359932656, 1188441958)),
        (0, "inner_init", 7, (2037595201, 3329588077)),
        (1, "inner_init", None, (3893892477, 4188166971)),
        (0, "real_batch", None, (164325480, 1588076336)),
    ],
)
def test_values_are_pinned(seed, name, index, expected):
    assert bits(stream(jax.random.key(seed), name, index)) == expected


def test_streams_differ_from_each_other_and_from_their_key():
    names = ("inner_init", "inner_dropout", "real_batch", "epoch", "noise", "evaluation")
    keys = [jax.random.key(0), jax.random.key(1)]
    streams = [bits(stream(*each)) for each in itertools.product(keys, names, (None, 0, 1))]
    streams += [bits(key) for key in keys]
    assert len(set(streams)) == len(streams)


def test_an_index_may_be_traced():
    key = jax.random.key(3)
    traced = jax.jit(lambda index: stream(key, "epoch", index))(5)
    assert bits(traced) == bits(stream(key, "epoch", 5))

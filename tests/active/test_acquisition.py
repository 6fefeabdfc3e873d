"""One protocol for every query: k texts of the pool, none twice, none that is not available."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.active.acquisition import ACQUISITIONS, View
from dd_al.config.active import ActiveSettings
from dd_al.learner import optimizers
from dd_al.learner.examples import make_examples
from dd_al.learner.learner import make_learner
from dd_al.models.embedding import embed
from dd_al.models.text_cnn import text_cnn

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
DIM, CLASSES, TEXTS, PLACES = 4, 3, 30, 8
VECTORS = jnp.asarray(RNG.normal(size=(30, DIM)), jnp.float32).at[0].set(0)
IDS = (RNG.integers(1, 30, (TEXTS, 7)) * (np.arange(7) < RNG.integers(1, 8, TEXTS)[:, None])).astype(np.int32)
LABELS = RNG.integers(0, CLASSES, TEXTS)
LABELLED = np.asarray([4, 9, 17, 20, 28])
LEARNER = make_learner(text_cnn(DIM, CLASSES, windows=(1, 2), filters=4), optimizers.get("adam"))
EVERY = pytest.mark.parametrize("name", ACQUISITIONS)
KEY = jax.random.key(3)


def view(places=PLACES, unavailable=()):
    state = LEARNER.init(KEY)
    rng = np.random.default_rng(1)  # no parameter is zero
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), state.params)
    available = np.ones(TEXTS, bool)
    available[[*LABELLED, *unavailable]] = False
    labelled = np.zeros(places, np.int32)
    labelled[: len(LABELLED)] = LABELLED
    targets = np.zeros((places, CLASSES), np.float32)
    targets[np.arange(len(LABELLED)), LABELS[LABELLED]] = 1
    pool = make_examples(IDS, np.eye(CLASSES)[LABELS], buckets=2)
    return View(
        ActiveSettings(passes=4), LEARNER, state._replace(params=params), jnp.asarray(IDS), pool, pool,
        lambda raw: embed(VECTORS, raw), jax.random.key(5), jnp.asarray(available), jnp.asarray(labelled),
        jnp.asarray(targets),
    )  # fmt: skip


def picked(name, k, **options):
    @jax.jit
    def run(key):
        seen_by = view(**options)
        return ACQUISITIONS[name].select(key, seen_by, seen_by.look(ACQUISITIONS[name].needs), k)

    return np.asarray(run(KEY))


@EVERY
def test_k_of_those_that_are_available_and_none_twice(name):
    out = (0, 1, 2)
    picks = picked(name, 6, unavailable=out)
    assert picks.shape == (6,) and picks.dtype == jnp.int32
    chosen = set(picks.tolist())
    assert len(chosen) == 6 and chosen <= set(range(TEXTS)) - set(out) - set(LABELLED.tolist())


@pytest.mark.slow
@EVERY
def test_all_that_is_left_can_be_taken(name):
    left = TEXTS - len(LABELLED)
    assert sorted(picked(name, left).tolist()) == sorted(set(range(TEXTS)) - set(LABELLED.tolist()))


@pytest.mark.slow
@EVERY
def test_places_without_a_text_change_nothing(name):
    np.testing.assert_array_equal(picked(name, 4, places=len(LABELLED)), picked(name, 4, places=20))

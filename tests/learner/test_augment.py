import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch
from dd_al.learner import optimizers
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import make_learner, shifted
from dd_al.models.dense import mlp

pytestmark = pytest.mark.usefixtures("own_caches")

RNG = np.random.default_rng(0)
IMAGES = jnp.asarray(RNG.normal(size=(200, 5, 4, 2)), jnp.float32)


def moved(image, down, right):
    """By hand: pixel (y, x) shows what was `down` above and `right` to the left of it, or else the edge."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows][:, columns]


def test_images_move_by_whole_pixels_each_by_its_own_and_repeat_their_edge():
    found, seen = np.asarray(shifted(jax.random.key(0), IMAGES, 1)), set()
    places = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    for image, result in zip(np.asarray(IMAGES), found):
        (place,) = [p for p in places if np.array_equal(moved(image, *p), result)]
        seen.add(place)
    assert seen == set(places)


def test_none_is_none():
    np.testing.assert_array_equal(shifted(jax.random.key(0), IMAGES, 0), IMAGES)


MODEL = mlp((4, 4, 1), 2, width=3, depth=1)
TARGETS = jax.nn.one_hot(jnp.arange(6) % 2, 2)


def test_every_learner_and_every_step_has_shifts_of_its_own_and_the_same_ones_again():
    inputs = jnp.asarray(RNG.normal(size=(6, 4, 4, 1)), jnp.float32)
    learner = make_learner(MODEL, optimizers.get("sgd"), shift=1)
    train = jax.jit(lambda state, rates: differentiable_training(learner)(state, Batch((inputs,), TARGETS), rates))
    state = learner.init(jax.random.key(0))

    def same(one, other):
        return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params)))

    rates = jnp.full((3, 2), 0.5)
    assert same(train(state, rates), train(state, rates))
    other = state._replace(key=learner.init(jax.random.key(1)).key)
    assert not same(train(state, rates), train(other, rates))
    # Only one of two steps moves: the first, or the second, whose images are elsewhere.
    assert not same(*(train(state, jnp.outer(jnp.array(which), jnp.ones(2))) for which in ([1.0, 0.0], [0.0, 1.0])))


@pytest.mark.parametrize("name", ["full", "checkpoint", "reverse"])
def test_hypergradients_pass_through_shifts(name):
    with jax.enable_x64(True):
        inputs = jnp.asarray(RNG.normal(size=(6, 4, 4, 1)))
        learner = make_learner(MODEL, optimizers.get("adam"), shift=1)
        state = jax.tree.map(
            lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x,
            learner.init(jax.random.key(0)),
        )
        state.params["output"]["kernel"] = jnp.asarray(RNG.normal(size=(3, 2)))
        train = differentiable_training(learner, name)

        @jax.jit
        def loss(inputs):
            final = train(state, Batch((inputs,), TARGETS.astype(jnp.float64)), jnp.full((4, 2), 0.1))
            return jnp.sum(jnp.sin(MODEL.apply(final.params, IMAGES[:3, :4, :, :1].astype(jnp.float64))))

        ways = jnp.asarray(RNG.normal(size=(5, *inputs.shape)))
        slopes = jnp.stack([(loss(inputs + 1e-6 * way) - loss(inputs - 1e-6 * way)) / 2e-6 for way in ways])
        gradient = jax.grad(loss)(inputs)
        np.testing.assert_allclose(jnp.sum(ways * gradient, (1, 2, 3, 4)), slopes, rtol=1e-5, atol=1e-9)

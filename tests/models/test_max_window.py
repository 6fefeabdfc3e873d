"""Max-pooled convolution: its derivatives of both orders against those of a maximum, however they are computed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.models import max_window as module
from dd_al.models.max_window import max_window, weighted_windows

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

LENGTH, DIM, FILTERS, WORDS = 6, 3, 5, 2


def case(batch, dtype=np.float32, nets=()):
    rng = np.random.default_rng(batch)
    texts = rng.normal(size=(batch, LENGTH, DIM)).astype(dtype)
    mask = np.arange(LENGTH) < rng.integers(1, LENGTH + 1, (batch, 1))
    kernel = rng.normal(size=(*nets, FILTERS, WORDS * DIM)).astype(dtype)
    return jnp.asarray(texts * mask[..., None]), jnp.asarray(mask), jnp.asarray(kernel)


def maximum(texts, mask, kernel):
    """The same by a plain maximum, which differentiates to the same where nothing ties."""
    padded = jnp.pad(texts, ((0, 0), (0, WORDS - 1), (0, 0)))
    windows = jnp.concatenate([padded[:, i : i + LENGTH] for i in range(WORDS)], -1)
    return jnp.where(mask[..., None], windows @ kernel.T, -1e9).max(1)


def training(pool, mask, steps=3):
    """A function of texts and kernels that trains several nets on the texts, as an unroll does."""

    def loss(kernel, texts):
        return jnp.mean(jnp.tanh(pool(texts, mask, kernel)) ** 2)

    def trained(texts, kernels):
        def one(kernel):
            step = lambda k, _: (k - 0.5 * jax.grad(loss)(k, texts), None)  # noqa: E731
            return loss(jax.lax.scan(step, kernel, None, length=steps)[0], texts)

        return jax.vmap(one)(kernels).sum()

    return trained


# Fewer texts than a chunk, exactly one, and several with a rest.
BATCHES = (3, 16, 37)


@pytest.mark.parametrize("batch", BATCHES)
def test_value_and_gradients_are_those_of_a_maximum(batch):
    texts, mask, kernel = case(batch)
    np.testing.assert_allclose(jax.jit(max_window)(texts, mask, kernel), maximum(texts, mask, kernel), atol=1e-5)

    def gradients(pool):
        return jax.jit(jax.grad(lambda t, k: jnp.sum(jnp.sin(pool(t, mask, k))), (0, 1)))(texts, kernel)

    for ours, expected in zip(gradients(max_window), gradients(maximum), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize("batch", BATCHES)
def test_gradients_through_training_are_those_of_a_maximum(batch):
    with jax.enable_x64(True):
        texts, mask, kernels = case(batch, np.float64, nets=(2,))

        def gradients(pool):
            return jax.jit(jax.grad(training(pool, mask), (0, 1)))(texts, kernels)

        for ours, expected in zip(gradients(max_window), gradients(maximum), strict=True):
            assert np.abs(expected).max() > 1e-3
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_third_derivatives_and_derivatives_of_texts_before_filters():
    with jax.enable_x64(True):
        texts, mask, kernel = case(3, np.float64)

        def attack(pool, texts, kernel):
            moved = texts + 0.1 * jax.grad(lambda t: jnp.sum(jnp.sin(pool(t, mask, kernel))))(texts)
            return jnp.sum(jnp.sin(pool(moved, mask, kernel)))

        def third(pool, kernel):
            inner = jax.grad(functools.partial(attack, pool, texts))
            return jnp.sum(jnp.sin(inner(kernel)))

        for f in (lambda pool: jax.grad(attack, 2)(pool, texts, kernel), lambda pool: jax.grad(third, 1)(pool, kernel)):
            np.testing.assert_allclose(f(max_window), f(maximum), rtol=1e-9, atol=1e-12)


def test_texts_of_their_own_for_every_net():
    _, mask, kernels = case(3, nets=(2,))
    # No padding: the windows in it would tie.
    texts, mask = jnp.asarray(np.random.default_rng(0).normal(size=(3, LENGTH, DIM))), jnp.ones_like(mask)

    def gradients(pool):
        one = jax.grad(lambda t, k: jnp.sum(jnp.sin(pool(t, mask, k))), (0, 1))
        return jax.jit(jax.vmap(one))(jnp.stack([texts, -texts]), kernels)

    for ours, expected in zip(gradients(max_window), gradients(maximum), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_of_windows_that_tie_the_first_wins():
    texts = jnp.tile(jnp.arange(1.0, 3.0), 3).reshape(1, 6, 1)  # 1 2 1 2 1 2
    mask, kernel = jnp.ones((1, 6), bool), jnp.array([[1.0, 1.0]])
    gradient = jax.grad(lambda t: max_window(t, mask, kernel).sum())(texts)
    np.testing.assert_array_equal(gradient[0, :, 0], [1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("batch", BATCHES)
def test_gathered_windows_are_the_spread_ones(batch):
    texts, _, _ = case(batch)
    rng = np.random.default_rng(0)
    weights = jnp.asarray(rng.normal(size=(FILTERS, batch)), jnp.float32)
    winners = jnp.asarray(rng.integers(0, LENGTH, (FILTERS, batch)), jnp.int32)
    arguments = WORDS, texts, weights, winners
    expected = module._spread_windows(*arguments)
    np.testing.assert_allclose(module._gathered_windows(*arguments), expected, atol=1e-5)
    np.testing.assert_allclose(weighted_windows(*arguments), expected, atol=1e-5)


def test_accelerators_get_dense_products():
    texts, mask, kernel = case(37)
    gradient = jax.jit(jax.grad(lambda k: max_window(texts, mask, k).sum()))

    def lowered(platform):
        return gradient.trace(kernel).lower(lowering_platforms=(platform,)).as_text()

    assert "stablehlo.while" in lowered("cpu")
    for platform in ("cuda", "tpu"):
        assert "stablehlo.while" not in lowered(platform) and "gather" not in lowered(platform)

"""`apply` is the head after the features, and hands each its own key."""

import jax
import jax.numpy as jnp

from dd_al.models.base import Model


def features(params, inputs, key=None):
    return inputs if key is None else inputs + jax.random.normal(key, inputs.shape)


def head(params, h, key=None):
    logits = h @ params["w"]
    return logits if key is None else logits + jax.random.normal(key, logits.shape)


MODEL = Model(lambda key: {"w": jnp.eye(3)}, features, head)
PARAMS = MODEL.init(jax.random.key(0))


def test_without_a_key_it_is_the_head_of_the_features():
    inputs = jnp.arange(6.0).reshape(2, 3)
    assert (MODEL.apply(PARAMS, inputs) == head(PARAMS, features(PARAMS, inputs))).all()


def test_a_key_reaches_both_parts_and_never_as_the_same_key():
    key, inputs = jax.random.key(1), jnp.zeros((2, 3))
    both = MODEL.apply(PARAMS, inputs, key)
    first, second = (jax.random.normal(k, (2, 3)) for k in jax.random.split(key))
    assert (first != second).all()
    assert jnp.allclose(both, first + second, atol=1e-6)

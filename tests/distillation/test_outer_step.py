"""Rates that are the softplus of what the outer optimizer moves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dd_al.distillation.outer_step import of_softplus
from dd_al.distillation.synthetic import Synthetic, rates


def synthetic_of(first):
    inputs = jax.random.normal(jax.random.key(0), (4, 3))
    return Synthetic(inputs, jnp.zeros((4, 2)), jnp.log(jnp.asarray(first))[:, None])


def loss(inputs, rate):
    return jnp.sum((rate - jnp.asarray([[0.5], [3.0], [1e-3]])) ** 2) + jnp.sum(jnp.sin(inputs)) * jnp.mean(rate)


@pytest.mark.parametrize("clip", [0.05, 1e9])
@jax.enable_x64(True)
def test_it_is_adam_in_the_other_coordinate(clip):
    optimizer = optax.chain(optax.clip_by_global_norm(clip), optax.adam(0.05, b1=0.5))
    synthetic = synthetic_of([0.02, 2.0, 0.3])
    free = synthetic._replace(log_rates=jnp.log(jnp.expm1(jnp.exp(synthetic.log_rates))))

    def step(optimizer, rate_of):
        def one(carry, _):
            point, state = carry
            grads = jax.grad(lambda s: loss(s.inputs, rate_of(s)))(point)
            updates, state = optimizer.update(grads, state, point)
            point = optax.apply_updates(point, updates)
            return (point, state), rate_of(point)

        return one

    ours = of_softplus(optimizer)
    (a, _), ours_course = jax.lax.scan(step(ours, rates), (synthetic, ours.init(synthetic)), length=60)
    of_free = step(optimizer, lambda s: jax.nn.softplus(s.log_rates))
    (b, _), free_course = jax.lax.scan(of_free, (free, optimizer.init(free)), length=60)
    np.testing.assert_allclose(ours_course, free_course, rtol=1e-6)
    np.testing.assert_allclose(a.inputs, b.inputs, rtol=1e-6)
    assert np.abs(np.log(ours_course[-1] / ours_course[0])).max() > 0.3  # they have moved


def test_without_a_gradient_nothing_moves():
    synthetic = synthetic_of([1e-6, 0.02, 30.0])
    ours = of_softplus(optax.sgd(0.1))
    updates, _ = ours.update(jax.tree.map(jnp.zeros_like, synthetic), ours.init(synthetic), synthetic)
    assert not np.any(updates.log_rates) and np.isfinite(updates.log_rates).all()

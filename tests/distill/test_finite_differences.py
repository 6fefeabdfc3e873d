"""Every entry of the hypergradient against a central difference in float64, under every inner optimizer.

The step is 1e-6 and Adam's eps_root 1e-6; the output layer is not zero; and with these seeds no ReLU or maximum
changes sides within a step (a kink would be off by far more than the tolerance).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch, TextInputs
from dd_al.distill.synthetic import Synthetic
from dd_al.distill.unrolled import outer_loss
from dd_al.learner import optimizers
from dd_al.learner.learner import LearnerState, layers, make_learner
from dd_al.models.text_cnn import text_cnn

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

ITEMS, LENGTH, DIM, CLASSES, STEPS, INITS, STEP = 3, 4, 3, 3, 4, 2, 1e-6
MODEL = text_cnn(DIM, CLASSES, windows=(2,), filters=6)


def real_batch(rng):
    """Two length buckets, with padding."""
    parts = []
    for lengths, length in (((2, 3, 3), 3), ((5, 6), 6)):
        mask = np.arange(length) < np.array(lengths)[:, None]
        parts.append(TextInputs(jnp.asarray(rng.normal(size=(*mask.shape, DIM)) * mask[..., None]), jnp.asarray(mask)))
    return Batch(tuple(parts), jnp.eye(CLASSES)[jnp.array([0, 1, 2, 0, 1])])


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_hypergradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        rng, optimizer = np.random.default_rng(0), optimizers.get(name, eps_root=1e-6)
        learner, real = make_learner(MODEL, optimizer), real_batch(rng)
        shapes = jax.eval_shape(MODEL.init, jax.random.key(0))
        params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=(INITS, *leaf.shape))), shapes)
        states = LearnerState(params, jax.vmap(optimizer.init)(params))
        synthetic = Synthetic(
            inputs=jnp.asarray(rng.normal(size=(ITEMS, LENGTH, DIM))),
            label_logits=jnp.asarray(rng.normal(size=(ITEMS, CLASSES))),
            log_rates=jnp.asarray(np.log(rng.uniform(0.05, 0.3, (STEPS, len(layers(MODEL)))))),
        )

        def loss(synthetic):
            return outer_loss(learner, synthetic, states, real)[0]

        flat, unflatten = jax.flatten_util.ravel_pytree(synthetic)
        moved = flat + STEP * jnp.concatenate([jnp.eye(flat.size), -jnp.eye(flat.size)])
        up, down = jnp.split(jax.jit(jax.vmap(lambda x: loss(unflatten(x))))(moved), 2)
        difference, gradient = unflatten((up - down) / (2 * STEP)), jax.jit(jax.grad(loss))(synthetic)
        for leaf in Synthetic._fields:
            ours, theirs = np.asarray(getattr(gradient, leaf)), np.asarray(getattr(difference, leaf))
            assert ours.dtype == np.float64 and np.abs(theirs).max() > 1e-4, leaf
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-8, err_msg=leaf)

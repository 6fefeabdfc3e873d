"""Every entry of the hypergradient against a central difference in float64, under every inner optimizer.

The step is 1e-6 and Adam's eps_root 1e-6; the output layer is not zero; and with these seeds no ReLU or maximum
changes sides within a step (a kink would be off by far more than the tolerance).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch, TextInputs
from dd_al.distillation.synthetic import Synthetic, as_batch, rates
from dd_al.distillation.unrolled import outer_loss
from dd_al.learner import optimizers
from dd_al.learner.attention import attention_loss
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import LearnerState, layers, make_learner
from dd_al.learner.unroll import unroll
from dd_al.models.base import Model
from dd_al.models.text_cnn import text_cnn
from dd_al.models.transformer import transformer

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


def problem(name, model=MODEL, attention=None):
    """A learner, two initial states, a synthetic set and a real batch; ``attention`` is blocks and heads."""
    rng, optimizer = np.random.default_rng(0), optimizers.get(name, eps_root=1e-6)
    learner, real = make_learner(model, optimizer, loss=attention_loss(0.7)), real_batch(rng)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=(INITS, *leaf.shape))), shapes)
    states = LearnerState(params, jax.vmap(optimizer.init)(params))
    synthetic = Synthetic(
        inputs=jnp.asarray(rng.normal(size=(ITEMS, LENGTH, DIM))),
        label_logits=jnp.asarray(rng.normal(size=(ITEMS, CLASSES))),
        log_rates=jnp.asarray(np.log(rng.uniform(0.05, 0.3, (STEPS, len(layers(model)))))),
        attention_logits=attention and jnp.asarray(rng.normal(size=(ITEMS, *attention, LENGTH))),
    )
    return learner, states, synthetic, real


def central_difference(loss, synthetic):
    """Of every entry."""
    flat, unflatten = jax.flatten_util.ravel_pytree(synthetic)
    moved = flat + STEP * jnp.concatenate([jnp.eye(flat.size), -jnp.eye(flat.size)])
    up, down = jnp.split(jax.jit(jax.vmap(lambda x: loss(unflatten(x))))(moved), 2)
    return unflatten((up - down) / (2 * STEP))


def assert_equal(gradient, difference, how):
    for leaf in Synthetic._fields:
        if getattr(difference, leaf) is None:
            continue
        ours, theirs = np.asarray(getattr(gradient, leaf)), np.asarray(getattr(difference, leaf))
        assert ours.dtype == np.float64 and np.abs(theirs).max() > 1e-4, leaf
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-8, err_msg=f"{how}: {leaf}")


@pytest.mark.parametrize("name", [*(pytest.param(n, marks=pytest.mark.slow) for n in ("sgd", "momentum")), "adam"])
def test_hypergradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        learner, states, synthetic, real = problem(name)
        difference = central_difference(lambda s: outer_loss(learner, s, states, real)[0], synthetic)
        for how in ("full", "checkpoint", "reverse"):
            train = differentiable_training(learner, how)
            gradient = jax.jit(jax.grad(lambda s, train=train: outer_loss(learner, s, states, real, train=train)[0]))
            assert_equal(gradient(synthetic), difference, how)


def pay(params, inputs, key=None):
    """Two heads that ask a question each, and their attention."""
    scores = jnp.einsum("bld,dh->bhl", inputs.embedded, params["heads"])
    paid = jax.nn.softmax(jnp.where(inputs.mask[:, None], scores, -1e30))
    return jnp.einsum("bhl,bld->bhd", paid, inputs.embedded).reshape(len(paid), -1), paid[:, None]


ATTENDING = Model(
    init=lambda key: {"heads": jnp.zeros((DIM, 2)), "output": jnp.zeros((2 * DIM, CLASSES))},
    features=lambda *args: pay(*args)[0],
    head=lambda params, h, key=None: h @ params["output"],
    attention=pay,
)


@pytest.mark.parametrize(
    "model",
    [ATTENDING, pytest.param(transformer(DIM, CLASSES, width=4, blocks=1, heads=2), marks=pytest.mark.slow)],
    ids=["two heads", "transformer"],
)
def test_the_hypergradient_of_attention_labels_equals_finite_differences(model):
    with jax.enable_x64(True):
        learner, states, synthetic, real = problem("sgd", model, (1, 2))

        def loss(synthetic):
            return outer_loss(learner, synthetic, states, real)[0]

        assert_equal(jax.jit(jax.grad(loss))(synthetic), central_difference(loss, synthetic), "full")


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_a_truncated_hypergradient_is_that_of_its_last_steps(name):
    with jax.enable_x64(True):
        learner, states, synthetic, real = problem(name)
        window = 2

        def loss(moving):
            """The first steps train on the set as it is, the others on one that moves."""
            first = jax.vmap(lambda s: unroll(learner, s, as_batch(synthetic), rates(synthetic)[:-window]))(states)
            last = moving._replace(log_rates=moving.log_rates[-window:])
            return outer_loss(learner, last, first, real)[0]

        train = differentiable_training(learner, "truncated", window=window)
        gradient = jax.jit(jax.grad(lambda s: outer_loss(learner, s, states, real, train=train)[0]))(synthetic)
        assert (gradient.log_rates[:-window] == 0).all()
        assert_equal(gradient, central_difference(loss, synthetic), "truncated")

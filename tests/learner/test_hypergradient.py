"""The ways to differentiate through training: equal where they should be, and what the truncated ones leave out.

tests/distill/test_finite_differences.py holds them against central differences.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.types import Batch
from dd_al.learner import optimizers
from dd_al.learner.attention import attention_loss
from dd_al.learner.hypergradient import NAMES, differentiable_training
from dd_al.learner.learner import make_learner
from dd_al.models.base import Model

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
FIRST, SECOND, INPUTS = (jnp.asarray(RNG.normal(size=shape), jnp.float32) for shape in ((3, 5), (5, 2), (4, 3)))
LABELS = jnp.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.0, 1.0]])


MODEL = Model(
    init=lambda key: {"first": FIRST, "second": SECOND},
    features=lambda params, inputs, key=None: jnp.tanh(inputs @ params["first"]),
    head=lambda params, h, key=None: h @ params["second"],
)


def make_rates(steps):
    return jnp.linspace(0.05, 0.2, steps * 2).reshape(steps, 2)


@functools.cache
def gradients_of(name, optimizer="momentum", **options):
    """``(rates, window_key) ->`` a loss after training, and its derivatives for batch, rates and first parameters."""
    learner = make_learner(MODEL, optimizers.get(optimizer))
    state, train = learner.init(jax.random.key(0)), differentiable_training(learner, name, **options)

    def value(inputs, targets, rates, params, window_key):
        batch = Batch((inputs,), targets)
        final = train(state._replace(params=params), batch, rates, window_key=window_key)
        return jnp.sum(MODEL.apply(final.params, INPUTS[::-1]) ** 2)

    gradient = jax.jit(jax.value_and_grad(value, (0, 1, 2, 3)))
    return lambda rates, window_key=None: gradient(INPUTS, LABELS, rates, state.params, window_key)


def gradients(name, steps, optimizer="momentum", **options):
    return gradients_of(name, optimizer, **options)(make_rates(steps))


def assert_close(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        scale = float(jnp.abs(y).max())
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5 * scale)


# One step; a square number, with equal segments; and one that leaves a rest.
@pytest.mark.parametrize(
    "steps, optimizer",
    [
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((1, "momentum"), (9, "sgd"), (9, "adam"))),
        (11, "momentum"),
    ],
)
@pytest.mark.parametrize("name", ["checkpoint", "reverse"])
def test_full_checkpoint_and_reverse_are_the_same(name, steps, optimizer):
    expected = gradients("full", steps, optimizer)
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(expected))
    assert_close(gradients(name, steps, optimizer), expected)


@pytest.mark.parametrize("segment", [1, 4])
@pytest.mark.parametrize("name", ["checkpoint", "reverse"])
def test_the_length_of_segments_changes_nothing(name, segment):
    assert_close(gradients(name, 11, segment=segment), gradients("full", 11))


@pytest.mark.parametrize("name", ["truncated", "random_truncated"])
def test_a_window_over_all_steps_truncates_nothing(name):
    for window in (None, 9, 20):
        assert_close(gradients(name, 9, window=window), gradients("full", 9))


def test_truncation_keeps_the_value_and_forgets_what_came_before_the_window():
    value, (inputs, _, rates, params) = gradients("truncated", 9, window=3)
    whole, (whole_inputs, _, whole_rates, _) = gradients("full", 9)
    np.testing.assert_allclose(value, whole, rtol=1e-5)
    assert (rates[:6] == 0).all() and all((leaf == 0).all() for leaf in jax.tree.leaves(params))
    np.testing.assert_allclose(rates[6:], whole_rates[6:], rtol=1e-3, atol=1e-5)  # the last steps are whole
    assert np.abs(inputs - whole_inputs).max() > 1e-3


@pytest.mark.slow
def test_a_random_window_is_a_truncation_of_shorter_training_and_ends_everywhere():
    rates, first_steps = make_rates(6), set()
    for seed in range(24):
        found = gradients_of("random_truncated", window=3)(rates, jax.random.key(seed))
        value, (inputs, targets, rates_bar, params) = found
        seen = np.flatnonzero(np.abs(rates_bar).max(1))
        assert len(seen) == 3
        if int(seen[0]) not in first_steps:  # train for as many steps as the window allows; cut off what comes before
            shorter, (i, t, r, p) = gradients_of("truncated", window=3)(rates[: seen[-1] + 1])
            if seen[0] > 0:
                assert_close((value, inputs, targets, rates_bar[: len(r)]), (shorter, i, t, r))
        first_steps.add(int(seen[0]))
    assert first_steps == {0, 1, 2, 3}


def test_reverse_works_for_many_nets_at_once():
    learner = make_learner(MODEL, optimizers.get("adam"))
    states = jax.vmap(lambda scale: learner.init(None)._replace(params={"first": scale * FIRST, "second": SECOND}))(
        jnp.array([0.5, 1.0, 1.5])
    )

    def total(inputs, name):
        train = differentiable_training(learner, name)
        trained = jax.vmap(lambda state: train(state, Batch((inputs,), LABELS), make_rates(5)))(states)
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(trained.params))

    reverse, full = (jax.jit(jax.grad(total), static_argnums=1)(INPUTS, name) for name in ("reverse", "full"))
    assert_close(reverse, full)


@pytest.mark.slow
def test_attention_labels_have_the_same_hypergradient_in_every_way():
    texts = jnp.asarray(RNG.normal(size=(4, 6, 3)), jnp.float32)

    def attention(params, inputs, key=None):
        """One head that asks one question."""
        paid = jax.nn.softmax(jnp.tanh(inputs @ params["first"]) @ params["second"][:, 0])
        return jnp.einsum("bl,bld->bd", paid, jnp.tanh(inputs @ params["first"])), paid[:, None, None]

    model = MODEL._replace(features=lambda *args: attention(*args)[0], attention=attention)
    learner = make_learner(model, optimizers.get("sgd"), loss=attention_loss(2.0))
    labels, state = jax.nn.softmax(texts[:, None, None, :, 0]), learner.init(jax.random.key(0))

    def value(labels, rates, name, window):
        train = differentiable_training(learner, name, window=window)
        final = train(state, Batch((texts,), LABELS, labels), rates, window_key=jax.random.key(0))
        return jnp.sum(model.apply(final.params, texts[::-1]) ** 2)

    @jax.jit
    def gradients(labels, rates):
        return {n: jax.grad(value, (0, 1))(labels, rates, n, 3 if "truncated" in n else None) for n in NAMES}

    found = gradients(labels, make_rates(4))
    full, truncated, ended = (found[name] for name in ("full", "truncated", "random_truncated"))
    assert jnp.abs(full[0]).max() > 1e-3
    for name in ("checkpoint", "reverse"):
        assert_close(found[name], full)
    np.testing.assert_allclose(truncated[1][1:], full[1][1:], rtol=1e-3, atol=1e-5)
    for to_labels, _ in (truncated, ended):
        assert jnp.isfinite(to_labels).all() and 1e-3 < jnp.abs(to_labels - full[0]).max() < 10


def held_bytes(name, steps):
    """What XLA sets aside for the gradient."""
    learner = make_learner(MODEL, optimizers.get("momentum"))
    state, train = learner.init(jax.random.key(0)), differentiable_training(learner, name, window=20)

    def value(inputs):
        rates = jnp.full((steps, 2), 0.1)
        final = train(state, Batch((inputs,), LABELS), rates, window_key=jax.random.key(0))
        return jnp.sum(final.params["first"])

    return jax.jit(jax.grad(value)).lower(INPUTS).compile().memory_analysis().temp_size_in_bytes


def test_all_others_hold_less_than_full():
    full = held_bytes("full", 400)
    for name in NAMES[1:]:
        assert held_bytes(name, 400) < full / 5, name


@pytest.mark.parametrize("options", [{"name": "backprop"}, {"window": 0}, {"segment": -1}])
def test_what_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match="allowed: full, checkpoint|count steps"):
        differentiable_training(make_learner(MODEL, optimizers.get("sgd")), **options)


def test_a_random_window_needs_a_key():
    with pytest.raises(ValueError, match="window_key"):
        gradients("random_truncated", 6, window=3)


def by_hand(parts, steps):
    """Plain descent on one part of the batch after the other."""
    rates, params = make_rates(steps), MODEL.init(None)
    for step in range(steps):
        rows = slice(step % parts * (4 // parts), (step % parts + 1) * (4 // parts))

        def loss(params, rows=rows):
            scores = jax.nn.log_softmax(MODEL.apply(params, INPUTS[rows]))
            return -jnp.mean(jnp.sum(LABELS[rows] * scores, -1))

        gradient = jax.grad(loss)(params)
        params = {name: params[name] - rates[step, i] * gradient[name] for i, name in enumerate(sorted(params))}
    return jnp.sum(MODEL.apply(params, INPUTS[::-1]) ** 2)


@pytest.mark.parametrize("parts", [2, 4])
def test_steps_see_the_parts_of_a_batch_in_turn(parts):
    value, _ = gradients("full", 5, "sgd", parts=parts)
    np.testing.assert_allclose(value, by_hand(parts, 5), rtol=1e-5)


@pytest.mark.parametrize("name", ["checkpoint", "reverse"])
def test_parts_do_not_depend_on_how_training_is_differentiated(name):
    expected, found = (gradients(one, 5, parts=2) for one in ("full", name))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6), expected, found)


def test_truncation_goes_on_with_the_part_whose_turn_it_is():
    expected, found = gradients("full", 5, parts=2)[0], gradients("truncated", 5, window=2, parts=2)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)

"""The outer loop: its objective over several nets, its step, what a non-finite loss leaves behind, and its average."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dd_al.core.keys import stream
from dd_al.core.types import Batch, TextInputs
from dd_al.distillation.outer_step import Student, outer_method
from dd_al.distillation.synthetic import LABELS, as_batch, balanced_classes, rates, start, targets
from dd_al.distillation.unrolled import outer_loss, unrolled
from dd_al.learner import optimizers
from dd_al.learner.hypergradient import differentiable_training
from dd_al.learner.learner import layers, logits, make_learner
from dd_al.learner.unroll import unroll
from dd_al.models.base import Model

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
DIM, WIDTH, CLASSES, NETS = 3, 4, 3, 3


def features(params, inputs, key=None):
    """A hidden layer over the mean word: what compiles in a moment, where text_cnn takes seconds."""
    words = jnp.sum(inputs.mask, 1, keepdims=True)
    return jnp.tanh(jnp.sum(inputs.embedded, 1) / words @ params["hidden"])


def head(params, h, key=None):
    return (h if key is None else 2 * h * jax.random.bernoulli(key, 0.5, h.shape)) @ params["output"]


def init_params(key):
    return {"hidden": jax.random.normal(key, (DIM, WIDTH)), "output": jnp.zeros((WIDTH, CLASSES))}


MODEL = Model(init_params, features, head)
LEARNER = make_learner(MODEL, optimizers.get("momentum"))


def texts(n, length):
    return TextInputs(jnp.asarray(RNG.normal(size=(n, length, DIM)), jnp.float32), jnp.ones((n, length), bool))


REAL = Batch((texts(4, 3), texts(5, 6)), jnp.eye(CLASSES)[RNG.integers(0, CLASSES, 9)])


def initial_states(key):
    return jax.vmap(LEARNER.init)(jax.random.split(key, NETS))


def synthetic_set(items=5):
    inputs = jnp.asarray(RNG.normal(size=(items, 4, DIM)), jnp.float32)
    classes = balanced_classes(items, CLASSES)
    size = {"steps": 3, "layers": len(layers(MODEL))}
    return start(CLASSES, inputs=inputs, item_classes=classes, rate=0.3, label_scale=2.0, **size)


SYNTHETIC = synthetic_set()
STATES = jax.jit(initial_states)(jax.random.key(1))


def assert_close(a, b, rtol=1e-4, atol=1e-6):
    chex.assert_trees_all_close(a, b, rtol=rtol, atol=atol)


def assert_same(a, b):
    chex.assert_trees_all_equal(a, b)


@jax.jit
def value_and_gradient(states, synthetic=SYNTHETIC, real=REAL):
    def objective(synthetic):
        return outer_loss(LEARNER, synthetic, states, real)

    return jax.value_and_grad(objective, has_aux=True)(synthetic)


def test_the_loss_is_that_of_trained_learners_on_real_data():
    loss, accuracy = jax.jit(lambda: outer_loss(LEARNER, SYNTHETIC, STATES, REAL))()
    losses, hits = [], []
    for net in range(NETS):
        state = jax.tree.map(lambda leaf, net=net: leaf[net], STATES)
        final = unroll(LEARNER, state, as_batch(SYNTHETIC), rates(SYNTHETIC))
        z = np.asarray(logits(MODEL, final.params, REAL), np.float64)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        losses.append(-np.sum(np.asarray(REAL.targets) * log_p, 1).mean())
        hits.append((z.argmax(1) == np.argmax(REAL.targets, 1)).mean())
    assert len(set(losses)) == NETS
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)
    np.testing.assert_allclose(accuracy, np.mean(hits), rtol=1e-6)


def test_several_nets_give_the_mean_of_one_by_one():
    together = value_and_gradient(STATES)
    alone = [value_and_gradient(jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], STATES)) for i in range(NETS)]
    assert_close(together, jax.tree.map(lambda *each: sum(each) / NETS, *alone))


def test_length_buckets_give_the_same_hypergradient():
    first, second = REAL.inputs
    padded = jnp.pad(first.embedded, ((0, 0), (0, 3), (0, 0))), jnp.pad(first.mask, ((0, 0), (0, 3)))
    whole = TextInputs(*(jnp.concatenate(both) for both in zip(padded, second, strict=True)))
    assert_close(value_and_gradient(STATES), value_and_gradient(STATES, real=Batch((whole,), REAL.targets)))


def test_fewer_items_than_classes_still_teach_every_class():
    (loss, _), gradient = value_and_gradient(STATES, synthetic_set(items=2))
    assert np.isfinite(loss) and gradient.label_logits.shape == (2, CLASSES)
    assert (np.abs(gradient.label_logits) > 1e-6).all() and (np.abs(gradient.inputs).sum((1, 2)) > 0).all()


@functools.cache  # one compilation serves several tests
def make(average_decay):
    """A first state and the jitted step, which is traced once at most."""
    init, step = outer_method(
        [Student(LEARNER, initial_states)], unrolled(), optax.adam(0.05), average_decay=average_decay
    )
    chex.clear_trace_counter()
    return init(SYNTHETIC), jax.jit(chex.assert_max_traces(step, n=1))


def test_a_step_follows_the_hypergradient_of_its_own_nets():
    key, (state, step) = jax.random.key(2), make(0.3)
    after, info = step(key, state, REAL)
    states = jax.jit(initial_states)(stream(key, "inner_init"))
    (loss, accuracy), gradient = value_and_gradient(states)
    optimizer = optax.adam(0.05)
    updates, opt_state = optimizer.update(gradient, optimizer.init(SYNTHETIC))
    assert_close(after.synthetic, optax.apply_updates(SYNTHETIC, updates), atol=1e-4)
    assert_close(after.opt_state, opt_state)
    assert_close(tuple(info), (loss, accuracy, optax.tree.norm(gradient), jnp.float32(0)))


def test_steps_trace_once_and_lower_the_loss():
    state, step = make(0.3)
    losses = []
    for index in range(30):
        state, info = step(stream(jax.random.key(0), "outer", index), state, REAL)
        losses.append(float(info.loss))
    assert int(state.step) == 30
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1
    for leaf, first in zip(*map(jax.tree.leaves, (state.synthetic, SYNTHETIC)), strict=True):
        assert leaf.shape == first.shape and leaf.dtype == first.dtype and (leaf != first).any()


def test_without_a_decay_the_average_is_the_set_itself():
    state, step = make(0.0)
    for index in range(3):
        state, _ = step(jax.random.key(index), state, REAL)
        assert_same(state.average, state.synthetic)


def test_the_average_forgets_slowly_but_not_the_early_steps():
    state, step = make(0.3)
    expected = np.asarray(SYNTHETIC.inputs, np.float64)
    for index in range(8):
        state, _ = step(jax.random.key(index), state, REAL)
        decay = min(0.3, index / (index + 10))
        expected = decay * expected + (1 - decay) * np.asarray(state.synthetic.inputs)
        np.testing.assert_allclose(state.average.inputs, expected, rtol=1e-4, atol=1e-5)
    assert (np.abs(state.average.inputs - state.synthetic.inputs) > 1e-3).any()


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_leaves_the_set_unchanged(broken):
    state, step = make(0.3)
    state, info = step(jax.random.key(0), state, REAL)
    assert not info.skipped
    embedded = REAL.inputs[1].embedded.at[0, 0, 0].set(broken)
    bad = Batch((REAL.inputs[0], REAL.inputs[1]._replace(embedded=embedded)), REAL.targets)
    after, info = step(jax.random.key(1), state, bad)
    assert info.skipped
    assert_same(after, state._replace(step=state.step + 1))
    healed, info = step(jax.random.key(2), after, REAL)
    assert not info.skipped and (healed.synthetic.inputs != after.synthetic.inputs).any()
    assert int(healed.step) == 3


def test_a_hypergradient_that_is_not_finite_is_skipped_too():
    # Without eps_root the gradients that vanish below a zero output layer have an infinite second derivative.
    learner = make_learner(MODEL, optax.scale_by_adam(eps_root=0.0))
    student = Student(learner, lambda key: jax.vmap(learner.init)(jax.random.split(key, NETS)))
    init, step = outer_method([student], unrolled(), optax.adam(0.05))
    state = init(SYNTHETIC)
    after, info = jax.jit(step)(jax.random.key(0), state, REAL)
    assert np.isfinite(info.loss) and not np.isfinite(info.grad_norm) and info.skipped
    assert_same(after, state._replace(step=state.step + 1))


def test_a_step_is_a_function_of_its_key():
    state, step = make(0.3)
    first, again, other = (step(jax.random.key(k), state, REAL) for k in (0, 0, 1))
    assert_same(first, again)
    assert first[1].loss != other[1].loss


def test_labels_are_what_was_asked_for():
    raw = jnp.array([[2.0, -1.0, 0.5], [0.0, 0.1, 0.0]])
    np.testing.assert_allclose(targets(raw), jax.nn.softmax(raw))
    np.testing.assert_array_equal(targets(raw, "hard"), [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(targets(raw, "unrestricted"), raw)
    with pytest.raises(ValueError, match="'smooth'; allowed: soft, hard, unrestricted"):
        targets(raw, "smooth")


@pytest.mark.parametrize("labels", LABELS)
def test_every_kind_of_label_trains_and_only_hard_ones_stay(labels):
    init, step = outer_method([Student(LEARNER, initial_states)], unrolled(labels), optax.adam(0.05), labels=labels)
    state, _ = jax.jit(step)(jax.random.key(0), init(SYNTHETIC), REAL)
    assert (state.synthetic.inputs != SYNTHETIC.inputs).any()
    assert (state.synthetic.label_logits != SYNTHETIC.label_logits).any() == (labels != "hard")


@pytest.mark.parametrize("how", ["checkpoint", "reverse", "truncated", "random_truncated"])
def test_a_step_takes_any_hypergradient(how):
    (loss, _), gradient = value_and_gradient(STATES)
    train = differentiable_training(LEARNER, how, window=3)  # as many as there are steps

    def objective(synthetic):
        return outer_loss(LEARNER, synthetic, STATES, REAL, window_key=jax.random.key(0), train=train)[0]

    assert_close(jax.jit(jax.value_and_grad(objective))(SYNTHETIC), (loss, gradient))


@pytest.mark.slow
def test_several_students_share_the_set_and_have_rates_of_their_own():
    wide = Model(
        lambda key: {"hidden": jax.random.normal(key, (DIM, 2)), "output": jnp.zeros((2, CLASSES))}, features, head
    )
    other = make_learner(wide, optimizers.get("sgd"))
    columns = len(layers(MODEL))
    students = [
        Student(LEARNER, initial_states, columns=slice(0, columns)),
        Student(other, lambda key: jax.vmap(other.init)(jax.random.split(key, 2)), columns=slice(columns, None)),
    ]
    both = SYNTHETIC._replace(log_rates=jnp.concatenate([SYNTHETIC.log_rates, SYNTHETIC.log_rates - 1], axis=1))
    key, optimizer = jax.random.key(2), optax.sgd(1.0)

    def stepped(students, synthetic):
        init, step = outer_method(students, unrolled(), optimizer)
        state, info = jax.jit(step)(key, init(synthetic), REAL)
        return jax.tree.map(jnp.subtract, synthetic, state.synthetic), info

    moved, info = stepped(students, both)
    first, first_info = stepped(students[:1], both)  # the first one's numbers do not depend on the second
    states = jax.jit(students[1].initial_states)(stream(stream(key, "student", 1), "inner_init"))
    alone = both._replace(log_rates=both.log_rates[:, columns:])
    second_loss, second = jax.jit(jax.value_and_grad(lambda s: outer_loss(other, s, states, REAL)[0]))(alone)
    np.testing.assert_allclose(info.loss, (first_info.loss + second_loss) / 2, rtol=1e-5)
    np.testing.assert_allclose(moved.inputs, (first.inputs + second.inputs) / 2, atol=1e-5)
    np.testing.assert_allclose(moved.log_rates[:, :columns], first.log_rates[:, :columns] / 2, atol=1e-5)
    np.testing.assert_allclose(moved.log_rates[:, columns:], second.log_rates / 2, atol=1e-5)


LEARNED = jnp.asarray(np.random.default_rng(3).normal(size=SYNTHETIC.log_rates.shape), jnp.float32)


def followed(nets=40, **options):
    """The logarithms of the rates that each of many nets follows."""
    many, seen = jax.vmap(LEARNER.init)(jax.random.split(jax.random.key(0), nets)), []

    def train(state, batch, step_rates, window_key=None):
        jax.debug.callback(lambda r: seen.append(np.log(np.asarray(r))), step_rates)
        return state

    synthetic = SYNTHETIC._replace(log_rates=LEARNED)
    outer_loss(LEARNER, synthetic, many, REAL, window_key=jax.random.key(0), train=train, **options)
    jax.effects_barrier()
    assert len(seen) == (nets if any(options.values()) else 1)  # what is the same for all is seen once
    return seen


@pytest.mark.slow
def test_noise_on_rates_is_of_the_net_of_its_layers_and_of_its_steps():
    for one in followed(3, rate_noise=0.0):
        np.testing.assert_allclose(one, LEARNED, atol=1e-6)
    noise = np.stack([one - np.asarray(LEARNED) for one in followed(80, rate_noise=0.3)])
    # A sum of a part for all, one for each layer and one for each step: nothing is left beside them.
    rest = noise - noise.mean(1, keepdims=True) - noise.mean(2, keepdims=True) + noise.mean((1, 2), keepdims=True)
    assert np.abs(rest).max() < 1e-5 and noise.shape[1] > 1 and noise.shape[2] > 1
    assert abs(noise.mean()) < 0.1 and 0.8 < noise.std(0).mean() / (0.3 * 3**0.5) < 1.2

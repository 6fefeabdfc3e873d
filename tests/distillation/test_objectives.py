"""Every method behind one contract, closed forms of those without an unroll, and pools of partly trained learners."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dd_al.config.distill import DistillSettings
from dd_al.core.types import Batch, TextInputs
from dd_al.distillation.outer_loop import OBJECTIVES
from dd_al.distillation.outer_step import Pool, Student, outer_method
from dd_al.distillation.synthetic import as_batch, balanced_classes, rates, start
from dd_al.distillation.without_unroll import feature_distance, gradient_distance, kernel_regression, regression
from dd_al.learner import optimizers
from dd_al.learner.learner import layers, logits, make_learner
from dd_al.models.base import Model

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
DIM, WIDTH, CLASSES, NETS, ITEMS = 3, 4, 3, 2, 3


def features(params, inputs, key=None):
    return jnp.tanh(jnp.sum(inputs.embedded, 1) @ params["hidden"])


def head(params, h, key=None):
    return h @ params["output"]


def init_params(key):
    return {"hidden": jax.random.normal(key, (DIM, WIDTH)), "output": jnp.zeros((WIDTH, CLASSES))}


MODEL = Model(init_params, features, head)
LEARNER = make_learner(MODEL, optimizers.get("adam"))
METHODS = {
    name: lambda students, optimizer, of=of: outer_method(students, of(DistillSettings()), optimizer)
    for name, of in OBJECTIVES.items()
}


def texts(embedded):
    return TextInputs(jnp.asarray(embedded, jnp.float32), jnp.ones(embedded.shape[:2], bool))


# Every class has a direction of its own.
CLASS = np.resize(np.arange(CLASSES), 12)
REAL = Batch(
    (texts(0.3 * RNG.normal(size=(12, 2, DIM)) + 0.7 * np.eye(DIM)[CLASS][:, None]),),
    jnp.eye(CLASSES)[jnp.asarray(CLASS)],
)
SYNTHETIC = start(
    CLASSES,
    inputs=jnp.asarray(0.5 * RNG.normal(size=(ITEMS, 2, DIM)), jnp.float32),
    item_classes=balanced_classes(ITEMS, CLASSES),
    steps=3,
    layers=len(layers(MODEL)),
    rate=0.1,
    label_scale=3.0,
)
# Away from the zero head.
PARAMS = jax.tree.map(lambda x: jnp.asarray(RNG.normal(size=x.shape), jnp.float32), init_params(jax.random.key(0)))


def fresh(key):
    return jax.vmap(LEARNER.init)(jax.random.split(key, NETS))


def pooled():
    return Student(LEARNER, fresh, pool=Pool(LEARNER, size=4, nets=NETS, last_age=3))


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize("pool", [False, True], ids=["fresh", "pool"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_the_contract(name, pool):
    student = pooled() if pool else Student(LEARNER, fresh)
    init, step = METHODS[name]([student], optax.adam(0.03))
    chex.clear_trace_counter()
    step = jax.jit(chex.assert_max_traces(step, n=1))
    state = first = init(SYNTHETIC, jax.random.key(3))
    losses = []
    for index in range(40):
        state, info = step(jax.random.fold_in(jax.random.key(0), index), state, REAL)
        losses.append(float(info.loss))
    assert int(state.step) == 40 and 0 <= info.accuracy <= 1
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert jax.tree.structure(state) == jax.tree.structure(first)
    assert [x.shape for x in leaves(state)] == [x.shape for x in leaves(first)]

    broken = REAL._replace(inputs=(texts(np.full((12, 2, DIM), np.nan)),))
    after, info = step(jax.random.key(1), state, broken)
    assert info.skipped
    for old, new in zip(leaves(state._replace(step=state.step + 1, pools=())), leaves(after._replace(pools=()))):
        np.testing.assert_array_equal(old, new)


def test_regression_is_ridge_regression_on_features():
    batch, ridge = as_batch(SYNTHETIC), 1e-2
    h_s, h_t = (np.asarray(features(PARAMS, b.inputs[0]), np.float64) for b in (batch, REAL))
    scale = np.mean(np.sum(h_s**2, 1))
    y_s = np.asarray(batch.targets) - 1 / CLASSES
    # The primal form: ridge regression in the space of the features.
    weights = np.linalg.solve(h_s.T @ h_s + ridge * scale * np.eye(WIDTH), h_s.T @ y_s)
    answer = regression(MODEL, PARAMS, batch, REAL, ridge=ridge)
    np.testing.assert_allclose(answer, h_t @ weights, rtol=1e-3, atol=1e-5)


def test_regression_on_more_items_than_features_is_the_same_and_finite():
    batch, ridge = REAL, 1e-6  # 12 items, 4 features: the kernel is singular but for the ridge
    h = np.asarray(features(PARAMS, batch.inputs[0]), np.float64)
    y = np.asarray(batch.targets) - 1 / CLASSES
    kernel = h @ h.T
    weights = np.linalg.solve(kernel + ridge * np.mean(np.diag(kernel)) * np.eye(len(h)), y)
    np.testing.assert_allclose(regression(MODEL, PARAMS, batch, batch, ridge=ridge), kernel @ weights, atol=1e-4)
    many = Batch((texts(np.repeat(np.asarray(REAL.inputs[0].embedded), 30, 0)),), jnp.repeat(REAL.targets, 30, 0))
    gradient = jax.grad(lambda p: jnp.sum(regression(MODEL, p, many, REAL) ** 2))(PARAMS)
    chex.assert_tree_all_finite(gradient)


def test_regression_on_the_real_batch_itself_gives_its_labels():
    few = Batch((texts(np.asarray(REAL.inputs[0].embedded[:3])),), REAL.targets[:3])
    np.testing.assert_allclose(regression(MODEL, PARAMS, few, few), few.targets - 1 / CLASSES, atol=1e-3)


@pytest.mark.parametrize("distance", [gradient_distance, feature_distance])
def test_a_batch_is_at_no_distance_from_itself(distance):
    assert abs(distance(MODEL, PARAMS, REAL, REAL)[0]) < 1e-4
    twice = Batch((*REAL.inputs, *REAL.inputs), jnp.concatenate([REAL.targets, REAL.targets]))
    assert abs(distance(MODEL, PARAMS, twice, REAL)[0]) < 1e-4
    assert distance(MODEL, PARAMS, as_batch(SYNTHETIC), REAL)[0] > 0.01


def test_gradient_distance_is_the_sum_of_class_cosines():
    batch, expected = as_batch(SYNTHETIC, "hard"), 0.0

    def loss(params, one, c):
        errors = -jnp.sum(one.targets * jax.nn.log_softmax(logits(MODEL, params, one)), -1)
        return jnp.mean(errors[np.asarray(one.targets).argmax(1) == c])

    for c in range(CLASSES):
        ours, theirs = (leaves(jax.grad(loss)(PARAMS, one, c)) for one in (batch, REAL))
        for a, b in zip(ours, theirs):
            expected += 1 - np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(gradient_distance(MODEL, PARAMS, batch, REAL)[0], expected, rtol=1e-4)


def test_feature_distance_is_that_of_class_means():
    batch = as_batch(SYNTHETIC)
    ours, theirs = (np.asarray(features(PARAMS, b.inputs[0])) for b in (batch, REAL))
    expected = sum(np.sum((ours[c] - theirs[c == CLASS].mean(0)) ** 2) for c in range(CLASSES))
    distance, accuracy = feature_distance(MODEL, PARAMS, batch, REAL)
    np.testing.assert_allclose(distance, expected, rtol=1e-5)
    nearest = ((theirs[:, None] - ours) ** 2).sum(-1).argmin(1)
    np.testing.assert_allclose(accuracy, (nearest == CLASS).mean())


def test_classes_without_an_item_count_nothing():
    two = jax.tree.map(lambda x: x[:2], (SYNTHETIC.inputs, SYNTHETIC.label_logits))
    batch = as_batch(SYNTHETIC._replace(inputs=two[0], label_logits=two[1]))
    for distance in (gradient_distance, feature_distance):
        value, slope = jax.value_and_grad(lambda b, d=distance: d(MODEL, PARAMS, b, REAL)[0], allow_int=True)(batch)
        assert np.isfinite(value) and all(np.isfinite(np.asarray(x, float)).all() for x in (slope.inputs[0].embedded,))
    assert (np.abs(feature_distance(MODEL, PARAMS, batch, REAL)[0]) > 0).all()


def test_a_pool_trains_what_was_drawn_and_replaces_it_in_time():
    pool, batch = Pool(LEARNER, size=4, nets=2, last_age=4), as_batch(SYNTHETIC)
    step_rates = rates(SYNTHETIC)
    state = pool.init(jax.random.key(0))
    np.testing.assert_array_equal(state.ages, [0, 1, 2, 3])
    rows, drawn = pool.draw(jax.random.key(1), state)
    assert len(set(rows.tolist())) == 2

    rows = jnp.asarray([1, 3])
    drawn = jax.tree.map(lambda x: x[rows], state.states)
    after = pool.refresh(jax.random.key(2), state, rows, batch, step_rates)
    np.testing.assert_array_equal(after.ages, [0, 2, 2, 0])  # the last was due
    trained = LEARNER.train_step(None, jax.tree.map(lambda x: x[0], drawn), batch, step_rates[1])
    np.testing.assert_allclose(after.states.params["output"][1], trained.params["output"], rtol=1e-5)
    assert (after.states.params["output"][3] == 0).all() and after.states.opt_state.count[3] == 0
    assert (after.states.params["hidden"][3] != state.states.params["hidden"][3]).all()
    for row in (0, 2):
        for old, new in zip(leaves(state.states), leaves(after.states)):
            np.testing.assert_array_equal(old[row], new[row])


def test_a_learner_that_is_no_number_is_replaced():
    pool = Pool(LEARNER, size=2, nets=2, last_age=9)
    state = pool.init(jax.random.key(0))
    poisoned = jax.tree.map(lambda x: x.at[1].set(jnp.nan), state.states.params)
    state = state._replace(states=state.states._replace(params=poisoned))
    rows = jnp.arange(2)
    after = pool.refresh(jax.random.key(2), state, rows, as_batch(SYNTHETIC), rates(SYNTHETIC))
    chex.assert_tree_all_finite(after.states.params)
    np.testing.assert_array_equal(after.ages, [1, 0])


def test_a_step_that_is_skipped_replaces_the_learner_that_spoilt_it():
    pool = Pool(LEARNER, size=2, nets=2, last_age=9)
    student = Student(LEARNER, LEARNER.init, pool=pool)
    init, step = outer_method([student], kernel_regression(ridge=1e-3), optax.sgd(0.1))
    state = init(SYNTHETIC, jax.random.key(0))
    poisoned = jax.tree.map(lambda x: x.at[0].set(jnp.nan), state.pools[0].states.params)
    bad = state._replace(pools=(state.pools[0]._replace(states=state.pools[0].states._replace(params=poisoned)),))
    after, info = step(jax.random.key(1), bad, REAL)
    assert info.skipped and after.step == 1
    for old, new in zip(leaves(bad.synthetic), leaves(after.synthetic), strict=True):
        np.testing.assert_array_equal(old, new)
    chex.assert_tree_all_finite(after.pools[0].states.params)
    _, info = step(jax.random.key(2), after, REAL)
    assert not info.skipped


@pytest.mark.parametrize(
    ("sizes", "message"), [((2, 3, 1), "3 learners .* pool of 2"), ((2, 1, 0), "at least one step")]
)
def test_a_pool_that_cannot_be(sizes, message):
    with pytest.raises(ValueError, match=message):
        Pool(LEARNER, size=sizes[0], nets=sizes[1], last_age=sizes[2])

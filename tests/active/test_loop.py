"""The loop: every label is learned from, nothing else is, and what is asked for is never asked for again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.active.acquisition import ACQUISITIONS
from dd_al.active.loop import Loop, minibatch_places, simulate, training_steps
from dd_al.config.active import ActiveSettings
from dd_al.core.errors import UserError
from dd_al.learner import optimizers
from dd_al.learner.examples import make_examples
from dd_al.learner.learner import make_learner
from dd_al.models.dense import averaging
from dd_al.models.embedding import embed

pytestmark = pytest.mark.usefixtures("own_caches")  # compiles in half the time

RNG = np.random.default_rng(0)
DIM, CLASSES, TEXTS, BUDGET = 6, 2, 40, 12
VECTORS = jnp.asarray(RNG.normal(size=(30, DIM)), jnp.float32).at[0].set(0)
LABELS = np.arange(TEXTS) % CLASSES
IDS = RNG.integers(1, 30, (TEXTS, 5)).astype(np.int32)
LEARNER = make_learner(averaging(DIM, CLASSES, width=8), optimizers.get("adam"))
KEY = jax.random.key(0)


def loop(**options):
    settings = ActiveSettings(**{"rate": 0.1, "steps": 20, "epochs": 1, "batch_size": 4, "passes": 3} | options)
    examples = make_examples(IDS, np.eye(CLASSES)[LABELS], buckets=2)
    return Loop(settings, LEARNER, jnp.asarray(IDS), examples, lambda raw: embed(VECTORS, raw), CLASSES)


def first(one):
    return one.init(KEY, BUDGET).learner


def begun(one, count=4):
    state = one.init(KEY, BUDGET)
    return one.tell(state, 0, jnp.arange(count), jnp.asarray(LABELS[:count]))


@pytest.mark.parametrize("count", [1, 3, 4, 7, 12])
def test_every_epoch_goes_through_all_labels(count):
    places = jax.vmap(lambda step: minibatch_places(KEY, step, count, BUDGET, 4))(jnp.arange(9))
    assert (places < count).all()
    per_epoch = -(-count // 4)
    for epoch in range(9 // per_epoch):
        seen = np.asarray(places[epoch * per_epoch : (epoch + 1) * per_epoch]).ravel()
        assert set(seen[:count].tolist()) == set(range(count))
    if count == 12:
        assert (places[:3] != places[3:6]).any()


def test_training_sees_the_labels_that_there_are_and_no_others():
    one = loop()
    state = begun(one)
    fit = jax.jit(one.fit)
    trained = fit(state, 4, first(one)).learner.params
    beyond = state._replace(labelled=state.labelled.at[4:].set(9), answers=state.answers.at[4:].set(1))
    jax.tree.map(np.testing.assert_array_equal, fit(beyond, 4, first(one)).learner.params, trained)
    other = state._replace(answers=1 - state.answers)
    kernels = [params["output"]["kernel"] for params in (fit(other, 4, first(one)).learner.params, trained)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01
    logits = LEARNER.model.apply(trained, embed(VECTORS, IDS[:4]))
    np.testing.assert_array_equal(logits.argmax(-1), LABELS[:4])


def test_training_starts_from_the_first_weights():
    one = loop(steps=0, epochs=0)
    state = begun(one)
    moved = state._replace(learner=jax.tree.map(lambda x: x + 1, state.learner))
    params = one.fit(moved, 4, first(one)).learner.params
    expected = one.init(KEY, BUDGET).learner.params
    jax.tree.map(np.testing.assert_array_equal, params, expected)


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        pytest.param(name, subset, marks=[] if name in ("random", "bald") else [pytest.mark.slow])
        for name in ("random", "bald", "core_set", "contrastive", "ret")
        for subset in (None, 9)
    ],
)
def test_rounds_never_ask_twice(name, subset):
    one = loop(subset=subset)

    @jax.jit
    def step(state, count):
        state = one.fit(state, count, first(one))
        rows, scores = one.ask(state, count, one.look(state, count, ACQUISITIONS[name].needs), ACQUISITIONS[name], 4)
        return one.tell(state, count, rows, jnp.asarray(LABELS)[rows]), rows, scores

    state, asked = begun(one), set(range(4))
    for count in (4, 8):
        state, rows, scores = step(state, count)
        assert len(set(rows.tolist()) - asked) == 4 and (np.asarray(rows) < TEXTS).all()
        assert np.isfinite(scores).all() == (name == "bald")
        asked |= set(rows.tolist())
    assert set(state.labelled.tolist()) == asked
    np.testing.assert_array_equal(state.answers, LABELS[state.labelled])
    np.testing.assert_array_equal(np.flatnonzero(~state.available), sorted(asked))


def test_a_subset_is_drawn_anew_from_what_is_left():
    one = loop(subset=5)
    state = begun(one)
    left = jnp.zeros(TEXTS, bool).at[jnp.asarray([7, 11, 13, 17, 19])].set(True)
    state = state._replace(available=left)
    rows, _ = one.ask(state, 4, one.look(state, 4, ACQUISITIONS["random"].needs), ACQUISITIONS["random"], 5)
    assert sorted(rows.tolist()) == [7, 11, 13, 17, 19]


def test_scores_of_what_is_asked_come_largest_first():
    one = loop()
    state = one.fit(begun(one), 4, first(one))
    seen = one.look(state, 4, ("statistics",))
    rows, scores = one.ask(state, 4, seen, ACQUISITIONS["predictive_entropy"], 6)
    assert (np.diff(scores) <= 0).all()
    everything = np.asarray(ACQUISITIONS["predictive_entropy"].score(seen.statistics))
    np.testing.assert_array_equal(everything[rows], scores)
    assert everything[np.asarray(state.available)].max() == scores[0]


def test_queries_of_a_subset_look_at_it_alone():
    """What stands behind those drawn, labelled texts and places without any, is no part of what passes and SUD see."""
    one = loop(subset=9)
    state = one.fit(begun(one), 4, first(one))
    seen = one.look(state, 4, ("statistics", "networks", "features"))
    assert len(seen.statistics.entropy) == seen.networks.shape[1] == 9 and len(seen.features) == 9 + BUDGET
    rows, _ = one.ask(state, 4, seen, ACQUISITIONS["sud"], 3)
    drawn, _ = one.ask(state, 4, seen, ACQUISITIONS["random"], 9)
    assert set(rows.tolist()) <= set(drawn.tolist())


def test_training_steps_follow_the_labels_in_python_and_in_programs():
    settings = ActiveSettings(steps=10, epochs=3, batch_size=4)
    for count, expected in ((1, 10), (13, 10), (14, 11), (40, 30)):
        assert training_steps(settings, count) == int(training_steps(settings, jnp.int32(count))) == expected


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_simulated_oracle_is_asked_round_after_round(rounds):
    """Each round is trained, judged and told; whoever judges can end it before anything more is asked."""
    one, judged, programs = loop(), [], {}
    state, oracle, counts = begun(one), 1 - LABELS, [4, 6, 9, 12]

    def run(program, function, *args):
        return programs.setdefault(program, jax.jit(function))(*args), 1.0

    def judge(index, state):
        judged.append(index)
        return len(judged) < rounds

    found = list(simulate("bald", one, state, first(one), counts, oracle, run=run, judge=judge))
    assert judged == [step.index for step in found] == list(range(rounds))
    assert [None if step.scores is None else len(step.scores) for step in found] == [2, 3, 3][: rounds - 1] + [None]
    assert found[-1].seconds == (1.0, 0.0, 0.0)
    count = counts[rounds - 1]
    bought = np.asarray(found[-1].state.labelled)[4:count]
    assert len(set(bought.tolist()) - {0, 1, 2, 3}) == count - 4
    np.testing.assert_array_equal(np.asarray(found[-1].state.answers)[4:count], oracle[bought])
    if rounds == 3:  # what an earlier start has done is not done again, and the rest is the same
        again = list(
            simulate("bald", one, found[0].state, first(one), counts, oracle, run=run, judge=lambda *_: True, done=1)
        )
        assert [step.index for step in again] == [1, 2, 3] and again[-1].scores is None
        np.testing.assert_array_equal(again[0].state.labelled, found[1].state.labelled)


def test_networks_that_diverge_are_named():
    one = loop()
    state = begun(one)
    broken = jax.tree.map(lambda x: x * jnp.nan, first(one).params)
    with pytest.raises(UserError, match="random: .* training on 4 labels: the networks have diverged"):
        next(
            simulate(
                "random", one, state, first(one)._replace(params=broken), [4, 6], LABELS,
                run=lambda program, function, *args: (function(*args), 0.0), judge=lambda *_: True,
            )
        )  # fmt: skip

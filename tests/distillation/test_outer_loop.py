"""The outer loop: compiled once, resumed exactly, for every kind of set."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.config.distill import DistillSettings
from dd_al.core.errors import ConfigError, Interrupted, UserError
from dd_al.distillation import optimise as module
from dd_al.distillation.optimise import optimise, problem_of
from dd_al.distillation.outer_loop import OuterLoop
from dd_al.distillation.starts import number_of_items, starting_sets
from dd_al.distillation.synthetic import train_on
from dd_al.evaluation.baselines import full_training
from dd_al.io import metrics
from dd_al.io.signals import Stop
from dd_al.io.workdir import open_workdir
from dd_al.learner.predict import accuracy
from dd_al.task.task import known_inits

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task()


def distilled(task, settings, items=2, **options):
    return optimise(task, settings.distill, items=items, select_inits=2, **options)


def cached_programs():
    return {path.name for path in Path(jax.config.jax_compilation_cache_dir).glob("jit_advance*")}


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize(
    ("train", "classes", "items"), [(6920, 2, 8), (8544, 5, 10), (1000, 2, 2), (1001, 2, 2), (50, 3, 3)]
)
def test_the_default_is_a_thousandth_rounded_up_to_whole_classes(train, classes, items):
    assert number_of_items(DistillSettings(), train, classes) == items
    assert number_of_items(DistillSettings(init="known"), train, classes) == classes


@pytest.mark.parametrize("keys", [{"labels": "hard"}, {"method": "distribution_matching"}])
def test_labels_that_are_not_mixed_need_an_item_of_each_class(keys):
    assert number_of_items(DistillSettings(examples=3, **keys), 50, 3) == 3
    with pytest.raises(ConfigError, match="config.distill.examples = 2: .* needs an item of each of the 3 classes"):
        number_of_items(DistillSettings(examples=2, **keys), 50, 3)
    assert number_of_items(DistillSettings(examples=2), 50, 3) == 2


def test_the_loop_is_compiled_once_however_many_stretches_it_takes(task, tiny_settings, compilations):
    with compilations() as compiled:
        result = distilled(task, tiny_settings())  # stretches to 2, 4, 6 and 7; a look at validation after 4 and 7
    assert compiled["jit(advance)"] == 1
    assert result.best_step.shape == (1,) and result.best_step[0] in (4, 7)
    assert result.synthetic.inputs.shape == (1, 2, *task.shape)
    assert result.synthetic.log_rates.shape == (1, 3, 2)
    labels = task.labels("train")[result.start_rows[0]]
    assert labels.tolist() == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("init", "sets"), [("known", 2), ("pool", 1)])
def test_a_stop_in_the_middle_changes_nothing(task, tiny_settings, tmp_path, monkeypatch, init, sets):
    settings = tiny_settings(init=init, rate_noise=0.2, pool=3)
    whole, programs = distilled(task, settings, sets=sets), cached_programs()
    stop = Stop()
    write = metrics.MetricsWriter.write

    def write_and_ask(self, step, **values):
        write(self, step, **values)
        stop.signum = 15 if step == 2 else None

    monkeypatch.setattr(metrics.MetricsWriter, "write", write_and_ask)
    with open_workdir(tmp_path / "w", {}) as workdir, pytest.raises(Interrupted):
        workdir.begin()
        distilled(task, settings, sets=sets, workdir=workdir, stop=stop)
    stop.signum = None
    with open_workdir(tmp_path / "w", {}) as workdir:
        again = distilled(task, settings, sets=sets, workdir=workdir, stop=stop)
        lines = metrics.read(workdir.metrics)
    assert programs and cached_programs() == programs  # the one that went on is not compiled anew
    assert [line.get("event", line["step"]) for line in lines] == [2, "resume", 4, 6, 7]
    assert equal((again.synthetic, again.best_step), (whole.synthetic, whole.best_step))


@pytest.mark.parametrize(("init", "compiled"), [("random", 1), pytest.param("known", 2, marks=pytest.mark.slow)])
def test_another_seed_and_other_texts_take_the_program_of_the_first(task, tiny_settings, init, compiled):
    settings, programs = tiny_settings(init=init, candidates=2), {}
    one, other = (replace(task, key=jax.random.key(seed)) for seed in (1, 2))
    half = len(task.labels("train")) // 2
    buckets = tuple(b._replace(targets=jnp.roll(b.targets, half // 2, axis=0)) for b in task.train.buckets)
    other = replace(other, train=other.train._replace(buckets=buckets))
    shared = [distilled(each, settings, programs=programs) for each in (one, other)]
    alone = [distilled(each, settings) for each in (one, other)]
    for ours, theirs in zip(shared, alone):
        assert equal(ours.synthetic, theirs.synthetic) and equal(ours.best_accuracy, theirs.best_accuracy)
        assert equal(ours.start_rows, theirs.start_rows)
    assert not equal(shared[0].synthetic, shared[1].synthetic)
    assert sum(name[0] == "outer loop" for name in programs) == compiled  # of known learners, a program for each
    assert (shared[1].compile_s == 0) == (compiled == 1)


@pytest.mark.slow
def test_known_initialisations_have_a_set_each_and_judge_it(task, tiny_settings):
    result = distilled(task, tiny_settings(init="known"), sets=2)
    assert result.synthetic.inputs.shape[0] == 2 and not equal(*map(np.asarray, result.synthetic.inputs))
    states = known_inits(task, 2)
    for i in range(2):
        one = jax.tree.map(lambda x, i=i: x[i], result.synthetic)
        trained = train_on(task.learner, one, jax.tree.map(lambda x, i=i: x[i : i + 1], states))
        score = accuracy(task.learner.model, trained.params, task.validation, task.embed)
        np.testing.assert_allclose(score, result.best_accuracy[i], atol=0.08)  # one of 14 texts may be on the fence


@pytest.mark.parametrize(("items", "classes"), [(1, [0]), (2, [0, 1]), (7, [0, 1, 2, 0, 1, 2, 0]), (40, None)])
def test_any_number_of_items_for_three_classes(make_tiny_task, tiny_settings, items, classes):
    task = make_tiny_task(("bad", "fair", "good"))
    synthetic, rows = starting_sets(task, tiny_settings().distill, items, 1)
    assert synthetic.label_logits.shape == (1, items, 3)
    assert classes is None or task.labels("train")[rows[0]].tolist() == classes
    assert len(set(rows[0].tolist())) == items or items == 40  # a sentence comes twice only where there are too few


def test_first_rates_can_fall_along_the_inner_steps(task, tiny_settings):
    synthetic, _ = starting_sets(task, tiny_settings(inner_schedule="cosine", inner_rate=0.2, steps=4).distill, 6, 1)
    falling = 0.1 * (1 + np.cos(np.pi * np.arange(4) / 4))
    np.testing.assert_allclose(
        np.exp(synthetic.log_rates[0]), np.outer(falling, np.ones(synthetic.log_rates.shape[-1])), rtol=1e-5
    )


def test_noise_is_a_start_like_another(task, tiny_settings):
    noise, rows = starting_sets(task, tiny_settings(start="noise").distill, 6, 2)
    real, _ = starting_sets(task, tiny_settings().distill, 6, 2)
    assert rows is None and not equal(noise.inputs[0], noise.inputs[1])
    assert noise.inputs.shape == real.inputs.shape and equal(noise.label_logits, real.label_logits)
    np.testing.assert_allclose(noise.inputs.std(), real.inputs.std(), rtol=0.3)
    again, _ = starting_sets(task, tiny_settings(start="noise").distill, 6, 2)
    other, _ = starting_sets(replace(task, key=jax.random.key(9)), tiny_settings(start="noise").distill, 6, 2)
    assert equal(again, noise) and not equal(other.inputs, noise.inputs)


def test_items_of_their_own_length(task, tiny_settings):
    synthetic, _ = starting_sets(task, tiny_settings(length=5).distill, 2, 1)
    assert synthetic.inputs.shape == (1, 2, 5, 8)


@pytest.mark.parametrize(("bad", "stops"), [((4,), False), ((3, 4), True)])
def test_single_bad_steps_are_survived_and_a_stretch_of_them_is_not(task, tiny_settings, monkeypatch, bad, stops):
    compiling = module.compiled

    def compile_with_bad_steps(*arguments):
        compiled, seconds = compiling(*arguments)

        def advance(key, data, state, until, look):
            state, info, validation = compiled(key, data, state, until, look)
            return state, info._replace(skipped=np.full(1, until in bad)), validation

        return advance, seconds

    monkeypatch.setattr(module, "compiled", compile_with_bad_steps)
    settings = tiny_settings(log_every=2, evaluate_every=1)  # looks end a stretch after every step
    if not stops:
        assert distilled(task, settings).best_step.shape == (1,)
        return
    with pytest.raises(UserError, match="in outer steps 2 to 4; lower"):
        distilled(task, settings)


@pytest.mark.slow
def test_divergence_is_said(task, tiny_settings):
    with pytest.raises(UserError, match=r"distillation diverged.*lower config.distill.rate"):
        distilled(task, tiny_settings(inner_rate=1e38))


def constants(function, *arguments):
    return {x.shape for x in jax.make_jaxpr(function)(*arguments).consts}


def test_tables_are_handed_to_programs_rather_than_written_into_them(task, tiny_settings):
    settings = tiny_settings()
    assert task.table.shape in constants(lambda ids: task.embed(ids), task.raw["train"])  # the check can fail
    synthetic, _ = starting_sets(task, settings.distill, 2, 1)
    loop = OuterLoop(problem_of(task, settings.distill, 1), settings.distill, 1, 2)
    assert task.table.shape not in constants(loop.advance, task.key, task.arrays, loop.init(synthetic), 1, True)
    _, _, init, advance = full_training(task, settings.full)
    state, keys = init(task.inits("any", 2)), jax.random.split(task.key, 2)
    assert task.table.shape not in constants(advance, task.arrays, np.float32(1), keys, state, np.int32(1))

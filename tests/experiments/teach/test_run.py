"""Students, alone and taught: what teachers hand on, and the whole experiment."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from dd_al.config.data import EncoderSettings
from dd_al.config.grid import check
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings, TeachSettings
from dd_al.core.errors import ConfigError
from dd_al.experiments.teach.run import fit_taught
from dd_al.experiments.teach.teachers import labels_of, make_teachers, relabelled, soft_labels
from dd_al.io.signals import Stop

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture(scope="module")
def task(make_tiny_task):
    return make_tiny_task()


def test_targets_keep_the_order_of_the_examples(task):
    targets = np.random.default_rng(0).random((len(task.raw["train"]), 5)).astype(np.float32)
    np.testing.assert_array_equal(labels_of(relabelled(task, targets)), targets)
    np.testing.assert_array_equal(labels_of(task).argmax(1), task.labels("train"))


def test_a_temperature_softens(task):
    params = jax.vmap(task.learner.model.init)(jax.random.split(jax.random.key(0), 2))
    params = jax.tree.map(lambda x: x + 0.3 * np.random.default_rng(1).normal(size=x.shape).astype(np.float32), params)
    sharp, soft = soft_labels(task, params), soft_labels(task, params, 10.0)
    np.testing.assert_allclose(sharp.sum(1), 1, rtol=1e-5)
    assert soft.max() < sharp.max() and soft.shape == (len(task.raw["train"]), task.classes)


def test_students_take_the_best_temperature_and_weight(task, tiny_settings):
    teach = TeachSettings(network="averaging:width=8", temperatures=(1.0, 3.0), weights=(0.5, 1.0), epochs=2)
    settings = replace(tiny_settings(), teach=teach)
    teachers, fit = make_teachers(settings, task.dataset, stop=Stop())
    trained = fit()
    assert trained.accuracy.shape[1] == 3
    states = task.inits("evaluation", 2)
    found = fit_taught(task, settings, teachers, trained.params, states, stop=Stop())
    assert found.chosen[0] in (1.0, 3.0) and found.chosen[1] in (0.5, 1.0)
    tried = [
        fit_taught(task, replace(settings, teach=replace(teach, temperatures=(t,), weights=(w,))), teachers,
                   trained.params, states, stop=Stop()).accuracy.max(0).mean()
        for t in (1.0, 3.0) for w in (0.5, 1.0)
    ]  # fmt: skip
    assert found.accuracy.max(0).mean() == max(tried)


def test_a_pretrained_encoder_teaches_a_student_of_words(task, tiny_settings, write_encoder, tmp_path):
    teach = TeachSettings(network="encoder:dropout=0.1", inputs="pieces", teachers=1, epochs=1, rate=1e-3)
    encoder = EncoderSettings(dir=str(write_encoder(tmp_path / "encoder")))
    settings = replace(tiny_settings(), teach=teach, encoder=encoder)
    teachers, fit = make_teachers(settings, task.dataset, stop=Stop())
    soft = soft_labels(teachers, fit().params)
    assert soft.shape == (len(task.raw["train"]), task.classes) and np.ptp(soft[:, 0]) > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"teach": {"inputs": "sentences"}}, "teach.inputs = 'sentences' needs teach.network"),
        (
            {"teach": {"inputs": "sentences", "network": "text_cnn"}},
            "config.teach.: config: .* model.windows",
        ),
        ({"teach": {"inputs": "images"}}, "teach.inputs = 'images' is not for inputs = 'words'"),
        ({"teach": {"network": "lenet"}}, "teach.network = 'lenet' does not read inputs = 'words'"),
        ({"teach": {"network": "lstn"}}, "did you mean 'lstm'"),
    ],
)
def test_teachers_that_cannot_be(config, message):
    with pytest.raises(ConfigError, match=message):
        check(from_config(Settings, config))


@pytest.mark.slow
def test_the_experiment_on_points(commands, tmp_path):
    flags = (
        "--config=configs/moons.py:layers=2", "--config.experiment=teach", "--config.teach.network=mlp:depth=3",
        "--config.teach.temperatures=2", "--config.teach.weights=0.5,0.9", "--config.teach.epochs=4",
        "--config.full.epochs=3", "--config.evaluate.inits=2", f"--workdir={tmp_path / 'w'}",
    )  # fmt: skip
    out, _ = commands.run("dd_al.main", *flags)
    found = json.loads((tmp_path / "w/results.json").read_text())
    assert found["methods"].keys() == {"full", "taught", "teachers"} and "taught: test accuracy" in out
    assert found["methods"]["taught"]["hyperparameters"]["temperature"] == 2
    assert found["budget"]["taught"]["stored_floats"] == 4 * found["dataset"]["train"]  # two numbers, two shares
    assert "Teachers" in (tmp_path / "w/report.html").read_text()

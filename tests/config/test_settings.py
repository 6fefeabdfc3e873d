"""The choices of keys, spelled out where JAX is not imported yet, are those of the code."""

import dataclasses
import json
from pathlib import Path

import pytest

from dd_al.config.distill import DistillSettings
from dd_al.config.learner import LearnerSettings
from dd_al.config.schema import from_config, override, to_config
from dd_al.config.settings import RETIRED, Settings
from dd_al.config.settings import recorded as flat
from dd_al.core.errors import ConfigError, WorkdirError
from dd_al.core.files import write_json
from dd_al.distillation import outer_loop, synthetic
from dd_al.io.workdir import open_workdir
from dd_al.learner import hypergradient, optimizers


def test_choices_are_those_of_the_code():
    fields = [*dataclasses.fields(DistillSettings), *dataclasses.fields(LearnerSettings)]
    choices = {field.name: field.metadata.get("choices") for field in fields}
    assert choices["hypergradient"] == hypergradient.NAMES and choices["optimizer"] == optimizers.NAMES
    assert choices["labels"] == synthetic.LABELS
    assert choices["method"] == tuple(outer_loop.OBJECTIVES)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"method": "kernel_regression", "rate_noise": 0.1}, r"rate_noise = 0.1 is for method = 'unrolled'"),
        ({"method": "gradient_matching", "attention": 0.1}, r"attention = 0.1 is for method = 'unrolled'"),
        ({"method": "kernel_regression", "init": "known"}, r"init must be 'random' or 'pool'"),
        ({"method": "gradient_matching"}, r"needs init = 'pool': the output layer of a fresh learner is zero"),
        ({"method": "distribution_matching", "labels": "unrestricted"}, r"labels that are shares of classes"),
        ({"init": "pool", "nets": 4, "pool": 3}, r"nets = 4 learners cannot be drawn from a pool of pool = 3"),
    ],
)
def test_keys_that_do_not_go_together(keys, message):
    with pytest.raises(ConfigError, match=f"config.distill: .*{message}"):
        from_config(Settings, {"distill": keys})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "learner.shift = 2 moves images, and inputs = 'words' has none"),
        (
            {"inputs": "images", "model": {"kind": "lenet"}, "distill": {"init": "known"}},
            "learner.shift = 2 needs distill.init = 'random' or 'pool'",
        ),
    ],
)
def test_only_images_move_and_not_those_of_a_known_network(config, message):
    with pytest.raises(ConfigError, match=message):
        from_config(Settings, {**config, "learner": {"shift": 2}})


def test_a_study_has_no_coresets():
    with pytest.raises(ConfigError, match="coreset.methods: a study has no rows of real examples"):
        from_config(Settings, {"experiment": "study", "coreset": {"methods": ("herding",)}})


@pytest.mark.parametrize("window", [None, 11])
def test_a_truncated_hypergradient_needs_a_window_within_its_steps(window):
    config = {"distill": {"hypergradient": "random_truncated", "window": window, "steps": 10}}
    with pytest.raises(ConfigError, match=f"config.distill: .*needs window.*between 1 and steps = 10, not {window}"):
        from_config(Settings, config)
    assert from_config(Settings, {"distill": {**config["distill"], "window": 10}}).distill.window == 10


@pytest.mark.parametrize(("section", "found"), [({"inputs": "sentences"}, "sentences"), ({"model": {}}, "text_cnn")])
def test_attention_labels_need_a_transformer_over_words(section, found):
    config = {"model": {"kind": "transformer"}, "distill": {"attention": 0.5}}
    assert from_config(Settings, config).distill.attention == 0.5
    with pytest.raises(ConfigError, match=f"distill.attention = 0.5 needs model.kind = 'transformer'.*{found!r}"):
        from_config(Settings, config | section)
    with pytest.raises(ConfigError, match="config.distill.attention = -1: must be a number of at least 0"):
        from_config(Settings, {"distill": {"attention": -1}})


@pytest.mark.parametrize(
    ("active", "message"),
    [
        ({"thresholds": {"stabel": 0.9}}, r"thresholds: no rule 'stabel' \(did you mean 'stable'\?\); the rules are"),
        ({"thresholds": {"accurate": 80}}, "thresholds: accurate:80 must be at most 1"),
        ({"stop": "certain"}, "stop = 'certain' needs its threshold, as in thresholds = certain:0.2"),
    ],
)
def test_where_active_learning_stops(active, message):
    with pytest.raises(ConfigError, match=f"config.active: {message}"):
        from_config(Settings, {"active": active})


def test_thresholds_of_rules():
    active = from_config(Settings, {"active": {"thresholds": {"certain": 0.2}, "stop": "certain"}}).active
    assert [active.threshold(rule) for rule in ("stable", "certain", "accurate")] == [0.99, 0.2, None]


@pytest.mark.parametrize("key", [key for key in RETIRED if "." in key])
def test_a_key_that_is_gone_is_read_with_what_it_always_is_and_refused_otherwise(key):
    section, name = key.split(".")
    value, instead = RETIRED[key]
    assert from_config(Settings, {section: {name: value}}) == Settings()
    with pytest.raises(ConfigError, match=f"^config.{key} = 7: is no key any more: {instead}"):
        from_config(Settings, {section: {name: 7}})
    with pytest.raises(ConfigError, match=f"^config.{key} = '7': is no key any more: {instead}"):
        override(Settings, to_config(Settings()), key, "7")


def test_a_run_of_keys_that_are_gone_goes_on(tmp_path):
    config = dataclasses.asdict(Settings())
    recorded = {**config, "active": {**config["active"], "share": 0.01}}
    assert flat(recorded) == flat(config)
    write_json(tmp_path / "config.json", recorded)
    with open_workdir(tmp_path, config) as workdir:
        assert workdir.resumed
    write_json(tmp_path / "config.json", {**config, "active": {**config["active"], "share": 0.5}})
    with pytest.raises(WorkdirError, match=r"config\.active\.share: 0\.5 -> '\(absent\)'"):
        open_workdir(tmp_path, config)


@pytest.mark.filterwarnings("ignore:config.distill.items is called")
def test_the_config_of_a_run_of_version_0_1_is_that_of_the_same_run_today(tmp_path):
    old = json.loads((Path(__file__).parent / "config_0_1.json").read_text())
    assert from_config(Settings, old) == Settings()
    assert flat(old) == flat(dataclasses.asdict(Settings()))
    write_json(tmp_path / "config.json", old)
    with open_workdir(tmp_path, dataclasses.asdict(Settings())) as workdir:
        assert workdir.resumed
    old["distill"]["items"], old["teach"]["epochs"] = 4, 7
    with pytest.raises(ConfigError, match=r"config\.teach = .*no key any more: run python -m examples.knowledge"):
        from_config(Settings, old)
    write_json(tmp_path / "config.json", old)
    with pytest.raises(WorkdirError, match=r"config\.distill\.examples: 4 -> None\n"):
        open_workdir(tmp_path, dataclasses.asdict(Settings()))

"""The choices of keys, spelled out where JAX is not imported yet, are those of the code."""

import dataclasses

import pytest

from dd_al.config.distill import DistillSettings
from dd_al.config.learner import LearnerSettings
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.distillation import outer_loop, synthetic
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

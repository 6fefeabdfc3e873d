"""Which networks a set is tried on, and by which of its rates."""

from dataclasses import replace

import numpy as np
import pytest

from dd_al.config.sweeps import TransferSettings
from dd_al.evaluation.from_artefact import networks
from dd_al.learner.learner import layers


@pytest.fixture
def artefact(toy_artefact):
    """A set for a TextCNN and a transformer of one block."""
    made = toy_artefact(init="random", also={"transformer": ["block0", "input", "norm", "output"]})
    rates = np.concatenate([made.log_rates, made.log_rates], axis=-1)
    return replace(made, log_rates=rates, spec={**made.spec, "model": {**made.spec["model"], "width": 8}})


def tried(artefact, others=None, **options):
    none = {"networks": None, "widths": None, "init_scales": None}
    return networks(artefact, others or artefact.model, TransferSettings(**{**none, **options}), 3)


def test_the_sets_own_network_alone(artefact):
    (only,) = tried(artefact)
    assert (only.name, only.columns, only.count) == ("text_cnn", slice(0, 4), 3)


def test_networks_have_the_rates_that_the_set_has_for_them(artefact):
    found = tried(artefact, networks=("text_cnn", "lstm", "transformer"), widths=(0.5,), init_scales=(3,))
    assert [(one.name, one.columns) for one in found] == [
        ("text_cnn", slice(0, 4)),
        ("text_cnn, width × 0.5", slice(0, 4)),
        ("text_cnn, initial weights × 3", slice(0, 4)),
        ("lstm", None),
        ("transformer", slice(4, 8)),
    ]


def test_networks_that_the_set_was_distilled_for_have_its_sizes(artefact):
    deeper = replace(artefact.model, blocks=2)
    *_, transformer = tried(artefact, deeper, networks=("transformer",))
    assert transformer.columns == slice(4, 8) and len(layers(transformer.model)) == 4

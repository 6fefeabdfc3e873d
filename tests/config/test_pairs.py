"""Texts that change keys: one grammar for rows, curves, data sets, networks and variants."""

import re

import pytest

from dd_al.config.learner import ModelSettings, network
from dd_al.config.pairs import along, changed, pairs
from dd_al.core.errors import ConfigError


def test_pairs_leave_spaces_and_empty_parts_out():
    assert pairs(" seed = 1 ;; data.name=a=b;") == [("seed", "1"), ("data.name", "a=b")]
    assert pairs("") == pairs(" ; ") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("seed", "'seed': write key=value; key=value"), ("a=1; a=2", "'a=1; a=2' gives a key twice")],
)
def test_a_mistake_in_pairs(text, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        pairs(text)


def test_several_values_go_together():
    assert along("steps=1|10; examples=4|8; init=known") == {
        "1": [("steps", "1"), ("examples", "4"), ("init", "known")],
        "10": [("steps", "10"), ("examples", "8"), ("init", "known")],
    }
    assert list(along("init=known; steps=3|2|1")) == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps=3", "no key with several values, as in"),
        ("", "no key with several values, as in"),
        ("steps=1|1", "a value is given twice"),
        ("steps=1|2; examples=4|8|16", "config.examples has 3 values where another has 2"),
        ("steps", "write key=value"),
    ],
)
def test_a_mistake_in_several_values(text, message):
    with pytest.raises(ConfigError, match=message):
        along(text)


def test_changed_settings_are_checked_and_the_given_ones_stay():
    model = ModelSettings()
    assert changed(model, [("filters", "1e2"), ("windows", "2,3")]) == ModelSettings(filters=100, windows=(2, 3))
    assert model == ModelSettings() == changed(model, [])
    for change, message in (
        (("filter", "9"), r"^config\.filter = '9': no such key \(did you mean 'filters'"),
        (("filters", "0"), r"^config\.filters = 0: must be an integer of at least 1"),
        (("depth", "2"), r"^config\.depth = '2': is the same for all"),
    ):
        with pytest.raises(ConfigError, match=message):
            changed(model, [change], fixed=("depth",), why="is the same for all")


def test_a_fixed_section_or_key_is_refused_and_its_neighbours_are_not():
    for key, refused in (("data.name", True), ("evaluate.split", True), ("evaluate.inits", False), ("date", False)):
        with pytest.raises(ConfigError) as caught:
            changed(ModelSettings(), [(key, "1")], fixed=("data", "evaluate.split"), why="is fixed")
        assert str(caught.value).endswith("is fixed") == refused


def test_networks_by_their_names():
    assert network(ModelSettings(filters=9), "mlp:depth=3: width = 8", "also") == ModelSettings(
        kind="mlp", depth=3, width=8, filters=9
    )
    assert network(ModelSettings(), "gru", "also") == ModelSettings(kind="gru")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gur", r"config\.kind = 'gur': must be one of .*did you mean 'gru'"),
        ("mlp:depht=3", r"config\.depht = '3': no such key \(did you mean 'depth'"),
        ("mlp:depth", r"config\.depth = '': must be an integer of at least 0"),
        ("mlp:", r"config\. = '': no such key"),
    ],
)
def test_a_mistake_in_a_network_names_it(name, message):
    with pytest.raises(ConfigError, match=rf"^config\.also, '{name}': {message}"):
        network(ModelSettings(), name, "also")

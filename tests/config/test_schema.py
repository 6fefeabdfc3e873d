"""Settings: what a config may say, and what a mistake in it is answered with."""

import contextlib
import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd_al.config.pairs import parse_variant
from dd_al.config.schema import Text, from_config, keys_help, option, override, to_config
from dd_al.core.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Distill:
    items: int | None = dataclasses.field(default=None, metadata={"min": 1, "help": "synthetic examples in all"})
    rate: float = dataclasses.field(default=0.1, metadata={"min": 0.0, "max": 1.0})
    widths: tuple[int, ...] = dataclasses.field(default=(3, 4, 5), metadata={"min": 1})
    init: str = dataclasses.field(default="random", metadata={"choices": ("random", "known")})

    def __post_init__(self):
        if self.items == 13:
            raise ValueError("13 items bring bad luck")


@dataclasses.dataclass(frozen=True)
class Settings:
    experiment: str = "distill"
    seed: int = 0
    debug: bool = False
    folder: str | None = None
    label_map: dict[str, int] | None = None
    distill: Distill = Distill()


def config():
    return to_config(Settings(experiment="distill"))


def overridden(key, text):
    edited = config()
    override(Settings, edited, key, text)
    return from_config(Settings, edited)


def test_round_trip_gives_the_same_dataclass():
    settings = Settings("active", seed=3, folder="x", label_map={"very bad.": 0, "good": 1}, distill=Distill(items=8))
    assert from_config(Settings, to_config(settings)) == settings
    assert from_config(Settings, dataclasses.asdict(settings)) == settings


def test_a_config_file_may_edit_everything():
    edited = config()
    edited.seed = 1e3
    edited.distill.items = 8
    edited.distill.rate = 1
    edited.distill.widths = [2, 3]
    edited.label_map = {"bad": 0}
    settings = from_config(Settings, edited)
    assert settings == Settings("distill", 1000, label_map={"bad": 0}, distill=Distill(8, 1.0, (2, 3)))
    assert type(settings.seed) is int and type(settings.distill.rate) is float


def test_keys_that_a_config_leaves_out_keep_their_defaults():
    assert from_config(Settings, {"experiment": "a", "distill": {"rate": 0.5}}).distill == Distill(rate=0.5)


@pytest.mark.parametrize("text", ["bad:0,good:1,bad:1", "bad:0,one,two:1"])
def test_entries_are_not_lost(text):
    with pytest.raises(ConfigError, match="label_map = .*must be like"):
        overridden("label_map", text)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("seed", "1e3", 1000),
        ("seed", "-2", -2),
        ("debug", "true", True),
        ("debug", "False", False),
        ("folder", "none", None),
        ("folder", "/tmp/a=b,c", "/tmp/a=b,c"),
        ("folder", "12", "12"),
        ("label_map", '{"bad": 0, "good": 1}', {"bad": 0, "good": 1}),
        ("distill.items", "8", 8),
        ("distill.items", "None", None),
        ("distill.rate", "1e-3", 1e-3),
        ("distill.rate", "1", 1.0),
        ("distill.widths", "2,3", (2, 3)),
        ("distill.widths", "(2, 3,)", (2, 3)),
        ("distill.widths", "7", (7,)),
        ("label_map", "bad:0, good:1", {"bad": 0, "good": 1}),
        ("distill.init", "known", "known"),
    ],
)
def test_a_flag_sets_any_key(key, text, value):
    settings = overridden(key, text)
    for name in key.split("."):
        settings = getattr(settings, name)
    assert settings == value and type(settings) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("distill.itemz", "8", r"config\.distill\.itemz = '8': no such key \(did you mean 'items'\?\)"),
        ("distil.items", "8", r"config\.distil\.items = '8': no such key \(did you mean 'distill'\?\)"),
        ("items", "8", r"config\.items = '8': no such key \(did you mean 'distill\.items'\?\)"),
        ("distill", "8", r"config\.distill = '8': is a section; its keys are items, rate"),
        ("seed.x", "8", r"config\.seed\.x = '8': config\.seed has no keys"),
        ("seed", "1.5", r"config\.seed = 1\.5: must be an integer"),
        ("seed", "many", r"config\.seed = 'many': must be an integer"),
        ("seed", "true", r"config\.seed = 'true': must be an integer"),
        ("seed", "1e999", r"config\.seed = inf: must be an integer"),
        ("debug", "maybe", r"config\.debug = 'maybe': must be true or false"),
        ("distill.items", "0", r"config\.distill\.items = 0: must be an integer of at least 1, or None"),
        ("distill.rate", "2", r"config\.distill\.rate = 2: must be a number between 0\.0 and 1\.0"),
        ("distill.rate", "nan", r"config\.distill\.rate = 'nan': must be a number"),
        ("distill.widths", "3,3", r"config\.distill\.widths = \(3, 3\): must be a comma-separated list without rep"),
        ("distill.widths", "", r"config\.distill\.widths = \(\): must be a comma-separated list"),
        ("distill.widths", "3,0", r"config\.distill\.widths = \(3, 0\): must be a comma-separated list without rep"),
        ("distill.init", "knwon", r"must be one of 'random', 'known' \(did you mean 'known'\?\)"),
        ("label_map", "bad", r"config\.label_map = 'bad': must be like bad:0,good:1, or None"),
        ("label_map", '{"bad": "x"}', r"config\.label_map = .*: must be like bad:0,good:1, or None"),
        ("", "8", r"no such key"),
    ],
)
def test_a_mistake_in_a_flag_names_key_value_and_what_is_allowed(key, text, message):
    with pytest.raises(ConfigError, match=message):
        overridden(key, text)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("seed", "1.5", r"config\.seed = 1\.5: must be an integer"),
        ("folder", "none", None),
        ("label_map", "bad", r"config\.label_map = 'bad': must be like bad:0,good:1, or None"),
    ],
)
def test_text_of_a_flag_is_read_with_the_config(key, text, message):
    edited = config()
    edited[key] = Text(text)
    with pytest.raises(ConfigError, match=message) if message else contextlib.nullcontext():
        assert getattr(from_config(Settings, edited), key) is None


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("distill", "itemz", 8, r"config\.distill\.itemz = 8: no such key \(did you mean 'items'\?\)"),
        ("distill", "items", "8", r"config\.distill\.items = '8': must be an integer"),
        ("distill", "items", True, r"config\.distill\.items = True: must be an integer"),
        ("distill", "items", 13, r"config\.distill: 13 items bring bad luck"),
        ("distill", "rate", math.nan, r"config\.distill\.rate = nan"),
        ("distill", "rate", None, r"config\.distill\.rate = None: must be a number between"),
        (None, "distill", 3, r"config\.distill = 3: is a section; its keys are items"),
        (None, "seed", None, r"config\.seed = None: must be an integer$"),
        (None, "folder", 3, r"config\.folder = 3: must be a string, or None"),
        (None, "debug", 1, r"config\.debug = 1: must be true or false"),
    ],
)
def test_a_mistake_in_a_config_file_reads_the_same(section, key, value, message):
    edited = config()
    (edited[section] if section else edited)[key] = value
    with pytest.raises(ConfigError, match=message):
        from_config(Settings, edited)


VARIANTS = {"classes": (2, 5), "init": ("random", "known"), "scale": float, "quick": bool, "steps": int, "tag": str}


def test_variants_combine():
    arg = "classes=5,init=known,scale=1e-2,quick=true,steps=1e3,tag=x"
    expected = {"classes": 5, "init": "known", "scale": 0.01, "quick": True, "steps": 1000, "tag": "x"}
    assert parse_variant(arg, VARIANTS) == expected
    assert parse_variant("quick,classes=5", VARIANTS) == {"quick": True, "classes": 5}
    assert parse_variant(None, VARIANTS) == parse_variant("", VARIANTS) == {}


@pytest.mark.parametrize(
    ("arg", "message"),
    [
        ("clases=5", r"variant 'clases=5': no such key \(did you mean 'classes'\?\); known keys: classes=one of 2, 5,"),
        ("classes=3", r"variant classes = 3: must be one of 2, 5"),
        ("init=knwon", r"variant init = 'knwon': must be one of .* \(did you mean 'known'\?\)"),
        ("classes", r"variant 'classes': write key=value"),
        ("classes=5,", r"variant '': write key=value"),
        ("classes=5,classes=2", r"classes is given twice"),
        ("quick,quick=false", r"quick is given twice"),
        ("quik", r"variant 'quik': write key=value \(did you mean 'quick'\?\)"),
        ("quick=perhaps", r"variant quick = 'perhaps': must be true or false"),
        ("steps=1.5", r"variant steps = 1\.5: must be an integer"),
    ],
)
def test_a_mistake_in_a_variant(arg, message):
    with pytest.raises(ConfigError, match=message):
        parse_variant(arg, VARIANTS)


def test_a_config_without_variants_says_so():
    with pytest.raises(ConfigError, match="known keys: none"):
        parse_variant("classes=5", {})


@given(key=st.text(max_size=12), text=st.text(max_size=12))
def test_no_flag_text_gives_any_other_error(key, text):
    for name in (key, "seed", "distill.widths", "label_map", "distill.rate"):
        with contextlib.suppress(ConfigError):
            overridden(name, text)


def test_help_lists_every_key():
    lines = keys_help(Settings("distill"))
    assert "--config.distill.items=None  synthetic examples in all" in lines
    assert len(lines) == 9


@dataclasses.dataclass(frozen=True)
class Renamed:
    count: int | None = option(None, "how many", min=1, was="number")


@dataclasses.dataclass(frozen=True)
class Outer:
    part: Renamed = Renamed()


def test_a_key_goes_by_its_old_name_for_one_version():
    config = to_config(Outer())
    with pytest.warns(FutureWarning, match=r"config\.part\.number is called config\.part\.count now"):
        override(Outer, config, "part.number", "3")
    assert from_config(Outer, config) == Outer(Renamed(3))
    with pytest.warns(FutureWarning, match="count now"):
        assert from_config(Outer, {"part": {"number": 4}}) == Outer(Renamed(4))
    with (
        pytest.warns(FutureWarning),
        pytest.raises(ConfigError, match=r"config\.part\.number = 0: .*part\.count is given"),
    ):
        from_config(Outer, {"part": {"number": 0, "count": 4}})
    with (
        pytest.warns(FutureWarning),
        pytest.raises(ConfigError, match=r"config\.part\.count = 0: must be an integer of at"),
    ):
        from_config(Outer, {"part": {"number": 0}})

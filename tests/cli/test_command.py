"""Commands on absl's flags: command lines in one process, and what overrides of a config's keys do."""

import dataclasses
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from absl import flags

from dd_al.cli.command import Command, exit_code
from dd_al.cli.config_files import define_config
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings

CONFIG = """
from dd_al.config import Settings, to_config

def get_config():
    config = to_config(Settings())
    config.distill.length = None
    config.distill.candidates = 2e1
    config.compare.seeds = [0, 1]
    return config
"""


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """What a command saw, and the command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.py").write_text(CONFIG)
    seen = []

    def define(values, argv):
        define_config(values, argv, Settings)
        flags.DEFINE_integer("count", 3, "how many", lower_bound=1, flag_values=values)

    command = Command("usage: it", define, lambda values, rest: seen.append((values, rest)))
    return seen, lambda *args: command(["it", *args])


def settings(seen, *args):
    seen, command = seen
    assert command("--config=c.py", *args) == 0
    return from_config(Settings, seen[-1][0].config)


@pytest.mark.parametrize(
    ("args", "key", "value"),
    [
        (["--config.seed", "1"], "seed", 1),
        (["-config.seed=1e3"], "seed", 1000),
        (["--config.seed=1", "--config.seed=2"], "seed", 2),
        (["--config.tensorboard"], "tensorboard", True),
        (["--config.tensorboard=yes"], "tensorboard", True),
        (["--config.tensorboard", "--noconfig.tensorboard"], "tensorboard", False),
        (["--config.distill.length=7"], "distill.length", 7),
        (["--config.distill.candidates=7"], "distill.candidates", 7),
        (["--config.distill.also=lstm:width=8,gru"], "distill.also", ("lstm:width=8", "gru")),
        (["--config.random.rates=1,1e-2"], "random.rates", (1.0, 0.01)),
        (["--config.random.dropout=no"], "random.dropout", (False,)),
        (["--config.compare.seeds=3,4"], "compare.seeds", (3, 4)),
        (["--config.data.label_map=bad:0,good:1"], "data.label_map", {"bad": 0, "good": 1}),
        (["--config.data.dir=12"], "data.dir", "12"),
        (["--config.data.dir=a", "--config.data.dir=none"], "data.dir", None),
    ],
)
def test_overrides(seen, args, key, value):
    found = settings(seen, *args)
    for name in key.split("."):
        found = getattr(found, name)
    assert found == value and type(found) is type(value)


def test_one_command_line_knows_nothing_of_another(seen):
    first = settings(seen, "--config.seed=1", "--count=5")
    second = settings(seen, "--config.tensorboard")
    assert (first.seed, second.seed) == (1, 0) and second == dataclasses.replace(settings(seen), tensorboard=True)
    assert [values.count for values, _ in seen[0]] == [5, 3, 3]
    assert "count" not in flags.FLAGS and "config" not in flags.FLAGS and "config.seed" not in flags.FLAGS


@pytest.mark.parametrize("args", [[], ["--config.seed=1e3", "--config.model.width=32", "--config.distill.steps=7"]])
def test_a_config_of_a_few_keys_has_all_of_them(seen, tmp_path, args):
    """Such as one that is no edited copy of the defaults; its own kind of ConfigDict keeps the types of its values."""
    few = "ConfigDict({'experiment': 'train', 'seed': 2, 'distill': {'steps': 5}})"
    (tmp_path / "c.py").write_text(f"from ml_collections import ConfigDict\ndef get_config():\n    return {few}")
    found = settings(seen, *args)
    assert (found.experiment, found.seed, found.distill.steps) == ("train", *((1000, 7) if args else (2, 5)))
    assert found.model.width == (32 if args else Settings().model.width)


def test_a_flag_may_give_what_a_config_file_lacks(seen, tmp_path):
    file = CONFIG.replace("return", "config.distill.hypergradient = 'truncated'\n    return")
    (tmp_path / "c.py").write_text(file)
    assert settings(seen, "--config.distill.window=3").distill.window == 3


@pytest.mark.filterwarnings("ignore:config.distill.items is called")
@pytest.mark.parametrize(
    ("args", "examples"), [([], 5), (["--config.distill.examples=7"], 7), (["--config.distill.items=7"], 7)]
)
def test_a_flag_changes_what_a_file_says_by_an_old_name(seen, tmp_path, args, examples):
    (tmp_path / "c.py").write_text(CONFIG.replace("return", "config.distill.items = 5\n    return"))
    assert settings(seen, *args).distill.examples == examples


def test_the_config_is_locked(seen):
    settings(seen)
    with pytest.raises(AttributeError, match="locked"):
        seen[0][0][0].config.distill.itmes = 3


def test_arguments_and_flags_mix(seen):
    assert seen[1]("one", "--count", "7", "two", "--", "--three") == 0
    assert seen[0][0][1] == ["one", "two", "--three"] and seen[0][0][0].count == 7


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--count=0"], "flag --count=0: 0 is not a positive integer"),
        (["--count"], "Missing value for flag --count"),
        (["--coumt=3"], r"unknown flag --coumt (did you mean 'count'?)"),
        (["--config=c.py", "--config.seed=1", "--config=c.py"], "config.seed' is defined twice"),
    ],
)
def test_mistakes(seen, capsys, args, message):
    assert seen[1](*args) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err and err.endswith("; see --help\n") and not seen[0]


def test_a_config_file_cannot_end_the_process(seen, tmp_path, capsys):
    (tmp_path / "c.py").write_text("import sys\nsys.exit(0)")
    assert seen[1]("--config=c.py") == 2
    assert "c.py, line 2: SystemExit: 0" in capsys.readouterr().err


def test_console_scripts(capsys):
    setup = (Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    scripts = dict(re.findall(r'"(dd-al[a-z-]*) = (.*)"', setup))
    assert list(scripts) == ["dd-al", "dd-al-evaluate", "dd-al-export", "dd-al-report"]
    for name, value in scripts.items():
        start = EntryPoint(name, value, "console_scripts").load()
        assert isinstance(start.__self__, Command) and start.__self__([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith("usage: python -m dd_al.")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 3 TiB"), "config.distill.examples.*Unable to allocate 3 TiB"),
        (
            ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 38 bytes.\nmore"),
            "hypergradient=checkpoint.*38 bytes",
        ),
    ],
)
def test_too_little_memory_is_no_failure_of_the_program(error, said, capsys):
    def fail():
        raise error

    assert exit_code(fail, []) == 2
    shown = capsys.readouterr().err
    assert re.search(said, shown) and "more" not in shown.split("(")[-1]
    with pytest.raises(ValueError, match="another"):
        exit_code(lambda: int("another"), [])


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_a_platform_that_is_not_installed_is_named(platform):
    imports = "from dd_al.cli.devices import start_jax; from dd_al.cli.command import exit_code"
    command = f"{imports}; exit(exit_code(start_jax, []))"
    done = subprocess.run(
        [sys.executable, "-c", command], env=os.environ | {"JAX_PLATFORMS": platform}, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert f"no device for the platform '{platform}'" in done.stderr and "JAX_PLATFORMS=cpu" in done.stderr

"""The command line: what each mistake is answered with, and every exit code."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dd_al import main as main_module
from dd_al import report
from dd_al.core.files import read_json

FAKE = """
import dataclasses, json, logging, time
from dd_al.core.errors import DataError
from dd_al.core.files import write_json
from dd_al.io import signals

@dataclasses.dataclass(frozen=True)
class Data:
    name: str = "sst2"
    items: int | None = dataclasses.field(default=None, metadata={"min": 1, "help": "how many"})

@dataclasses.dataclass(frozen=True)
class Settings:
    experiment: str = "fake"
    seed: int = 0
    mode: str = "good"
    data: Data = Data()

def run(settings, workdir):
    if settings.mode == "bad data":
        raise DataError("rows.csv, line 3: no label")
    workdir.begin()
    (workdir.path / "runs").open("a").write("x")
    if settings.mode == "bug":
        raise RuntimeError("a bug of ours")
    if settings.mode == "logging":
        for name, text in (("dd_al.fake", "ours"), ("other", "theirs")):
            for level in (logging.DEBUG, logging.INFO, logging.WARNING):
                logging.getLogger(name).log(level, text)
    if settings.mode == "jax":
        import jax
        print("nans:", jax.config.jax_debug_nans)
    if settings.mode == "keyboard":
        raise KeyboardInterrupt
    if settings.mode == "outside a loop":
        print("running", flush=True)
        time.sleep(600)
    if settings.mode == "loop":
        with signals.catch_stop() as stop:
            print("running", flush=True)
            while not stop.requested:
                time.sleep(0.01)
            (workdir.path / "saved").touch()
            stop.check()
    scores = {"test_accuracy": {"mean": 0.81234, "std": 0.0102, "n": 10, "values": []}}
    workdir.report.write_text("<html>")
    write_json(workdir.results, {"finished": "now", "methods": {"full": scores}})
"""

CONFIG = """
from dd_al.config import parse_variant, to_config
from fake_experiment import Settings

def get_config(arg=None):
    variant = parse_variant(arg, {"seed": int})
    return to_config(Settings(**variant))
"""

DRIVER = """
import sys
import fake_experiment
from dd_al import main as m
m.Settings, m.EXPERIMENTS = fake_experiment.Settings, {"fake": "fake_experiment"}
try:
    m.main.start()
finally:
    print("jax imported:", "jax" in sys.modules)
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with an experiment, its config file, and a command that runs it in this process."""
    (tmp_path / "fake_experiment.py").write_text(FAKE)
    (tmp_path / "fake_config.py").write_text(CONFIG)
    (tmp_path / "driver.py").write_text(DRIVER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    import fake_experiment

    monkeypatch.setattr(main_module, "Settings", fake_experiment.Settings)
    monkeypatch.setattr(main_module, "EXPERIMENTS", {"fake": "fake_experiment"})
    monkeypatch.setattr(main_module, "start_jax", lambda: None)
    yield tmp_path
    sys.modules.pop("fake_experiment")


def command(*args):
    return main_module.main(["main", *map(str, args)])


GOOD = ("--config=fake_config.py", "--workdir=w")


def test_a_good_run_prints_the_headline_and_the_report(lab, capsys):
    assert command(*GOOD, "--config.seed=1e3", "--config.data.items", "8") == 0
    out = capsys.readouterr().out
    assert "full: test accuracy 0.8123 ± 0.0102 over 10" in out and f"report: {lab / 'w' / 'report.html'}" in out
    expected = {"experiment": "fake", "seed": 1000, "mode": "good", "data": {"name": "sst2", "items": 8}}
    assert read_json("w/config.json") == expected


def test_a_finished_workdir_is_reported_until_overwrite(lab, capsys):
    assert command(*GOOD) == command(*GOOD) == 0
    assert "holds a finished run" in capsys.readouterr().out
    assert Path("w/runs").read_text() == "x"
    assert command(*GOOD, "--overwrite", "--config.seed=2") == 0
    assert Path("w/runs").read_text() == "xx"
    assert command(*GOOD) == 2
    assert "config.seed: 2 -> 0" in capsys.readouterr().err


def test_a_finished_run_that_was_killed_before_its_report_gets_one(lab, monkeypatch):
    assert command(*GOOD) == 0
    (lab / "w" / "report.html").unlink()
    built = []
    monkeypatch.setattr(report, "build", built.append)
    assert command(*GOOD) == 0 and built == [lab / "w"]


def test_a_mistake_in_the_data_leaves_the_folder_to_another_config(lab):
    assert command(*GOOD, "--config.mode=bad data") == 2
    assert command(*GOOD) == 0


def test_variants_and_flags_combine(lab):
    assert command("--config", "fake_config.py:seed=4", "--workdir", "w", "--config.mode=good day") == 0
    assert read_json("w/config.json")["seed"] == 4 and read_json("w/config.json")["mode"] == "good day"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--config=FILE is missing"),
        (["--config=fake_config.py"], "--workdir=DIR is missing"),
        (["--config.seed=1"], "--config=FILE is missing"),
        (["--config"], "Missing value for flag --config"),
        ([*GOOD, "--dry_rum"], r"unknown flag --dry_rum \(did you mean 'dry_run'\?\)"),
        ([*GOOD, "extra"], "unknown argument extra"),
        ([*GOOD, "--overwrite=much"], "flag --overwrite=much: .*Non-boolean argument"),
        (["--config.seed=1", *GOOD], "Found --config.seed=1 in argv before a value for --config was specified"),
        ([*GOOD, "--flagfile=nowhere"], "Unable to open flagfile: .*nowhere"),
        (
            ["--config=fake_confg.py", "--workdir=w"],
            r"no config file fake_confg.py \(did you mean 'fake_config.py'\?\)",
        ),
        (["--config=none/at/all.py", "--workdir=w"], "there is no config file none/at/all.py"),
        (["--config=fake_config.py:sed=1", "--workdir=w"], r"fake_config.py: variant 'sed=1': .*did you mean 'seed'"),
        (["--config=fake_config.py:1", "--workdir=w"], "fake_config.py: variant '1': write key=value"),
        ([*GOOD, "--config.data.itemz=1"], r"config.data.itemz = '1': no such key \(did you mean 'items'\?\)"),
        ([*GOOD, "--config.data.items=0"], "config.data.items = 0: must be an integer of at least 1, or None"),
        ([*GOOD, "--config.seed"], "Missing value for flag --config.seed"),
        ([*GOOD, "--config.seed=x"], "config.seed = 'x': must be an integer"),
        (
            [*GOOD, "--config.experiment=fak"],
            r"config.experiment = 'fak': must be one of fake \(did you mean 'fake'\?\)",
        ),
        ([*GOOD, "--config.mode=bad data"], "rows.csv, line 3: no label"),
        (["--config=fake_config.py", "--workdir=fake_config.py"], "cannot use .*fake_config.py as a work directory"),
    ],
)
def test_the_users_mistakes_exit_2_without_a_traceback(lab, capsys, args, message):
    assert command(*args) == 2
    err = capsys.readouterr().err
    assert re.search(message, err) and err.startswith("error: ") and "Traceback" not in err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def get_config(arg):\n    raise KeyError('no such thing')", "line 2: KeyError: no such thing"),
        ("def get_config(arg:\n    pass", "line 1: SyntaxError"),
        ("import nothing_of_that_name", "line 1: ModuleNotFoundError"),
        ("x = 1", r"has no function get_config\(arg\)"),
        ("def get_config(arg):\n    return {}", "returned a dict instead of a ConfigDict"),
        (
            CONFIG.replace("return to_config", "c = to_config") + "    c.dat.items = 3\n    return c\n",
            r'line 8: AttributeError: dat. Did you mean "data" instead of "dat"\?$',
        ),
        (
            CONFIG.replace("return to_config", "c = to_config") + "    c.data.itmes = 3\n    return c\n",
            r"config.data.itmes = 3: no such key \(did you mean 'items'\?\)",
        ),
    ],
)
def test_mistakes_in_a_config_file(lab, capsys, source, message):
    Path("other.py").write_text(source)
    code, err = command("--config=other.py", "--workdir=w"), capsys.readouterr().err
    assert code == 2 and re.search(message, err, re.MULTILINE) and "Traceback" not in err
    assert not Path("w").exists()


def test_a_config_without_variants(lab, capsys):
    Path("other.py").write_text(CONFIG.replace("arg=None", "").replace("(arg,", "(None,"))
    assert command("--config=other.py", "--workdir=w") == 0
    assert command("--config=other.py:seed=1", "--workdir=w") == 2
    assert "other.py: has no variants" in capsys.readouterr().err


def test_debug_shows_the_traceback(lab, capsys):
    assert command(*GOOD, "--config.mode=bad data", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--overwrit", "--overwritten", "--nooverwrit"])
def test_nobody_is_led_to_the_flag_that_deletes(lab, capsys, flag):
    assert command(*GOOD, flag) == 2
    assert capsys.readouterr().err == f"error: unknown flag {flag}; see --help\n"


def test_flags_from_a_file(lab):
    (lab / "flags").write_text("--config=fake_config.py\n# three flags\n--config.seed=3\n--config.data.name=a b\n")
    assert command("--flagfile=flags", "--workdir=w", "--config.seed", "4") == 0
    settings = read_json("w/config.json")
    assert settings["seed"] == 4 and settings["data"] == {"name": "a b", "items": None}


def test_our_own_mistakes_exit_1_with_a_traceback(lab, capsys):
    assert command(*GOOD, "--config.mode=bug") == 1
    assert "RuntimeError: a bug of ours" in capsys.readouterr().err


def test_the_keyboard_exits_130(lab, capsys):
    assert command(*GOOD, "--config.mode=keyboard") == 130
    assert "interrupted" in capsys.readouterr().err


def test_helpfull_shows_the_flags_of_absl_and_jax(lab, capsys):
    assert command("--helpfull") == 0
    out = capsys.readouterr().out
    for flag in ("--workdir", "--config", "--verbosity", "--flagfile", "--[no]jax_debug_nans"):
        assert f"{flag}:" in out


def test_help_shows_usage_and_the_keys_of_a_config(lab, capsys):
    assert command("--help") == 0
    out = capsys.readouterr().out
    assert "usage: python -m dd_al.main --config=FILE" in out and "examples:" in out
    assert command("--config=fake_config.py", "--help") == 0
    assert "--config.data.items=None  how many" in capsys.readouterr().out


def started(lab, *args):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(lab), *sys.path]), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "driver.py", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_mistakes_are_answered_before_jax_is_imported(lab):
    process = started(lab, *GOOD, "--config.data.itemz=1")
    out, err = process.communicate()
    assert process.returncode == 2 and out == "jax imported: False\n"
    assert err.startswith("error: config.data.itemz") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "code", "shown"),
    [
        (["--help"], 0, "usage: python -m dd_al.main"),
        (["--helpxml"], 0, "<name>verbosity</name>"),
        ([*GOOD, "--config.mode=jax", "--jax_debug_nans"], 0, "nans: True"),
        ([*GOOD, "--config.mode=jax"], 0, "nans: False"),
        ([*GOOD, "--jax_debug_nan"], 2, r"unknown flag --jax_debug_nan (did you mean 'jax_debug_nans'?)"),
        ([*GOOD, "--config.mode=bug"], 1, "RuntimeError: a bug of ours"),
        ([*GOOD, "--config.mode=keyboard"], 130, "interrupted"),
    ],
)
def test_a_process_of_its_own(lab, args, code, shown):
    process = started(lab, *args)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code and shown in out + err
    assert ("Traceback" in err) == (code == 1)


@pytest.mark.parametrize(
    ("flags", "levels"), [([], "IW"), (["-v", "1"], "DIW"), (["--verbosity=-1"], "W"), (["--verbosity=error"], None)]
)
def test_verbosity(lab, flags, levels):
    """Of the package all from that level on; of other packages only warnings, unless more than information is asked."""
    process = started(lab, *GOOD, "--config.mode=logging", *flags)
    err = process.communicate(timeout=300)[1]
    assert process.returncode == (0 if levels else 2)
    shown = re.findall(r"^\d\d:\d\d:\d\d ([A-Z]) (ours|theirs)$", err, re.MULTILINE)
    assert "".join(level for level, who in shown if who == "ours") == (levels or "")
    assert "".join(level for level, who in shown if who == "theirs") == {"DIW": "DIW", None: ""}.get(levels, "W")


@pytest.mark.parametrize(
    ("mode", "signum", "code"),
    [("loop", signal.SIGTERM, 143), ("loop", signal.SIGINT, 130), ("outside a loop", signal.SIGTERM, 143)],
)
def test_a_signal_saves_and_exits_with_its_code(lab, mode, signum, code):
    process = started(lab, *GOOD, f"--config.mode={mode}")
    assert process.stdout.readline() == "running\n"
    process.send_signal(signum)
    _, err = process.communicate(timeout=300)
    assert process.returncode == code and "the same command goes on" in err and "Traceback" not in err
    assert Path("w/saved").exists() == (mode == "loop")


def test_a_second_process_is_refused(lab):
    first = started(lab, *GOOD, "--config.mode=loop")
    try:
        assert first.stdout.readline() == "running\n"
        second = started(lab, *GOOD, "--config.mode=loop")
        _, err = second.communicate(timeout=300)
        assert second.returncode == 2 and f"another process (pid {first.pid}) is using" in err
    finally:
        first.terminate()
        first.communicate(timeout=300)

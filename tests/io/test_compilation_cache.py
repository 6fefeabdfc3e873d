"""The persistent compilation cache: used, cleaned of broken entries, and never a reason to fail."""

import logging
import os
import subprocess
import sys
import time
import zlib

import jax
import pytest

from dd_al.io import compilation_cache


@pytest.fixture(autouse=True)
def _settings_back():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_broken_entries_are_deleted_and_whole_ones_kept(tmp_path, caplog):
    whole = zlib.compress(b"executable" * 100)
    entries = {"whole": whole, "cut": whole[:-5], "empty": b"", "zstd": b"\x28\xb5\x2f\xfd" + b"\x00"}
    for name, content in entries.items():
        (tmp_path / f"{name}-cache").write_bytes(content)
    (tmp_path / "notes.txt").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert compilation_cache.enable(tmp_path) == tmp_path
    left = {path.name for path in tmp_path.iterdir()}
    assert {"whole-cache", "notes.txt"} <= left and not {"cut-cache", "empty-cache"} & left
    assert "broken entries" in caplog.text
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)


def test_only_new_entries_are_looked_at_again(tmp_path):
    compilation_cache.enable(tmp_path)
    for name, age in (("old", 60), ("new", 0)):
        (tmp_path / f"{name}-cache").write_bytes(b"")
        os.utime(tmp_path / f"{name}-cache", (time.time() - age,) * 2)
    compilation_cache.enable(tmp_path)
    assert (tmp_path / "old-cache").exists() and not (tmp_path / "new-cache").exists()


def test_a_folder_that_cannot_be_written_means_no_cache(tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        assert compilation_cache.enable(tmp_path / "file" / "xla") is None
    assert len(caplog.records) == 1 and "no compilation cache" in caplog.text


def test_the_default_is_the_users_cache_unless_jax_was_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", None)
    assert compilation_cache.enable() == tmp_path / "dd_al" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
    assert compilation_cache.enable() == tmp_path / "mine"


COMPILE = """
import sys, jax, jax.numpy as jnp
from dd_al.io import compilation_cache
compilation_cache.enable(sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(float(jax.jit(lambda x: jnp.sin(x) @ x.T)(jnp.ones((3, 3))).sum()))
"""


def test_a_truncated_entry_of_jax_itself_is_repaired(tmp_path):
    def run():
        command = [sys.executable, "-c", COMPILE, tmp_path]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu"}
        )
        return done.stdout, done.stderr, {path: path.stat().st_size for path in tmp_path.glob("*-cache")}

    value, _, sizes = run()
    assert sizes
    for path in sizes:
        path.write_bytes(path.read_bytes()[:-7])
    assert run()[0] == value  # deletes and writes again
    again, errors, repaired = run()
    assert (again, errors) == (value, "") and repaired.keys() == sizes.keys()
    assert all(compilation_cache._whole(path.read_bytes()) for path in repaired)

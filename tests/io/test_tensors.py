"""Named arrays on disk: every bit back, the same bytes from every process, a clear error for a broken file."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.errors import DataError
from dd_al.io.tensors import read_safetensors, write_safetensors


def test_round_trip_keeps_bits_shapes_and_dtypes(tmp_path):
    arrays = {
        "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "strided": np.arange(10)[::2],
        "scalar": np.float64(0.1),
        "empty": np.zeros((0, 3), np.int32),
        "jax": jnp.arange(3, dtype=jnp.int32),
        "flags": np.array([True, False]),
        "big-endian": np.arange(3, dtype=">i4"),
    }
    write_safetensors(tmp_path / "a.safetensors", arrays)
    back = read_safetensors(tmp_path / "a.safetensors")
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        array = np.asarray(array)
        assert back[name].shape == array.shape and back[name].dtype == array.dtype.newbyteorder("=")
        assert back[name].tobytes() == array.astype(back[name].dtype).tobytes()


WRITE = """
import sys, numpy as np
from dd_al.io.tensors import write_safetensors
names = sys.argv[2].split(",")
write_safetensors(sys.argv[1], {name: np.full(3, ord(name), np.float32) for name in names})
"""


def test_every_process_writes_the_same_bytes(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path, names, seed in zip(paths, ("p,q,r", "r,q,p"), "12", strict=True):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        subprocess.run([sys.executable, "-c", WRITE, path, names], check=True, env=environment)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("content", [b"", b"12345678", b"\xff" * 8 + b"{}", None])
def test_a_broken_or_missing_file_is_named(tmp_path, content):
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        read_safetensors(path)


def test_a_truncated_file_is_an_error(tmp_path):
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"a": np.zeros(100)})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="is broken"):
        read_safetensors(path)


def test_what_safetensors_cannot_hold_is_named(tmp_path):
    with pytest.raises(ValueError, match="array 'words' has the dtype"):
        write_safetensors(tmp_path / "a", {"words": np.array(["x"])})
    with pytest.raises(ValueError, match="array 'half' has the dtype bfloat16"):
        write_safetensors(tmp_path / "a", {"half": jnp.zeros(3, jnp.bfloat16)})

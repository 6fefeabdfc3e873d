"""Named arrays in a safetensors file: written atomically, byte for byte the same from every process."""

import os
from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dd_al.core.errors import DataError
from dd_al.core.files import atomic_write


def write_safetensors(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes `arrays` to `path`, atomically.

    They are of NumPy or JAX, of any shape, of booleans, integers or floats (not bfloat16: safetensors writes it, but
    cannot read it back into NumPy). The file has no metadata: safetensors writes two or more keys in an order that
    changes per process. What describes the arrays belongs in a JSON file beside them.

    Raises:
        UserError: the disk is full.
        ValueError: an array of another dtype; names it.
    """
    # order="C": safetensors writes the buffer as it lies, and a transposed view would come back scrambled.
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(f"array {name!r} has the dtype {array.dtype}: only booleans, integers and floats fit")
    atomic_write(path, save(plain))


def read_safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the arrays of a safetensors file by name.

    Raises:
        DataError: the file is missing, unreadable or broken; names it.
    """
    try:
        with open(path, "rb") as file:
            return load(file.read())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is broken, or no safetensors file: {error}") from error

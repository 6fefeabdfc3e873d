"""Files that are either wholly there or not there at all, and the JSON that goes into them."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dd_al.core.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_TEXTS = ("RESOURCE_EXHAUSTED: Error writing", "No space left on device", "Disk quota exceeded")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")


def atomic_write(path: str | os.PathLike, data: bytes | str) -> None:
    """Writes `data` to `path` so that a reader, or a crash at any moment, sees the old file or the new one.

    The folder must exist; a str is written as UTF-8.

    Raises:
        UserError: the disk (or the user's quota) is full; names the path.
        OSError: any other failure. In every case the old file stands and nothing else is left behind.
    """
    path = Path(path)
    # Two processes may write the same file at once (a shared cache): each has its own temporary file.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        with full_disk_named(path):
            raise


@contextlib.contextmanager
def full_disk_named(path: str | os.PathLike) -> Iterator[None]:
    """Within this context a full disk (or quota) raises a UserError that names `path`; other errors pass."""
    try:
        yield
    except Exception as error:
        # Orbax's reader of arrays reports it as a ValueError of its own.
        if getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _FULL_TEXTS):
            message = f"the disk is full: cannot write {path}; free some space and run the same command again"
            raise UserError(message) from error
        raise


def remove_temporaries(folder: Path) -> None:
    """Deletes what killed `atomic_write`s left in `folder`; call it only while no other process writes there."""
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes what `jsonable` makes of `value` as indented JSON, keys in their own order; see `atomic_write`."""
    atomic_write(path, json.dumps(jsonable(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file, or raises a UserError that names the path and, where it is not JSON, the line."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not JSON: byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error.msg} in line {error.lineno}") from error


def jsonable(value: Any, where: str = "value") -> Any:
    """Returns `value` in plain Python: arrays and their scalars as lists and numbers, tuples as lists, paths as str.

    NaN and the infinities become None: JSON has no such numbers, and a strict parser refuses the whole file.

    Raises:
        TypeError: something else is inside, or a key that is not a str; names where it is.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}, and JSON keys are strings")
        return {key: jsonable(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if hasattr(value, "tolist"):  # NumPy and JAX arrays and scalars, without importing either
        return jsonable(value.tolist(), where)
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def flattened(value: Any, prefix: str = "") -> dict[str, Any]:
    """Returns the leaves of nested objects by their paths: `{"a": {"b": 1}}` is `{".a.b": 1}` with no prefix."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    return {key: leaf for name, part in value.items() for key, leaf in flattened(part, f"{prefix}.{name}").items()}


def sha256_of(*parts: bytes | str | os.PathLike) -> str:
    """Returns the SHA-256 of bytes, of a str (as UTF-8) or of the content of a `Path`, as 64 hex digits.

    One part gives its plain digest, as `sha256sum` prints it; several give the digest of their digests, so that
    ("ab", "c") and ("a", "bc") differ.
    """
    digests = []
    for part in parts:
        if isinstance(part, os.PathLike):
            with open(part, "rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        else:
            digests.append(hashlib.sha256(part.encode() if isinstance(part, str) else part).hexdigest())
    return digests[0] if len(digests) == 1 else sha256_of(" ".join(digests))


def user_cache() -> Path:
    """Returns the folder for what can be made again: `$XDG_CACHE_HOME/dd_al`, or `~/.cache/dd_al`; may not exist."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path in this variable is to be ignored.
    return (Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()) / "dd_al"

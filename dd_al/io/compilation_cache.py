"""XLA's persistent compilation cache: on, in the user's cache folder, and kept free of broken entries."""

import logging
import os
import sys
import tempfile
import time
import zlib
from pathlib import Path

from dd_al.core.files import user_cache

logger = logging.getLogger(__name__)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CLOCK_SLACK = 2.0  # seconds that file systems round time stamps by


def enable(folder: str | os.PathLike | None = None) -> Path | None:
    """Turns the persistent compilation cache on, for compilations of a second or more (JAX's default).

    JAX writes entries in place. One that a crash or a full disk cut short costs a warning and a compilation in every
    later run, and is never replaced: such entries are deleted here.

    The folder is by default where the user's own setting says (`JAX_COMPILATION_CACHE_DIR`), else `xla` in
    `user_cache()`. Returns it, or None where it cannot be written: the run then goes on without a cache.
    """
    import jax  # not at the top: whoever only asks for a folder does not pay for it

    folder = Path(folder or jax.config.jax_compilation_cache_dir or user_cache() / "xla").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        deleted = _delete_broken(folder)
    except OSError as error:
        logger.warning("no compilation cache: cannot write %s (%s)", folder, error.strerror)
        return None
    if deleted:
        logger.warning("deleted %d broken entries of the compilation cache %s", deleted, folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return folder


def _delete_broken(folder: Path) -> int:
    """Deletes the entries that cannot be unpacked; returns how many.

    Only what was written since the last look is unpacked, so that a large cache costs nothing. Another process may be
    writing an entry just now: it then writes on into a file without a name, and compiles that once more another day.
    """
    now, looked, deleted = time.time(), folder / ".looked", 0
    since = looked.stat().st_mtime if looked.exists() else 0.0
    for path in folder.glob("*-cache"):
        if path.is_file() and path.stat().st_mtime >= since - _CLOCK_SLACK and not _whole(path.read_bytes()):
            path.unlink(missing_ok=True)
            deleted += 1
    looked.touch()
    os.utime(looked, (now, now))
    return deleted


def _whole(entry: bytes) -> bool:
    """Whether an entry unpacks: JAX packs with zstandard where that is installed, else with zlib."""
    try:
        if not entry.startswith(_ZSTD_MAGIC):
            zlib.decompress(entry)
        elif sys.version_info >= (3, 14):
            from compression import zstd

            zstd.decompress(entry)
        else:
            import zstandard

            zstandard.ZstdDecompressor().decompress(entry)
    except ImportError:
        return True  # an entry of another environment, and no way to tell
    except Exception:  # each packer has its own error, and any of them means that JAX cannot read the entry either
        return False
    return True

"""What a run records of where it ran: its command, versions, device and memory."""

import contextlib
import importlib.metadata
import platform
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

from dd_al.core.version import VERSION

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "tokenizers", "datasets")


def command() -> str:
    """What was typed."""
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    program = ["python", "-m", module.name] if module else ["python", Path(sys.argv[0]).name]
    return shlex.join([*program, *sys.argv[1:]])


def peak_rss_mb() -> float:
    """The most memory that this process has held, in MB."""
    try:  # on Linux ru_maxrss begins with what the parent held when it forked
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024 / 1e6
    except (OSError, TypeError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def describe() -> dict[str, Any]:
    """Versions, device and commit."""
    versions = {"dd_al": VERSION} | dict.fromkeys(_PACKAGES)
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "device": devices[0].device_kind,
        "device_count": len(devices),
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    # An installed copy may lie in a folder of another repository.
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        for arguments in (["ls-files", "--error-unmatch", Path(__file__).name], ["rev-parse", "HEAD"]):
            done = subprocess.run([*git, *arguments], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

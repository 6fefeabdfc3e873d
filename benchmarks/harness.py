"""What all benchmarks share: their flags, the clock, and the line of JSON that they end with."""

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

from dd_al.io import progress

THREADS = len(os.sched_getaffinity(0))  # what XLA uses, and peers are given
REPEATS = (3, "timed calls of each side, after a first one")


def flags(doc: str, argv: Sequence[str] | None, **known: tuple[Any, str]) -> argparse.Namespace:
    """The values of a benchmark's flags.

    Args:
      doc: of the benchmark; --help shows its first line.
      argv: of the command; those of the process if None.
      **known: each flag's default and meaning. Values are of the default's type: a tuple's are whole numbers, separated
        by commas, and None stands for a string.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, (default, meaning) in known.items():
        kind = numbers if isinstance(default, tuple) else str if default is None else type(default)
        parser.add_argument(f"--{name}", default=default, type=kind, help=meaning)
    return parser.parse_args(argv)


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers, separated by commas."""
    return tuple(map(int, text.split(",")))


def installed(package: str) -> bool:
    """Whether a peer can be imported; one that cannot is left out."""
    return importlib.util.find_spec(package) is not None


def in_turn(sides: Mapping[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Calls each side in turn, ``repeats`` times after a first time.

    Returns:
      The seconds of every side's calls, the first one included, which may compile; and its last answer.
    """
    times, answers = {name: [] for name in sides}, {}
    with progress.Progress((repeats + 1) * len(sides), "timing") as bar:
        for _ in range(repeats + 1):
            for name, side in sides.items():
                start = time.perf_counter()
                with progress.hidden():
                    answers[name] = side()
                times[name].append(time.perf_counter() - start)
                bar.update(side=name, seconds=times[name][-1])
    return times, answers


def fastest(side: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The seconds of the fastest of a side's calls after a first one, and its last answer."""
    times, answers = in_turn({"": side}, repeats)
    return min(times[""][1:]), answers[""]


def finish(result: Mapping[str, Any], *packages: str, wrong: str = "") -> int:
    """Prints the result as the last line, JSON, with the versions of some packages where they are installed.

    Returns:
      The exit code: 1 where ``wrong`` says what is, which is printed, too.
    """
    versions = {"python": platform.python_version(), "jax": jax.__version__}
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    machine = {"threads": THREADS, "device": jax.devices()[0].device_kind, "versions": versions}
    print(json.dumps({**result, **machine}))
    if wrong:
        print(wrong, file=sys.stderr)
    return int(bool(wrong))

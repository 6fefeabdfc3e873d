"""The metrics stream: one JSON object per line, appended while the run goes on and cut back when it resumes."""

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dd_al.core.errors import ConfigError
from dd_al.core.files import atomic_write, full_disk_named, jsonable

_SHOWN = 32  # numbers of a list, such as learning rates, that TensorBoard shows


class MetricsWriter(contextlib.AbstractContextManager):
    """Appends lines such as `{"step": 10, "loss": 0.5}` to a file; a context manager.

    A last line that a crash cut short is removed on opening, so that the next one does not run into it.

    Args:
        path: the file; it is made where it does not exist.
        events: a folder for the same numbers as `tensorboard --logdir` shows them: what is finite, and of lists every
            number, named by its place. A text is part of the others' names: methods stay apart.

    Raises:
        ConfigError: `events` without tensorboardX installed.
    """

    def __init__(self, path: str | os.PathLike, events: str | os.PathLike | None = None):
        self._path, self._events_folder, self._events = Path(path), events, None
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            self._rewrite(read(self._path))
        self._open()

    def write(self, step: int, **values: Any) -> None:
        """Appends the line of a step, which is how many are done, and flushes it.

        The `values` are what `jsonable` takes, arrays of JAX too; NaN and the infinities become null.
        """
        self._append({"step": int(step), **values})
        if self._events:
            values = jsonable(values)
            prefix = "".join(f"{value}/" for value in values.values() if isinstance(value, str))
            for name, value in values.items():
                for tag, number in _numbers(f"{prefix}{name}", value):
                    self._events.add_scalar(tag, number, int(step))

    def resume(self, step: int) -> None:
        """Drops the lines after `step`, which will be written again, and appends `{"event": "resume", "step": step}`.

        Lines without a step stay. Atomic: a crash leaves the old file or the cut one.
        """
        self.close()
        self._rewrite([line for line in read(self._path) if line.get("step", step) <= step])
        self._open(purge_step=int(step) + 1)
        self._append({"event": "resume", "step": int(step)})

    def close(self, *_: object) -> None:
        """Closes the files."""
        self._file.close()
        if self._events:
            self._events.close()

    __exit__ = close

    def _open(self, purge_step: int | None = None) -> None:
        """Opens the files, TensorBoard's from a step on if what comes after it will be written again."""
        if self._events_folder:
            try:
                from tensorboardX import SummaryWriter
            except ImportError as error:
                raise ConfigError(
                    f"config.tensorboard needs tensorboardX ({error}): pip install tensorboardX, or leave it False"
                ) from error
            # Its files are named by the second: without more, a quick restart would write over the last one.
            more = {"flush_secs": 10, "filename_suffix": f".{time.time_ns()}"}
            self._events = SummaryWriter(str(self._events_folder), purge_step=purge_step, **more)
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115

    def _append(self, line: dict[str, Any]) -> None:
        with full_disk_named(self._path):
            self._file.write(_dumps(line))
            self._file.flush()

    def _rewrite(self, lines: list[dict[str, Any]]) -> None:
        atomic_write(self._path, "".join(map(_dumps, lines)))


def read(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Returns the lines of a metrics file in order, without any that are broken; [] where there is no file."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    lines = []
    for line in text.split("\n"):
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines


def _dumps(line: dict[str, Any]) -> str:
    return json.dumps(jsonable(line, "line"), allow_nan=False) + "\n"


def _numbers(tag: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, list):
        for index, one in enumerate(value[:_SHOWN]):
            yield from _numbers(f"{tag}/{index}", one)
    elif isinstance(value, (int, float)) and math.isfinite(value):
        yield tag, float(value)

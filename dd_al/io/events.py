"""The metrics stream once more, as TensorBoard reads it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from dd_al.core.errors import ConfigError
from dd_al.core.files import jsonable

_SHOWN = 32  # numbers of a list, such as learning rates


class Events:
    """Writes numbers to a folder that `tensorboard --logdir` shows.

    Args:
        folder: made where it does not exist.

    Raises:
        ConfigError: tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike):
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                f"config.tensorboard needs tensorboardX ({error}): pip install tensorboardX, or leave it False"
            ) from error

        def new(purge_step: int | None = None) -> SummaryWriter:
            # Its files are named by the second: without more, a quick restart would write over the last one.
            suffix = f".{time.time_ns()}"
            return SummaryWriter(str(folder), purge_step=purge_step, flush_secs=10, filename_suffix=suffix)

        self._new, self._writer = new, new()

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Adds what is a finite number; of lists every number, named by its place.

        Args:
            step: how many steps are done.
            values: as `MetricsWriter.write` takes them. A text is part of the others' names: methods stay apart.
        """
        values = jsonable(dict(values))
        prefix = "".join(f"{value}/" for value in values.values() if isinstance(value, str))
        for name, value in values.items():
            for tag, number in _numbers(f"{prefix}{name}", value):
                self._writer.add_scalar(tag, number, step)

    def resume(self, step: int) -> None:
        """Tells TensorBoard to forget what comes after `step`, which will be written again."""
        self._writer.close()
        self._writer = self._new(step + 1)

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()


def _numbers(tag: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, list):
        for index, one in enumerate(value[:_SHOWN]):
            yield from _numbers(f"{tag}/{index}", one)
    elif isinstance(value, (int, float)) and math.isfinite(value):
        yield tag, float(value)

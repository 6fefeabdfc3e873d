"""Progress of a long loop: a bar on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0
_HIDDEN = ContextVar("hidden", default=False)
_OF = ContextVar("of", default="")


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Within this context no progress is shown, on a terminal or elsewhere."""
    token = _HIDDEN.set(True)
    try:
        yield
    finally:
        _HIDDEN.reset(token)


@contextlib.contextmanager
def progress_of(name: str) -> Iterator[None]:
    """Within this context progress is said to be that of `name`, one of several runs."""
    token = _OF.set(f"{name}: ")
    try:
        yield
    finally:
        _OF.reset(token)


class Progress:
    """Shows how far a loop is, its rate and the time left; a context manager.

        with Progress(steps, "distilling", done=resumed_at) as progress:
            for ...:
                progress.update(10, loss=loss)

    Args:
        total: how many steps there are.
        description: what is being done, in a word or two.
        done: steps that were done before this process; they do not count for the rate.
        compiled: whether what it counts was compiled before, so that the first update counts for the rate, too.
    """

    def __init__(self, total: int, description: str, done: int = 0, *, compiled: bool = False):
        self._total, self._description = total, _OF.get() + description
        self._done = self._logged = done
        self._began = self._last = time.monotonic()
        # Steps done and time from which on the rate is taken: after the first update where that compiles.
        self._steady: tuple[int, float] | None = (done, self._began) if compiled else None
        self._bar: tqdm | None = None
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and not _HIDDEN.get():
            # Log lines go above the bar instead of through it.
            self._contexts.enter_context(logging_redirect_tqdm())
            bar = tqdm(total=self._total, desc=self._description, initial=self._done, dynamic_ncols=True)
            self._bar = self._contexts.enter_context(bar)
        return self

    def __exit__(self, *_: object) -> None:
        self._contexts.close()
        self._bar = None

    def update(self, n: int = 1, **values: Any) -> None:
        """Counts `n` more steps.

        Args:
            n: the steps done since the last call.
            **values: what to show beside them, such as `loss=0.3`; arrays of one element count as numbers.
        """
        self._done += n
        if self._steady is None:
            self._steady = self._done, time.monotonic()
        if self._bar is not None:
            self._bar.set_postfix_str(_words(values), refresh=False)
            self._bar.update(n)
        elif self._due() and not _HIDDEN.get():
            self._logged, self._last = self._done, time.monotonic()
            if logger.hasHandlers():
                logger.info("%s", self._line(values))
            else:  # a script or a notebook without logging
                print(self._line(values), file=sys.stderr, flush=True)

    def _due(self) -> bool:
        """A line every ten seconds, at every tenth of the way, and at the end."""
        tenths = 10 * self._done // max(self._total, 1) > 10 * self._logged // max(self._total, 1)
        return tenths or time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES

    def _line(self, values: dict[str, Any]) -> str:
        (steady, since), now = self._steady, time.monotonic()
        if self._done > steady:
            # The first update is left out of the rate: it holds the compilation.
            rate = (self._done - steady) / max(now - since, 1e-9)
            left = tqdm.format_interval(max(self._total - self._done, 0) / rate)
            speed = f"{rate:.3g}/s" if rate >= 1 else f"{1 / rate:.3g} s each"
            line = f"{self._description}: {self._done}/{self._total}, {speed}, {left} left"
        else:
            line = f"{self._description}: {self._done}/{self._total}, {now - self._began:.3g} s with compilation"
        return f"{line}, {_words(values)}" if values else line


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_word(value)}" for name, value in values.items())


def _word(value: Any) -> str:
    value = value.item() if hasattr(value, "item") else value
    return f"{value:.4g}" if isinstance(value, float) else str(value)

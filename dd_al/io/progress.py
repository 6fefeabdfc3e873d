"""Progress of a long loop: a bar on a terminal, a log line now and then elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0
_HIDDEN = ContextVar("hidden", default=False)
_OF = ContextVar("of", default="")


def hidden() -> contextlib.AbstractContextManager:
    """Within this context no progress is shown, on a terminal or elsewhere."""
    return _within(_HIDDEN, True)


def progress_of(name: str) -> contextlib.AbstractContextManager:
    """Within this context progress is said to be that of `name`, one of several runs."""
    return _within(_OF, f"{name}: ")


@contextlib.contextmanager
def _within(variable: ContextVar, value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


class Progress:
    """Shows how far a loop is, its rate and the time left; a context manager.

        with Progress(steps, "distilling", done=resumed_at) as progress:
            for ...:
                progress.update(10, loss=loss)

    Args:
        total: how many steps there are.
        description: what is being done, in a word or two.
        done: steps that were done before this process; they do not count for the rate.
        compiled: whether what it counts was compiled before. Else the first update does not count for the rate either:
            it holds the compilation.
    """

    def __init__(self, total: int, description: str, done: int = 0, *, compiled: bool = False):
        self._total, self._description = total, _OF.get() + description
        self._done = self._logged = done
        self._began = self._last = time.monotonic()
        self._steady = (done, self._began) if compiled else None  # steps done and time since when the rate is taken
        self._bar: tqdm | None = None
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not _HIDDEN.get():
            # Log lines go above the bar instead of through it.
            self._contexts.enter_context(logging_redirect_tqdm())
            self._bar = self._contexts.enter_context(
                tqdm(total=self._total, desc=self._description, initial=self._done, dynamic_ncols=True)
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._contexts.close()
        self._bar = None

    def update(self, n: int = 1, **values: Any) -> None:
        """Counts the `n` steps since the last call; beside them it shows `values`, numbers or arrays of one."""
        self._done, now = self._done + n, time.monotonic()
        self._steady = self._steady or (self._done, now)
        # A line every ten seconds, at every tenth of the way, and at the end.
        tenths = 10 * self._done // max(self._total, 1) > 10 * self._logged // max(self._total, 1)
        if self._bar is not None:
            self._bar.set_postfix_str(_words(values), refresh=False)
            self._bar.update(n)
        elif (tenths or now - self._last >= _SECONDS_BETWEEN_LINES) and not _HIDDEN.get():
            self._logged, self._last = self._done, now
            words = [f"{self._description}: {self._done}/{self._total}", self._pace(now), _words(values)]
            line = ", ".join(filter(None, words))
            if logger.hasHandlers():
                logger.info("%s", line)
            else:  # a script or a notebook without logging
                print(line, file=sys.stderr, flush=True)

    def _pace(self, now: float) -> str:
        steady, since = self._steady
        if self._done == steady:
            return f"{now - self._began:.3g} s with compilation"
        rate = (self._done - steady) / max(now - since, 1e-9)
        left = tqdm.format_interval(max(self._total - self._done, 0) / rate)
        return f"{f'{rate:.3g}/s' if rate >= 1 else f'{1 / rate:.3g} s each'}, {left} left"


def _words(values: dict[str, Any]) -> str:
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in plain.items()
    )

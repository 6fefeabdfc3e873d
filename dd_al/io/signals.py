"""Stopping on request: a signal asks, the loop answers when its state can be saved."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from dd_al.core.errors import Interrupted


class Stop:
    """Whether a signal has asked the run to stop: `signum`, or None; see `catch_stop`."""

    signum: int | None = None

    @property
    def requested(self) -> bool:
        """True once a signal has arrived: save the state, then call `check`."""
        return self.signum is not None

    def check(self, saved: str = "the state is saved, the same command goes on from it") -> None:
        """Raises `Interrupted`, which says what was `saved`, with the exit code 128 + signal, if one has arrived."""
        if self.signum is not None:
            raise Interrupted(f"stopped by {signal.Signals(self.signum).name}; {saved}", 128 + self.signum)

    def _handle(self, signum: int, _: FrameType | None) -> None:
        if signum == signal.SIGINT and self.signum == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice at the keyboard: at once, saved or not
        if self.signum is None:
            at_once = "; again stops at once, unsaved" if signum == signal.SIGINT else ""
            # Not through logging, whose lock the interrupted code may hold.
            name = signal.Signals(signum).name
            os.write(2, f"{name}: stopping at the next step that can be saved{at_once}\n".encode())
        self.signum = signum


@contextlib.contextmanager
def catch_stop() -> Iterator[Stop]:
    """Within this context SIGTERM and SIGINT only note that a stop is wanted; the old handlers come back after it.

        with catch_stop() as stop:
            for step in range(steps):
                state = advance(state)
                if stop.requested:
                    save(state)
                    stop.check()

    A second SIGINT raises KeyboardInterrupt at once. Outside the main thread, where Python allows no handlers, nothing
    is caught and `requested` stays False.
    """
    stop = Stop()
    with _handlers({signal.SIGTERM: stop._handle, signal.SIGINT: stop._handle}):
        yield stop


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within this context SIGTERM raises `Interrupted` where the program stands, unless `catch_stop` notes it."""
    hook = sys.unraisablehook

    def interrupt(signum: int, _: FrameType | None) -> None:
        raise Interrupted("stopped by SIGTERM; the same command goes on from what was saved", 128 + signum)

    def again(unraisable: Any) -> None:
        """Python drops what is raised in a destructor or, as JAX has one, a callback of the garbage collector."""
        if issubclass(unraisable.exc_type, Interrupted):
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        else:
            hook(unraisable)

    with _handlers({signal.SIGTERM: interrupt}):
        sys.unraisablehook = again
        try:
            yield
        finally:
            sys.unraisablehook = hook


@contextlib.contextmanager
def _handlers(handlers: dict[signal.Signals, Callable]) -> Iterator[None]:
    with contextlib.ExitStack() as back:
        if threading.current_thread() is threading.main_thread():
            for signum, handler in handlers.items():
                old = signal.signal(signum, handler)
                # None stands for a handler that was not set from Python; it cannot be put back.
                back.callback(signal.signal, signum, signal.SIG_DFL if old is None else old)
        yield

"""A network that hangs, for what must not wait for it."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def hanging_look_up(monkeypatch) -> Iterator[Callable[[], int]]:
    """Name look-ups hang until the test is over; the value counts those that do, and fails if one has ended."""
    over, hanging, ended = threading.Event(), [], []

    def hang(*_, **__):
        hanging.append(1)
        over.wait(300)
        ended.append(1)
        raise OSError("the look-up hung")

    def count() -> int:
        assert not ended, "a look-up was waited for to its end"
        return len(hanging)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield count
    over.set()

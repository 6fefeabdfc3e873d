"""Calls in threads: their results, their context, and their errors."""

import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from dd_al.core.side_by_side import side_by_side

NAME = ContextVar("name", default="")


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_calls(workers):
    results = side_by_side({name: lambda name=name: 2 * name for name in "cab"}, workers)
    assert list(results.items()) == [("c", "cc"), ("a", "aa"), ("b", "bb")]
    assert side_by_side({}, workers) == {}


def test_as_many_run_at_a_time_as_there_are_workers():
    meeting = threading.Barrier(2)
    assert side_by_side({i: lambda: meeting.wait(timeout=30) is not None for i in range(2)}, 2) == {0: True, 1: True}


def test_calls_see_the_context_and_keep_their_changes():
    token = NAME.set("outer")

    def call(name):
        before = NAME.get()
        NAME.set(name)
        return before

    assert side_by_side({"a": lambda: call("a"), "b": lambda: call("b")}, 1) == {"a": "outer", "b": "outer"}
    assert NAME.get() == "outer"
    NAME.reset(token)


def test_an_error_ends_it_without_beginning_others():
    begun = []

    def fail():
        raise ValueError("the second")

    def call(name):
        begun.append(name)
        time.sleep(0.5)

    calls = {1: lambda: begun.append(1), 2: fail, 3: lambda: call(3), 4: lambda: call(4), 5: lambda: call(5)}
    with pytest.raises(ValueError, match="the second"):
        side_by_side(calls, 1)
    assert begun in ([1], [1, 3])  # the third may have begun before the error was seen


def test_an_interrupt_waits_for_nothing():
    program = """
import os, signal, sys, threading, time
from dd_al.cli.command import exit_code
from dd_al.core.side_by_side import side_by_side

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored

def ask():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=ask, daemon=True).start()
sys.exit(exit_code(lambda: side_by_side({1: lambda: time.sleep(60), 2: lambda: time.sleep(60)}, 2), []))
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=30, capture_output=True, text=True)
    assert done.returncode == 130 and "goes on from what was saved" in done.stderr

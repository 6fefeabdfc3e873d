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
    assert side_by_side({i: lambda: meeting.wait(timeout=300) is not None for i in range(2)}, 2) == {0: True, 1: True}


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
    begun, many = [], 2000

    def fail():
        raise ValueError("the second")

    def call(name):
        begun.append(name)
        time.sleep(0.02)

    calls = {name: (fail if name == 1 else lambda name=name: call(name)) for name in range(many)}
    with pytest.raises(ValueError, match="the second"):
        side_by_side(calls, 1)
    # A few may have begun before the error was seen, more of them on a busy machine; that many would take 40 s.
    assert begun == [name for name in range(len(begun) + 1) if name != 1] and len(begun) < many - 1


def test_an_interrupt_waits_for_nothing():
    program = """
import os, signal, sys, threading, time
from dd_al.cli.command import exit_code
from dd_al.core.side_by_side import side_by_side

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored

begun = threading.Barrier(3)

def ask():
    begun.wait()
    os.kill(os.getpid(), signal.SIGINT)

def call():
    begun.wait()
    time.sleep(600)

threading.Thread(target=ask, daemon=True).start()
sys.exit(exit_code(lambda: side_by_side({1: call, 2: call}, 2), []))
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=300, capture_output=True, text=True)
    assert done.returncode == 130 and "goes on from what was saved" in done.stderr

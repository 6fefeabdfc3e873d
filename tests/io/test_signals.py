"""Stopping on request."""

import os
import signal
import sys
import threading
import time

import pytest

from dd_al.core.errors import Interrupted
from dd_al.io.signals import catch_stop, sigterm_interrupts


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_noted_and_answered_when_asked(signum, code, capfd):
    before = signal.getsignal(signum)
    with catch_stop() as stop:
        stop.check()
        assert not stop.requested
        os.kill(os.getpid(), signum)
        assert stop.requested
        assert f"{signal.Signals(signum).name}: stopping at the next step" in capfd.readouterr().err
        with pytest.raises(Interrupted, match=signal.Signals(signum).name) as raised:
            stop.check()
    assert raised.value.exit_code == code
    assert signal.getsignal(signum) is before


def test_a_second_sigint_stops_at_once():
    with catch_stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested


def test_a_terminal_closing_twice_with_sigterm_still_waits():
    with catch_stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested


def test_sigterm_outside_a_loop_interrupts_and_inside_one_is_noted():
    with sigterm_interrupts():
        with catch_stop() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        with pytest.raises(Interrupted) as raised:
            os.kill(os.getpid(), signal.SIGTERM)
    assert raised.value.exit_code == 143


def test_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), catch_stop():
        _ = 1 / 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_outside_the_main_thread_nothing_is_caught():
    seen = []

    def work():
        with catch_stop() as stop:
            stop.check()
            seen.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_library_that_catches_every_exception_does_not_swallow_a_stop():
    with sigterm_interrupts(), pytest.raises(Interrupted):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:
            pass


def test_a_stop_that_a_destructor_loses_is_asked_for_again():
    class Dying:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)  # the handler runs here, and Python drops what it raises

    hook = sys.unraisablehook
    with sigterm_interrupts(), pytest.raises(Interrupted):
        dying = Dying()
        del dying
        time.sleep(10)
    assert sys.unraisablehook is hook

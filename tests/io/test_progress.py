"""Progress: a bar on a terminal, log lines elsewhere."""

import io
import logging
import sys

import numpy as np

from dd_al.io import progress
from dd_al.io.progress import Progress


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


def lines_of(caplog):
    return [record.getMessage() for record in caplog.records]


def test_lines_come_every_tenth_with_rate_time_left_and_values(caplog, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with caplog.at_level(logging.INFO, "dd_al"), Progress(100, "distilling") as bar:
        for _ in range(100):
            clock.now += 0.5
            bar.update(loss=np.float32(0.123456), best=3)
    assert len(lines_of(caplog)) == 10
    assert lines_of(caplog)[0] == "distilling: 10/100, 2/s, 00:45 left, loss=0.1235, best=3"
    assert lines_of(caplog)[-1].startswith("distilling: 100/100, 2/s, 00:00 left")


def test_slow_steps_are_reported_every_ten_seconds(caplog, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with caplog.at_level(logging.INFO, "dd_al"), Progress(1000, "fitting", done=500) as bar:
        for _ in range(9):
            clock.now += 4
            bar.update()
    assert lines_of(caplog)[0] == "fitting: 503/1000, 4 s each, 33:08 left"
    assert len(lines_of(caplog)) == 3


def test_the_first_step_holds_the_compilation_and_does_not_count_for_the_rate(caplog, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with caplog.at_level(logging.INFO, "dd_al"), Progress(10, "full data") as bar:
        for seconds in (30, 1, 1):
            clock.now += seconds
            bar.update()
    assert lines_of(caplog)[0] == "full data: 1/10, 30 s with compilation"
    assert lines_of(caplog)[1] == "full data: 2/10, 1/s, 00:08 left"


def test_a_script_without_logging_sees_progress_too(monkeypatch, capsys):
    monkeypatch.setattr(progress.logger, "hasHandlers", lambda: False)
    with Progress(1, "distilling") as bar:
        bar.update()
    assert capsys.readouterr().err.startswith("distilling: 1/1")


def test_nothing_to_do_is_no_error(caplog):
    with caplog.at_level(logging.INFO, "dd_al"), Progress(0, "nothing") as bar:
        bar.update(0)
    assert lines_of(caplog) == []


def test_a_terminal_gets_a_bar_that_log_lines_do_not_break(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(3, "distilling") as bar:
        bar.update(2, loss=0.5)
        bar.update(1, loss=0.25)
    text = terminal.getvalue()
    assert "distilling: 100%" in text and "3/3" in text and "loss=0.25" in text


def test_progress_of_one_of_several_runs_says_which(caplog):
    caplog.set_level(logging.INFO, "dd_al")
    with progress.progress_of("SST-2, seed 1"), Progress(1, "distilling") as bar:
        bar.update()
    with Progress(1, "distilling") as bar:
        bar.update()
    assert [line.partition(", ")[0] for line in lines_of(caplog)] == ["SST-2", "distilling: 1/1"]
    assert lines_of(caplog)[0].startswith("SST-2, seed 1: distilling: 1/1")

"""Labelling at a terminal: keys by hand, and a real pseudo-terminal."""

import os
import pty
import subprocess
import sys
import time

import pytest

from dd_al.active import terminal
from dd_al.active.annotation import AnswerLog
from dd_al.active.terminal import ask, keyboard
from dd_al.core.errors import ConfigError

TEXTS = ["a good one", "a bad one", "a \x1b[2Jnasty one", "another"]
LABELS = ("bad", "good")


def typed(path, keys, indices=(0, 1, 2), labels=LABELS):
    """What a person who types these keys sees and answers, and whether all is labelled."""
    keys, shown = iter(keys), []
    with AnswerLog(path, labels) as log:
        done = ask(log, indices, TEXTS, labels, read_key=lambda: next(keys, ""), write=shown.append)
        return done, log.answers, "".join(shown)


def test_a_key_for_each_label(tmp_path):
    done, answers, shown = typed(tmp_path / "a.jsonl", "21?")
    assert done and answers == {0: "good", 1: "bad", 2: None}
    assert "1 bad  2 good  |  ? not sure" in shown and "[3/3]" in shown


def test_undo_skip_and_keys_without_a_meaning(tmp_path):
    # 0 good, undone, bad; 1 skipped; 2 good; nothing under x; then 1, which comes again.
    done, answers, shown = typed(tmp_path / "a.jsonl", "2u1s2x1")
    assert done and answers == {0: "bad", 2: "good", 1: "bad"}
    assert shown.count("a bad one") == 4 and "undone" in shown
    assert typed(tmp_path / "b.jsonl", "uq")[2].count("nothing to undo in this round") == 1


@pytest.mark.parametrize("end", ["q", "\x04", ""])
def test_what_is_answered_is_saved_when_one_stops(tmp_path, end):
    done, answers, shown = typed(tmp_path / "a.jsonl", "2" + end)
    assert not done and answers == {0: "good"} and "1 of 3 are labelled" in shown
    done, answers, shown = typed(tmp_path / "a.jsonl", "11")  # goes on with the second
    assert done and answers == {0: "good", 1: "bad", 2: "bad"} and "a good one" not in shown


def test_texts_cannot_steer_the_terminal(tmp_path):
    assert "\x1b" not in typed(tmp_path / "a.jsonl", "111")[2]


def test_more_labels_than_keys(tmp_path):
    with pytest.raises(ConfigError, match="more than there are keys"):
        typed(tmp_path / "a.jsonl", "", labels=tuple(map(str, range(70))))


def test_without_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", open(os.devnull))
    with pytest.raises(ConfigError, match="needs a terminal"), keyboard():
        pass


PROGRAM = """
import sys
from dd_al.active import terminal
from dd_al.active.annotation import AnswerLog
from dd_al.active.terminal import ask, keyboard
with AnswerLog(sys.argv[1], ("bad", "good")) as log, keyboard() as read_key:
    def write(text):
        print(text, end="", flush=True)
    ask(log, range(3), ["one", "two", "three"], ("bad", "good"), read_key=read_key, write=write)
    print(log.answers, flush=True)
"""


def test_a_real_terminal_takes_single_keys(tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path / "a.jsonl"], stdin=theirs, stdout=theirs)
    os.close(theirs)
    shown = ""

    def until(text):
        nonlocal shown
        end = time.monotonic() + 300
        while text not in shown and time.monotonic() < end:
            shown += os.read(ours, 1024).decode()
        assert text in shown

    for key, text in zip("2u11?", ("[1/3]", "[2/3]", "undone", "[2/3]", "[3/3]")):
        until(text)
        shown = shown[shown.index(text) + len(text) :]
        os.write(ours, key.encode())  # without a line end
    until("{0: 'bad', 1: 'bad', 2: None}")
    assert process.wait(300) == 0
    os.close(ours)


def test_undo_leaves_earlier_rounds_alone(tmp_path):
    typed(tmp_path / "a.jsonl", "21", (0, 1))
    done, answers, shown = typed(tmp_path / "a.jsonl", "u2u1", (2,))
    assert done and answers == {0: "good", 1: "bad", 2: "good"} and "nothing to undo in this round" in shown


def test_keys_that_send_several_characters_are_no_labels():
    ours, theirs = os.pipe()
    os.write(theirs, b"\x1b[3~1\x1b[A\x1bOH2\x1b[15~\x1b")
    os.close(theirs)
    waiting, keys = [], []
    while key := terminal._read_key(ours, waiting):
        keys.append(key)
    os.close(ours)
    assert keys == ["\x1b", "1", "\x1b", "\x1b", "2", "\x1b", "\x1b"]

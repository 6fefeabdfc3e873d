"""Labelling at the terminal: a text, and one key for its label."""

import contextlib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from dd_al.active.annotation import NOT_SURE, AnswerLog
from dd_al.core.errors import ConfigError

# Without q, s and u, which have meanings of their own.
_LABEL_KEYS = "1234567890abcdefghijklmnoprtvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPECIAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\x1b])?")
_UNDO, _SKIP, _QUIT = "u", "s", "q"
_END = ("\x03", "\x04", "")  # Ctrl-C, Ctrl-D, and a terminal that is gone


def ask(
    log: AnswerLog,
    indices: Sequence[int],
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    read_key: Callable[[], str],
    write: Callable[[str], object],
) -> bool:
    """Shows the texts that have no answer yet, one by one, until all have one; each answer goes to the log at once.

    ``indices`` are positions in the ``texts`` of the pool. Each label has a key, "1" to "9", "0" and then letters.

    Returns:
        Whether all have an answer; False where the person wants to stop.

    Raises:
        ConfigError: there are more labels than keys.
    """
    if len(labels) > len(_LABEL_KEYS):
        raise ConfigError(
            f"{len(labels)} labels are more than there are keys ({len(_LABEL_KEYS)}): label in a file (oracle = 'file')"
        )
    keys = dict(zip(_LABEL_KEYS, labels))
    later: list[int] = []  # skipped: asked for again when all others have an answer
    shown = "  ".join(f"{key} {label}" for key, label in keys.items())
    legend = f"{shown}  |  {NOT_SURE} not sure  {_SKIP} skip  {_UNDO} undo  {_QUIT} quit\n"
    write(legend)
    while True:
        left = [index for index in indices if index not in log.answers]
        if not left:
            write("all labelled\n")
            return True
        index = next((index for index in left if index not in later), None)
        if index is None:
            later, index = [], left[0]
        done = len(indices) - len(left)
        write(f"\n[{done + 1}/{len(indices)}]\n{_wrapped(texts[index])}\n> ")
        key = read_key()
        if key in keys:
            log.add(index, keys[key])
            write(f"{keys[key]}\n")
        elif key == NOT_SURE:
            log.add(index, None)
            write("not sure: set aside\n")
        elif key == _SKIP:
            later.append(index)
            write("skipped for now\n")
        elif key == _UNDO:
            # Answers of earlier rounds have been learned from, and their texts are no longer among those asked.
            undone = log.undo() if log.last in indices else None
            later = [one for one in later if one != undone]
            write("nothing to undo in this round\n" if undone is None else "undone\n")
        elif key == _QUIT or key in _END:
            write(f"stopped; {done} of {len(indices)} are labelled and saved\n")
            return False
        else:
            write(f"\n{legend}")


@contextlib.contextmanager
def keyboard() -> Iterator[Callable[[], str]]:
    """Within this context the terminal gives single keys: yields `read_key`; ConfigError where there is no terminal."""
    if not sys.stdin.isatty():
        raise ConfigError("oracle = 'terminal' needs a terminal, and standard input is none: label in a file instead")
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield partial(_read_key, sys.stdin.fileno(), [])
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _read_key(file: int, waiting: list[str]) -> str:
    """The next key; one that sends several characters, such as an arrow or Delete, is one key without a meaning."""
    if not waiting:
        typed = os.read(file, 1024).decode(errors="replace")
        waiting += _SPECIAL.sub("\x1b", typed)
    return waiting.pop(0) if waiting else ""


def _wrapped(text: str) -> str:
    """A text in the width of the terminal, without control characters, which could move its cursor or worse."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.fill(plain, min(100, shutil.get_terminal_size().columns - 1))

"""What the commands share: their parser, their exit codes, and how logging and JAX start."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from dd_al.core.errors import ConfigError, Interrupted, UserError
from dd_al.io import compilation_cache
from dd_al.io.signals import sigterm_interrupts

logger = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """A parser that raises its complaints instead of exiting, and leaves `--help` to the command."""

    def __init__(self, **options: Any):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False, allow_abbrev=False, **options
        )

    def error(self, message: str) -> NoReturn:
        """Raises a ConfigError."""
        raise ConfigError(f"{message}; see --help")


def exit_code(run: Callable[[Sequence[str]], None], args: Sequence[str]) -> int:
    """Runs a command and turns the way it ends into the exit code.

    Args:
        run: the command; takes `args`.
        args: the command line without the program's name. With `--debug` the user's mistakes show a traceback, too.

    Returns:
        0 done, 1 a failure of the program, 2 the user's mistake, 130 and 143 for SIGINT and SIGTERM.
    """
    try:
        with sigterm_interrupts():
            run(args)
        return 0
    except UserError as error:
        if "--debug" in args:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        return interrupted.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from what was saved", file=sys.stderr)
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)  # Python would wait for what runs side by side
        return 130
    except Exception:
        traceback.print_exc()
        return 1


def start_logging() -> None:
    """One line per message on stderr; only warnings from other packages."""
    logging.basicConfig(format="%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("dd_al").setLevel(logging.INFO)


def start_jax() -> None:
    """Imports JAX with its persistent compilation cache on, and says what it runs on."""
    cache = compilation_cache.enable()
    import jax

    devices = jax.devices()
    logger.info("jax %s on %d %s, cache %s", jax.__version__, len(devices), devices[0].device_kind, cache)

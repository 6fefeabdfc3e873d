"""A command of the package: its flags by absl, its exit codes, and how its logging starts."""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from absl import app, flags
from absl import logging as absl_logging
from absl.logging import converter

from dd_al.core.errors import ConfigError, Interrupted, UserError, nearest, too_little_memory
from dd_al.io.signals import sigterm_interrupts


@dataclass(frozen=True)
class Command:
    """A command line program on absl's flags.

    Its flags are defined anew for every command line, in a `FlagValues` of their own: a process may run any number of
    command lines, and a program that imports the package has no flag of ours. absl's and JAX's own are the process's.

    Attributes:
        usage: what `--help` shows above the flags.
        define: defines the flags in `FlagValues`, for the command line that is parsed next.
        run: what the command does, with its flags and the arguments that are no flags.
        more_help: what `--help` shows below the flags.
    """

    usage: str
    define: Callable[[flags.FlagValues, list[str]], None]
    run: Callable[[flags.FlagValues, list[str]], None]
    more_help: Callable[[flags.FlagValues], str] = lambda values: ""

    def __call__(self, argv: Sequence[str]) -> int:
        """Runs a command line, whose first item is the program's name, and returns its exit code; see `exit_code`."""
        try:
            return exit_code(lambda: self._run(*self._parse(argv)), argv)
        except Exception:
            traceback.print_exc()
            return 1

    def start(self) -> None:
        """Runs the command line of this process by `absl.app.run`, and exits."""

        def parse(argv: list[str]) -> list:
            parsed: list = []
            if code := exit_code(lambda: parsed.extend(self._parse(argv)), argv):
                sys.exit(code)
            flags.FLAGS.mark_as_parsed()
            return parsed

        app.run(lambda parsed: exit_code(lambda: self._run(*parsed), sys.argv), flags_parser=parse)

    def _parse(self, argv: Sequence[str]) -> tuple[flags.FlagValues, list[str]]:
        """Returns the flags and the other arguments; a ConfigError for a flag or value that is not known."""
        values = flags.FlagValues()
        try:
            argv = flags.FLAGS.read_flags_from_files(argv)
            flags.DEFINE_bool("help", False, "show the flags of this command", values, short_name="h")
            flags.DEFINE_alias("helpshort", "help", values)
            flags.DEFINE_bool("helpfull", False, "show the flags of absl and JAX, too", values)
            flags.DEFINE_bool("debug", False, "show the traceback of the user's mistakes, too", values)
            self.define(values, argv)
            for name in flags.FLAGS:
                if name == flags.FLAGS[name].name and name not in values:  # and no one-letter name of another
                    values[name] = flags.FLAGS[name]
            arguments = values(argv)[1:]
        except flags.UnrecognizedFlagError as error:
            # --overwrite deletes: nobody is led to it by a typing error.
            hint = nearest(error.flagname, [name for name in values if len(name) > 1 and name != "overwrite"])
            raise ConfigError(f"unknown flag --{error.flagname}{hint}; see --help") from error
        except (flags.Error, ValueError) as error:
            raise ConfigError(f"{error}; see --help") from error
        except SystemExit:  # --helpxml has printed, and absl exits with 1
            raise SystemExit(0) from None
        return values, arguments

    def _run(self, values: flags.FlagValues, arguments: list[str]) -> None:
        if values.help or values.helpfull:
            print(f"{self.usage.strip()}\n\nflags:\n{values.get_help(include_special_flags=False)}")
            print(flags.FLAGS.get_help() if values.helpfull else self.more_help(values))
        else:
            self.run(values, arguments)


def exit_code(call: Callable[[], None], argv: Sequence[str]) -> int:
    """Calls, and returns 0 when done, 2 for the user's mistake or too little memory, 130 for SIGINT, 143 for SIGTERM.

    What else the call raises is a failure of the program. With `--debug` in `argv` mistakes show a traceback, too.
    """
    try:
        with sigterm_interrupts():
            call()
        return 0
    except UserError as error:
        if "--debug" in argv:
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
    except Exception as error:
        if not (said := too_little_memory(error)):
            raise
        if "--debug" in argv:
            traceback.print_exc()
        print(f"error: {said}", file=sys.stderr)
        return 2


def start_logging(values: flags.FlagValues) -> None:
    """Logs one line per message on stderr, from `--verbosity` (0: info) on; of other packages warnings below 1."""
    verbosity = 0 if values["verbosity"].using_default_value else values.verbosity
    level = converter.absl_to_standard(verbosity)
    line, clock = "%(asctime)s %(levelname).1s %(message)s", "%H:%M:%S"
    logging.basicConfig(format=line, datefmt=clock)  # outside `app.run`, which has absl's handler at the root
    absl_logging.get_absl_handler().setFormatter(logging.Formatter(line, clock))
    logging.getLogger().setLevel(level if verbosity > 0 else max(level, logging.WARNING))
    logging.getLogger("dd_al").setLevel(level)

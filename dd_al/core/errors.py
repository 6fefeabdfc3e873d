"""The exceptions that decide how a run ends, and the hint they share."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class UserError(Exception):
    """The user's mistake: `main` prints the message without a traceback and exits with 2."""


class ConfigError(UserError):
    """A config key that does not exist, or a value out of its range."""


class DataError(UserError):
    """A data set that cannot be found, read or used; the message names the file and line where it can."""


class WorkdirError(UserError):
    """A work directory that is in use, belongs to another config, or cannot be written."""


class BusyError(WorkdirError):
    """A work directory that another process is using."""


class Interrupted(BaseException):
    """A signal stopped the run. Like KeyboardInterrupt no Exception, so that no library's handler swallows it."""

    def __init__(self, message: str = "interrupted", exit_code: int = 130):
        """Takes what was saved, and the shell's number for the signal: 130 for SIGINT, 143 for SIGTERM."""
        super().__init__(message)
        self.exit_code = exit_code


@contextlib.contextmanager
def named(where: str) -> Iterator[None]:
    """Within this context a ConfigError or ValueError becomes a ConfigError that says where the mistake is."""
    try:
        yield
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Returns a hint such as " (did you mean 'sst2'?)", or "" where nothing in `allowed` is close to `name`."""
    matches = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def too_little_memory(error: Exception) -> str:
    """Returns what to do about an error, if it is one of too little memory, and else nothing."""
    if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
        return ""
    return (
        "the memory of this device is too small. What takes most of it: config.distill.examples, length, steps, nets "
        "and batch_size, and model.width or filters; config.distill.hypergradient=checkpoint holds less for more time. "
        f"--dry_run says how much a run needs ({(str(error) or 'MemoryError').splitlines()[0]})"
    )

"""The one sweep under `table`, `study` and `compare`: trials, each a run in a folder of its own.

A trial that is finished is not repeated, one that was stopped goes on, and one that failed is noted and tried again by
the next start, so the same command resumes a sweep. Trials need nothing of each other but what lies in their folders:
several processes can share a work directory, each with a slice of them.
"""

import gc
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax

from dd_al.config.grid import sliced
from dd_al.config.settings import Settings
from dd_al.core.errors import BusyError, DataError, UserError, too_little_memory
from dd_al.core.files import write_json
from dd_al.core.side_by_side import side_by_side
from dd_al.data.dataset import Dataset
from dd_al.data.load import identity, load
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop, catch_stop
from dd_al.io.workdir import Workdir

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One run of a sweep."""

    name: str  # of its folder in `runs/`, which no other trial has
    settings: Settings  # of the run, its seed among them
    data: Mapping[str, str]  # see `dd_al.data.load.identity`; a trial is not resumed with other data
    compute: Callable[[Workdir, Stop], None]  # computes it in its folder; writes what it counts as finished by last
    job: Mapping[str, Any] = field(default_factory=dict)  # what else tells it from other trials, as JSON
    title: str = ""  # what people read; the name if empty


class Data(NamedTuple):
    """The data of a config: loaded, what a work directory records of them, and the seconds of loading."""

    dataset: Dataset
    identity: dict[str, str]
    seconds: float


def read_data(configs: Mapping[str, Settings]) -> dict[str, Data]:
    """Loads the data of several configs, by their names, before anything is computed: mistakes are found at once.

    Configs that share their data share what is read.

    Raises:
      DataError: data that cannot be used; names the config.
    """
    found, read = {}, []
    for name, settings in configs.items():
        depends_on = settings.inputs, settings.data, settings.encoder
        found[name] = next((data for other, data in read if other == depends_on), None)
        if found[name] is None:
            start = time.perf_counter()
            try:
                dataset = load(settings)
                found[name] = Data(dataset, identity(settings, dataset), time.perf_counter() - start)
            except DataError as error:
                raise DataError(f"the data of {name!r}: {error}") from error
            read.append((depends_on, found[name]))
    return found


def run_trials(
    workdir: Workdir,
    trials: Sequence[Trial],
    part: str | None = None,
    *,
    finished: Callable[[Workdir], bool] = lambda folder: folder.finished,
    workers: int = 1,
    clear: bool = False,
) -> dict[str, str]:
    """Computes every trial that is not finished; an error of one does not stop the others.

    Args:
      workdir: of the sweep, begun.
      trials: in the order in which they begin.
      part: "3/40" for the third of forty slices of them, where processes share the work directory: a trial that another
        one is at is left to it.
      finished: whether the folder of a trial holds all of its results.
      workers: how many trials run at a time, in threads.
      clear: whether programs are of no use to the next trial, and forgotten.

    Returns:
      The error of each trial that failed, by name; it is in the trial's error.json, too.

    Raises:
      WorkdirError: the folder of a trial holds another, or another process is at it and nothing is shared.
      Interrupted: a signal asked for it.
    """
    trials = trials if part is None else sliced(trials, part)
    with catch_stop() as stop:

        def attempt(number: int, trial: Trial) -> str | None:
            error = None
            try:
                error = _attempt(workdir, trial, f"{number} of {len(trials)}", finished, clear, stop)
            except BusyError as busy:
                if part is None:
                    raise
                _LOG.info("%s: left to the process that is at it (%s)", trial.title or trial.name, busy)
            stop.check("the same command goes on with what is left")
            return error

        calls = {trial.name: partial(attempt, number, trial) for number, trial in enumerate(trials, start=1)}
        # One at a time they stay in this thread, where they can take signals themselves.
        errors = side_by_side(calls, workers) if workers > 1 else {name: call() for name, call in calls.items()}
    return {name: error for name, error in errors.items() if error}


def _attempt(
    workdir: Workdir, trial: Trial, place: str, finished: Callable[[Workdir], bool], clear: bool, stop: Stop
) -> str | None:
    """Computes a trial unless it is finished, and returns its error, if it fails."""
    title, error = trial.title or trial.name, None
    with progress_of(title), workdir.part(trial.name, {**asdict(trial.settings), **trial.job}) as part:
        part.begin(**trial.data)  # refuses other data under the same name
        if finished(part):
            _LOG.info("%s: from an earlier start of this run", title)
            return None
        _LOG.info("%s: %s", title, place)
        for old in (part.results, part.error):
            old.unlink(missing_ok=True)
        try:
            trial.compute(part, stop)
        except Exception as failure:
            memory = too_little_memory(failure)
            error = memory or f"{type(failure).__name__}: {failure}"
            _LOG.error("%s failed: %s", title, failure)
            if not isinstance(failure, UserError) and not memory:
                traceback.print_exception(failure)
            write_json(part.error, {"error": error, "traceback": "".join(traceback.format_exception(failure))})
    if clear or error:
        jax.clear_caches()
        gc.collect()
    return error


def refuse_failures(failed: Mapping[str, str], count: int, kind: str = "trials") -> None:
    """Says which of so many trials failed, those of one error together.

    Raises:
      UserError: there are some.
    """
    lines = [f"{len(failed)} of {count} {kind} failed; what is finished stays, and the same command tries again:"]
    for error in dict.fromkeys(failed.values()):
        names = [name for name, theirs in failed.items() if theirs == error]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"  {', '.join(names[:3])}{more}: {error}")
    if failed:
        raise UserError("\n".join(lines))

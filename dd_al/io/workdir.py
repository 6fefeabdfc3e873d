"""The work directory: one run at a time, one config for good, and every file in its known place."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from dd_al.config.settings import recorded
from dd_al.core.errors import BusyError, UserError, WorkdirError
from dd_al.core.files import jsonable, read_json, remove_temporaries, write_json

# What a run writes, in the order of deletion: results.json first, so that half a run never looks like a finished one,
# and config.json last, for as long as it stands the rest is known to be ours.
_WRITTEN = (
    "results.json", "metrics.jsonl", "report.html", "report.md", "tables/*.csv", "figures/*.png", "checkpoints",
    "events", "distilled.safetensors", "distilled.json", "selected.jsonl", "answers.safetensors", "error.json",
    "points.json", "resolved.json", "config.json",
)  # fmt: skip
_ABSENT = "(absent)"
_HARMLESS = ("tensorboard",)  # keys that nothing which is computed depends on
_PART = ".part"  # marks a folder of `Workdir.part`: a run of the user's own in `runs/` has none


class Workdir(contextlib.AbstractContextManager):
    """An open, locked work directory; made by `open_workdir`, and a context manager that lets go of the lock.

    Its paths are given whether or not anything is there yet; `path`, the folder, is absolute, and `events` None if the
    config does not ask for TensorBoard. `resumed` says whether an earlier process began the run that this one goes on
    with.
    """

    def __init__(self, path: Path, lock: IO[str], settings: Mapping[str, Any]):
        self.path, self._lock, self._settings = path, lock, settings
        self.config = path / "config.json"
        self.metrics = path / "metrics.jsonl"
        self.events = path / "events" if settings.get("tensorboard") else None
        self.checkpoints = path / "checkpoints"
        self.results = path / "results.json"  # to be written last of all, as it ends the run
        self.report = path / "report.html"
        self.distilled = path / "distilled.safetensors"
        self.distilled_meta = path / "distilled.json"
        self.selected = path / "selected.jsonl"
        self.answers = path / "answers.safetensors"  # which answers on the judged split were right
        self.error = path / "error.json"  # why a part of a comparison failed
        self.points = path / "points.json"  # what a comparison is made of
        self.resumed = self.config.exists()

    @property
    def finished(self) -> bool:
        """Whether `results.json` says that the run is done; there is then nothing to do."""
        try:
            results = read_json(self.results)
        except UserError:
            return False
        return isinstance(results, dict) and bool(results.get("finished"))

    def begin(self, **found: Any) -> None:
        """Takes the folder for this run, once its data have turned out to be usable: a mistake leaves it free.

        What was `found` is what `auto` came to, such as `data="sst2 (local)"`. The rest of the run depends on it: a
        WorkdirError names what was something else when the run began.
        """
        found, resolved = jsonable(found), self.path / "resolved.json"
        if not self.config.exists() or read_json(self.config) != self._settings:  # keys that may change
            write_json(self.config, self._settings)
        before = read_json(resolved) if resolved.exists() else {}
        _refuse_changes(
            f"{self.path} holds a run that began with something else (then -> now)",
            [f"{key}: {before[key]} -> {now}" for key, now in found.items() if before.get(key, now) != now],
            "make it as it was and run the same command again, or start over with --overwrite",
        )
        write_json(resolved, {**before, **found})

    def part(self, name: str, config: Mapping[str, Any]) -> "Workdir":
        """Opens `runs/NAME`, the work directory of a run that this one is made of; resumable and finished on its own.

        Overwriting this folder deletes what its parts wrote, too; but not a run that somebody else had put there.
        `config` is that run's, and the errors are those of `open_workdir`.
        """
        part = open_workdir(self.path / "runs" / name, config)
        if not part.resumed:
            (part.path / _PART).touch()
        return part

    @contextlib.contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Within this context no other of the processes that share the folder is in it; waits for them."""
        with open(self.path / ".turn", "a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
            yield

    def close(self, *_: object) -> None:
        """Lets go of the lock."""
        self._lock.close()

    __exit__ = close


def open_workdir(
    path: str | os.PathLike,
    config: Mapping,
    *,
    overwrite: bool = False,
    free: Collection[str] = (),
    shared: bool = False,
) -> Workdir:
    """Opens a work directory, new or to be resumed, for this process alone.

    Args:
        path: the folder; made, with its parents, where it does not exist.
        config: the whole config, of values that JSON can hold; it is compared with that which `Workdir.begin` recorded.
        overwrite: first delete what an earlier run wrote, and only that: other files of the user stay.
        free: sections of the config that may change between one start of a run and the next.
        shared: for this process among others that say the same, each of which works on parts of its own.

    Raises:
        BusyError: another process is using the folder.
        WorkdirError: it holds a run of another config (names each key that differs), or files named like a run's
            without its `config.json`; or it cannot be written.
    """
    path, config = Path(path).expanduser().absolute(), jsonable(config)
    with contextlib.ExitStack() as on_error:
        try:
            if not (path / "config.json").exists() and (foreign := _written(path)):  # they may well be somebody's work
                names = ", ".join(str(one.relative_to(path)) for one in foreign)
                message = f"{path} holds {names} but no config.json, so no run of ours wrote them"
                raise WorkdirError(f"{message}: take another workdir, or move them away")
            path.mkdir(parents=True, exist_ok=True)
            lock = on_error.enter_context(_lock(path, shared))
            if overwrite:
                _delete_written(path)
            if not shared:  # they may be another's
                remove_temporaries(path)
            workdir = Workdir(path, lock, config)
            if workdir.resumed:
                _refuse_changed(workdir, config, free)
        except OSError as error:
            raise WorkdirError(f"cannot use {path} as a work directory: {error.strerror} ({error.filename})") from error
        on_error.pop_all()
    return workdir


def _lock(folder: Path, shared: bool) -> IO[str]:
    """Takes the folder's lock, which the kernel gives back however this process ends."""
    file = open(folder / ".lock", "a+", encoding="utf-8")  # noqa: SIM115
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            file.seek(0)
            process = f"another process (pid {owner})" if (owner := file.read().strip()) else "another process"
        message = f"{process} is using {folder}: wait until it is done, stop it, or take another workdir"
        raise BusyError(message) from None
    if not shared:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")  # for people to read; the lock itself is the kernel's
        file.flush()
    return file


def _refuse_changed(workdir: Workdir, config: Mapping[str, Any], free: Collection[str]) -> None:
    """Refuses to go on under another config than the one the run began with."""
    try:
        old, new = recorded(read_json(workdir.config)), recorded(config)
    except UserError as error:
        raise WorkdirError(f"{error}; --overwrite starts over") from error
    changed = [key for key in {**old, **new} if old.get(key, _ABSENT) != new.get(key, _ABSENT)]
    changed = [key for key in changed if key.split(".")[1] not in (*free, *_HARMLESS)]
    _refuse_changes(
        f"{workdir.path} holds a run of another config (recorded -> asked for)",
        [f"{key}: {old.get(key, _ABSENT)!r} -> {new.get(key, _ABSENT)!r}" for key in changed],
        "take another workdir, or delete that run with --overwrite",
    )


def _refuse_changes(what: str, changes: list[str], remedy: str) -> None:
    if changes:
        raise WorkdirError("\n  ".join([f"{what}:", *changes]) + f"\n{remedy}")


def _delete_written(folder: Path) -> None:
    (folder / "results.json").unlink(missing_ok=True)
    for mark in sorted(folder.glob(f"runs/*/{_PART}")):
        open_workdir(mark.parent, {}, overwrite=True).close()
        mark.unlink()
        (mark.parent / ".lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            mark.parent.rmdir()
    for path in _written(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for emptied in ("figures", "tables", "runs"):
        with contextlib.suppress(OSError):  # not there, or with files of the user's
            (folder / emptied).rmdir()


def _written(folder: Path) -> list[Path]:
    return [path for pattern in _WRITTEN for path in sorted(folder.glob(pattern))]


def is_written(folder: Path, path: Path) -> bool:
    """Whether a path is the work directory `folder`, or would lie in what a run writes there; both are resolved."""
    if not path.is_relative_to(folder):
        return False
    first = path.relative_to(folder).parts[:1]
    return not first or first in {Path(pattern).parts[:1] for pattern in _WRITTEN}

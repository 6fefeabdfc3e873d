"""Checkpoints of a whole state; the one module that knows Orbax.

Orbax writes a step into a temporary folder and renames it when it is complete, so that a process killed at any moment
leaves the earlier steps as they were. Two are kept: should the latest be damaged later, by a full disk say, the one
before it is used.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orbax.checkpoint as ocp

from dd_al.core.errors import WorkdirError
from dd_al.core.files import full_disk_named, jsonable

logger = logging.getLogger(__name__)
State = TypeVar("State")


def save(folder: str | os.PathLike, step: int, state: Any, meta: Mapping[str, Any]) -> None:
    """Saves a state as the checkpoint of `step` in a folder, which is made; complete on return. Keeps the last two.

    Args:
        folder: where the checkpoints lie.
        step: grows from one call to the next. One that is saved already stays: a run is a function of config and seed.
        state: any pytree of arrays and typed keys; all bits are kept.
        meta: small things that JSON can hold, such as a best score.

    Raises:
        UserError: the disk is full.
        OSError: the folder cannot be written.
    """
    items = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(jsonable(meta, "meta")))
    with full_disk_named(folder), _manager(folder) as manager:
        if step not in manager.all_steps():
            manager.save(step, args=items, force=True)


def restore_latest(folder: str | os.PathLike, template: State) -> tuple[int, State, dict[str, Any]] | None:
    """Returns the step, the state and the meta of the latest checkpoint that can be read; None where there is none.

    A damaged one is passed over with a warning, and deleted once an earlier one has been restored. The `template` is
    a state of the same structure, shapes and dtypes.

    Raises:
        WorkdirError: there are checkpoints, but none can be read with this template; all of them stay.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        return None
    items = ocp.args.Composite(state=ocp.args.StandardRestore(template), meta=ocp.args.JsonRestore())
    damaged, error = [], None
    with _manager(folder) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            try:
                restored = manager.restore(step, args=items)
            except Exception as raised:  # a damaged file raises whatever its reader happens to
                logger.warning("cannot restore the checkpoint of step %d in %s: %s", step, folder, _brief(raised))
                damaged, error = [*damaged, step], error or raised
            else:
                for broken in damaged:
                    manager.delete(broken)
                return step, restored.state, dict(restored.meta)
    if error is None:
        return None
    raise WorkdirError(
        f"no checkpoint in {folder} can be restored ({_brief(error)}): start over with --overwrite, or take another "
        "workdir"
    ) from error


@contextlib.contextmanager
def _manager(folder: str | os.PathLike) -> Iterator[ocp.CheckpointManager]:
    """A manager that works in this thread, cleans up after killed ones, and keeps its chatter to itself."""
    options = ocp.CheckpointManagerOptions(
        max_to_keep=2, enable_async_checkpointing=False, cleanup_tmp_directories=True, create=True
    )
    talker = logging.getLogger("absl")
    level = talker.level
    talker.setLevel(logging.ERROR)
    try:
        # Orbax refuses relative paths.
        with ocp.CheckpointManager(Path(folder).absolute(), options=options) as manager:
            yield manager
    finally:
        talker.setLevel(level)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''}"

"""The launch scripts start the command that they say."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "launch" / "slurm_array.sh"


@pytest.fixture
def start(tmp_path):
    """Runs the script with a `python` that prints what it is asked for."""
    python = tmp_path / "python"
    python.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)

    def start(*arguments, task=1, least=1, count=1):
        slurm = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_MIN": least, "SLURM_ARRAY_TASK_COUNT": count}
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **{key: str(value) for key, value in slurm.items()}}
        return subprocess.run(["bash", SCRIPT, *arguments], env=env, capture_output=True, text=True)

    return start


@pytest.mark.parametrize(("task", "least", "slice"), [(3, 1, "3/40"), (0, 0, "1/40"), (39, 0, "40/40")])
def test_tasks_of_an_array_are_slices(start, task, least, slice):
    done = start("configs/a.py:quick=true", "/shared/a b", "--config.seed=1", task=task, least=least, count=40)
    assert done.stdout.splitlines() == [
        "-m", "dd_al.main", "--config=configs/a.py:quick=true", "--workdir=/shared/a b", f"--points={slice}",
        "--config.seed=1",
    ]  # fmt: skip


def test_what_is_missing_is_asked_for(start):
    for arguments in ((), ("configs/a.py",)):
        done = start(*arguments)
        assert done.returncode and "see the head of this file" in done.stderr and not done.stdout

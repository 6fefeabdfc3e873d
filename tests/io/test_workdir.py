"""The work directory: its lock, its one config, and what --overwrite leaves alone."""

import os
import subprocess
import sys
import threading
import time

import pytest

from dd_al.core.errors import WorkdirError
from dd_al.core.files import read_json, write_json
from dd_al.io.workdir import open_workdir

CONFIG = {"seed": 0, "data": {"name": "sst2", "length": None}, "widths": (3, 4)}


def test_a_new_folder_is_made_locked_and_given_its_config(tmp_path):
    with open_workdir(tmp_path / "a" / "b", CONFIG) as workdir:
        assert workdir.path.is_absolute() and not workdir.finished and not workdir.resumed
        assert not workdir.config.exists()  # until the data have turned out to be usable
        workdir.begin()
        assert read_json(workdir.config) == {"seed": 0, "data": {"name": "sst2", "length": None}, "widths": [3, 4]}
        with pytest.raises(WorkdirError, match=rf"another process \(pid {os.getpid()}\) is using"):
            open_workdir(workdir.path, CONFIG)
    with open_workdir(tmp_path / "a" / "b", CONFIG) as workdir:
        assert workdir.resumed


def begin(path, config=CONFIG, **found):
    with open_workdir(path, config) as workdir:
        workdir.begin(**found)


def test_a_relative_path_stays_the_same_folder_after_chdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_workdir("w", CONFIG) as workdir:
        monkeypatch.chdir("/")
        workdir.begin()
        assert workdir.config.exists() and workdir.path == tmp_path / "w"


HOLDER = """
import sys, time
from dd_al.io.workdir import open_workdir
with open_workdir(sys.argv[1], {"seed": 0}):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "locked\n"
            with pytest.raises(WorkdirError, match=rf"pid {holder.pid}\) is using {tmp_path}: wait"):
                open_workdir(tmp_path, {"seed": 0}, overwrite=True)
        finally:
            holder.kill()
    open_workdir(tmp_path, {"seed": 0}).close()


def test_another_config_is_refused_key_by_key_and_changes_nothing(tmp_path):
    begin(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    other = {"seed": 1, "data": {"name": "sst2", "length": 40}, "widths": (3, 4), "new": True}
    with pytest.raises(WorkdirError) as raised:
        open_workdir(tmp_path, other)
    for line in ("config.seed: 0 -> 1", "config.data.length: None -> 40", "config.new: '(absent)' -> True"):
        assert line in str(raised.value)
    assert "name" not in str(raised.value) and "--overwrite" in str(raised.value)
    assert (tmp_path / "config.json").read_bytes() == before
    open_workdir(tmp_path, CONFIG).close()  # the refusal has let go of the lock


def test_finished_is_what_results_say(tmp_path):
    with open_workdir(tmp_path, CONFIG) as workdir:
        workdir.begin()
        for content, finished in (({"finished": False}, False), ([], False), ({"finished": "2026-01-01"}, True)):
            write_json(workdir.results, content)
            assert workdir.finished is finished
        workdir.results.write_text('{"finished": tr')
        assert not workdir.finished
        write_json(workdir.results, {"finished": True})
    with open_workdir(tmp_path, CONFIG) as workdir:
        assert workdir.finished
    with pytest.raises(WorkdirError, match=r"config\.seed"):
        open_workdir(tmp_path, {**CONFIG, "seed": 1})


def test_overwrite_removes_what_we_wrote_and_nothing_else(tmp_path):
    with open_workdir(tmp_path, CONFIG) as workdir:
        workdir.begin(data="hub")
        workdir.checkpoints.mkdir()
        (tmp_path / "figures").mkdir()
        (tmp_path / "figures" / "a.png").touch()
        for path in (workdir.metrics, workdir.results, workdir.report, workdir.distilled, workdir.distilled_meta):
            path.touch()
    (tmp_path / "distilled.notes.txt").touch()
    (tmp_path / "data").mkdir()
    with open_workdir(tmp_path, {"seed": 5}, overwrite=True) as workdir:
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "data", "distilled.notes.txt"]
        workdir.begin(data="local")
        assert read_json(workdir.config) == {"seed": 5}


def test_overwrite_leaves_files_of_the_users_among_the_figures(tmp_path):
    begin(tmp_path)
    (tmp_path / "figures").mkdir()
    for name in ("a.png", "mine.txt"):
        (tmp_path / "figures" / name).touch()
    open_workdir(tmp_path, CONFIG, overwrite=True).close()
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["mine.txt"]


def test_a_folder_of_somebody_elses_is_not_taken_over(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "plot.png").touch()
    for overwrite in (False, True):
        with pytest.raises(WorkdirError, match=r"holds figures/plot\.png but no config\.json"):
            open_workdir(tmp_path, CONFIG, overwrite=overwrite)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures"]  # not even a lock


def test_a_broken_config_is_an_error_and_can_be_overwritten(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WorkdirError, match=r"config\.json is not JSON.*--overwrite"):
        open_workdir(tmp_path, CONFIG)
    open_workdir(tmp_path, CONFIG, overwrite=True).close()


def test_places_that_cannot_be_a_workdir(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nothing"):
        with pytest.raises(WorkdirError, match=f"cannot use {path} as a work directory"):
            open_workdir(path, CONFIG)


def test_a_mistake_before_the_data_are_loaded_leaves_the_folder_free(tmp_path):
    open_workdir(tmp_path, {**CONFIG, "data": {"dir": "typo"}}).close()
    begin(tmp_path)


def test_a_run_does_not_go_on_with_other_data(tmp_path):
    begin(tmp_path, data="sst2 (local)", length=40)
    begin(tmp_path, data="sst2 (local)", items=8)
    with pytest.raises(WorkdirError, match=r"(?s)data: sst2 \(local\) -> rotten_tomatoes .*--overwrite"):
        begin(tmp_path, data="rotten_tomatoes (packaged)")
    with pytest.raises(WorkdirError, match="items: 8 -> 9"):
        begin(tmp_path, items=9)


def test_temporaries_of_a_killed_writer_are_cleaned_up(tmp_path):
    (tmp_path / ".results.json.0123456789ab.tmp").touch()
    open_workdir(tmp_path, CONFIG).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock"]


def test_processes_that_share_a_folder_take_turns(tmp_path):
    inside, seen = [], []

    def turn():
        with open_workdir(tmp_path, CONFIG, shared=True) as workdir, workdir.one_at_a_time():
            inside.append(1)
            time.sleep(0.02)
            seen.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1, 1, 1]


def test_parts_are_runs_of_their_own_that_overwriting_deletes(tmp_path):
    begin(tmp_path / "runs" / "mine")
    with open_workdir(tmp_path, CONFIG) as workdir:
        with workdir.part("a-seed0", {"seed": 3}) as part:
            part.begin()
            part.checkpoints.mkdir()
            write_json(part.results, {"finished": True})
        with workdir.part("mine", CONFIG) as part:
            assert part.resumed
        workdir.begin()
        with workdir.part("a-seed0", {"seed": 3}) as part:
            assert part.finished and part.resumed
        with pytest.raises(WorkdirError, match=r"config\.seed: 3 -> 4"):
            workdir.part("a-seed0", {"seed": 4})
    open_workdir(tmp_path, CONFIG, overwrite=True).close()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]
    assert (tmp_path / "runs" / "mine" / "config.json").exists()

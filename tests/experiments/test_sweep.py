"""Trials of a sweep: which are computed, what becomes of those that fail, and what other processes may do meanwhile."""

import dataclasses
import os
import signal
from dataclasses import replace
from functools import partial

import pytest

from dd_al.config.settings import Settings
from dd_al.core.errors import BusyError, DataError, Interrupted, UserError, WorkdirError
from dd_al.core.files import read_json, write_json
from dd_al.experiments.sweep import Trial, read_data, refuse_failures, run_trials
from dd_al.io.workdir import open_workdir


def trials(count, compute):
    return [
        Trial(f"t{i}", replace(Settings(), seed=i), {"data": "toy"}, partial(compute, i), {"job": i}, f"trial {i}")
        for i in range(count)
    ]


class Computed:
    """Computes trials by writing their seeds, and remembers which; some fail."""

    def __init__(self, *failing, error=ArithmeticError):
        self.seeds, self.failing, self.error = [], failing, error

    def __call__(self, seed, part, stop):
        self.seeds.append(seed)
        if seed in self.failing:
            raise self.error(f"no more for {seed}")
        write_json(part.results, {"finished": "now", "seed": seed})


@pytest.fixture
def workdir(tmp_path):
    with open_workdir(tmp_path / "w", {}) as made:
        made.begin()
        yield made


@pytest.mark.parametrize("workers", [1, 3])
def test_every_trial_is_computed_once_in_a_folder_of_its_own(workdir, workers):
    computed = Computed()
    assert run_trials(workdir, trials(5, computed), workers=workers) == {}
    assert sorted(computed.seeds) == list(range(5))
    for i in range(5):
        assert read_json(workdir.path / f"runs/t{i}/results.json")["seed"] == i
        config = read_json(workdir.path / f"runs/t{i}/config.json")
        assert config["seed"] == i and config["job"] == i
    run_trials(workdir, trials(6, computed), workers=workers)
    assert computed.seeds[5:] == [5]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_trial_that_fails_is_noted_and_tried_again(workdir, workers, capsys):
    failed = run_trials(workdir, trials(3, Computed(1)), workers=workers)
    assert failed == {"t1": "ArithmeticError: no more for 1"} and "Traceback" in capsys.readouterr().err
    noted = read_json(workdir.path / "runs/t1/error.json")
    assert (
        noted["error"] == failed["t1"] and "Computed" not in noted["error"] and "ArithmeticError" in noted["traceback"]
    )
    again = Computed()
    assert run_trials(workdir, trials(3, again), workers=workers) == {} and again.seeds == [1]
    assert not (workdir.path / "runs/t1/error.json").exists()


def test_mistakes_of_the_user_need_no_traceback(workdir, capsys):
    assert run_trials(workdir, trials(1, Computed(0, error=DataError))) == {"t0": "DataError: no more for 0"}
    assert "Traceback" not in capsys.readouterr().err


def test_failures_of_one_error_are_said_together():
    refuse_failures({}, 3)
    failed = {f"t{i}": "ArithmeticError: no more" for i in range(5)} | {"u": "ValueError: other"}
    with pytest.raises(
        UserError, match=r"6 of 9 runs failed(.|\n)*  t0, t1, t2 and 2 more: ArithmeticError(.|\n)*  u: Val"
    ):
        refuse_failures(failed, 9, "runs")


def test_other_data_and_another_trial_of_the_same_name_are_refused(workdir):
    (one,) = trials(1, Computed())
    run_trials(workdir, [one])
    with pytest.raises(WorkdirError, match="data: toy -> other"):
        run_trials(workdir, [replace(one, data={"data": "other"})])
    with pytest.raises(WorkdirError, match=r"config\.job: 0 -> 7"):
        run_trials(workdir, [replace(one, job={"job": 7})])


def test_a_trial_that_another_process_is_at_is_left_to_it(workdir):
    computed = Computed()
    first, second = trials(2, computed)
    with workdir.part("t0", {}):
        assert run_trials(workdir, [first, second], "1/1") == {} and computed.seeds == [1]
        with pytest.raises(BusyError, match="another process"):
            run_trials(workdir, [first])


def test_what_counts_as_finished_is_the_callers(workdir):
    computed = Computed()
    for _ in range(2):
        run_trials(workdir, trials(1, computed), finished=lambda part: (part.path / "other").exists())
    assert computed.seeds == [0, 0]


def test_a_signal_stops_after_the_trial_that_is_running(workdir):
    handler = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    computed = Computed()

    def stopped(seed, part, stop):
        computed(seed, part, stop)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        with pytest.raises(Interrupted, match="the same command goes on"):
            run_trials(workdir, trials(3, stopped))
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert computed.seeds == [0] and (workdir.path / "runs/t0/results.json").exists()
    run_trials(workdir, trials(3, computed))
    assert computed.seeds == [0, 1, 2]


def test_data_that_one_config_lacks_are_named():
    given = {"a": replace(Settings(), data=replace(Settings().data, dir="nowhere"))}
    with pytest.raises(DataError, match="the data of 'a': .*nowhere"):
        read_data(given)


def test_a_trial_for_which_memory_is_too_small_says_what_to_lower(workdir, capsys):
    def compute(part, stop):
        raise MemoryError("Unable to allocate 3 TiB")

    failed = run_trials(workdir, [dataclasses.replace(trials(1, Computed())[0], compute=compute)])
    assert "config.distill.examples" in failed["t0"] and "3 TiB" in failed["t0"]
    assert "Traceback" not in capsys.readouterr().err

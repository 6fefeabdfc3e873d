"""The main command as a user meets it: processes without a network, on the packaged data, stopped in every way."""

import contextlib
import json
import signal
import time

import pytest

from dd_al.core.files import read_json
from dd_al.report import schema

# The smoke run with an outer loop that is long enough to be stopped in the middle of, and less to compile.
SMOKE = (
    "--config=configs/smoke.py",
    "--config.data.max_train=15",
    "--config.model.windows=2",
    "--config.distill.iterations=300",
    "--config.distill.log_every=5",
    "--config.distill.evaluate_every=20",
)
MAIN = "dd_al.main"


@pytest.fixture(scope="module")
def finished(commands, tmp_path_factory):
    """The work directory of a run that nothing stopped."""
    workdir = tmp_path_factory.mktemp("finished") / "runs" / "w"
    commands.run(MAIN, *SMOKE, f"--workdir={workdir}")
    return workdir


def metrics(workdir):
    with contextlib.suppress(FileNotFoundError):
        return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().split("\n")[:-1]]
    return []


def steps(workdir):
    return [line["step"] for line in metrics(workdir) if "loss" in line]


def stopped(commands, workdir, signum):
    """Starts the run, sends it a signal in the middle of the outer loop, and returns exit code and stderr."""
    seen = len(metrics(workdir))
    process = commands.start(MAIN, *SMOKE, f"--workdir={workdir}")
    try:
        deadline = time.monotonic() + 200
        # The line that says "resume" and one of the loop itself.
        while len(metrics(workdir)) < seen + 2 - (seen == 0):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.005)
        process.send_signal(signum)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert not (workdir / "results.json").exists(), "the run was over before it was stopped"
    return process.returncode, err


def test_the_smoke_run_leaves_everything_behind(finished):
    results = read_json(finished / "results.json")
    schema.validate(results)
    schema.validate_distilled(read_json(finished / "distilled.json"))
    assert results["dataset"]["source"] == "packaged" and results["dataset"]["name"] == "rotten_tomatoes"
    assert results["dataset"]["stand_in_for"] == "sst2"
    assert list(results["methods"]) == ["full", "random", "distilled"]
    assert all(method["test_accuracy"]["n"] == 3 for method in results["methods"].values())
    assert results["budget"]["distilled"]["examples"] == results["budget"]["random"]["examples"] == 2
    assert "configs/smoke.py" in results["command"]
    html = (finished / "report.html").read_text()
    assert html.startswith("<!doctype html>") and "stands in for" in html
    assert steps(finished) == [*range(5, 301, 5)]
    assert read_json(finished / "config.json")["distill"]["iterations"] == 300


def test_a_finished_run_is_reported_and_not_computed_again(commands, finished):
    before = (finished / "results.json").read_bytes(), (finished / "metrics.jsonl").read_bytes()
    out, err = commands.run(MAIN, *SMOKE, f"--workdir={finished}")
    assert "holds a finished run" in out and "distilled: test accuracy" in out and str(finished / "report.html") in out
    assert "full data:" not in err and "distilling:" not in err
    assert before == ((finished / "results.json").read_bytes(), (finished / "metrics.jsonl").read_bytes())


def test_another_config_is_refused(commands, finished):
    before = (finished / "results.json").read_bytes()
    flags = "--config.distill.iterations=301", "--config.seed=1"
    _, err = commands.run(MAIN, *SMOKE, *flags, f"--workdir={finished}", code=2)
    assert "config.distill.iterations: 300 -> 301" in err and "config.seed: 0 -> 1" in err and "Traceback" not in err
    assert (finished / "results.json").read_bytes() == before


@pytest.mark.slow
def test_a_run_that_was_stopped_in_every_way_ends_like_one_that_was_not(commands, finished, tmp_path):
    workdir = tmp_path / "w"
    code, err = stopped(commands, workdir, signal.SIGINT)
    assert code == 130 and "the state is saved" in err and "Traceback" not in err
    last = steps(workdir)[-1]

    code, err = stopped(commands, workdir, signal.SIGTERM)
    assert code == 143 and "the state is saved" in err and "Traceback" not in err
    # A stop that was asked for loses nothing: the run went on from the very step it had reached.
    assert metrics(workdir)[last // 5] == {"event": "resume", "step": last}

    assert stopped(commands, workdir, signal.SIGKILL)[0] == -signal.SIGKILL
    commands.run(MAIN, *SMOKE, "--config.tensorboard=true", f"--workdir={workdir}")  # may be asked for at any time
    assert any(path.stat().st_size for path in (workdir / "events").iterdir())

    assert [line["event"] for line in metrics(workdir) if "event" in line] == ["resume"] * 3
    assert steps(workdir) == steps(finished)
    numbers = [[{**line, "seconds": 0} for line in metrics(w) if "loss" in line] for w in (workdir, finished)]
    assert numbers[0] == numbers[1]
    assert (workdir / "distilled.safetensors").read_bytes() == (finished / "distilled.safetensors").read_bytes()
    assert (workdir / "distilled.json").read_bytes() == (finished / "distilled.json").read_bytes()
    assert read_json(workdir / "results.json")["methods"] == read_json(finished / "results.json")["methods"]


@pytest.mark.slow
def test_a_table_that_was_stopped_in_its_second_run_goes_on_in_it(commands, tmp_path):
    workdir = tmp_path / "w"
    rows = "two:distill.examples=2,four:distill.examples=4"
    table = (*SMOKE, "--config.experiment=table", f"--config.table.rows={rows}", "--config.table.seeds=0,1")
    process = commands.start(MAIN, *table, f"--workdir={workdir}")
    try:
        deadline = time.monotonic() + 300
        while not steps(workdir / "runs/four-seed0"):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 143 and "the state is saved" in err and "Traceback" not in err
    assert "four, seed 0: full data:" in err and "two, seed 0: 1 of 4" in err
    assert not (workdir / "results.json").exists() and not (workdir / "runs/four-seed0/results.json").exists()
    first, last = (workdir / "runs/two-seed0/results.json").read_bytes(), steps(workdir / "runs/four-seed0")[-1]

    out, err = commands.run(MAIN, *table, f"--workdir={workdir}")
    assert "two, seed 0: from an earlier start" in err and "two, seed 0: distilling" not in err
    assert out.splitlines()[1].startswith("two, on rotten_tomatoes ") and "report:" in out
    assert (workdir / "runs/two-seed0/results.json").read_bytes() == first
    assert {"event": "resume", "step": last} in metrics(workdir / "runs/four-seed0")
    results = read_json(workdir / "results.json")
    schema.validate(results)
    for name in ("two", "four"):
        runs = [read_json(workdir / f"runs/{name}-seed{seed}/results.json")["methods"] for seed in (0, 1)]
        means = [one["distilled"]["test_accuracy"]["mean"] for one in runs]
        assert results["methods"][f"{name}: distilled"]["test_accuracy"]["values"] == means
    assert "stands in for" in (workdir / "report.html").read_text()
    assert "could not be had, so this run used rotten_tomatoes" in (workdir / "report.html").read_text()


def test_a_workdir_that_cannot_be_is_the_users_mistake(commands, tmp_path):
    (tmp_path / "file").touch()
    _, err = commands.run(MAIN, *SMOKE, f"--workdir={tmp_path}/file/w", code=2)
    assert err.startswith("error: cannot use") and "Traceback" not in err

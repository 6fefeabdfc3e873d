"""A table of runs: what becomes of them, what is repeated, and what a mistake in a row is answered with."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from dd_al.config.grid import check, row_folder, table_rows
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, DataError, Interrupted, UserError, WorkdirError
from dd_al.core.files import read_json, write_json
from dd_al.experiments import distill, record, table
from dd_al.io.workdir import open_workdir
from dd_al.report import method_results, new_results, schema

ROWS = {"SST-2, few": "distill.examples=2", "SST-2, many": "distill.examples=4; model.windows=1,2"}


def settings(data, rows=ROWS, **changes):
    config = {"experiment": "table", "data": {"source": "local", "name": "toy", "dir": str(data)}}
    made = from_config(Settings, config | {"table": {"rows": rows, "seeds": (0, 5), **changes}})
    check(made)
    return made


class FakeDistill:
    """In place of the experiment: results that depend on the config alone, and a signal after some runs."""

    def __init__(self, stop_at=None):
        self.began, self.stop_at = [], stop_at

    def __call__(self, given, workdir):
        dataset, _ = record.load_dataset(given, workdir)
        self.began.append((given.distill.examples, given.seed, workdir.resumed))
        if len(self.began) == self.stop_at:
            raise Interrupted("stopped by SIGTERM", 143)
        rng = np.random.default_rng([given.seed, given.distill.examples])
        labels = dataset.test.labels
        predicted = {name: rng.integers(0, 2, (3, len(labels))) for name in ("full", "random", "distilled")}
        entries = {
            name: method_results(
                answer, labels, 2, split="test", full=None if name == "full" else predicted["full"],
                validation_accuracy=rng.random(3), curve={"steps": [1, 2], "accuracy": rng.random((2, 3)).tolist()},
            )
            for name, answer in predicted.items()
        }  # fmt: skip
        small = {"examples": given.distill.examples, "fraction": 0.1, "labels_used": 60, "stored_floats": 9}
        results = new_results(
            "distill",
            given.seed,
            dataset=dataset.provenance(),
            evaluate={"split": "test", "inits": 3, "init": "random"},
            budget=dict.fromkeys(entries, small),
            methods=entries,
            time={"total_s": 2.0},
            memory={"peak_rss_mb": 7.0},
            environment={},
        )
        workdir.report.touch()
        write_json(workdir.results, results)


@pytest.fixture
def data(write_reviews, tmp_path):
    return write_reviews(tmp_path / "data", 2)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """`run(settings, stop_at)` runs the table in one folder and returns which runs began."""

    def one(given, stop_at=None):
        fake = FakeDistill(stop_at)
        monkeypatch.setattr(distill, "run", fake)
        with open_workdir(tmp_path / "w", asdict(given)) as workdir:
            if stop_at:
                with pytest.raises(Interrupted):
                    table.run(given, workdir)
            else:
                table.run(given, workdir)
        return fake.began

    return one


def test_the_table_holds_what_its_runs_hold(data, run, tmp_path):
    given = settings(data, published={"SST-2, few": "full=80; distilled=60; random=55 ± 2"}, source="Somebody 1999.")
    assert run(given) == [(2, 0, False), (4, 0, False), (2, 5, False), (4, 5, False)]
    results = read_json(tmp_path / "w/results.json")
    schema.validate(results)
    assert results["table"]["seeds"] == [0, 5] and results["time"]["total_s"] == 8
    assert [row["name"] for row in results["table"]["rows"]] == list(ROWS)
    for row, folder in zip(results["table"]["rows"], ("sst-2-few", "sst-2-many"), strict=True):
        assert row["runs"] == [f"runs/{folder}-seed{seed}" for seed in (0, 5)]
        runs = [read_json(tmp_path / "w" / path / "results.json") for path in row["runs"]]
        assert [one["seed"] for one in runs] == [0, 5] and row["dataset"] == runs[0]["dataset"]
        for method in ("full", "distilled", "random"):
            ours, theirs = results["methods"][f"{row['name']}: {method}"], [one["methods"][method] for one in runs]
            for key in ("test_accuracy", "test_macro_f1", "validation_accuracy"):
                means = [entry[key]["mean"] for entry in theirs]
                assert ours[key]["values"] == means and ours[key]["n"] == 2
                np.testing.assert_allclose(
                    (ours[key]["mean"], ours[key]["std"]), (np.mean(means), np.std(means, ddof=1))
                )
            kept = [entry["retention"] for entry in theirs]
            assert ours["retention_over_seeds"]["values"] == kept and ours["retention"] == np.mean(kept)
            curve = np.stack([np.mean(entry["curve"]["accuracy"], axis=1) for entry in theirs], axis=1)
            np.testing.assert_allclose(ours["curve"]["accuracy"], curve, atol=1e-6)
    lines = [line for line in (tmp_path / "w/metrics.jsonl").read_text().splitlines() if '"row"' in line]
    assert len(lines) == 4 and (tmp_path / "w/figures/table_curves.png").exists()
    assert "Somebody 1999." in (tmp_path / "w/report.html").read_text()


def test_a_stopped_table_goes_on_without_repeating_what_is_finished(data, run, tmp_path):
    given = settings(data)
    assert run(given, stop_at=3) == [(2, 0, False), (4, 0, False), (2, 5, False)]
    assert not (tmp_path / "w/results.json").exists()
    first = tmp_path / "w/runs/sst-2-few-seed0/results.json"
    before = first.stat().st_mtime_ns
    assert run(given, stop_at=2) == [(2, 5, True), (4, 5, False)]
    assert run(given) == [(4, 5, True)]
    assert first.stat().st_mtime_ns == before
    assert list(read_json(tmp_path / "w/results.json")["methods"])[0] == "SST-2, few: full"
    assert run(given) == []


@pytest.mark.slow
def test_it_does_not_go_on_with_other_data_or_another_config(data, run, tmp_path):
    run(settings(data), stop_at=2)
    with pytest.raises(
        WorkdirError, match=r"config\.table\.rows\.SST-2, few: 'distill\.examples=2' -> 'distill\.examples=3'"
    ):
        run(settings(data, {**ROWS, "SST-2, few": "distill.examples=3"}))
    (data / "train.jsonl").write_text((data / "test.jsonl").read_text().replace("row2", "row3"))
    with pytest.raises(WorkdirError, match="data of SST-2, few: toy"):
        run(settings(data))


def test_rows_of_numbers_are_found_and_told_from_each_other(run, tmp_path):
    few = [f"{i},{i % 2},{'ab'[i % 3 > 0]}" for i in range(60)]
    for name, header in (("heights.csv", "x,y,label"), ("widths.csv", "u,v,label")):
        (tmp_path / name).write_text("\n".join([header, *few]) + "\n")
    config = {"experiment": "table", "inputs": "rows", "model": {"kind": "mlp"}, "distill": {"examples": 4}}
    rows = {name: f"data.dir={tmp_path / name}.csv; data.name=own" for name in ("heights", "widths")}
    given = from_config(Settings, config | {"table": {"rows": rows, "seeds": (0,)}})
    check(given)
    assert len(run(given)) == 2
    found = read_json(tmp_path / "w/results.json")["table"]["rows"]
    assert [row["dataset"]["unit"] for row in found] == ["row", "row"]
    assert found[0]["dataset"]["train"] + found[0]["dataset"]["validation"] + found[0]["dataset"]["test"] == 60


def test_a_run_that_fails_does_not_stop_the_others_and_is_tried_again(data, run, tmp_path, monkeypatch):
    given, real = settings(data), FakeDistill.__call__

    def failing(self, given, workdir):
        if given.distill.examples == 2 and given.seed == 0:
            raise ArithmeticError("no more of it")
        real(self, given, workdir)

    monkeypatch.setattr(FakeDistill, "__call__", failing)
    with pytest.raises(UserError, match=r"1 of 4 runs failed(.|\n)*sst-2-few-seed0: ArithmeticError: no more of it"):
        run(given)
    assert "no more of it" in (tmp_path / "w/runs/sst-2-few-seed0/error.json").read_text()
    assert not (tmp_path / "w/results.json").exists()
    monkeypatch.setattr(FakeDistill, "__call__", real)
    assert run(given) == [(2, 0, True)]
    assert not (tmp_path / "w/runs/sst-2-few-seed0/error.json").exists() and (tmp_path / "w/results.json").exists()


def test_slices_share_a_folder_and_the_last_puts_the_table_together(data, monkeypatch, tmp_path):
    given, fake = settings(data), FakeDistill()
    monkeypatch.setattr(distill, "run", fake)
    for part, whole in (("2/2", False), ("1/2", True)):
        with open_workdir(tmp_path / "w", asdict(given), shared=True) as workdir:
            table.run(given, workdir, part)
        assert (tmp_path / "w/results.json").exists() == whole
    assert [one[:2] for one in fake.began] == [(4, 0), (4, 5), (2, 0), (2, 5)]


def test_data_that_one_row_lacks_are_missed_before_anything_runs(data, run, tmp_path):
    with pytest.raises(DataError, match=r"the data of 'b': config\.data\.dir: no file or folder nowhere"):
        run(settings(data, {"a": "", "b": "data.dir=nowhere"}))
    assert not (tmp_path / "w/config.json").exists() and not (tmp_path / "w/runs").exists()


def test_rows_are_configs_of_whole_runs():
    rows = table_rows(settings("x", {"a": "", "b": "data.name=sst5 ; distill.also=lstm,gru;"}))
    assert rows["a"].experiment == "distill" and rows["a"].table.rows is None and rows["a"].data.dir == "x"
    assert rows["b"].data.name == "sst5" and rows["b"].distill.also == ("lstm", "gru")
    assert row_folder("SST-5 BiRNN, known, 1 per class") == "sst-5-birnn-known-1-per-class"
    assert row_folder("../a/..\\b") == "a-..-b"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            {"a": "", "b": "distill.exampels=8"},
            r"rows, 'b': config\.distill\.exampels = '8': no such key \(did you mean 'examples'",
        ),
        ({"a": "distill.examples=0"}, r"rows, 'a': config\.distill\.examples = 0: must be an integer of at least 1"),
        ({"a": "distill.init=known; distill.also=lstm"}, r"rows, 'a': config\.distill: also needs init = 'random'"),
        ({"a": "full.finetuned=true"}, r"rows, 'a': config: full\.finetuned = True: only"),
        ({"a": "distill.examples"}, r"rows, 'a': 'distill\.examples': write key=value; key=value"),
        ({"a": "evaluate.split=test"}, r"rows, 'a': config\.evaluate\.split = 'test': is the same for all rows"),
        ({"a": "table.seeds=1"}, r"rows, 'a': config\.table\.seeds = '1': is the same for all rows"),
        ({"a b": "", "A  b": ""}, r"rows, 'A  b': its folders would be those of 'a b'"),
        ({"…": ""}, "a name needs letters or digits"),
        ({"a": "distill.examples=2; distill.examples=4"}, "gives a key twice"),
        (None, r"config\.table\.rows is not set"),
        ("a", r"config\.table\.rows = 'a': must be like SST-2:data\.name=sst2"),
    ],
)
def test_a_mistake_in_a_row_names_it(rows, message):
    with pytest.raises(ConfigError, match=message):
        settings("x", rows)


def test_what_every_row_sets_cannot_be_set_for_all_of_them():
    config = {"experiment": "table", "distill": {"examples": 4}}
    rows = {"a": "distill.examples=8", "b": "distill.examples=2; distill.steps=3"}
    with pytest.raises(
        ConfigError, match=r"config\.distill\.examples = 4 has no effect: every one of config\.table\.rows"
    ):
        check(from_config(Settings, config | {"table": {"rows": rows}}))
    rows["c"] = "distill.steps=4"
    check(from_config(Settings, config | {"table": {"rows": rows}}))


def test_other_mistakes_of_a_table():
    with pytest.raises(ConfigError, match=r"published, 'SST2, few': no such row \(did you mean 'SST-2, few'\?\)"):
        settings("x", published={"SST2, few": "full=1"})
    with pytest.raises(ConfigError, match=r"'destilled' must be one of full, .* \(did you mean 'distilled'\?\)"):
        settings("x", published={"SST-2, few": "destilled=1"})
    with pytest.raises(ConfigError, match=r"config\.seed = 3: the seeds of a table are config\.table\.seeds"):
        check(replace(settings("x"), seed=3))

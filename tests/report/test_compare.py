"""From points to a comparison's results and page: verdicts, advice, what is missing, joined folders."""

import csv
import json
import re

import pytest

from dd_al.core.errors import WorkdirError
from dd_al.report import compare, compare_tables
from dd_al.report.__main__ import main
from dd_al.report.verdicts import advice
from dd_al.report.verdicts import compare_verdict as verdict
from dd_al.report.words import break_even, plain_entries

FAR = {
    "full": {"all": 0.9}, "random": {"0.1%": 0.55, "1%": 0.6, "5%": 0.7}, "bald": {"1%": 0.6, "5%": 0.85},
    "distilled": {"0.1%": 0.84},
}  # fmt: skip


def gathered(folder):
    return compare.gather([folder], command="again")


def test_far_apart_is_a_verdict_and_few_seeds_are_none(fake_comparison, tmp_path):
    sure = verdict(gathered(fake_comparison(tmp_path / "sure", FAR)), "toy")
    assert "8 synthetic sentences, made with all 6,920 labels, train a fresh learner to" in sure
    assert "70 real ones, of which alone the labels are bought (BALD)" in sure
    assert "Over 12 seeds distillation is ahead by" in sure
    unsure = verdict(gathered(fake_comparison(tmp_path / "unsure", FAR, seeds=5)), "toy")
    assert "which is no verdict: that takes 10 seeds, and 5 cannot bring the adjusted p below 0.0625" in unsure
    even = {**FAR, "distilled": {"0.1%": 0.6}}
    assert "nothing can be told" in verdict(gathered(fake_comparison(tmp_path / "even", even)), "toy")
    swapped = {**FAR, "distilled": {"0.1%": 0.5}, "bald": {"1%": 0.8}}
    assert "active learning is ahead" in verdict(gathered(fake_comparison(tmp_path / "swapped", swapped)), "toy")
    lonely = {"full": FAR["full"], "random": FAR["random"]}
    assert "no distilled set" in verdict(gathered(fake_comparison(tmp_path / "lonely", lonely)), "toy")


def test_advice_is_the_least_that_keeps_most(fake_comparison, tmp_path):
    results = gathered(fake_comparison(tmp_path, FAR))
    found = dict(advice(results, "toy"))
    assert found["Labels"].startswith("BALD at 5%: 346 labels")
    assert found["Storage"].startswith("Distilled at 0.1%: 0.8 kB")
    assert found["Time to train, again and again"].startswith("Distilled at 0.1%: 0.1 GFLOP for each training")
    assert found["Time to make the set"].startswith("Distilled at 0.1%")  # nothing else but all data keeps so much
    entries = {one["method"]: one for one in plain_entries(results, "toy")}
    assert break_even(entries["distilled"], entries["full"]) == pytest.approx(30 / 1.9)
    assert break_even(entries["full"], entries["full"]) is None


def test_advice_names_all_that_cost_the_same(fake_comparison, tmp_path):
    close = {"full": {"all": 0.9}, "random": {"1%": 0.5, "5%": 0.87}, "bald": {"1%": 0.5, "5%": 0.89}}
    found = dict(advice(gathered(fake_comparison(tmp_path, close)), "toy"))
    assert re.fullmatch(
        r"Random sampling, BALD at 5%: 346 labels, 9\d\.\d to (9\d|100)\.\d % of all data", found["Labels"]
    )
    assert found["Time to make the set"].startswith("Random sampling at 5%: 0 s")


def test_intervals_hold_the_mean_and_shares_are_paired(fake_comparison, tmp_path):
    results = gathered(fake_comparison(tmp_path, FAR))
    for one in results["compare"]["entries"]:
        low, high = one["interval"]
        assert low < one["accuracy"]["mean"] < high
        assert one["retention"]["n"] == 12
    full = next(one for one in results["compare"]["entries"] if one["method"] == "full")
    assert full["retention"]["mean"] == 1.0 and full["retention_interval"] == [1.0, 1.0]
    tests = results["compare"]["tests"]
    assert {test["family"] for test in tests} == {"headline", "random", "rivals"}
    assert all(test["pairs"] == 12 and test["smallest_p"] == 2.0**-11 for test in tests)


def test_what_is_missing_or_broken_is_said(fake_comparison, tmp_path):
    fake_comparison(tmp_path, FAR, seeds=3)
    runs = sorted((tmp_path / "runs").iterdir())
    (runs[0] / "results.json").unlink()
    (runs[1] / "results.json").write_text("{")
    (runs[2] / "results.json").unlink()
    (runs[2] / "error.json").write_text(json.dumps({"error": "MemoryError: <all> of it", "traceback": ""}))
    results = gathered(tmp_path)
    compare.write(tmp_path, results)
    states = {one["name"]: one["state"] for one in results["compare"]["points"]}
    assert [states[run.name] for run in runs[:3]] == ["missing", "failed", "failed"] and not results["finished"]
    page = (tmp_path / "report.html").read_text()
    assert "1 of 12 points are not computed" in page and "MemoryError: &lt;all&gt; of it" in page


def test_text_from_data_is_escaped_and_every_file_is_there(fake_comparison, tmp_path):
    compare.write(tmp_path, gathered(fake_comparison(tmp_path, FAR, seeds=3)))
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page and "<b>bad</b>" not in page
    assert "toy, test accuracy in %" in compare_tables.text(json.loads((tmp_path / "results.json").read_text()))
    with open(tmp_path / "tables" / "points.csv", encoding="utf-8", newline="") as file:
        assert {row["state"] for row in csv.DictReader(file)} == {"finished"}
    before = page, (tmp_path / "report.md").read_text()
    assert main(["report", str(tmp_path)]) == 0
    assert (tmp_path / "report.md").read_text().splitlines()[:4] == before[1].splitlines()[:4]


def test_synthetic_sentences_and_the_papers_table_are_on_the_page(fake_comparison, tmp_path):
    sst = fake_comparison(tmp_path / "sst", FAR, seeds=2, name="sst2")
    compare.write(sst, gathered(sst))
    page = (sst / "report.html").read_text()
    assert "&lt;i&gt;good&lt;/i&gt;" in page and "Table 2 of the paper" in page and "89.2" in page
    other = fake_comparison(tmp_path / "other", FAR, seeds=2)
    compare.write(other, gathered(other))
    assert "Table 2 of the paper" not in (other / "report.html").read_text()


def test_joined_from_the_command_line(fake_comparison, tmp_path, capsys):
    one, two = fake_comparison(tmp_path / "1", FAR, seeds=2), fake_comparison(tmp_path / "2", FAR, seeds=4)
    assert main(["report", str(one), str(two)]) == 2
    assert "--out=DIR" in capsys.readouterr().err
    assert main(["report", str(one), str(two), f"--out={two}"]) == 2
    assert "is the work directory of a run" in capsys.readouterr().err
    assert main(["report", str(one), str(two), f"--out={tmp_path / '3'}"]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert main(["report", str(one), str(two), f"--out={tmp_path / '3'}"]) == 0  # written anew
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "results.json").write_text('{"experiment": "distill"}')
    assert main(["report", str(one), str(two), f"--out={tmp_path / '5'}"]) == 2
    assert "of no comparison" in capsys.readouterr().err
    results = json.loads((tmp_path / "3" / "results.json").read_text())
    assert {tuple(entry["seeds"]) for entry in results["compare"]["entries"]} == {(0, 1, 2, 3)}
    assert main(["report", str(one), str(tmp_path / "nothing"), f"--out={tmp_path / '4'}"]) == 2
    assert "no points.json" in capsys.readouterr().err


def test_nothing_finished_is_no_comparison(fake_comparison, tmp_path):
    fake_comparison(tmp_path, FAR, seeds=1)
    for path in (tmp_path / "runs").glob("*/results.json"):
        path.unlink()
    with pytest.raises(WorkdirError, match="no point of this comparison is finished"):
        gathered(tmp_path)


def test_two_corpora_are_ranked_and_one_twice_is_not(fake_comparison, tmp_path):
    one = fake_comparison(tmp_path / "1", FAR, seeds=2, name="sst2", corpus="sst2")
    again = fake_comparison(tmp_path / "2", FAR, seeds=2, name="sst5", corpus="sst2")
    other = fake_comparison(tmp_path / "3", FAR, seeds=2, name="news", corpus="news")
    alone = compare.gather([one, again], command="")
    assert alone["compare"]["ranks"] == {}
    compare.write(tmp_path, alone)
    assert "sst2 and sst5 are the same sentences" in (tmp_path / "report.html").read_text()
    ranked = compare.gather([one, again, other], command="")["compare"]["ranks"]
    assert ranked["0.1%"]["corpora"] == 2 and ranked["0.1%"]["methods"] == {"random": 2.0, "distilled": 1.0}


def test_folders_of_other_data_or_another_recipe_do_not_go_together(fake_comparison, tmp_path):
    one, two = fake_comparison(tmp_path / "1", FAR, seeds=1), fake_comparison(tmp_path / "2", FAR, seeds=2)
    config = next((two / "runs").glob("*-random-*seed1")) / "config.json"
    config.write_text(json.dumps({"distill": {"steps": 11}, "tensorboard": True, "point": {"seed": 1}}))
    with pytest.raises(WorkdirError, match="config.distill.steps of 'toy' are 11 and 10"):
        compare.gather([one, two], command="")
    config.write_text(json.dumps({"distill": {"steps": 10}, "tensorboard": True, "point": {"seed": 1}}))
    compare.gather([one, two], command="")  # events change no number
    path = config.parent / "results.json"
    changed = json.loads(path.read_text())
    changed["dataset"]["sha256"] = "other"
    path.write_text(json.dumps(changed))
    with pytest.raises(WorkdirError, match="sha256 of the data of 'toy' are 'other' and 'toy'"):
        compare.gather([one, two], command="")


def test_seconds_of_two_devices_are_not_set_against_each_other(fake_comparison, tmp_path):
    folder = fake_comparison(tmp_path, FAR, seeds=2)
    assert "Time to make the set" in dict(advice(gathered(folder), "toy"))
    for path in (folder / "runs").glob("*-full-*/results.json"):
        changed = json.loads(path.read_text())
        changed["environment"]["device"] = "NVIDIA H100"
        path.write_text(json.dumps(changed))
    results = gathered(folder)
    entries = {one["method"]: one for one in plain_entries(results, "toy")}
    assert entries["full"]["devices"] == ["NVIDIA H100"] and break_even(entries["distilled"], entries["full"]) is None
    compare.write(folder, results)
    assert "Seconds are of several devices (NVIDIA H100, cpu)" in (folder / "report.html").read_text()
    for path in (folder / "runs").glob("*-random-*/results.json"):
        path.unlink()
    assert "Storage" in dict(advice(gathered(folder), "toy"))


def test_every_table_is_a_file_and_stale_ones_go(fake_comparison, tmp_path):
    folder = fake_comparison(tmp_path, FAR, seeds=3)
    (folder / "tables").mkdir()
    (folder / "tables" / "transfer.csv").write_text("of an earlier report")
    compare.write(folder, gathered(folder))
    tables = {path.stem: list(csv.DictReader(path.open())) for path in (folder / "tables").glob("*.csv")}
    assert tables.keys() == {"accuracy", "tests", "points", "picked", "curves"}  # no ranks of one corpus
    rows = {(row["method"], row["budget"]): row for row in tables["accuracy"]}
    assert float(rows["distilled", "0.1%"]["nearest_mean"]) == 0.6
    assert float(rows["distilled", "0.1%"]["break_even"]) == pytest.approx(30 / 1.9)
    curve = [row for row in tables["curves"] if (row["method"], row["curve"]) == ("bald", "rounds")]
    assert [(row["at"], row["validation_accuracy"]) for row in curve][:2] == [("8", "0.5"), ("70", "0.6")]


def test_few_members_are_told_apart_by_chance_and_left_out(fake_comparison, tmp_path):
    results = gathered(fake_comparison(tmp_path, FAR, seeds=2))
    members = {(one["method"], one["budget"]): one["members"] for one in results["compare"]["entries"]}
    assert members["random", "0.1%"] == 8 and members["random", "1%"] == 70
    compare.write(tmp_path, results)
    page = (tmp_path / "report.html").read_text()
    told = re.findall(r'data-label="Members told from others, %"[^>]*>([^<]*)<', page)
    names = re.findall(r'data-label="Budget"[^>]*>([^<]*)<', page)[-len(told) :]
    for budget, share in zip(names, told, strict=True):
        assert share == ("50.0 ± 0.0" if budget in ("1%", "5%", "–") else "–")

"""A person labels, in files and at the terminal; whatever happens, no label is lost."""

import contextlib
import csv
import json
from pathlib import Path

import numpy as np
import pytest

import dd_al
from dd_al import main
from dd_al.active import terminal
from dd_al.core.files import read_json

pytestmark = pytest.mark.usefixtures("own_caches")
CONFIG = Path(__file__).parent.parent.parent / "configs/annotate.py"
SMALL = {
    "vectors.corpus": "train", "vectors.dim": 8, "model.kind": "averaging", "model.width": 8, "active.passes": 2,
    "active.steps": 100, "active.rate": 0.02, "annotate.labels": "bad,good", "annotate.size": 4,
    "annotate.query": "bald",
}  # fmt: skip
NAMES = ["bad", "good"]


@pytest.fixture(scope="module")
def truth(reviews):
    return dict(zip(*reviews(2, 30, names=NAMES), strict=True))


@pytest.fixture
def pool(truth, tmp_path):
    path = tmp_path / "pool.txt"
    path.write_text("".join(f"{text}\n" for text in truth))
    return path


def run(pool, workdir, *more, code=0, **flags):
    flags = [f"--config.{name}={value}" for name, value in {**SMALL, "data.dir": pool, **flags}.items()]
    assert main.main(["main", f"--config={CONFIG}", f"--workdir={workdir}", *flags, *more]) == code


def fill(path, answer):
    rows = list(csv.DictReader(path.open(newline="", encoding="utf-8-sig")))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"label": answer(row["text"])} for row in rows)


def answers(workdir):
    return [json.loads(line) for line in (workdir / "answers.jsonl").read_text().splitlines()]


FOUR = {"active.stop": "stable", "active.thresholds": "stable:0"}  # as soon as there are three agreements


def test_rounds_in_files(pool, truth, tmp_path, capsys):
    workdir = tmp_path / "w"
    for number in range(1, 5):
        run(pool, workdir, **FOUR)
        queries = workdir / f"queries/00{number}.csv"
        assert f"fill in the labels in {queries}" in capsys.readouterr().out
        run(pool, workdir, **FOUR)  # nothing is filled in yet: the same question again
        assert "4 of 4 texts have no label yet" in capsys.readouterr().out
        fill(queries, truth.get)
    run(pool, workdir, **FOUR)
    out = capsys.readouterr().out
    assert "done: 16 texts have labels" in out and "hardly changed for three rounds" in out
    agreement = read_json(workdir / "asked.json")["agreement"]
    assert agreement[0] is None and len(agreement) == 4 and all(0 < value <= 1 for value in agreement[1:])
    assert len({line["index"] for line in answers(workdir)}) == 16
    rows = list(csv.DictReader((workdir / "predictions.csv").open(newline="")))
    assert [row["text"] for row in rows] == list(truth) and sum(row["label"] != "" for row in rows) == 16
    assert np.mean([row["predicted"] == truth[row["text"]] for row in rows]) > 0.8
    run(pool, workdir, **FOUR)
    assert "done: 16" in capsys.readouterr().out and len(answers(workdir)) == 16


def test_mistakes_are_refused_and_blanks_wait(pool, truth, tmp_path, capsys):
    workdir = tmp_path / "w"
    run(pool, workdir)
    queries = workdir / "queries/001.csv"
    fill(queries, lambda text: "god")
    run(pool, workdir, code=2)
    err = capsys.readouterr().err
    assert "line 2: label 'god'" in err and "line 5: label 'god'" in err and answers(workdir) == []
    blank = list(csv.DictReader(queries.open(newline="", encoding="utf-8-sig")))[0]["text"]
    fill(queries, lambda text: "" if text == blank else truth[text])
    run(pool, workdir)
    assert "1 of 4 texts have no label yet" in capsys.readouterr().out and len(answers(workdir)) == 3
    run(pool, workdir, **{"annotate.partial": True})  # goes on without it
    assert "round 2: 4 of 4" in capsys.readouterr().out and len(answers(workdir)) == 3
    fill(queries, truth.get)  # it comes later, but it counts
    run(pool, workdir, "--overwrite", **{"annotate.partial": True, "active.passes": 3})  # other settings; answers stay
    assert "round 2: 4 of 4" in capsys.readouterr().out and len(answers(workdir)) == 4


def test_other_texts_are_not_mistaken_for_these(pool, truth, tmp_path, capsys):
    run(pool, tmp_path / "w")
    fill(tmp_path / "w/queries/001.csv", truth.get)
    run(pool, tmp_path / "w")
    pool.write_text("".join(f"{text}\n" for text in list(truth)[1:]))
    run(pool, tmp_path / "w", "--overwrite", code=2)
    assert "holds labels of other texts" in capsys.readouterr().err and len(answers(tmp_path / "w")) == 4


def test_a_pool_may_grow_and_be_sorted(pool, truth, tmp_path, capsys):
    """New texts stand before, between and behind the others; one is a copy."""
    workdir, texts = tmp_path / "w", list(truth)
    run(pool, workdir)
    fill(workdir / "queries/001.csv", truth.get)
    asked = read_json(workdir / "asked.json")["indices"]
    pool.write_text("".join(f"{text}\n" for text in ["w1 w2 new", *reversed(texts), texts[0], "another new"]))
    run(pool, workdir)
    assert "round 2: 4 of 4" in capsys.readouterr().out and len(answers(workdir)) == 4
    rows = list(csv.DictReader((workdir / "predictions.csv").open(newline="")))
    assert [row["text"] for row in rows] == [*texts, "w1 w2 new", texts[0], "another new"]
    assert {row["text"] for row in rows if row["label"]} == {texts[index] for index in asked}
    assert all(row["label"] == truth[row["text"]] for row in rows if row["label"])
    run(pool, workdir)  # nothing is filled in yet: the same question again
    assert "round 2: 4 of 4" in capsys.readouterr().out


def test_a_file_with_some_labels_begins_with_them(truth, tmp_path, capsys):
    pool = tmp_path / "pool.csv"
    with pool.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows((text, truth[text] if number < 6 else "") for number, text in enumerate(truth))
    run(pool, tmp_path / "w", **{"annotate.labels": "none"})
    asked = read_json(tmp_path / "w/asked.json")["indices"]
    assert len(asked) == 4 and min(asked) >= 6 and (tmp_path / "w/predictions.csv").exists()
    run(pool, tmp_path / "x", code=2, **{"annotate.labels": "bad,fine"})
    assert "line 3: label 'good' is not in config.annotate.labels" in capsys.readouterr().err


def test_at_the_terminal(pool, truth, tmp_path, capsys, monkeypatch):
    keys = iter("12?1" + "12q" + "q")
    monkeypatch.setattr(terminal, "keyboard", lambda: contextlib.nullcontext(lambda: next(keys)))
    run(pool, tmp_path / "w", **{"annotate.oracle": "terminal"})
    assert [line["label"] for line in answers(tmp_path / "w")] == ["bad", "good", None, "bad", "bad", "good"]
    run(pool, tmp_path / "w", **{"annotate.oracle": "terminal"})
    out = capsys.readouterr().out
    assert out.count("2 of 4 are labelled and saved") == 2 and len(answers(tmp_path / "w")) == 6


def test_texts_that_are_set_aside_are_never_asked_for_again(pool, tmp_path, capsys, monkeypatch):
    keys = iter("?" * 30)
    monkeypatch.setattr(terminal, "keyboard", lambda: contextlib.nullcontext(lambda: next(keys)))
    run(pool, tmp_path / "w", **{"annotate.oracle": "terminal"})
    assert sorted(line["index"] for line in answers(tmp_path / "w")) == list(range(30))
    run(pool, tmp_path / "w", **{"annotate.oracle": "terminal"})
    assert capsys.readouterr().out.count("done: 0 texts have labels") == 2


def test_label_studio(pool, truth, tmp_path, capsys):
    flags = {"annotate.format": "label_studio"}
    run(pool, tmp_path / "w", **flags)
    tasks = read_json(tmp_path / "w/queries/001.json")
    assert 'value="good"' in (tmp_path / "w/queries/label_config.xml").read_text()
    done = [
        task | {"annotations": [{"result": [{"value": {"choices": [truth[task["data"]["text"]]]}}]}]} for task in tasks
    ]
    done[0]["annotations"][0]["was_cancelled"] = True
    (tmp_path / "w/queries/001.labelled.json").write_text(json.dumps(done))
    run(pool, tmp_path / "w", **flags)
    assert "1 of 4 texts have no label yet" in capsys.readouterr().out
    small = [{**task["data"], "label": truth[task["data"]["text"]], "id": 7} for task in tasks]  # JSON-MIN
    (tmp_path / "w/queries/001.labelled.json").write_text(json.dumps(small))
    run(pool, tmp_path / "w", **flags)
    assert "round 2: 4 of 4" in capsys.readouterr().out and len(answers(tmp_path / "w")) == 4
    for index in read_json(tmp_path / "w/asked.json")["indices"]:
        assert index not in {answer["index"] for answer in answers(tmp_path / "w")}
    second = [{**task["data"], "label": "good"} for task in read_json(tmp_path / "w/queries/002.json")]
    (tmp_path / "w/queries/002.labelled.json").write_text(json.dumps(second))
    run(pool, tmp_path / "w", **flags, **{"annotate.rounds": 2})
    assert "done: 8 texts have labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"data.dir": "none"}, "config.data.dir is missing"),
        ({"data.dir": "/nowhere.csv"}, "cannot be read"),
        ({"annotate.labels": "bad"}, "give all labels that there can be"),
        ({"annotate.oracle": "terminal"}, "needs a terminal"),
        ({"active.stop": "certain", "active.thresholds": "certain:0.1"}, "when predictions are 'stable', no more"),
    ],
)
def test_what_is_missing(pool, tmp_path, capsys, flags, message):
    run(pool, tmp_path / "w", code=2, **flags)
    assert message in capsys.readouterr().err


def test_copies_of_a_text_are_one_question(truth, tmp_path, capsys):
    pool, texts = tmp_path / "pool.csv", [*list(truth)[:6]] * 3

    def write(label_of):
        with pool.open("w", newline="") as file:
            csv.writer(file).writerows(
                [("text", "label"), *((text, label_of(i, text)) for i, text in enumerate(texts))]
            )

    write(lambda i, text: truth[text] if i in (1, 7) else "")
    for number in range(1, 5):
        run(pool, tmp_path / "w", **{"annotate.size": 2})
        if "done:" in capsys.readouterr().out:
            break
        fill(tmp_path / f"w/queries/00{number}.csv", truth.get)
    asked = [line["index"] for line in answers(tmp_path / "w")]
    assert len(asked) == 5 and len({texts[index] for index in asked} | {texts[1]}) == 6
    rows = list(csv.DictReader((tmp_path / "w/predictions.csv").open(newline="")))
    assert all(row["label"] == truth[row["text"]] for row in rows)
    write(lambda i, text: ("bad", "good")[i == 7] if i in (1, 7) else "")
    run(pool, tmp_path / "x", code=2)
    assert "line 9: label 'good' of a text that line 3 labels 'bad'" in capsys.readouterr().err


def test_a_length_is_obeyed_and_a_label_map_refused(pool, tmp_path, capsys, caplog):
    run(pool, tmp_path / "w", **{"data.length": 1})
    assert "texts are longer than 1 words" in caplog.text
    fill(tmp_path / "w/queries/001.csv", lambda text: NAMES[len(text) % 2])
    run(pool, tmp_path / "w", **{"data.length": 1})
    assert dd_al.ActiveLearner.load(tmp_path / "w/learner.safetensors")._learners.length == 1
    run(pool, tmp_path / "x", code=2, **{"data.label_map": "bad:0,good:1"})
    assert "name them in config.annotate.labels" in capsys.readouterr().err


def test_the_last_answer_for_a_text_counts(truth, tmp_path):
    texts, workdir = list(truth)[:12], tmp_path / "w"
    (tmp_path / "pool.txt").write_text("".join(f"{one}\n" for one in [*texts, texts[0]]))
    run(tmp_path / "pool.txt", workdir)
    log = [(index, truth[texts[index]]) for index in read_json(workdir / "asked.json")["indices"] if index % 12]
    log += [(0, "bad"), (12, "bad"), (0, "good"), (12, None)]
    lines = [json.dumps({"index": index, "label": label}) for index, label in log]
    (workdir / "answers.jsonl").write_text("\n".join([*lines, ""]))
    run(tmp_path / "pool.txt", workdir)
    assert dd_al.ActiveLearner.load(workdir / "learner.safetensors").answers[0] == "good"

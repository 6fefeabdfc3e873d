"""The table of several runs: what it shows beside what was published, in the report and on the terminal."""

import html
import json
import re

import numpy as np
import pytest

from dd_al.core.files import write_json
from dd_al.report import build, combine, figures, method_results, new_results, schema, tables
from dd_al.report.canvas import png

HOSTILE = '<script>alert("1")</script>'
PUBLISHED = {"SST-2": {"full": "98.59", "distilled": "87.99", "random": "62.90"}, "x": {"distilled": "36 to 38"}}
NAMES = ("SST-2", "x", HOSTILE)


def fake_run(seed=0, split="test", **dataset):
    """Returns the results of a made-up run."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 50)
    answers = {name: rng.integers(0, 2, (3, 50)) for name in ("full", "random", "distilled")}
    methods = {
        name: method_results(answer, labels, 2, split=split, full=answers["full"], resamples=9)
        | {"curve": {"steps": [1, 10], "accuracy": rng.random((2, 3)).tolist()}}
        for name, answer in answers.items()
    }
    sizes = {"train": 6920, "validation": 872, "test": 1821, "dropped_duplicates": 0, "num_classes": 2}
    data = {"name": "sst2", "source": "local", "stand_in_for": None, "label_map": {}, "majority_rate": 0.5, **sizes}
    return new_results(
        "distill",
        seed,
        dataset=data | {"sha256": "9f"} | dataset,
        evaluate={"split": split, "inits": 3, "init": "random"},
        budget=dict.fromkeys(methods, {"examples": 8, "fraction": 0.001, "labels_used": 8, "stored_floats": 9}),
        methods=methods,
        time={"total_s": 1.0},
        environment={},
    )


def text_of(page):
    return html.unescape(re.sub("<[^>]*>", " ", page))


def fake_table(split="test", **dataset):
    """Returns the results of three rows of two runs each; `dataset` changes the data of the second row."""
    runs = {}
    for name in NAMES:
        runs[name] = [fake_run(seed, split, **(dataset if name == "x" else {})) for seed in (0, 7)]
        runs[name][1]["methods"]["distilled"]["retention"] -= 0.1
    parts = combine.summarise(
        runs,
        changes={name: f"data.name={name}" for name in NAMES},
        runs={name: ["runs/a", "runs/b"] for name in NAMES},
        published={name: PUBLISHED.get(name, {}) for name in NAMES},
    )
    parts["table"]["source"] = "Where these are from."
    return new_results("table", 0, **parts, environment={})


def test_ours_stand_beside_theirs(tmp_path):
    results = fake_table()
    full, distilled = (results["methods"][f"SST-2: {name}"] for name in ("full", "distilled"))
    lines = tables.text(results).splitlines()
    cells = re.split(r"\s{2,}", lines[1])
    assert cells[0] == "SST-2" and cells[1] == f"{100 * full['test_accuracy']['mean']:.1f} ± 0.0"
    assert cells[4] == f"{100 * distilled['retention']:.1f} ± {100 * 0.1 / np.sqrt(2):.1f}"
    assert lines[2].split() == ["published", "98.59", "87.99", "62.90", "89.2", "63.8"]
    assert re.split(r"\s{2,}", lines[4].strip()) == ["published", "–", "36 to 38", "–", "–", "–"]
    assert lines[-1] == "Where these are from."
    write_json(tmp_path / "results.json", results)
    page = build(tmp_path).read_text(encoding="utf-8")
    for said in (*cells, "89.2", "63.8", "36 to 38", lines[-1], "2 distillations", "data.name=x", "runs/b"):
        assert said in text_of(page), said
    assert HOSTILE not in page and HOSTILE in html.unescape(page) and 'class="banner"' not in page
    assert page.count("<img") == 1 and (tmp_path / "figures/table_curves.png").exists()


def test_a_stand_in_of_any_row_is_said(tmp_path):
    results = fake_table("validation", name="other", source="packaged", stand_in_for="sst5", sha256="00")
    assert results["dataset"]["stand_in_for"] == "sst5" and results["dataset"]["name"] == "sst2, other"
    assert results["dataset"]["train"] == 2 * 6920 and results["dataset"]["num_classes"] is None
    assert [row["dataset"]["stand_in_for"] for row in results["table"]["rows"]] == [None, "sst5", None]
    # Nothing published is set beside other data, and no row is called what it is not.
    shown = tables.text(results)
    assert "x, on other" in shown and "36 to 38" not in shown and "98.59" in shown
    write_json(tmp_path / "results.json", results)
    text = text_of(build(tmp_path).read_text())
    assert "sst5 could not be had, so this run used other (packaged)" in text
    assert "the test split was not read" in text and "% validation accuracy" in text
    assert not any("test_accuracy" in entry for entry in results["methods"].values())


def test_numbers_that_are_missing_stay_missing():
    run = fake_run()
    for entry in run["methods"].values():
        entry["retention"] = None
    rows = {"a": [run]}
    parts = combine.summarise(rows, changes={"a": ""}, runs={"a": []}, published={"a": {"full": "0", "random": "1"}})
    parts["table"]["source"] = None
    results = new_results("table", 0, **parts, environment={})
    assert json.loads(json.dumps(results))["methods"]["a: distilled"]["retention"] is None
    assert re.split(r"\s{2,}", tables.text(results).splitlines()[1])[4:] == ["n/a", "n/a"]


def test_runs_of_different_lengths_share_some_points():
    runs = [fake_run(seed) for seed in (0, 1)]
    runs[0]["methods"]["distilled"]["curve"] = {"steps": [1, 2, 4], "accuracy": [[0.5, 0.7], [0.7, None], [0.8, 0.8]]}
    runs[1]["methods"]["distilled"]["curve"] = {"steps": [1, 4, 8], "accuracy": [[0.4, 0.4], [0.9, 0.7], [1.0, 1.0]]}
    runs[1]["methods"]["random"]["curve"] = {"steps": [5], "accuracy": [[0.4, 0.4]]}
    methods = combine.summarise({"a": runs}, changes={"a": ""}, runs={"a": []}, published={"a": {}})["methods"]
    assert methods["a: distilled"]["curve"] == {"steps": [1, 4], "accuracy": [[0.6, 0.4], [0.8, 0.8]]}
    assert methods["a: random"]["curve"] == {"steps": [], "accuracy": []}


def test_chosen_real_examples_stand_in_a_table_of_their_own(tmp_path):
    runs = {name: [fake_run(seed) for seed in (0, 1)] for name in NAMES}
    for run in runs["x"]:
        for part in ("methods", "budget"):
            run[part]["k_medoids"] = run[part]["random"]
    columns = {key: dict.fromkeys(NAMES, value) for key, value in (("changes", ""), ("runs", []), ("published", {}))}
    parts = combine.summarise(runs, **columns)
    parts["table"]["source"] = None
    results = new_results("table", 0, **parts, environment={})
    below = [re.split(r"\s{2,}", line) for line in tables.text(results).split("\n\n")[-1].splitlines()]
    assert below[0] == ["Examples, accuracy in %", *NAMES]
    assert [line[0] for line in below[1:]] == ["Random subset", "k-medoids", "Distilled"]
    assert below[2] == ["k-medoids", "–", below[1][2], "–"] and below[1][2] != "–"
    write_json(tmp_path / "results.json", results)
    assert "k-medoids" in text_of(build(tmp_path).read_text(encoding="utf-8"))
    assert "k-medoids" not in tables.text(fake_table())


def test_rows_without_their_methods_are_refused():
    results = fake_table()
    del results["methods"]["x: random"]
    with pytest.raises(ValueError, match="results.methods.x: random is missing, and results.table has this row"):
        schema.validate(results)


@pytest.mark.parametrize("panels", [1, 2, 3])
def test_every_row_has_a_panel_with_bands(panels):
    curve = {"steps": [1, 10], "accuracy": [[0.5, 0.7], [0.6, 0.9]]}
    figure = figures.training_curves({f"${i}": ({"distilled": curve, "full": curve}, 0.5) for i in range(panels)})
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == panels and len(figure.axes) == panels + (panels == 3)
    for axes in shown:
        np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), [60, 75])
        low, high = (pick(axes.collections[0].get_paths()[0].vertices[:, 1]) for pick in (min, max))
        np.testing.assert_allclose((low, high), (60 - 10 * np.sqrt(2), 75 + 15 * np.sqrt(2)))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "Distilled",
        "All data",
        "Majority class",
    ]
    assert png(figure).startswith(b"\x89PNG")

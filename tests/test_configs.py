"""Every config and each of its variants, two outer steps of it, on a small data set of the right number of classes."""

from pathlib import Path

import numpy as np
import pytest

import dd_al
from dd_al import main
from dd_al.cli import config_files
from dd_al.config import Settings, from_config
from dd_al.config.grid import table_rows
from dd_al.core.errors import UserError
from dd_al.core.files import read_json
from dd_al.report import schema

pytestmark = pytest.mark.usefixtures("own_caches")
CONFIGS = Path(__file__).parent.parent / "configs"
VARIANTS = {
    "smoke.py": {},  # run below, and in test_end_to_end.py
    "sst_distill.py": {"": 2, "classes=5": 5, "init=known": 2, "classes=5,init=known": 5},
    "sst_full.py": {"": 2, "classes=5": 5},
    "sst_active.py": {"": 2, "classes=5": 5, "quick=true": 2},
    "jacobs.py": {},  # needs an encoder: tests/experiments/test_active.py
    "annotate.py": {},  # asks a person: tests/experiments/test_annotate.py
    "imdb_distill.py": {"": 2},
    "any.py": {"": 2},
    "sst_minilm.py": {},  # needs an encoder: run at the end
    "sst_methods.py": {f"method={m}": 2 for m in ("kernel_regression", "gradient_matching", "distribution_matching")},
    "sst_networks.py": {"": 2},
    "sst_transfer.py": {},  # needs a distilled set: run at the end
    "paper_table2.py": {},  # tables of several runs: run at the end
    "peers.py": {},
    "mnist_distill.py": {},  # images and rows: tests/test_arrays_end_to_end.py
    "cifar_distill.py": {},
    "moons.py": {},
    "sst_compare.py": {},  # of several runs: run below, and in tests/experiments/compare/test_run.py
    "images_distill.py": {},
    "table_distill.py": {},
}
# What other variants and tests/experiments cover between them; these are left to -m slow.
CONTAINED = {
    ("sst_distill.py", "classes=5"),
    ("sst_distill.py", "init=known"),
    ("imdb_distill.py", ""),
    ("any.py", ""),
    ("sst_full.py", ""),
    ("sst_full.py", "classes=5"),
    ("sst_active.py", ""),
    ("sst_active.py", "classes=5"),
    ("sst_active.py", "quick=true"),
    ("sst_distill.py", "classes=5,init=known"),
    ("sst_methods.py", "method=kernel_regression"),
    ("sst_methods.py", "method=gradient_matching"),
    ("sst_methods.py", "method=distribution_matching"),
    ("sst_networks.py", ""),
}
SMALL = {
    "data.source": "local",
    "data.max_train": 15,
    "vectors.corpus": "train",
    "vectors.dim": 8,
    "model.windows": 2,
    "model.filters": 4,
    "full.epochs": 1,
    "full.min_steps": 0,
    "random.rates": 0.01,
    "random.steps": 2,
    "distill.steps": 2,
    "distill.iterations": 2,
    "distill.nets": 2,
    "distill.pool": 3,
    "model.width": 4,
    "active.size": 2,
    "active.rounds": 2,
    "active.passes": 2,
    "active.steps": 3,
    "active.epochs": 1,
    "distill.batch_size": 8,
    "distill.log_every": 1,
    "distill.evaluate_every": 1,
    "evaluate.inits": 2,
    "evaluate.select_inits": 2,
}


def command(name, variant, data, workdir, *flags):
    config = f"--config={CONFIGS / name}" + (f":{variant}" if variant else "")
    small = [f"--config.{key}={value}" for key, value in SMALL.items()]
    return main.main(["main", config, f"--workdir={workdir}", f"--config.data.dir={data}", *small, *flags])


def tried_on_averaging(artefact, rates, full_rates="0.01"):
    """The flags of a small transfer of one distilled set."""
    return (
        f"--config.transfer.artefact={artefact}", "--config.transfer.networks=averaging",
        "--config.transfer.widths=none", "--config.transfer.init_scales=2",
        f"--config.transfer.rates={rates}", "--config.transfer.sgd_rates=0.1", "--config.transfer.steps=1,2",
        f"--config.transfer.full_rates={full_rates}",
    )  # fmt: skip


def test_every_config_is_here():
    assert VARIANTS.keys() == {path.name for path in CONFIGS.glob("*.py")}


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        pytest.param(name, variant, marks=[pytest.mark.slow] if (name, variant) in CONTAINED else [])
        for name in VARIANTS
        for variant in VARIANTS[name]
    ],
)
def test_two_steps(name, variant, write_reviews, tmp_path, capsys):
    classes = VARIANTS[name][variant]
    data = write_reviews(tmp_path / "data", classes)
    assert command(name, variant, data, tmp_path / "w") == 0, capsys.readouterr().err
    results, config = read_json(tmp_path / "w/results.json"), read_json(tmp_path / "w/config.json")
    schema.validate(results)
    assert results["dataset"]["source"] == "local" and results["dataset"]["stand_in_for"] is None
    assert results["dataset"]["num_classes"] == classes
    assert (tmp_path / "w/report.html").exists()
    if config["experiment"] == "train":
        assert list(results["methods"]) == ["full", "full_finetuned"]
        return
    if config["experiment"] == "active":
        queries = config["active"]["queries"]
        assert list(results["methods"]) == ["full", *queries]
        assert all(results["methods"][name]["curve"]["labels"] == [2, 4, 6] for name in queries)
        return
    known = "init=known" in variant
    assert list(results["methods"]) == ["full", "random", "distilled"]
    assert results["evaluate"] == {"split": "test", "inits": 2, "init": "known" if known else "random"}
    assert results["methods"]["distilled"]["selected_step"] in (1, 2)
    course = results["methods"]["distilled"]["outer"]
    assert course["steps"] == [1, 2] and {len(values) for values in course.values()} == {2}
    # One item for each class: of 15 rows 0.1 % is less, and so it says for known initialisations.
    assert results["budget"]["distilled"]["examples"] == classes
    items = read_json(tmp_path / "w/distilled.json")["examples"]
    assert len(items) == classes * (2 if known else 1)


@pytest.mark.slow
def test_development_never_sees_the_test_split(write_reviews, tmp_path, capsys):
    names = ["negative", "neutral", "positive"]
    data = write_reviews(tmp_path / "data", 3, names)
    flags = "--config.evaluate.split=validation", "--config.distill.examples=2", "--config.distill.start=noise"
    assert command("smoke.py", "", data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    results = read_json(tmp_path / "w/results.json")
    for method in results["methods"].values():
        assert "validation_accuracy" in method and not any(key.startswith("test_") for key in method)
    assert results["dataset"]["label_map"] == {name: i for i, name in enumerate(names)}
    # Two items of three classes, from noise.
    distilled = read_json(tmp_path / "w/distilled.json")
    assert [len(item["label"]) for item in distilled["examples"]] == [3, 3] and distilled["label_names"] == names
    assert all("start_text" not in item for item in distilled["examples"])


@pytest.mark.slow
def test_a_set_distilled_for_two_networks_is_tried_on_others(write_reviews, tmp_path, capsys):
    data = write_reviews(tmp_path / "data", 2)
    flags = "--config.distill.also=averaging", "--config.distill.rate_noise=0.3", "--config.model.width=4"
    assert command("smoke.py", "", data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    tried = *tried_on_averaging(tmp_path / "w", "0.01", "0.01,0.001"), "--config.transfer.widths=0.5,2"
    tried = *tried, "--config.evaluate.split=validation"
    assert command("sst_transfer.py", "", data, tmp_path / "t", *tried) == 0, capsys.readouterr().err
    results = read_json(tmp_path / "t/results.json")
    schema.validate(results)
    table = results["transfer"]
    assert table["networks"] == [
        "text_cnn", "text_cnn, width × 0.5", "text_cnn, width × 2", "text_cnn, initial weights × 2", "averaging",
    ]  # fmt: skip
    # Floats are stored of the rates that a network follows, not of those of the others.
    stored = {name: entry["stored_floats"] for name, entry in results["budget"].items()}
    assert stored["distilled"] == stored["rates shuffled"] == stored["text_cnn, width × 2: rates shuffled"]
    assert stored["distilled"] > stored["Adam, one rate"] == stored["averaging: SGD, one rate"]
    # The set has rates for its own network's layers, of any size, and for those of the other that it was made for.
    scheduled = [row[table["ways"].index("own schedule")] is not None for row in table["retention"]]
    assert scheduled == [True] * 5
    assert all(row[table["ways"].index("Adam, one rate")] is not None for row in table["retention"])
    # Trained as its own run trained them: the same networks, which give the same answers.
    distilled = read_json(tmp_path / "w/results.json")["methods"]["distilled"]
    home = results["methods"]["distilled"]["validation_accuracy"]["values"]
    np.testing.assert_allclose(home, distilled["validation_accuracy"]["values"])
    assert (tmp_path / "t/figures/transfer.png").exists()

    other = write_reviews(tmp_path / "other", 3)
    assert command("sst_transfer.py", "", other, tmp_path / "u", *tried) == 2
    assert "was distilled for the labels" in capsys.readouterr().err
    assert command("sst_transfer.py", "", data, tmp_path / "v", "--config.evaluate.inits=1") == 2
    assert "config.transfer.artefact is not set" in capsys.readouterr().err
    assert command("sst_transfer.py", "", data, tmp_path / "w", *tried, "--overwrite") == 2
    assert "lies in --workdir" in capsys.readouterr().err
    assert (tmp_path / "w/distilled.safetensors").exists()


@pytest.mark.slow
def test_judges_teach_nothing(write_reviews, tmp_path, capsys):
    data, sets = write_reviews(tmp_path / "data", 2), []
    for judges in (2, 3):
        workdir = tmp_path / str(judges)
        flags = "--config.distill.teacher=0.5", f"--config.evaluate.inits={judges}"
        assert command("smoke.py", "", data, workdir, *flags) == 0, capsys.readouterr().err
        sets.append(dd_al.load(workdir).synthetic)
        assert read_json(workdir / "results.json")["time"]["teachers_s"] > 0
    for one, other in zip(*sets, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_adam_is_adam_whatever_a_known_set_was_distilled_with(write_reviews, tmp_path, capsys):
    data = write_reviews(tmp_path / "data", 2)
    flags = "--config.learner.optimizer=sgd", "--config.distill.init=known", "--config.distill.labels=unrestricted"
    assert command("smoke.py", "", data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    tried = tried_on_averaging(tmp_path / "w", "0.1")
    assert command("sst_transfer.py", "", data, tmp_path / "t", *tried) == 0, capsys.readouterr().err
    results = read_json(tmp_path / "t/results.json")
    methods, made = results["methods"], read_json(tmp_path / "w/results.json")["methods"]
    assert methods["Adam, one rate"]["curve"] != methods["SGD, one rate"]["curve"]
    # The headline is that of the first known initialisation, which is one learner.
    assert results["evaluate"] == {"split": "test", "inits": 1, "init": "known"}
    assert results["transfer"]["networks"][:2] == ["text_cnn, the known initialisation", "text_cnn, fresh"]
    assert methods["distilled"]["test_accuracy"]["n"] == 1
    assert methods["full: text_cnn, fresh"]["test_accuracy"]["n"] == 2
    ways, other = results["transfer"]["ways"], results["transfer"]["retention"][-1]
    assert other[ways.index("own schedule")] is None and other[ways.index("Adam, one rate")] is not None
    assert methods["distilled"]["test_accuracy"]["values"][0] == made["distilled"]["test_accuracy"]["values"][0]


@pytest.mark.slow
def test_attention_labels_stay_with_the_transformer(write_reviews, tmp_path, capsys):
    data = write_reviews(tmp_path / "data", 2)
    flags = (
        "--config.model.kind=transformer", "--config.model.width=4", "--config.model.heads=2",
        "--config.distill.attention=1", "--config.distill.also=averaging", "--config.distill.length=5",
    )  # fmt: skip
    assert command("smoke.py", "", data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    tried = tried_on_averaging(tmp_path / "w", "0.01")
    assert command("sst_transfer.py", "", data, tmp_path / "t", *tried) == 0, capsys.readouterr().err
    made, results = (read_json(tmp_path / name / "results.json") for name in ("w", "t"))
    home = results["methods"]["distilled"]["test_accuracy"]["values"]
    np.testing.assert_allclose(home, made["methods"]["distilled"]["test_accuracy"]["values"])
    stored = {name: budget["stored_floats"] for name, budget in results["budget"].items()}
    rates = 2 * 2  # steps, layers of the other network, which are stored with the set
    assert stored["distilled"] == made["budget"]["distilled"]["stored_floats"] - rates
    labels = 2 * 1 * 2 * 5  # items, blocks, heads, length
    assert stored["Adam, one rate"] == stored["averaging: Adam, one rate"] + labels
    items = read_json(tmp_path / "w/distilled.json")["examples"]
    assert all(len(item["attention"]) == 5 and abs(sum(item["attention"]) - 1) < 1e-5 for item in items)
    assert np.ptp(items[0]["attention"]) > 1e-4  # they have moved


@pytest.mark.slow
def test_sentence_vectors_from_the_run_to_the_classifier(write_reviews, write_encoder, tmp_path, capsys, monkeypatch):
    data, encoder = write_reviews(tmp_path / "data", 2), write_encoder(tmp_path / "encoder")
    given = f"--config.encoder.dir={encoder}"
    assert command("sst_minilm.py", "", data, tmp_path / "w", given) == 0, capsys.readouterr().err
    results, items = read_json(tmp_path / "w/results.json"), read_json(tmp_path / "w/distilled.json")["examples"]
    assert results["budget"]["distilled"]["stored_floats"] < 100 and "encoder" not in results["budget"]
    texts = (data / "train.jsonl").read_text() if (data / "train.jsonl").exists() else None
    assert all(len(item["nearest_words"]) == 1 for item in items)  # one sentence, the nearest of train
    if texts:
        assert items[0]["nearest_words"][0][0][0] in texts

    monkeypatch.setenv("DD_AL_ENCODER", str(encoder))
    distilled = dd_al.load(tmp_path / "w")
    classifier = distilled.train(ensemble=2)
    answers = classifier.predict_proba(["a good story", "", "bad film"])
    assert answers.shape == (3, 2) and (answers[0] != answers[2]).any()
    classifier.save(tmp_path / "c.safetensors")
    again = dd_al.Classifier.load(tmp_path / "c.safetensors")
    np.testing.assert_allclose(again.predict_proba(["a good story", "", "bad film"]), answers, rtol=1e-5)
    with pytest.raises(UserError, match="distilled for sentence vectors"):
        dd_al.load_distilled(tmp_path / "w").embed(["a film"])

    monkeypatch.setenv("DD_AL_ENCODER", str(write_encoder(tmp_path / "other", seed=1)))
    with pytest.raises(UserError, match="sentence encoder whose files have the hash"):
        distilled.train().predict(["a film"])


@pytest.mark.slow
def test_a_table_of_one_run(write_reviews, tmp_path, capsys):
    data = write_reviews(tmp_path / "data", 2)
    flags = ("--config.experiment=table", "--config.table.rows=one:distill.examples=2;seed=1", "--config.table.seeds=3",
             "--config.distill.candidates=1", "--config.random.dropout=false")  # fmt: skip
    assert command("sst_distill.py", "", data, tmp_path / "w", *flags) == 2
    assert "config.table.rows, 'one': config.seed = '1': is the same for all rows" in capsys.readouterr().err
    flags = flags[0], flags[1].partition(";")[0], *flags[2:], "--config.table.published=one:full=50;distilled=40"
    assert command("sst_distill.py", "", data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    out = capsys.readouterr().out.splitlines()
    assert out[2].split() == ["published", "50", "40", "–", "80.0", "–"] and out[-1].startswith("report: ")
    schema.validate(results := read_json(tmp_path / "w/results.json"))
    ours = read_json(tmp_path / "w/runs/one-seed3/results.json")
    assert (ours["experiment"], ours["seed"], ours["budget"]["distilled"]["examples"]) == ("distill", 3, 2)
    accuracy = ours["methods"]["distilled"]["test_accuracy"]["mean"]
    assert results["methods"]["one: distilled"]["test_accuracy"]["values"] == [accuracy]
    assert command("sst_distill.py", "", data, tmp_path / "w", *flags) == 0
    assert "holds a finished run" in capsys.readouterr().out


@pytest.mark.slow
def test_the_quick_comparison(write_reviews, tmp_path, capsys):
    data = write_reviews(tmp_path / "data", 2)
    # Of fifteen sentences a percent is not even one of each class.
    flags = (
        "--config.compare.budgets=1/class,30%", "--config.compare.distil_up_to=1/class", "--config.random.steps=1,2",
        "--config.active.steps=2",
        "--config.evaluate.inits=2", "--config.evaluate.split=validation",
    )  # fmt: skip
    assert command("sst_compare.py", "quick=true", data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    assert "validation accuracy in %" in capsys.readouterr().out
    schema.validate(results := read_json(tmp_path / "w/results.json"))
    assert {one["state"] for one in results["compare"]["points"]} == {"finished"}
    assert {one["method"] for one in results["compare"]["entries"]} == {
        "full", "random", "predictive_entropy", "distilled"
    }  # fmt: skip


@pytest.mark.slow
def test_the_paper_table(write_reviews, tmp_path, capsys):
    data = write_reviews(tmp_path / "data", 2)
    flags = ("--config.table.seeds=0,1", "--config.evaluate.split=validation", "--config.distill.candidates=1",
             "--config.random.dropout=false")  # fmt: skip
    assert command("paper_table2.py", "", data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("SST-2 ") and lines[3].startswith("SST-5 ")
    assert lines[2].split() == lines[4].split() == ["published", "98.59", "87.99", "62.90", "89.2", "63.8"]
    results = read_json(tmp_path / "w/results.json")
    schema.validate(results)
    assert not any(key.startswith("test_") for method in results["methods"].values() for key in method)
    ours = [read_json(tmp_path / f"w/runs/sst-5-seed{seed}/results.json") for seed in (0, 1)]
    assert [one["budget"]["distilled"]["examples"] for one in ours] == [10, 10]
    accuracies = [one["methods"]["distilled"]["validation_accuracy"]["mean"] for one in ours]
    assert results["methods"]["SST-5: distilled"]["validation_accuracy"]["values"] == accuracies
    assert (tmp_path / "w/runs/sst-5-seed0/report.html").exists()
    assert "0.9859" in (tmp_path / "w/report.html").read_text()


@pytest.mark.parametrize(
    ("data", "rows", "items"), [("sst5", 4, [5, 100, 5, 100]), ("imdb", 3, [2, 2, 20]), ("trec6", 4, [6, 120, 6, 120])]
)
def test_the_peers_rows_are_their_settings(data, rows, items):
    settings = from_config(Settings, config_files.load(f"{CONFIGS / 'peers.py'}:data={data}"))
    runs = table_rows(settings)
    assert len(runs) == rows and [run.distill.examples for run in runs.values()] == items
    assert all(run.distill.init in name and run.data.name == data for name, run in runs.items())


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["data=sst5", "data=imdb", "data=trec6"])
def test_two_steps_of_the_peers(variant, write_reviews, tmp_path, capsys):
    classes = {"data=sst5": 5, "data=imdb": 2, "data=trec6": 6}[variant]
    data = write_reviews(tmp_path / "data", classes)
    table = from_config(Settings, config_files.load(f"{CONFIGS / 'peers.py'}:{variant}")).table
    few = {name: text for name, text in table.rows.items() if "batch_size" not in text}  # the others are as they are
    flags = (
        "--config.table.seeds=1", "--config.data.max_train=none", f"--config.table.rows={few}",
        f"--config.table.published={ {name: table.published[name] for name in few} }",
    )  # fmt: skip
    assert command("peers.py", variant, data, tmp_path / "w", *flags) == 0, capsys.readouterr().err
    results = read_json(tmp_path / "w/results.json")
    schema.validate(results)
    assert [row["name"] for row in results["table"]["rows"]] == list(few) and len(few) >= 2

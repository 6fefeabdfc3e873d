"""The main command on rows of numbers and on images, and what it leaves behind."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dd_al
from dd_al.config import grid
from dd_al.config.data import DataSettings
from dd_al.config.schema import from_config, override
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, DataError
from dd_al.data import tables
from dd_al.io import artefact as artefacts

REPOSITORY = Path(__file__).parent.parent
MAIN = "dd_al.main"
SMALL = (
    "--config.full.epochs=2",
    "--config.full.min_steps=20",
    "--config.random.steps=5",
    "--config.random.rates=0.1",
    "--config.random.dropout=false",
    "--config.distill.log_every=5",
    "--config.evaluate.inits=2",
    "--config.evaluate.select_inits=2",
    "--config.data.max_train=60",
)
MOONS = (
    "--config=configs/moons.py:layers=2",
    *SMALL,
    "--config.distill.examples=12",
    "--config.distill.batches=3",
    "--config.distill.steps=7",
    "--config.distill.iterations=40",
    "--config.distill.evaluate_every=40",
    "--config.coreset.methods=herding,k_center,k_medoids,support_vectors,condensed",
    "--config.coreset.features=inputs",
)


@pytest.fixture(scope="module")
def moons(commands, tmp_path_factory):
    """The work directory of a run on points."""
    workdir = tmp_path_factory.mktemp("moons") / "w"
    commands.run(MAIN, *MOONS, f"--workdir={workdir}")
    return workdir


def write_pictures(rng, folder, kinds):
    """Twenty grey pictures of 8 × 8 pixels of each kind, in a folder each."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for i in range(20):
            Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(folder / kind / f"{i}.png")


def configs_of(name):
    """The module of a config file."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / f"configs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_points_are_distilled_and_reported(moons):
    results = json.loads((moons / "results.json").read_text())
    len_of_train = results["dataset"]["train"]
    assert results["dataset"]["source"] == "generated" and results["dataset"]["unit"] == "row"
    chosen = {"herding", "k_center", "k_medoids", "support_vectors", "condensed"}
    assert {"full", "distilled", "random", *chosen} == results["methods"].keys()
    assert results["budget"]["herding"] == {
        "examples": 12, "fraction": 12 / len_of_train, "labels_used": len_of_train, "stored_floats": 24
    }  # fmt: skip
    budget = results["budget"]
    assert budget["full"]["stored_floats"] == 120 and budget["random"]["stored_floats"] == 24
    assert budget["distilled"]["stored_floats"] == 12 * (2 + 2) + 7 * 2  # rows, labels; rates of two layers
    report = (moons / "report.html").read_text()
    assert (
        "Condensed nearest neighbour" in report
        and "12 synthetic rows" in report
        and "The synthetic rows" in report
        and "sentence" not in report
    )
    assert (moons / "figures" / "points.png").exists() and (moons / "figures" / "points_along.png").exists()
    described = json.loads((moons / "distilled.json").read_text())
    assert described["columns"] == ["x", "y"] and len(described["examples"][0]["row"]) == 2
    assert [moment["step"] for moment in described["course"]] == [0, 5, 10, 40]
    assert described["course"][-1]["items"][3]["row"] == described["examples"][3]["row"]
    assert described["course"][0]["items"][3]["row"] != described["examples"][3]["row"]
    assert len(described["real"]["rows"]) == len(described["real"]["classes"]) == len_of_train


def test_plain_numpy_trains_on_points_what_the_run_was_judged_by(moons):
    """The schedule of `load_distilled` on fresh networks reaches the accuracy of the run's own, batch after batch."""
    kit = dd_al.load_distilled(moons)
    assert kit.batches == 3 and kit.words == () and kit.vectors is None
    import jax

    from dd_al.core.keys import stream
    from dd_al.models.dense import mlp

    model = mlp((2,), 2, width=10, depth=1, weights="xavier", one_logit=True)
    settings = DataSettings(name="moons", scaling="none", max_train=60)
    test = tables.load(settings).test
    accuracies = []
    for key in jax.random.split(stream(jax.random.key(0), "evaluation"), 2):
        drawn = jax.tree.map(np.asarray, model.init(key))
        w1, b1 = drawn["hidden1"]["kernel"], drawn["hidden1"]["bias"]
        w2, b2 = drawn["output"]["kernel"], drawn["output"]["bias"]
        for t, (rate1, rate2) in enumerate(kit.rates):  # of hidden1 and output
            x, y = (array.reshape(3, 4, -1)[t % 3] for array in (kit.inputs, kit.targets))
            h = np.maximum(x @ w1 + b1, 0)
            slope = (1 / (1 + np.exp(-(h @ w2 + b2))) - y[:, 1:]) / len(x)
            below = slope @ w2.T * (h > 0)
            w2, b2 = w2 - rate2 * h.T @ slope, b2 - rate2 * slope.sum(0)
            w1, b1 = w1 - rate1 * x.T @ below, b1 - rate1 * below.sum(0)
        answers = np.maximum(kit.scale(test.inputs) @ w1 + b1, 0) @ w2 + b2 > 0
        accuracies.append((answers[:, 0] == test.labels).mean())
    results = json.loads((moons / "results.json").read_text())
    np.testing.assert_allclose(accuracies, results["methods"]["distilled"]["test_accuracy"]["values"], atol=1e-6)


def test_a_set_of_points_is_tested_on_any_table_of_its_columns(moons, commands, tmp_path):
    test = tables.load(DataSettings(name="moons", scaling="none", max_train=60)).test
    lines = [f"{label},{y!r},{x!r}" for (x, y), label in zip(test.inputs.tolist(), test.labels.tolist(), strict=True)]
    path = tmp_path / "points.csv"
    path.write_text("\n".join(["label,y,x", *lines]) + "\n")
    out, _ = commands.run("dd_al.evaluate", moons, path, "--inits=2")
    scores = json.loads(out.splitlines()[-1])
    expected = json.loads((moons / "results.json").read_text())["methods"]["distilled"]
    assert scores["n"] == len(test) and f"{len(test)} rows of moons" in out
    np.testing.assert_allclose(scores["accuracy"]["values"], expected["test_accuracy"]["values"])
    np.testing.assert_allclose(scores["macro_f1"]["values"], expected["test_macro_f1"]["values"])
    for content, message in (
        ("label,x\n0,1\n", "no column 'y'"),
        ("label,x,y\n0,1,far\n", "line 2: 'far' in the column 'y', which held numbers in training"),
        ("label,x,y\n3,1,1\n", "the label '3' is not one of '0', '1'"),
    ):
        path.write_text(content)
        _, err = commands.run("dd_al.evaluate", moons, path, code=2)
        assert message in err and "Traceback" not in err


@pytest.mark.slow
def test_a_set_of_images_is_tested_on_a_folder_of_them(commands, tmp_path):
    rng = np.random.default_rng(0)
    write_pictures(rng, tmp_path / "own", ("cat", "dog"))
    few = (*SMALL, "--config.distill.iterations=2", "--config.distill.evaluate_every=2", "--config.distill.steps=2",
           "--config.model.width=4", "--config.distill.candidates=2", "--config.coreset.methods=none")  # fmt: skip
    source = f"--config.data.dir={tmp_path / 'own'}"
    commands.run(MAIN, "--config=configs/images_distill.py", *few, source, f"--workdir={tmp_path / 'w'}")
    out, _ = commands.run("dd_al.evaluate", tmp_path / "w", tmp_path / "own", "--inits=2")
    assert json.loads(out.splitlines()[-1])["n"] == 40 and "40 images" in out
    for kind in ("cat", "dog"):
        (tmp_path / "other" / kind).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (9, 8), np.uint8)).save(tmp_path / "other" / kind / "1.png")
    _, err = commands.run("dd_al.evaluate", tmp_path / "w", tmp_path / "other", code=2)
    assert "distilled for examples of the shape (8, 8, 1); these are (9, 8, 1)" in err


def test_what_understands_texts_only_says_so(moons, commands, tmp_path):
    with pytest.raises(DataError, match="holds rows; dd_al.load reads sets of texts"):
        dd_al.load(moons)
    _, err = commands.run("dd_al.export", moons, tmp_path / "out", code=2)
    assert "holds rows; only sets of" in err
    kit = dd_al.load_distilled(moons)
    with pytest.raises(DataError, match="of images or rows"):
        kit.embed(["a text"])
    with pytest.raises(DataError, match="does not fit this set's"):
        kit.scale(np.zeros((3, 5)))
    assert kit.columns == ("x", "y")
    for raw, message in (
        ([["a", 1]], r"not all of these are numbers .*\[examples, 2\], x, y"),
        ([[1, None]], "missing"),
    ):
        with pytest.raises(DataError, match=message):
            kit.scale(raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batches": 5}, "batches = 5: must be an integer that divides its 12 items"),
        ({"inputs": "sounds"}, "inputs = 'sounds' in its description does not fit"),
        ({"inputs": "images"}, r"it must be \[sets, items, height, width, channels\]"),
    ],
)
def test_a_damaged_description(moons, tmp_path, change, message):
    artefact = artefacts.load(moons)
    artefact.spec.update(change)
    artefacts.save(tmp_path / "distilled.safetensors", artefact)
    with pytest.raises(DataError, match=message):
        artefacts.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distill.examples": "13"}, "examples = 13 cannot be dealt to batches = 40"),
        ({"distill.steps": "3"}, "batches = 40: no inner step would see the last, for steps = 3"),
        ({"distill.init": "pool"}, "batches = 40 needs method = 'unrolled'"),
        ({"model.kind": "gru", "model.one_logit": "false"}, "'gru' does not read inputs = 'rows'"),
        ({"experiment": "active"}, "inputs = 'rows' is not for experiment = 'active'"),
        ({"distill.also": "mlp"}, "'mlp' is config.model already"),
        ({"distill.also": "mlp:depht=3"}, r"config.distill.also, 'mlp:depht=3.: .*did you mean .depth."),
        ({"distill.also": "lenet:one_logit=false"}, "distill.also = 'lenet' does not read inputs = 'rows'"),
        ({"model.width": "0"}, "set depth to 0 for a linear model"),
        ({"inputs": "words"}, "model.kind = 'mlp' does not read inputs = 'words'"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, message):
    config = configs_of("moons").get_config("layers=2")
    for key, text in changes.items():
        override(Settings, config, key, text)
    with pytest.raises(ConfigError, match=message):
        from_config(Settings, config)


@pytest.mark.slow
def test_images_for_several_networks_at_once(commands, tmp_path):
    flags = (
        "--config=configs/mnist_distill.py:init=random", "--config.data.name=digits", *SMALL,
        "--config.model.kind=mlp", "--config.distill.also=mlp:depth=0,convnet:depth=2:width=4",
        "--config.distill.examples=10", "--config.distill.labels=soft", "--config.distill.iterations=10",
        "--config.distill.evaluate_every=5", "--config.distill.nets=2", "--config.distill.steps=3",
        "--config.distill.window=2", "--config.distill.batches=2", "--config.learner.shift=1",
    )  # fmt: skip
    commands.run(MAIN, *flags, f"--workdir={tmp_path / 'w'}")
    kit = dd_al.load_distilled(tmp_path / "w")
    assert kit.shift == 1
    assert kit.inputs.shape == (10, 8, 8, 1) and list(kit.also) == ["mlp:depth=0", "convnet:depth=2:width=4"]
    assert "10 synthetic images" in (tmp_path / "w" / "report.html").read_text()
    assert all((tmp_path / "w" / "figures" / f"{name}.png").exists() for name in ("images", "images_along"))
    described = json.loads((tmp_path / "w" / "distilled.json").read_text())
    assert np.shape(described["examples"][0]["pixels"]) == (8, 8, 1)


@pytest.mark.slow
def test_the_config_of_pictures(commands, tmp_path):
    rng = np.random.default_rng(0)
    write_pictures(rng, tmp_path / "own", ("cat", "dog", "owl"))
    few = (*SMALL, "--config.distill.iterations=5", "--config.distill.evaluate_every=2", "--config.distill.steps=2",
           "--config.model.width=4", "--config.distill.candidates=2", "--config.coreset.methods=none")  # fmt: skip
    source = f"--config.data.dir={tmp_path / 'own'}"
    commands.run(MAIN, "--config=configs/images_distill.py", *few, source, f"--workdir={tmp_path / 'w'}")
    kit = dd_al.load_distilled(tmp_path / "w")
    assert kit.inputs.shape == (3, 8, 8, 1) and kit.labels == ["cat", "dog", "owl"]
    lines = [json.loads(line) for line in (tmp_path / "w" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation_accuracy" in line] == [2, 4, 5]
    course = json.loads((tmp_path / "w" / "distilled.json").read_text())["course"]
    selected = json.loads((tmp_path / "w" / "results.json").read_text())["methods"]["distilled"]["selected_step"]
    assert [moment["step"] for moment in course if moment["kept"]] == [selected]


@pytest.mark.slow
def test_the_config_of_a_table(commands, tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.3f},{'ab'[i % 2]},{'xyz'[i % 3]}" for i in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["height,kind,label", *rows]) + "\n")
    few = (*SMALL, "--config.distill.iterations=2", "--config.distill.evaluate_every=2", "--config.distill.steps=2",
           "--config.distill.candidates=2", "--config.distill.nets=1")  # fmt: skip
    source = f"--config.data.dir={tmp_path / 'own.csv'}"
    commands.run(MAIN, "--config=configs/table_distill.py", *few, source, f"--workdir={tmp_path / 'w'}")
    kit = dd_al.load_distilled(tmp_path / "w")
    assert kit.inputs.shape == (3, 3) and kit.labels == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("config", "variants", "inputs"),
    [
        ("cifar_distill", ("", "network=alex_cifar"), "images"),
        (
            "mnist_distill",
            ("", "soft=5", "init=random", "network=convnet", "network=mlp", "curve=true", "curve=true,init=random"),
            "images",
        ),
        ("moons", ("", "layers=1", "layers=4,tuned=true", "study=all", "study=curves,tuned=true,data=circles"), "rows"),
    ],
)
def test_every_variant_is_a_config(config, variants, inputs):
    for variant in variants:
        settings = from_config(Settings, configs_of(config).get_config(variant))
        grid.check(settings)
        assert settings.inputs == inputs


def test_a_hundred_images_of_mnist_are_seen_fifty_at_a_time():
    get_config = configs_of("mnist_distill").get_config
    assert from_config(Settings, get_config("init=random")).distill.batches == 2
    assert from_config(Settings, get_config("init=random,soft=20")).distill.batches == 1


STUDY = (
    "--config=configs/moons.py:study=all",
    "--config.study.networks=mlp:depth=0,mlp:depth=1",
    "--config.study.restarts=2",
    "--config.study.curves=inner steps:distill.steps=1|2; distill.examples=4|8; distill.batches=1|2",
    "--config.study.published=mlp:depth=1:80.8 94.1,mlp:depth=1 longer:70.7 71.7,all data:72.7 73.7",
    "--config.transfer.full_rates=0.01",
    "--config.distill.examples=6",
    "--config.distill.batches=3",
    "--config.distill.steps=6",
    "--config.distill.iterations=10",
    "--config.distill.evaluate_every=10",
    "--config.data.max_train=60",
    "--config.full.epochs=2",
    "--config.evaluate.inits=2",
)


@pytest.fixture(scope="module")
def study(commands, tmp_path_factory):
    """The work directory of a study of two networks."""
    workdir = tmp_path_factory.mktemp("study") / "w"
    commands.run(MAIN, *STUDY, f"--workdir={workdir}")
    return workdir


@pytest.mark.slow
def test_a_study_tries_every_networks_sets_on_all_of_them(study):
    found = json.loads((study / "results.json").read_text())
    names = ["mlp:depth=0", "mlp:depth=1"]
    assert [row["name"] for row in found["study"]["rows"]] == [*names, "all at once"]
    for row in found["study"]["rows"]:
        assert np.shape(row["accuracy"]) == (4, 2)  # schedules, networks
        for name in names:
            one = found["methods"][f"{row['name']} → {name}: learned"]
            assert one["test_accuracy"]["n"] == 2 and 0 <= one["test_accuracy"]["mean"] <= 1
    (curve,) = found["study"]["curves"]
    assert curve["values"] == ["1", "2"] and np.shape(curve["accuracy"]) == (2, 2, 2)
    assert found["budget"]["inner steps = 2: mlp:depth=0"]["examples"] == 8
    page = (study / "report.html").read_text()
    assert (
        all(shown in page for shown in ("published", "94.1", "71.7", "73.7")) and page.count("<img") == 6
    )  # curves, matrix, three rows, surfaces


@pytest.mark.slow
def test_a_study_goes_on_from_the_sets_that_it_has(study, commands):
    before = json.loads((study / "results.json").read_text())
    (study / "results.json").unlink()
    (study / "runs" / "all-at-once" / "checkpoints" / "sets.safetensors").unlink()
    _, log = commands.run(MAIN, *STUDY, f"--workdir={study}")
    assert log.count("from an earlier start of this run") == 8  # 2 on all data, 2 rows and 4 points
    after = json.loads((study / "results.json").read_text())
    assert after["methods"] == before["methods"]


@pytest.mark.slow
def test_one_row_at_a_time_gives_the_same_sets(study, commands, tmp_path):
    commands.run(MAIN, *STUDY, "--config.study.workers=1", f"--workdir={tmp_path / 'w'}")
    one, two = (json.loads((path / "results.json").read_text()) for path in (tmp_path / "w", study))
    assert one["methods"] == two["methods"]


MISTAKES = {
    "distill.steps=3": "no key with several values, as in",
    "distill.steps=1|2; distill.examples=4|8|16": r"distill.examples has 3 values where another has 2",
    "distill.steps=1|1": "a value is given twice",
    "seed=1|2": "config.seed: curves go along keys of config.distill",
    "distill.step=1|2": "did you mean",
    "distill.examples=4; distill.batches=1|3": "examples = 4 cannot be dealt to batches = 3",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_in_a_curve(text):
    settings = from_config(Settings, {"experiment": "study", "inputs": "rows", "model": {"kind": "mlp"},
                                      "study": {"curves": {"c": text}}})  # fmt: skip
    with pytest.raises(ConfigError, match=r"config\.study\.curves, 'c': .*" + MISTAKES[text]):
        grid.check(settings)


STUDIES = {
    "distill.method = 'kernel_regression': a study distils by 'unrolled'": {"distill": {"method": "kernel_regression"}},
    "init = 'known': what is distilled for one network's weights": {
        "distill": {"init": "known"}, "study": {"networks": ("mlp:depth=0", "mlp:depth=1")}
    },
    "neither a matrix nor curves": {"study": {"matrix": False}},
    "'mlp': 2 numbers for 1 networks": {"study": {"published": {"mlp": "80 90"}}},
    "'nan' are not all finite": {"study": {"published": {"mlp": "nan"}}},
    "'all at one': no such row .did you mean 'all at once'": {"study": {"published": {"all at one": "80"}}},
    "'s, t': its files would be those of 's .t.'": {
        "study": {"curves": {"s (t)": "distill.nets=1|2", "s, t": "distill.nets=1|2"}}
    },
    "distill.teacher = 0.5 is not for experiment = 'study'": {"study": {"curves": {"t": "distill.teacher=0|0.5"}}},
    "'high' are not numbers": {"study": {"published": {"mlp": "high"}}},
    "study.networks = 'lenet' does not read inputs = 'rows'": {"study": {"networks": ("lenet",)}},
}  # fmt: skip


@pytest.mark.parametrize("message", STUDIES)
def test_studies_that_cannot_be(message):
    with pytest.raises(ConfigError, match=message):
        config = {"experiment": "study", "inputs": "rows", "model": {"kind": "mlp"}, **STUDIES[message]}
        grid.check(from_config(Settings, config))


def test_all_layers_share_a_rate_where_they_are_to(moons):
    made = artefacts.load(moons)
    assert made.log_rates.shape == (1, 7, 2)
    np.testing.assert_array_equal(made.log_rates[..., 0], made.log_rates[..., 1])
    assert np.ptp(made.log_rates[0, :, 0]) > 0  # and they were learned

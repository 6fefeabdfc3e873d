"""Reports of made-up work directories: what they say, and that they load nothing and run nothing."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from dd_al.core.errors import WorkdirError
from dd_al.core.files import write_json
from dd_al.report import build, method_results, new_results
from dd_al.report.__main__ import main
from dd_al.report.build import read_metrics

HOSTILE = '<script>alert("1")</script>'
WORDS = "the a it film movie is n't moving masterpiece dull , lifeless and charming performances bad worst best".split()


def _curve(rng, end, start_at, inits=10):
    steps = [0, 1, 2, 5, 10, 20, 50, 100, 200, 400]
    mean = 0.5 + (end - 0.5) * (1 - np.exp(-np.array(steps) / start_at))
    return {"steps": steps, "accuracy": (mean[:, None] + 0.008 * rng.standard_normal((len(steps), inits))).tolist()}


def _predictions(rng, labels, rate, inits=10):
    hard = rng.random(len(labels))  # the same sentences are hard for everyone
    return np.where(hard + 0.1 * rng.standard_normal((inits, len(labels))) < rate, labels, 1 - labels)


def fake_results(*, split="test", methods=("full", "full_finetuned", "random", "distilled"), **changes):
    """Returns results of a made-up SST-2 run."""
    rng = np.random.default_rng(0)
    labels = (rng.random(1821) < 0.5).astype(int)
    rates = {"full": (0.804, 40), "full_finetuned": (0.819, 30), "random": (0.58, 25), "distilled": (0.789, 3)}
    full = _predictions(rng, labels, 0.804)
    entries = {}
    for name in methods:
        rate, start = rates[name]
        predictions = full if name == "full" else _predictions(rng, labels, rate)
        entries[name] = method_results(
            predictions,
            labels,
            2,
            split=split,
            full=None if name == "full" else full,
            validation_accuracy=[rate] * 10,
            curve=_curve(rng, rate, start),
            note="ten draws, best schedule on validation" if name == "random" else "",
            hyperparameters={"optimizer": "adam", "learning_rate": 0.001, "batch": 64},
        )
    small = {"examples": 8, "fraction": 8 / 6920, "labels_used": 6920, "stored_floats": 25876}
    budget = {name: small for name in ("random", "distilled")}
    budget["full"] = {"examples": 6920, "fraction": 1.0, "labels_used": 6920, "stored_floats": 6920 * 32}
    dataset = {
        "name": "sst2",
        "source": "local",
        "stand_in_for": None,
        "num_classes": 2,
        "label_map": {"0": 0, "1": 1},
        "majority_rate": 0.5008,
        "train": 6920,
        "validation": 872,
        "test": 1821,
        "dropped_duplicates": 7,
        "sha256": "9f" * 32,
        "notes": ["7 training sentences also occur in test and were removed"],
    }
    parts = {
        "dataset": dataset,
        "evaluate": {"split": split, "inits": 10, "init": "random"},
        "budget": budget,
        "methods": entries,
        "time": {"data_s": 1.4, "vectors_s": 21.7, "compile_s": 14.2, "optimise_s": 222.0, "total_s": 311.8},
        "memory": {"peak_rss_mb": 1412.5},
        "vectors": {"kind": "counted", "words": 40000, "dim": 100, "excluded_rows": 2140, "seconds": 21.7},
        "environment": {"python": "3.11.2", "jax": "0.10.2", "device": "cpu × 1", "git_commit": "0123456789ab"},
        "command": "python -m dd_al.main --config=configs/sst_distill.py --workdir=runs/sst2",
    } | changes
    return new_results("distill", 0, **parts)


def fake_distilled(items=8, classes=2, words=WORDS, names=("negative", "positive")):
    """Returns the readable half of a made-up artefact."""
    rng = np.random.default_rng(1)

    def neighbours():
        cosines = sorted(rng.random(5), reverse=True)
        return [[str(word), float(cosine)] for word, cosine in zip(rng.choice(words, 5), cosines, strict=True)]

    return {
        "examples": [
            {
                "label": rng.dirichlet(np.ones(classes)).tolist(),
                "nearest_words": [neighbours() for _ in range(32)],
                "length": int(rng.integers(8, 33)),
                "start_text": "a gorgeous , witty , seductive movie . " + words[0],
            }
            for _ in range(items)
        ],
        "rates": {
            "names": ["conv3", "conv4", "conv5", "head"],
            "values": (0.01 * np.exp(0.6 * rng.standard_normal((20, 4)) + [0, 0.3, 0.6, 1.5])).tolist(),
        },
        "label_names": list(names),
        "inner_steps": 20,
    }


def write_metrics(path, steps=1200):
    """Writes a made-up metrics stream: a resume, repeated steps, a NaN, unknown keys and a last line cut off."""
    rng = np.random.default_rng(2)
    lines = []
    for step in range(10, steps + 1, 10):
        loss = 0.45 + 0.25 * np.exp(-step / 200) + 0.02 * rng.standard_normal()
        line = {"step": step, "loss": loss, "grad_norm": 1.0}
        if step % 100 == 0:
            line["validation_accuracy"] = 0.79 - 0.25 * np.exp(-step / 150) - 1e-8 * (step - 900) ** 2
        lines.append(json.dumps(line | {"novel": [1]}))
    lines[30:30] = [lines[29], json.dumps({"event": "resume", "step": 290}), '{"step": 300, "loss": NaN}', ""]
    path.write_text("\n".join([*lines, '{"step": 1210, "lo']))


def fake_workdir(path, results=None, distilled=None, config=None):
    """Fills a folder as a finished distillation does."""
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "results.json", results or fake_results())
    write_json(path / "config.json", config or {"seed": 0, "distill": {"examples": 8, "steps": 20, "iterations": 1200}})
    write_json(path / "distilled.json", distilled or fake_distilled())
    write_metrics(path / "metrics.jsonl")
    return path


class Reader(HTMLParser):
    """Collects what a browser would see: the text, the tags, and every address."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.addresses, self.open = "", [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "srcset", "action", "data")]
        if tag not in ("img", "meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished work directory and its report."""
    workdir = fake_workdir(tmp_path_factory.mktemp("run"))
    return workdir, build(workdir).read_text(encoding="utf-8")


def test_report_has_every_part(finished):
    workdir, page = finished
    seen = Reader(page)
    assert not seen.open
    figures = sorted(path.name for path in (workdir / "figures").iterdir())
    assert figures == ["learned_rates.png", "outer_curve.png", "soft_labels.png", "training_curves.png"]
    assert seen.tags.count("img") == 4
    for text in (
        "Distilled",
        "Majority class",
        "89.2",
        "63.8",
        "0.9859",
        "gain kept",
        "9f" * 32,
        "sst_distill.py",
        "resumed after step",
        "290",
        "masterpiece",
        "iterations",
        "counted",
        "0123456789ab",
    ):
        assert text.lower() in seen.text.lower(), text
    assert 'class="banner"' not in page


def test_report_loads_nothing(finished):
    _, page = finished
    assert all(address.startswith("data:") for address in Reader(page).addresses)
    assert not re.search(r"(src|href|url\(|@import)\W{0,3}(https?:)?//", page)
    assert "default-src &#x27;none&#x27;" in page
    assert len(page.encode()) < 5e6


def test_verdict_and_table_say_what_the_results_say(finished):
    workdir, page = finished
    text = Reader(page).text
    methods = json.loads((workdir / "results.json").read_text())["methods"]
    distilled, low_high = methods["distilled"], methods["distilled"]["interval"]["retention"]
    mean, std = (100 * distilled["test_accuracy"][key] for key in ("mean", "std"))
    assert text.count(f"{mean:.1f} ± {std:.1f}") >= 2
    assert (
        f"8 synthetic sentences (0.116 % of the training data) train a fresh learner to {mean:.1f} ± {std:.1f} % "
        f"test accuracy = {100 * distilled['retention']:.1f} % [{100 * low_high[0]:.1f}, {100 * low_high[1]:.1f}] of "
        f"what all 6,920 sentences give ({100 * methods['full']['test_accuracy']['mean']:.1f} %); "
        f"8 random ones reach {100 * methods['random']['test_accuracy']['mean']:.1f} %."
    ) in text
    for entry in methods.values():
        assert f"{100 * entry['test_macro_f1']['mean']:.1f} ± {100 * entry['test_macro_f1']['std']:.1f}" in text


def test_rebuilding_gives_the_same_bytes(finished):
    workdir, _ = finished
    files = [workdir / "report.html", *(workdir / "figures").iterdir()]
    before = [path.read_bytes() for path in files]
    assert main(["report", str(workdir)]) == 0
    assert [path.read_bytes() for path in files] == before
    assert not list(workdir.rglob("*.tmp"))


def test_text_from_data_is_escaped(tmp_path):
    results = fake_results()
    results["dataset"] |= {"name": HOSTILE, "stand_in_for": HOSTILE, "notes": [HOSTILE], "label_map": {HOSTILE: 0}}
    odd = {"note": HOSTILE, "hyperparameters": {HOSTILE: HOSTILE}}
    results["methods"][HOSTILE] = results["methods"]["random"] | odd
    results["environment"] = results["vectors"] = {HOSTILE: HOSTILE, "nested": {HOSTILE: [HOSTILE]}}
    results["command"] = HOSTILE
    distilled = fake_distilled(words=[HOSTILE, '"onclick="x', "$x$", "数"], names=(HOSTILE, "$a$ & b"))
    distilled["rates"]["names"] = [HOSTILE, "$\\bad{$", "_c", "d"]
    page = build(fake_workdir(tmp_path, results, distilled, {HOSTILE: HOSTILE})).read_text(encoding="utf-8")
    seen = Reader(page)
    assert "script" not in seen.tags and not re.search("<script", page, re.IGNORECASE)
    assert seen.text.count(HOSTILE) > 20


def test_text_from_data_is_escaped_on_the_page_of_active_learning(tmp_path):
    results = fake_results(methods=("full",))
    results["dataset"]["label_map"] = {HOSTILE: 0, "b": 1}
    results["active"] = dict.fromkeys(("first", "size", "rounds", "labels", "validation_labels", "charged"), 1)
    results["active"]["seeds"] = [3, 5]
    one = {"mean": 0.7, "std": 0.1, "n": 2, "values": [0.6, 0.8]}
    curve = {"labels": [1, 2], "accuracy": [0.5, 0.7], "values": [[0.5, 0.5], [0.6, 0.8]]}
    results["methods"][HOSTILE] = {
        "test_accuracy": one, "test_macro_f1": one, "aulc": one, "curve": curve, "labels_to": {"0.9": None},
        "picked": {"classes": [0.5, 0.5], "words": 9.0, "examples": [HOSTILE, HOSTILE]},
        "seconds_per_round": dict.fromkeys(("train", "score", "select"), 1.0),
        "stopping": {"stable": {"labels": [2, None], "accuracy": [0.7, None]}},
    }  # fmt: skip
    page = build(fake_workdir(tmp_path, results)).read_text(encoding="utf-8")
    assert "script" not in Reader(page).tags and Reader(page).text.count(HOSTILE) >= 6


def test_text_from_data_is_escaped_on_the_page_of_a_study(tmp_path):
    results = fake_results(methods=("full",))
    results["study"] = {
        "networks": [HOSTILE], "schedules": ["learned"], "full": [0.9], "published": {"all data": [98.0]},
        "rows": [{"name": HOSTILE, "accuracy": [[0.8]]}],
        "curves": [{"name": HOSTILE, "values": [HOSTILE], "accuracy": [[[0.5]]]}], "source": HOSTILE,
    }  # fmt: skip
    one = results["methods"]["full"] | {"validation_accuracy": results["methods"]["full"]["test_accuracy"]}
    for name in (f"{HOSTILE} → {HOSTILE}: learned", f"full: {HOSTILE}", f"{HOSTILE} = {HOSTILE}: {HOSTILE}"):
        results["methods"][name] = one
    page = build(fake_workdir(tmp_path, results)).read_text(encoding="utf-8")
    assert "script" not in Reader(page).tags and Reader(page).text.count(HOSTILE) > 12


def test_without_the_optional_files(tmp_path):
    results = fake_results(methods=("full", "full_finetuned"))
    for name in ("memory", "vectors", "command"):
        del results[name]
    for entry in results["methods"].values():
        for name in ("curve", "interval", "hyperparameters"):
            del entry[name]
    write_json(tmp_path / "results.json", results)
    text = Reader(build(tmp_path).read_text()).text
    assert "All 6,920 sentences give 8" in text and "with fine-tuned word vectors give 8" in text
    assert "synthetic" not in text
    assert not list((tmp_path / "figures").iterdir())


def test_a_lone_distilled_set_and_unmeasured_numbers(tmp_path):
    results = fake_results(methods=("distilled",))
    results["methods"]["distilled"] |= {"retention": float("nan"), "interval": {"level": 0.95, "resamples": 2}}
    results["dataset"]["majority_rate"] = None
    distilled = fake_distilled(items=1)
    del distilled["rates"], distilled["examples"][0]["nearest_words"]
    text = Reader(build(fake_workdir(tmp_path, results, distilled)).read_text()).text
    assert "% test accuracy.Results" in text and "n/a" in text


def test_banners(tmp_path):
    results = fake_results(split="validation")
    results["dataset"] |= {"name": "rotten_tomatoes", "source": "packaged", "stand_in_for": "sst2"}
    text = Reader(build(fake_workdir(tmp_path, results)).read_text()).text
    assert "the test split was not read" in text and "% validation accuracy" in text
    assert "sst2 could not be had, so this run used rotten_tomatoes" in text


def test_the_verdict_does_not_flatter(tmp_path):
    results = fake_results()
    results["dataset"]["majority_rate"] = 0.82
    results["methods"]["random"] = results["methods"]["full"]
    results["evaluate"]["init"] = "known"
    results["budget"]["distilled"]["examples"] = results["budget"]["random"]["examples"] = 1
    text = Reader(build(fake_workdir(tmp_path, results)).read_text()).text
    assert "1 synthetic sentence (0.116 % of the training data) trains the known initialisation to" in text
    assert "1 random one reaches" in text
    assert "no better than that constant answer" in text and "does not beat random sentences" in text


def test_many_items_and_classes_stay_small(tmp_path):
    names = [f"class number {index}" for index in range(20)]
    page = build(fake_workdir(tmp_path, distilled=fake_distilled(items=300, classes=20, names=names))).read_text()
    assert "The first 40 of 300" in page and len(page) < 5e6


def test_metrics_are_read_leniently(tmp_path):
    write_metrics(tmp_path / "metrics.jsonl")
    lines, resumed = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(10, 1201, 10)) and resumed == [290]
    assert read_metrics(tmp_path / "none.jsonl") == ([], [])
    odd = [b"\xff", b"[1]", b'{"loss": 1}', b'{"step": 2}', b'{"step": "3"}', b'{"step": 4, "event": "stop"}']
    (tmp_path / "odd.jsonl").write_bytes(b"\n".join(odd))
    assert read_metrics(tmp_path / "odd.jsonl") == ([{"step": 2}], [])


def test_no_results_no_report(tmp_path, capsys):
    with pytest.raises(WorkdirError, match=r"no results\.json"):
        build(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    assert "error:" in capsys.readouterr().err


def test_wrong_files_are_named(tmp_path):
    fake_workdir(tmp_path)
    write_json(tmp_path / "distilled.json", {"examples": [{"label": ["high"]}]})
    with pytest.raises(WorkdirError, match=r"distilled\.json: distilled\.examples\[0\]\.label\[0\] must be"):
        build(tmp_path)
    write_json(tmp_path / "results.json", {"schema": 1})
    with pytest.raises(WorkdirError, match=r"results\.json: results\.experiment is missing"):
        build(tmp_path)


def test_rebuilding_needs_no_jax(tmp_path):
    fake_workdir(tmp_path)
    program = "import sys; from dd_al.report.__main__ import main; main(sys.argv); print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "report.html"), "False"]


def test_a_distilled_set_of_the_version_before_is_shown(tmp_path):
    distilled = fake_distilled()
    workdir = fake_workdir(tmp_path, distilled=distilled)
    page = build(workdir).read_text()
    distilled["items"] = distilled.pop("examples")
    write_json(workdir / "distilled.json", distilled)
    assert build(workdir).read_text() == page

"""What a run would be: sizes and estimates of every kind of experiment, and nothing written."""

import re

import pytest

from dd_al import dry_run, main
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings

pytestmark = pytest.mark.usefixtures("own_caches")
SMALL = {
    "vectors": {"corpus": "train", "dim": 8}, "model": {"windows": (1, 2), "filters": 4},
    "full": {"epochs": 2, "min_steps": 4, "batch_size": 16}, "random": {"rates": (1e-2,), "steps": (2,)},
    "active": {"queries": ("random", "bald"), "seeds": (0, 1), "steps": 2, "batch_size": 4, "passes": 2, "rounds": 3},
    "distill": {"steps": 2, "iterations": 40, "nets": 2, "batch_size": 8, "evaluate_every": 10, "length": 6},
    "table": {"rows": {"few": "distill.examples=2", "many": "distill.examples=4"}, "seeds": (0, 1, 2)},
    "compare": {"methods": ("full", "random", "bald", "distilled"), "budgets": ("1/class", "10%"), "seeds": (0, 1),
                "distil_up_to": "1/class"},
    "evaluate": {"inits": 2, "select_inits": 2},
}  # fmt: skip
STAGES = {
    "train": ["all data"],
    "distill": ["all data", "real examples", "distillation"],
    "active": ["all data", "active learning"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory, write_reviews):
    return write_reviews(tmp_path_factory.mktemp("data"), 2)


@pytest.mark.parametrize(
    "experiment",
    [name if name in ("train", "active") else pytest.param(name, marks=pytest.mark.slow) for name in STAGES],
)
def test_every_part_of_the_run_is_estimated(experiment, data, capsys):
    given = {"experiment": experiment, "data": {"source": "local", "name": "toy", "dir": str(data)}}
    dry_run.run(from_config(Settings, {**SMALL, **given}))
    out = capsys.readouterr().out
    found = re.findall(r"^    (.+?) {2,}\d+ s  \S", out, re.MULTILINE)
    assert [name for name in found if name not in ("word vectors and data", "together")] == STAGES[experiment]
    assert "60 train, 30 validation, 30 test sentences, 2 classes" in out and '"seed": 0' in out
    assert out.count("\n    together") == 1
    if "distillation" in STAGES[experiment]:
        assert "40 outer steps" in out and "4 looks" in out and "by XLA's own count" in out


@pytest.mark.parametrize(("experiment", "parts"), [("table", 2), ("compare", 1)])
def test_of_several_runs_the_sizes_are_shown(experiment, parts, data, capsys):
    given = {"experiment": experiment, "data": {"source": "local", "name": "toy", "dir": str(data)}}
    dry_run.run(from_config(Settings, {**SMALL, **given}))
    out = capsys.readouterr().out
    assert out.count("60 train, 30 validation, 30 test sentences, 2 classes") == parts
    assert out.count(f"experiment={experiment}") == out.count("is not estimated") == parts


def test_from_the_command_line_without_a_work_directory(data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "c.py"
    given = {**SMALL, "experiment": "transfer", "data": {"source": "local", "name": "toy", "dir": str(data)}}
    config.write_text(
        "from dd_al.config.schema import from_config, to_config\nfrom dd_al.config.settings import Settings\n"
        f"def get_config():\n    return to_config(from_config(Settings, {given!r}))\n"
    )
    assert main.main(["dd_al", f"--config={config}", "--dry_run"]) == 0
    assert "experiment=transfer" in (out := capsys.readouterr().out) and "is not estimated" in out
    assert {path.name for path in tmp_path.iterdir()} <= {"c.py", "__pycache__"}

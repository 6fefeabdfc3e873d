"""What a run puts down about itself."""

import subprocess
import sys

import numpy as np
import pytest

from dd_al.config.learner import ModelSettings
from dd_al.config.settings import Settings
from dd_al.data.dataset import ArraySplit, Dataset
from dd_al.experiments.record import load_dataset
from dd_al.io.environment import peak_rss_mb
from dd_al.io.metrics import MetricsWriter
from dd_al.io.workdir import open_workdir
from dd_al.report.build import outer_course


def test_the_peak_of_memory_is_this_processs_own_and_grows_with_what_it_holds():
    before = peak_rss_mb()
    held = np.ones(40_000_000)  # 320 MB
    grown = peak_rss_mb()
    assert before <= grown and grown >= held.nbytes / 1e6
    program = "from dd_al.io.environment import peak_rss_mb; print(peak_rss_mb())"
    child = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    small = float(child)
    del held
    assert 20 < small and (sys.platform != "linux" or small < grown - 200)


@pytest.mark.parametrize(
    ("counts", "warning"),
    [
        ((200, 200, 1), "hardly any images have the label 'odd'/'odd one' (3): is it misspelt?"),
        ((200, 200, 2), "hardly any images have the label 'odd'/'odd one' (6): is it misspelt?"),
        ((200, 200, 20), None),  # rare, and meant
        ((2, 2, 1), None),  # all are
    ],
)
def test_labels_that_may_be_misspelt_are_warned_of(counts, warning, monkeypatch, tmp_path):
    labels = np.repeat(np.arange(3), counts).astype(np.int32)
    part = ArraySplit(np.zeros((len(labels), 2, 2, 1), np.uint8), labels, np.arange(len(labels)))
    names = {"good": 0, "bad": 1, "odd": 2, "odd one": 2}
    dataset = Dataset("x", "local", None, part, part, part, names, 0, "0" * 64, ("kept",), unit="image")
    monkeypatch.setattr("dd_al.data.images.load", lambda settings: dataset)
    with open_workdir(tmp_path / "w", {}) as workdir:
        found, _ = load_dataset(Settings(inputs="images", model=ModelSettings(kind="lenet")), workdir)
    assert found.notes == ("kept", *([warning] if warning else []))


def test_the_course_weighs_stretches_by_their_steps(tmp_path):
    lines = [(25, 1.0, None), (30, 7.0, 0.5), (50, 2.0, None), (60, 5.0, 0.6)]
    with MetricsWriter(tmp_path / "metrics.jsonl") as metrics:
        for step, loss, validation in lines:
            looked = {} if validation is None else {"validation_accuracy": validation}
            metrics.write(step, loss=loss, accuracy=loss, **looked)
    course = outer_course(tmp_path / "metrics.jsonl")
    assert course["steps"] == [30, 60] and course["validation_accuracy"] == [0.5, 0.6]
    np.testing.assert_allclose(course["loss"], [2.0, 3.0])

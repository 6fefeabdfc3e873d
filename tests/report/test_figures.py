"""Figures hold the data they were given, whatever its names and gaps."""

import subprocess
import sys

import numpy as np
import pytest

from dd_al.report import figures
from dd_al.report.canvas import png


def _line(axes, label):
    return next(line for line in axes.get_lines() if line.get_label() == label)


@pytest.mark.parametrize("first", [0, 1])
def test_training_curves(first):
    curve = {"steps": [first, 10, 100], "accuracy": [[0.5, 0.5], [0.6, 0.8], [None, 0.9]]}
    alone = {"steps": [first, 10], "accuracy": [[0.5], [0.7]]}
    figure = figures.training_curves({"": ({"distilled": curve, "$new": alone}, 0.5)})
    (axes,) = figure.axes
    line = _line(axes, "Distilled")
    np.testing.assert_allclose(line.get_ydata(), [50, 70, np.nan])
    np.testing.assert_allclose(line.get_xdata(), curve["steps"])
    assert axes.get_xscale() == ("log" if first else "symlog")
    assert axes.get_ylabel() == "validation accuracy (%)"
    assert png(figure).startswith(b"\x89PNG")


def test_outer_curve_leaves_out_what_is_not_finite():
    metrics = [{"step": step, "loss": 1 / step if step != 3 else float("nan")} for step in range(1, 6)]
    metrics[3] |= {"validation_accuracy": 0.7, "loss": None}
    figure = figures.outer_curve(metrics, selected_step=4)
    above, below = figure.axes
    assert above.get_lines()[0].get_xdata().tolist() == [1, 2, 5]
    assert below.get_lines()[0].get_ydata().tolist() == [70]
    assert _line(below, "kept: step 4").get_xdata() == [4, 4]


def test_soft_labels_write_numbers_only_where_they_fit():
    few = figures.soft_labels([[0.25, 0.75]], ["a" * 40, "$b$"]).axes[0]
    assert [text.get_text() for text in few.texts] == ["0.25", "0.75"]
    assert len(few.get_xticklabels()[0].get_text()) == 14
    many = figures.soft_labels(np.full((200, 2), 0.5), ["a", "b"])
    assert not many.axes[0].texts and many.get_figheight() <= 9


def test_learned_rates():
    figure = figures.learned_rates([[0.1, 0.2], [0.01, 0.4]], ["conv3", "$head"])
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert _line(axes, "conv3").get_ydata().tolist() == [0.1, 0.01]
    assert png(figure) == png(figures.learned_rates([[0.1, 0.2], [0.01, 0.4]], ["conv3", "$head"]))


def test_importing_the_room_is_light_and_drawing_leaves_pyplot_alone():
    program = (
        "import sys, dd_al.report; light = 'matplotlib' not in sys.modules; from dd_al.report import canvas, figures;"
        "canvas.png(figures.learned_rates([[1.0]], ['head'])); print(light, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]

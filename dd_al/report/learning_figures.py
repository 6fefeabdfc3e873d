"""The pictures of active learning: curves, gains over random sampling, and where the time goes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dd_al.report.active import QUERY_TITLES
from dd_al.report.figures import GREY, PALETTE, new_figure
from dd_al.report.learning import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = PALETTE[:6]  # random sampling is black and dashed in every picture
_LINES = ("-", "-.", (0, (5, 1, 1, 1, 1, 1)))


def learning_curves(curves: Mapping[str, Mapping], *, full: float | None = None) -> "Figure":
    """Draws accuracy against labels, means over seeds with 95 % intervals (the paper's figure 4).

    Args:
        curves: query → `{"labels": [rounds], "values": [rounds][seeds]}`.
        full: mean accuracy on all of the data, drawn as a ceiling.
    """
    figure, axes = new_figure(size=(5.8, 3.9))
    for name, curve in curves.items():
        _band(axes, name, curves, curve["labels"], 100 * np.asarray(curve["values"], float))
    if full is not None:
        axes.axhline(100 * full, color=GREY, linestyle=":", linewidth=1, label="All data")
    axes.set(xlabel="labels", ylabel="accuracy (%)")
    figure.legend(frameon=False, loc="outside upper center", ncols=3, fontsize=8.5)
    return figure


def gains(curves: Mapping[str, Mapping]) -> "Figure":
    """Draws how far every query is ahead of random sampling, seed by seed, with 95 % intervals.

    Args:
        curves: as of `learning_curves`, with "random" among them.
    """
    figure, axes = new_figure(size=(5.8, 3.4))
    reference = np.asarray(curves["random"]["values"], float)
    for name, curve in curves.items():
        if name == "random":
            continue
        rounds = min(len(reference), len(curve["values"]))  # one of the two may have stopped earlier
        ahead = np.asarray(curve["values"], float)[:rounds] - reference[:rounds]
        _band(axes, name, curves, curve["labels"][:rounds], 100 * ahead)
    axes.axhline(0, color="black", linestyle="--", linewidth=1)
    axes.set(xlabel="labels", ylabel="accuracy over that of\nrandom sampling (points)")
    figure.legend(frameon=False, loc="outside upper center", ncols=3, fontsize=8.5)
    return figure


def times(seconds: Mapping[str, Mapping[str, float]]) -> "Figure":
    """Draws the seconds of a round, for all seeds together, as a bar for each query.

    Args:
        seconds: query → part → seconds.
    """
    figure, axes = new_figure(size=(5.8, 1.1 + 0.3 * len(seconds)))
    left = np.zeros(len(seconds))
    for part, colour in zip(("train", "score", "select"), _COLOURS):
        widths = np.asarray([one[part] for one in seconds.values()])
        axes.barh(range(len(seconds)), widths, left=left, color=colour, label=part, height=0.6)
        left += widths
    axes.set_yticks(range(len(seconds)), [QUERY_TITLES.get(name, name) for name in seconds], fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xlabel("seconds in a round")
    figure.legend(frameon=False, loc="outside upper center", ncols=3, fontsize=8.5)
    return figure


def _band(axes: "Axes", name: str, names: Mapping, labels, values: np.ndarray) -> None:
    """A line of means over seeds, of values ``[rounds, seeds]``, with intervals from three on."""
    others = [other for other in names if other != "random"]
    index = others.index(name) if name in others else -1
    colour, line = ("black", "--") if index < 0 else (_COLOURS[index % len(_COLOURS)], _LINES[index // len(_COLOURS)])
    axes.plot(labels, values.mean(1), color=colour, linestyle=line, linewidth=1.8, label=QUERY_TITLES.get(name, name))
    if values.shape[1] > 2:  # that of two seeds would hide the lines
        low, high = mean_interval(values)
        axes.fill_between(labels, low, high, color=colour, alpha=0.13, linewidth=0)

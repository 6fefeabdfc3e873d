"""What synthetic images and points look like."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dd_al.report.figures import GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 100  # images in a picture
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


def images(pixels: Sequence, labels: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """Draws synthetic images, each under the classes that its label names.

    Args:
        pixels: int[items][height][width][channels], from 0 to 255; one channel is grey.
        labels: float[items][classes].
        names: one per class.
    """
    shown = np.asarray(pixels[:_SHOWN], np.uint8)
    columns = min(10, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure, axes = new_figure(rows=rows, columns=columns, size=(0.85 * columns + 0.3, 1.05 * rows + 0.2), grid=False)
    axes = np.atleast_1d(axes).ravel()
    for panel, image, label in zip(axes, shown, labels, strict=False):
        panel.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
        panel.set_title(short_label(label, names), fontsize=7, pad=2)
    for panel in axes:
        panel.set_axis_off()
    return figure


def short_label(label: Sequence[float], names: Sequence[str]) -> str:
    """The class of a hard label; the two largest shares of a soft one."""
    order = np.argsort(-np.asarray(label, float), kind="stable")[:2]
    if label[order[0]] >= 0.995:
        return names[order[0]].replace("$", r"\\$")
    return " ".join(f"{names[i]}:{label[i]:.2f}" for i in order).replace("$", r"\\$")


def points(rows: Sequence[Sequence[float]], labels: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """Draws synthetic rows of two numbers as points, marked by the class of their largest label.

    Args:
        rows: float[items][2].
        labels: float[items][classes].
        names: one per class.
    """
    values, classes = np.asarray(rows, float), np.asarray(labels, float).argmax(1)
    figure, axes = new_figure(size=(4.8, 4.0))
    for c, name in enumerate(names):
        chosen = values[classes == c]
        mark, colour = _MARKS[c % len(_MARKS)], _COLOURS[c % len(_COLOURS)]
        axes.scatter(*chosen.T, s=18, marker=mark, color=colour, edgecolor=GREY, linewidth=0.3, label=name)
    axes.legend(frameon=False, title="class")
    return figure

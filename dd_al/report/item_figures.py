"""What synthetic images and points look like."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dd_al.report.figures import PALETTE, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 100  # images in a picture
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_CLASSES = len(MARKS)  # that points are told apart by


def images(pixels: Sequence, labels: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """Draws synthetic images, each under the classes that its label names.

    Args:
        pixels: int[items][height][width][channels], from 0 to 255; one channel is grey.
        labels: float[items][classes].
        names: one per class.
    """
    shown = pixels[:_SHOWN]
    columns = min(10, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure, axes = new_figure(rows=rows, columns=columns, size=(0.85 * columns + 0.3, 1.05 * rows + 0.2), grid=False)
    axes = np.atleast_1d(axes).ravel()
    for panel, image, label in zip(axes, shown, labels, strict=False):
        _draw_image(panel, image, label, names)
    for panel in axes:
        panel.set_axis_off()
    return figure


def _draw_image(panel: "Axes", pixels: Sequence, label: Sequence[float], names: Sequence[str]) -> None:
    image = np.asarray(pixels, np.uint8)
    panel.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
    panel.set_title(short_label(label, names), fontsize=7, pad=2)


def short_label(label: Sequence[float], names: Sequence[str]) -> str:
    """The class of a hard label; the two largest shares of a soft one."""
    order = np.argsort(-np.asarray(label, float), kind="stable")[:2]
    if label[order[0]] >= 0.995:
        return plain(names[order[0]])
    return plain(" ".join(f"{names[i]}:{label[i]:.2f}" for i in order))


def images_along(course: Sequence[Mapping], names: Sequence[str]) -> "Figure":
    """Draws the same images at several outer steps, a row each.

    Args:
        course: `{"step": s, "items": [{"pixels": int[height][width][channels], "label": float[classes]}]}` of each.
        names: one per class.
    """
    columns, rows = len(course[0]["items"]), len(course)
    size = (0.85 * columns + 0.9, 1.05 * rows + 0.2)
    figure, axes = new_figure(rows=rows, columns=columns, size=size, grid=False)
    for line, moment in zip(np.reshape(axes, (rows, columns)), course, strict=True):
        for panel, item in zip(line, moment["items"], strict=True):
            _draw_image(panel, item["pixels"], item["label"], names)
            panel.set(xticks=[], yticks=[])
        line[0].set_ylabel(_step(moment), fontsize=8)
    return figure


def _step(moment: Mapping) -> str:
    return f"step {moment['step']:,}" + (", kept" if moment.get("kept") else "")


def points_along(course: Sequence[Mapping], names: Sequence[str], real: Mapping | None = None) -> "Figure":
    """Draws rows of two numbers as points at several outer steps, a panel each, over real ones.

    Args:
        course: `{"step": s, "items": [{"row": float[2], "label": float[classes]}]}` of each step; None for no step.
        names: one per class, `MOST_CLASSES` at most.
        real: `{"rows": float[n][2], "classes": int[n]}`.
    """
    columns = min(3, len(course))
    rows = math.ceil(len(course) / columns)
    figure, axes = new_figure(rows=rows, columns=columns, size=(3.4 * columns + 0.6, 3.0 * rows + 0.4))
    axes = np.atleast_1d(axes).ravel()
    for panel, moment in zip(axes, course, strict=False):
        draw_points(panel, moment["items"], real, names)
        if moment["step"] is not None:
            panel.set_title(_step(moment), fontsize=9)
    for panel in axes[len(course) :]:
        panel.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside upper center", ncols=len(names))
    return figure


def draw_points(panel: "Axes", items: Sequence[Mapping], real: Mapping | None, names: Sequence[str]) -> None:
    """Draws synthetic points, marked by the class of their label, over small real ones."""
    classes = np.asarray([item["label"] for item in items], float).argmax(1)
    values = np.asarray([item["row"] for item in items], float)
    for c, name in enumerate(names):
        style = {"color": PALETTE[c], "marker": MARKS[c]}
        if real:
            behind = np.asarray(real["rows"], float)[np.asarray(real["classes"]) == c]
            panel.scatter(*behind.T, s=3, alpha=0.35, **style)
        chosen = values[classes == c]
        panel.scatter(*chosen.T, s=22, edgecolor="black", linewidth=0.4, label=plain(name), **style)

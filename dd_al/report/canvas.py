"""How every picture looks: panels, lines with bands, heat maps and legends, without matplotlib's global state."""

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Okabe and Ito's colours, which the colour-blind can tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_CLASSES = len(MARKS)  # that points are told apart by
GREY = "#555555"
LONG_DASHES = (0, (5, 1, 1, 1, 1, 1))


def panels(
    count: int = 1,
    most: int = 1,
    *,
    width: tuple[float, float] = (5.2, 0),
    height: tuple[float, float] = (3.4, 0),
    grid: bool = True,
) -> tuple[Figure, Sequence[Axes]]:
    """Returns a figure and the axes of `count` panels, which share their x axis where they stand in one column.

    There are `most` in a row. `width` is inches for each column and inches besides, `height` the same for rows; both
    are small, so that text stays readable on a phone.
    """
    columns = min(most, count)
    rows = math.ceil(count / columns)
    look = {"axes.grid": grid, "axes.axisbelow": True, "grid.color": "#DDDDDD", "grid.linewidth": 0.6}
    with matplotlib.rc_context(look | {"axes.spines.top": False, "axes.spines.right": False}):
        size = (width[0] * columns + width[1], height[0] * rows + height[1])
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, sharex=columns == 1, squeeze=False).ravel()
    for panel in axes[count:]:
        panel.set_axis_off()
    return figure, axes[:count]


def line(axes: Axes, x: Sequence, y: Sequence, band: Sequence | None = None, *, label: str, **style: Any) -> None:
    """Draws a line, and between the lower and the upper ends of `band` what surrounds it.

    Of values `[x, draws]` these are their means, and of several draws a band of one standard deviation.
    """
    if np.ndim(y) == 2:
        std = y.std(axis=1, ddof=1) if y.shape[1] > 1 else None
        y = y.mean(axis=1)
        band = None if std is None else (y - std, y + std)
    axes.plot(x, y, label=plain(label), **style)
    if band is not None:
        axes.fill_between(x, *band, color=style["color"], alpha=0.15, linewidth=0)
        if len(x) == 1:  # a band of no width
            axes.vlines(x, *band, color=style["color"])


def heat_map(
    axes: Axes,
    values: np.ndarray,
    span: tuple[float, float],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    digits: int | None = 1,
    missing: str = "",
) -> AxesImage:
    """Draws a matrix as colours with its numbers in them, and returns the picture, which a colour bar is made for.

    The `span` is what the darkest and the lightest colour stand for. Numbers have so many `digits`, or are left out;
    `missing` stands in place of NaN.
    """
    picture = axes.imshow(values, cmap="cividis", vmin=span[0], vmax=span[1], aspect="auto", interpolation="nearest")
    axes.tick_params(length=0)
    axes.set_xticks(range(len(columns)), map(plain, columns), fontsize=8)
    axes.set_yticks(range(len(rows)), map(plain, rows), fontsize=8)
    for (row, column), value in np.ndenumerate(values) if digits is not None else ():
        text, ink = f"{value:.{digits}f}", "white" if value < (span[0] + span[1]) / 2 else "black"
        if np.isnan(value):
            text, ink = missing, GREY
        axes.text(column, row, text, color=ink, ha="center", va="center", fontsize=8)
    return picture


def finish(figure: Figure, x: str, y: str, columns: int, size: float = 8.5) -> Figure:
    """Returns the figure with its axes named and all that has a label, once, in a legend above its panels."""
    found = {}
    for axes in figure.axes:
        if axes.axison:
            axes.set(xlabel=x or axes.get_xlabel(), ylabel=y)
            found |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    style = {"frameon": False, "loc": "outside upper center", "ncols": columns, "fontsize": size}
    figure.legend(found.values(), found.keys(), **style)
    return figure


def plain_numbers(axis: Axis, limits: tuple[float, float] | None = None) -> None:
    """Labels a log axis, whose scale is set, with plain numbers in place of powers of ten.

    With its `limits` also 1, 2 and 5 of each decade are labelled, unless there are too many decades.
    """
    if limits is not None:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if limits[1] < 300 * limits[0] else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def plain(name: str) -> str:
    """Returns a name from data such that matplotlib does not read "$" in it as mathematics."""
    return name.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """Returns the picture as PNG bytes, the same for the same picture (no date, no version inside)."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=180, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()

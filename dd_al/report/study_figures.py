"""The pictures of a study: curves along values, the matrix of networks, and what networks decide in the plane."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dd_al.report.figures import PALETTE, new_figure, plain
from dd_al.report.item_figures import MARKS, draw_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(found: Sequence[Mapping], networks: Sequence[str]) -> "Figure":
    """Draws accuracy along values, a panel for each curve: means over restarts, and a band of a standard deviation.

    Args:
        found: `{"name", "values": [str], "accuracy": [values][networks][restarts]}` of each.
        networks: a line each.
    """
    columns = min(3, len(found))
    rows = math.ceil(len(found) / columns)
    figure, axes = new_figure(rows=rows, columns=columns, size=(3.1 * columns + 1.2, 2.8 * rows + 0.5))
    axes = np.atleast_1d(axes).ravel()
    for panel, curve in zip(axes, found):
        places = np.arange(len(curve["values"]))
        accuracy = 100 * np.asarray(curve["accuracy"], float)
        for index, name in enumerate(networks):
            mean, colour = accuracy[:, index].mean(1), PALETTE[index % len(PALETTE)]
            panel.plot(places, mean, color=colour, marker=MARKS[index % len(MARKS)], markersize=4, label=plain(name))
            if accuracy.shape[2] > 1:
                std = accuracy[:, index].std(1, ddof=1)
                panel.fill_between(places, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
        panel.set_xticks(places, curve["values"])
        panel.set(xlabel=plain(curve["name"]), ylabel="accuracy (%)")
    limits = [panel.get_ylim() for panel in axes[: len(found)]]
    for panel in axes[: len(found)]:  # one scale, so that curves compare
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    for panel in axes[len(found) :]:
        panel.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside upper center", ncols=4)
    return figure


def matrix(rows: Sequence[Mapping], networks: Sequence[str], schedules: Sequence[str], full: Sequence) -> "Figure":
    """Draws accuracies as heat maps, a panel for each schedule and one row of all data below.

    Args:
        rows: `{"name", "accuracy": [schedules][networks]}` of each.
        networks: a column each.
        schedules: a panel each.
        full: on all data, float[networks].
    """
    size = (1.4 + (0.9 + 0.55 * len(networks)) * len(schedules), 1.7 + 0.42 * len(rows))
    figure, axes = new_figure(columns=len(schedules), size=size, grid=False)
    values = np.asarray([[[*row["accuracy"][s]] for row in rows] + [[*full]] for s in range(len(schedules))], float)
    low = 100 * min(np.nanmin(values), 0.9)
    for number, (panel, schedule) in enumerate(zip(np.atleast_1d(axes), schedules)):
        cells = 100 * values[number]
        picture = panel.imshow(cells, cmap="cividis", vmin=low, vmax=100, aspect="auto", interpolation="nearest")
        for (y, x), value in np.ndenumerate(cells):
            ink = "white" if value < (low + 100) / 2 else "black"
            panel.text(x, y, f"{value:.1f}", color=ink, ha="center", va="center", fontsize=8)
        panel.set_xticks(range(len(networks)), [plain(name) for name in networks], rotation=45, ha="right", fontsize=8)
        names = [*(plain(row["name"]) for row in rows), "all data"] if number == 0 else []
        panel.set_yticks(range(len(rows) + 1) if number == 0 else [], names, fontsize=8)
        panel.tick_params(length=0)
        panel.set_title(schedule, fontsize=9)
    figure.colorbar(picture, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


def surfaces(found: Sequence[Mapping], sides: Sequence[Sequence[float]], real: Mapping) -> "Figure":
    """Draws what networks that were trained on synthetic points decide over the plane, with those and real points.

    Args:
        found: of each panel `{"row", "network", "shares", "items"}`: int[y][x][classes] in per cent, and the points
            that the networks were trained on, `[{"row": float[2], "label": float[classes]}]`.
        sides: where the columns and the rows of the shares lie.
        real: `{"rows": float[n][2], "classes": int[n]}`.
    """
    columns = min(3, len(found))
    rows = math.ceil(len(found) / columns)
    figure, axes = new_figure(rows=rows, columns=columns, size=(3.2 * columns + 0.3, 2.7 * rows), grid=False)
    axes = np.atleast_1d(axes).ravel()
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    for panel, one in zip(axes, found):
        shares = np.asarray(one["shares"], float) / 100
        colours = np.asarray([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in PALETTE])[: shares.shape[-1]]
        panel.imshow(0.45 * (shares @ colours) + 0.55, origin="lower", extent=extent, aspect="auto")
        draw_points(panel, one["items"], real, [str(c) for c in range(shares.shape[-1])])
        panel.set_xlim(*extent[:2])
        panel.set_ylim(*extent[2:])
        title = one["network"] if one["network"] == one["row"] else f"{one['network']}, {one['row']}"
        panel.set_title(plain(title), fontsize=9)
    for panel in axes[len(found) :]:
        panel.set_axis_off()
    return figure

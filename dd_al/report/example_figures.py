"""Pictures of synthetic examples: images, and rows of two numbers as points."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dd_al.report.canvas import MARKS, MOST_CLASSES, PALETTE, finish, panels, plain
from dd_al.report.words import label_names

_MOST_IMAGES = 100


def draw(distilled: Mapping) -> dict[str, Figure]:
    """Returns the pictures of a distilled set and of how it came about; none where examples cannot be drawn."""
    items, names = distilled["examples"], label_names(distilled)
    course, real = distilled.get("course"), distilled.get("real")
    if all("pixels" in item for item in items):
        drawn = {"images": images([{"step": None, "items": items[:_MOST_IMAGES]}], names)}
        return drawn | ({"images_along": images(course, names)} if course else {})
    if all(len(item.get("row", ())) == 2 for item in items) and len(names) <= MOST_CLASSES:
        drawn = {"points": points([{"step": None, "items": items}], names, real)}
        return drawn | ({"points_along": points(course, names, real)} if course else {})
    return {}


def images(course: Sequence[Mapping], names: Sequence[str]) -> Figure:
    """Draws synthetic images, each under the classes that its label names: a row for every step, ten in a row for none.

    A step is `{"step": s or None, "items": [{"pixels": int[height][width][channels], "label": float[classes]}]}`, with
    pixels from 0 to 255, of which one channel is grey.
    """
    items = [item for moment in course for item in moment["items"]]
    along = course[0]["step"] is not None
    columns = len(course[0]["items"]) if along else 10
    figure, axes = panels(len(items), columns, width=(0.85, 0.9 if along else 0.3), height=(1.05, 0.2), grid=False)
    for panel, item in zip(axes, items, strict=True):
        image, label = np.asarray(item["pixels"], np.uint8), item["label"]
        panel.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
        two = np.argsort(-np.asarray(label, float), kind="stable")[:2]
        hard = label[two[0]] >= 0.995
        title = names[two[0]] if hard else " ".join(f"{names[i]}:{label[i]:.2f}" for i in two)
        panel.set_title(plain(title), fontsize=7, pad=2)
        panel.set(xticks=[], yticks=[], frame_on=False)
    for panel, moment in zip(axes[::columns], course if along else ()):
        panel.set_ylabel(_step(moment), fontsize=8)
    return figure


def points(course: Sequence[Mapping], names: Sequence[str], real: Mapping | None = None) -> Figure:
    """Draws rows of two numbers as points at several outer steps, a panel each, over real ones.

    A step is `{"step": s, "items": [{"row": float[2], "label": float[classes]}]}`, where s may be None; `real` is
    `{"rows": float[n][2], "classes": int[n]}`. There are `MOST_CLASSES` names at most.
    """
    figure, axes = panels(len(course), 3, width=(3.4, 0.6), height=(3.0, 0.4))
    for panel, moment in zip(axes, course, strict=True):
        _draw_points(panel, moment["items"], real, names)
        if moment["step"] is not None:
            panel.set_title(_step(moment), fontsize=9)
    return finish(figure, "", "", len(names), 10)


def surfaces(found: Sequence[Mapping], sides: Sequence[Sequence[float]], real: Mapping) -> Figure:
    """Draws what networks that were trained on synthetic points decide over the plane, with those and real points.

    A panel is `{"row", "network", "shares", "items"}`: ``int[y][x][classes]`` in per cent, and the points that the
    networks were trained on, as of `points`. `sides` are where the columns and the rows of the shares lie.
    """
    figure, axes = panels(len(found), 3, width=(3.2, 0.3), height=(2.7, 0), grid=False)
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    colours = np.asarray([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in PALETTE])
    for panel, one in zip(axes, found, strict=True):
        shares = np.asarray(one["shares"], float) / 100
        classes = shares.shape[-1]
        surface = 0.45 * (shares @ colours[:classes]) + 0.55
        panel.imshow(surface, origin="lower", extent=extent, aspect="auto")
        _draw_points(panel, one["items"], real, [str(c) for c in range(classes)])
        panel.set(xlim=extent[:2], ylim=extent[2:])
        panel.set_title(plain(", ".join(dict.fromkeys((one["network"], one["row"])))), fontsize=9)
    return figure


def _draw_points(panel: Axes, items: Sequence[Mapping], real: Mapping | None, names: Sequence[str]) -> None:
    """Draws synthetic points, marked by the class of their label, over small real ones."""
    classes = np.asarray([item["label"] for item in items], float).argmax(1)
    values = np.asarray([item["row"] for item in items], float)
    for c, name in enumerate(names):
        style = {"color": PALETTE[c], "marker": MARKS[c]}
        if real:
            behind = np.asarray(real["rows"], float)[np.asarray(real["classes"]) == c]
            panel.scatter(*behind.T, s=3, alpha=0.35, **style)
        panel.scatter(*values[classes == c].T, s=22, edgecolor="black", linewidth=0.4, label=plain(name), **style)


def _step(moment: Mapping) -> str:
    return f"step {moment['step']:,}" + (", kept" if moment.get("kept") else "")

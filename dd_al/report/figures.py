"""The pictures of all reports, without matplotlib's global state, in colours that the colour-blind can tell apart."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from dd_al.report.combine import as_run
from dd_al.report.statistics import mean_interval
from dd_al.report.verdicts import near_paper
from dd_al.report.words import (
    METHOD_TITLES,
    QUERY_TITLES,
    TITLES,
    in_order,
    known,
    label_names,
    largest,
    name_of,
    plain_entries,
    queries,
    score,
)

if TYPE_CHECKING:  # importing matplotlib takes a good part of a second: only drawing needs it
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_CLASSES = len(MARKS)  # that points are told apart by
GREY = "#555555"
_LONG_DASHES = (0, (5, 1, 1, 1, 1, 1))
# Line style and colour say the same thing, so that a grey print still reads.
_STYLES = {
    "distilled": (PALETTE[0], "-"),
    "random": (PALETTE[1], "--"),
    "full": (PALETTE[2], "-."),
    "full_finetuned": (PALETTE[3], _LONG_DASHES),
    "prototypes": (PALETTE[3], ":"),
    "herding": (PALETTE[4], ":"),
    "k_center": (PALETTE[5], ":"),
    "k_medoids": (PALETTE[6], ":"),
    "support_vectors": (PALETTE[4], (0, (4, 1, 1, 1))),
    "condensed": (PALETTE[5], (0, (4, 1, 1, 1))),
}
_MORE = PALETTE[4:]
_QUERY_COLOURS = PALETTE[:6]  # random sampling is black and dashed in every picture
_QUERY_LINES = ("-", "-.", _LONG_DASHES)
_SIZE = (5.2, 3.4)  # inches: small, so that text stays readable where a phone shrinks the picture
_MOST_NUMBERS = 150  # a heat map with more cells than this shows colours only
_MOST_IMAGES = 100


# ---------------------------------------------------------------------------------------------- what reports show


def draw(results: Mapping, metrics: Sequence[Mapping] = (), distilled: Mapping | None = None) -> dict[str, "Figure"]:
    """Returns every picture that there is data for, by the name that templates and files give it.

    Args:
        results: as `schema.validate` wants them.
        metrics: the logged lines; see `build.read_metrics`.
        distilled: the readable half of the artefact, where there is one.
    """
    if "compare" in results:
        return _draw_comparison(results)
    drawn: dict[str, Figure] = _draw_active(results) if "active" in results else {}
    curves, majority_rate = _curves(results)
    if curves and not {"transfer", "table", "active", "study"} & results.keys():  # there are dozens, or one
        drawn["training_curves"] = training_curves(curves, majority_rate=majority_rate)
    if "study" in results:
        drawn |= _draw_study(results["study"])
    if "table" in results:
        rows = {row["name"]: _curves(as_run(results, row)) for row in results["table"]["rows"]}
        drawn["table_curves"] = table_curves(rows)
    logged = any(known(line.get("loss")) or known(line.get("validation_accuracy")) for line in metrics)
    if logged and "active" not in results:
        drawn["outer_curve"] = outer_curve(metrics, selected_step=_selected_step(results, metrics))
    if distilled and distilled["examples"] and distilled["examples"][0]["label"]:
        names = label_names(distilled)
        drawn["soft_labels"] = soft_labels([item["label"] for item in distilled["examples"]], names)
        drawn |= _draw_items(distilled, names)
    if found := results.get("transfer"):
        drawn["transfer"] = transfer(found["networks"], found["ways"], found["retention"])
    if distilled and distilled.get("rates", {}).get("values"):
        drawn["learned_rates"] = learned_rates(distilled["rates"]["values"], distilled["rates"]["names"])
    return drawn


def png(figure: "Figure") -> bytes:
    """Returns the picture as PNG bytes, the same for the same picture (no date, no version inside)."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=180, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _draw_items(distilled: Mapping, names: Sequence[str]) -> dict[str, "Figure"]:
    """Returns what can be drawn of the items themselves, and of how they came about: images, rows of two numbers."""
    items, course = distilled["examples"], distilled.get("course")
    if all("pixels" in item for item in items):
        drawn = {"images": images(items, names)}
        return drawn | ({"images_along": images_along(course, names)} if course else {})
    if all(len(item.get("row", ())) == 2 for item in items) and len(names) <= MOST_CLASSES:
        real = distilled.get("real")
        drawn = {"points": points_along([{"step": None, "items": items}], names, real)}
        return drawn | ({"points_along": points_along(course, names, real)} if course else {})
    return {}


def _draw_study(found: Mapping) -> dict[str, "Figure"]:
    drawn, networks = {}, found["networks"]
    if found["curves"]:
        drawn["study_curves"] = _study_curves(found["curves"], networks)
    if found["rows"]:
        drawn["study_matrix"] = _study_matrix(found["rows"], networks, found["schedules"], found["full"])
    for number, one in enumerate(found.get("courses", [])):
        names = [str(c) for c in range(len(one["course"][0]["items"][0]["label"]))]
        drawn[f"study_points_{number}"] = points_along(one["course"], names, found["real"])
    if found.get("surfaces"):
        drawn["study_surfaces"] = _surfaces(found["surfaces"], found["sides"], found["real"])
    return drawn


def _draw_active(results: Mapping) -> dict[str, "Figure"]:
    found, full = queries(results), score(results, "full")
    curves = {name: entry["curve"] for name, entry in found.items()}
    drawn = {
        "learning_curves": learning_curves(curves, full=full and full["mean"]),
        "times": _times({name: entry["seconds_per_round"] for name, entry in found.items()}),
    }
    return drawn | ({"gains": gains(curves)} if "random" in curves and len(curves) > 1 else {})


def _draw_comparison(results: Mapping) -> dict[str, "Figure"]:
    """Returns the pictures of each data set with two methods, behind whose names the data set's number stands."""
    found, drawn = results["compare"], {}
    for number, name in enumerate(found["datasets"]):
        entries = plain_entries(results, name)
        if len({entry["method"] for entry in entries}) < 2:
            continue
        styles = _styles(entries)
        ours = {
            "budgets": _budgets(entries, styles),
            "labels": _trade_off(entries, styles, "labels", "labels that a person gives"),
            "seconds": _trade_off(entries, styles, "train_s", "seconds to train one learner"),
            "storage": _trade_off(entries, styles, "bytes", "bytes of the set"),
        }
        if beside := _paper_sets(entries):
            ours["training"] = _training(beside, styles)
        if rounds := [one for one in largest(entries).values() if one.get("rounds")]:
            ours["rounds"] = _rounds(rounds, styles, entries)
        if sets := [one for one in entries if "transfer" in one]:
            ours["transfer"] = _compare_transfer(sets, found["network"])
        drawn |= {f"{key}_{number}": figure for key, figure in ours.items()}
    return drawn


def _paper_sets(entries: Sequence[Mapping]) -> list[Mapping]:
    """The distilled and random entries of the distilled budget nearest to 0.1 %, and all data; none without either."""
    if not (distilled := [one for one in entries if one["method"] == "distilled"]):
        return []
    budget = near_paper(distilled)["budget"]
    found = [one for one in entries if one.get("training") and (one["method"] == "full" or one["budget"] == budget)]
    return found if len(found) > 1 else []


def _curves(run: Mapping) -> tuple[dict[str, Mapping], float | None]:
    """Returns the curves of a run's methods, and the accuracy of a constant answer beside them."""
    curves = {name: entry["curve"] for name, entry in run["methods"].items() if entry.get("curve", {}).get("steps")}
    return curves, run["dataset"].get("validation_majority_rate")


def _selected_step(results: Mapping, metrics: Sequence[Mapping]) -> int | None:
    """Returns the step that was kept: as the results say, else the first of the best on validation."""
    if (step := results["methods"].get("distilled", {}).get("selected_step")) is not None:
        return step
    evaluated = [line for line in metrics if known(line.get("validation_accuracy"))]
    return max(evaluated, key=lambda line: line["validation_accuracy"], default={"step": None})["step"]


# ------------------------------------------------------------------------------------- training and distillation


def training_curves(curves: Mapping[str, Mapping], *, majority_rate: float | None = None) -> "Figure":
    """Draws validation accuracy against training steps, means with a band of one standard deviation (paper, figure 3).

    Args:
        curves: method → `{"steps": [s], "accuracy": [s][inits]}`.
        majority_rate: accuracy of a constant answer, drawn as a floor.
    """
    figure, axes = _figure()
    _draw_curves(axes, curves, majority_rate)
    _legend(figure, 3, size=8.5)
    return figure


def table_curves(panels: Mapping[str, tuple[Mapping[str, Mapping], float | None]]) -> "Figure":
    """Draws `training_curves` of several rows of a table, a panel each.

    Args:
        panels: name of the row → its curves, `[s][seeds]`, and its majority rate, as `training_curves` takes them.
    """
    figure, axes = _panels(len(panels), 2, (3.9, 1.3 if len(panels) == 1 else 0), (2.7, 0.5))
    for panel, (name, (curves, majority_rate)) in zip(axes, panels.items(), strict=True):
        _draw_curves(panel, curves, majority_rate)
        panel.set_title(plain(name), fontsize=9)
    lines = {line.get_label(): line for panel in axes for line in panel.get_lines()}
    _legend(figure, 4, lines.values(), lines.keys(), size=8.5)
    return figure


def _draw_curves(axes: "Axes", curves: Mapping[str, Mapping], majority_rate: float | None) -> None:
    """Draws means with bands of one standard deviation over the last axis of the accuracies."""
    for index, (name, curve) in enumerate(curves.items()):
        colour, line = _STYLES.get(name, (_MORE[index % len(_MORE)], ":"))
        steps = np.asarray(curve["steps"], dtype=float)
        values = 100 * np.asarray(curve["accuracy"], dtype=float)
        style = {"color": colour, "linestyle": line, "linewidth": 2, "marker": "o" if len(steps) == 1 else None}
        _mean_line(axes, steps, values, alpha=0.2, label=plain(METHOD_TITLES.get(name, name)), **style)
    if majority_rate is not None:
        axes.axhline(100 * majority_rate, color=GREY, linestyle=":", linewidth=1, label="Majority class")
    if min(step for curve in curves.values() for step in curve["steps"]) > 0:
        axes.set_xscale("log")
    else:  # a step 0, which has no logarithm, gets a place of its own on the left
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        axes.set_xlim(left=-0.1)
    _plain_numbers(axes.xaxis)
    axes.set(xlabel="training steps", ylabel="validation accuracy (%)")


def outer_curve(metrics: Sequence[Mapping], *, selected_step: int | None = None) -> "Figure":
    """Draws training loss (above) and validation accuracy (below) against the outer step.

    Args:
        metrics: lines with `step`, and where they have them `loss` and `validation_accuracy`, in order.
        selected_step: the step that was kept, marked in both.
    """
    figure, (above, below) = _figure(rows=2)
    loss_steps, loss = _series(metrics, "loss")
    style = {"linewidth": 0.8, "alpha": 0.35 if len(loss) >= 50 else 1, "marker": "o" if len(loss) == 1 else None}
    above.plot(loss_steps, loss, color=PALETTE[0], **style)
    if len(loss) >= 50:  # single losses are of random batches: the running mean is what can be read
        window = max(5, len(loss) // 25)
        smooth = np.convolve(loss, np.ones(window) / window, mode="valid")
        above.plot(loss_steps[window // 2 :][: len(smooth)], smooth, color=PALETTE[0], linewidth=2)
    steps, validation = _series(metrics, "validation_accuracy")
    below.plot(steps, 100 * validation, color=PALETTE[2], linewidth=2, marker="o", markersize=3)
    if selected_step is not None:
        for axes in (above, below):
            axes.axvline(selected_step, color=GREY, linestyle="--", linewidth=1, label=f"kept: step {selected_step:,}")
        below.legend(frameon=False)
    above.set_ylabel("training loss")
    below.set(xlabel="outer step", ylabel="validation\naccuracy (%)")
    return figure


def _series(metrics: Sequence[Mapping], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps and the finite values of `key`."""
    pairs = np.array([(line["step"], line[key]) for line in metrics if line.get(key) is not None], dtype=float)
    pairs = pairs.reshape(-1, 2)
    return tuple(pairs[np.isfinite(pairs).all(axis=1)].T)


def soft_labels(labels: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """Draws the learned labels as a heat map, an item a row and a class a column.

    Args:
        labels: ``float[items][classes]``, each row a distribution, or unrestricted numbers.
        names: one per class.
    """
    values = np.asarray(labels, dtype=float)
    items, classes = values.shape
    figure, axes = _figure(size=(_SIZE[0], min(9.0, max(2.4, 1.2 + 0.26 * items))), grid=False)
    span = (min(0.0, values.min()), max(1.0, values.max()))
    picture = _heat_map(axes, values, span, digits=2 if values.size <= _MOST_NUMBERS else None)
    short = [plain(name if len(name) <= 14 else name[:13] + "…") for name in names]
    crowded = sum(map(len, short)) > 36
    axes.set_xticks(range(classes), short, rotation=45 if crowded else 0, ha="right" if crowded else "center")
    axes.set_yticks(range(0, items, 1 + items // 30), range(1, items + 1, 1 + items // 30))
    axes.set_ylabel("synthetic example")
    figure.colorbar(picture, ax=axes, label="target", pad=0.02)
    return figure


def transfer(networks: Sequence[str], ways: Sequence[str], retention: Sequence[Sequence[float | None]]) -> "Figure":
    """Draws how much of its own full-data accuracy each network reaches on the distilled set, as a heat map.

    Args:
        networks: a row each.
        ways: to train, a column each.
        retention: ``float[networks][ways]``, shares; None where a way does not exist for a network.
    """
    values = 100 * np.asarray([[np.nan if v is None else v for v in row] for row in retention], dtype=float)
    figure, axes = _figure(size=(_SIZE[0] + 1.5, 1.8 + 0.34 * len(networks)), grid=False)
    low = min(50.0, np.nanmin(values)) if np.isfinite(values).any() else 50.0
    picture = _heat_map(axes, values, (low, 100), missing="–")
    axes.set_xticks(range(len(ways)), [plain(textwrap.fill(way, 10)) for way in ways], fontsize=8)
    axes.set_yticks(range(len(networks)), [plain(name) for name in networks], fontsize=8)
    figure.colorbar(picture, ax=axes, label="% of its accuracy on all data", pad=0.02)
    return figure


def learned_rates(values: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """Draws the learned learning rates on a log axis, a line per group of parameters.

    Args:
        values: ``float[inner steps][groups]``, positive.
        names: one per group.
    """
    from matplotlib import colormaps

    figure, axes = _figure()
    rates = np.asarray(values, dtype=float)
    steps = np.arange(1, len(rates) + 1)
    shades = colormaps["viridis"](np.linspace(0, 0.85, len(names)))
    marks = "osD^vP*X"
    for index, name in enumerate(names):
        style = {"color": shades[index], "marker": marks[index % len(marks)], "markersize": 4, "linewidth": 1.5}
        axes.plot(steps, rates[:, index], label=plain(name), **style)
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis, axes.get_ylim(), decades=2)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="inner step", ylabel="learning rate")
    _legend(figure, min(5, len(names)))
    return figure


# -------------------------------------------------------------------------------------- synthetic images and rows


def images(items: Sequence[Mapping], names: Sequence[str]) -> "Figure":
    """Draws synthetic images, each under the classes that its label names.

    Args:
        items: `{"pixels": int[height][width][channels], "label": float[classes]}` of each; pixels go from 0 to 255,
            and one channel is grey.
        names: one per class.
    """
    shown = items[:_MOST_IMAGES]
    figure, axes = _panels(len(shown), 10, (0.85, 0.3), (1.05, 0.2), grid=False)
    for panel, item in zip(axes, shown, strict=True):
        _draw_image(panel, item, names)
        panel.set_axis_off()
    return figure


def images_along(course: Sequence[Mapping], names: Sequence[str]) -> "Figure":
    """Draws the same images at several outer steps, a row each.

    Args:
        course: `{"step": s, "items": [...]}` of each step, with items as of `images`.
        names: one per class.
    """
    columns, rows = len(course[0]["items"]), len(course)
    size = (0.85 * columns + 0.9, 1.05 * rows + 0.2)
    figure, axes = _figure(rows=rows, columns=columns, size=size, grid=False)
    for line, moment in zip(np.reshape(axes, (rows, columns)), course, strict=True):
        for panel, item in zip(line, moment["items"], strict=True):
            _draw_image(panel, item, names)
            panel.set(xticks=[], yticks=[])
        line[0].set_ylabel(_step(moment), fontsize=8)
    return figure


def points_along(course: Sequence[Mapping], names: Sequence[str], real: Mapping | None = None) -> "Figure":
    """Draws rows of two numbers as points at several outer steps, a panel each, over real ones.

    Args:
        course: `{"step": s, "items": [{"row": float[2], "label": float[classes]}]}` of each step; None for no step.
        names: one per class, `MOST_CLASSES` at most.
        real: `{"rows": float[n][2], "classes": int[n]}`.
    """
    figure, axes = _panels(len(course), 3, (3.4, 0.6), (3.0, 0.4))
    for panel, moment in zip(axes, course, strict=True):
        _draw_points(panel, moment["items"], real, names)
        if moment["step"] is not None:
            panel.set_title(_step(moment), fontsize=9)
    _legend(figure, len(names), *axes[0].get_legend_handles_labels())
    return figure


def _draw_image(panel: "Axes", item: Mapping, names: Sequence[str]) -> None:
    image, label = np.asarray(item["pixels"], np.uint8), item["label"]
    panel.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
    first, *others = np.argsort(-np.asarray(label, float), kind="stable")[:2]
    hard = label[first] >= 0.995
    title = names[first] if hard else " ".join(f"{names[i]}:{label[i]:.2f}" for i in (first, *others))
    panel.set_title(plain(title), fontsize=7, pad=2)


def _step(moment: Mapping) -> str:
    return f"step {moment['step']:,}" + (", kept" if moment.get("kept") else "")


def _draw_points(panel: "Axes", items: Sequence[Mapping], real: Mapping | None, names: Sequence[str]) -> None:
    """Draws synthetic points, marked by the class of their label, over small real ones."""
    classes = np.asarray([item["label"] for item in items], float).argmax(1)
    values = np.asarray([item["row"] for item in items], float)
    for c, name in enumerate(names):
        style = {"color": PALETTE[c], "marker": MARKS[c]}
        if real:
            behind = np.asarray(real["rows"], float)[np.asarray(real["classes"]) == c]
            panel.scatter(*behind.T, s=3, alpha=0.35, **style)
        panel.scatter(*values[classes == c].T, s=22, edgecolor="black", linewidth=0.4, label=plain(name), **style)


# ----------------------------------------------------------------------------------------------------- a study


def _study_curves(found: Sequence[Mapping], networks: Sequence[str]) -> "Figure":
    """Draws accuracy along values, a panel for each curve: means over restarts, and a band of a standard deviation.

    Args:
        found: `{"name", "values": [str], "accuracy": [values][networks][restarts]}` of each.
        networks: a line each.
    """
    figure, axes = _panels(len(found), 3, (3.1, 1.2), (2.8, 0.5))
    for panel, curve in zip(axes, found, strict=True):
        places = np.arange(len(curve["values"]))
        accuracy = 100 * np.asarray(curve["accuracy"], float)
        for index, name in enumerate(networks):
            style = {"color": PALETTE[index % len(PALETTE)], "marker": MARKS[index % len(MARKS)], "markersize": 4}
            _mean_line(panel, places, accuracy[:, index], alpha=0.18, label=plain(name), **style)
        panel.set_xticks(places, curve["values"])
        panel.set(xlabel=plain(curve["name"]), ylabel="accuracy (%)")
    limits = [panel.get_ylim() for panel in axes]
    for panel in axes:  # one scale, so that curves compare
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    _legend(figure, 4, *axes[0].get_legend_handles_labels())
    return figure


def _study_matrix(
    rows: Sequence[Mapping], networks: Sequence[str], schedules: Sequence[str], full: Sequence
) -> "Figure":
    """Draws accuracies as heat maps, a panel for each schedule and one row of all data below.

    Args:
        rows: `{"name", "accuracy": [schedules][networks]}` of each.
        networks: a column each.
        schedules: a panel each.
        full: on all data, float[networks].
    """
    size = (1.4 + (0.9 + 0.55 * len(networks)) * len(schedules), 1.7 + 0.42 * len(rows))
    figure, axes = _figure(columns=len(schedules), size=size, grid=False)
    values = np.asarray([[[*row["accuracy"][s]] for row in rows] + [[*full]] for s in range(len(schedules))], float)
    low = 100 * min(np.nanmin(values), 0.9)
    for number, (panel, schedule) in enumerate(zip(np.atleast_1d(axes), schedules)):
        picture = _heat_map(panel, 100 * values[number], (low, 100))
        panel.set_xticks(range(len(networks)), [plain(name) for name in networks], rotation=45, ha="right", fontsize=8)
        names = [*(plain(row["name"]) for row in rows), "all data"] if number == 0 else []
        panel.set_yticks(range(len(rows) + 1) if number == 0 else [], names, fontsize=8)
        panel.set_title(schedule, fontsize=9)
    figure.colorbar(picture, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


def _surfaces(found: Sequence[Mapping], sides: Sequence[Sequence[float]], real: Mapping) -> "Figure":
    """Draws what networks that were trained on synthetic points decide over the plane, with those and real points.

    Args:
        found: of each panel `{"row", "network", "shares", "items"}`: ``int[y][x][classes]`` in per cent, and the points
            that the networks were trained on, `[{"row": float[2], "label": float[classes]}]`.
        sides: where the columns and the rows of the shares lie.
        real: `{"rows": float[n][2], "classes": int[n]}`.
    """
    figure, axes = _panels(len(found), 3, (3.2, 0.3), (2.7, 0), grid=False)
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    for panel, one in zip(axes, found, strict=True):
        shares = np.asarray(one["shares"], float) / 100
        colours = np.asarray([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in PALETTE])[: shares.shape[-1]]
        panel.imshow(0.45 * (shares @ colours) + 0.55, origin="lower", extent=extent, aspect="auto")
        _draw_points(panel, one["items"], real, [str(c) for c in range(shares.shape[-1])])
        panel.set(xlim=extent[:2], ylim=extent[2:])
        title = one["network"] if one["network"] == one["row"] else f"{one['network']}, {one['row']}"
        panel.set_title(plain(title), fontsize=9)
    return figure


# ----------------------------------------------------------------------------------------------- active learning


def learning_curves(curves: Mapping[str, Mapping], *, full: float | None = None) -> "Figure":
    """Draws accuracy against labels, means over seeds with 95 % intervals (the paper's figure 4).

    Args:
        curves: query → `{"labels": [rounds], "values": [rounds][seeds]}`.
        full: mean accuracy on all of the data, drawn as a ceiling.
    """
    figure, axes = _figure(size=(5.8, 3.9))
    for name, curve in curves.items():
        _draw_query(axes, name, curves, curve["labels"], 100 * np.asarray(curve["values"], float))
    if full is not None:
        axes.axhline(100 * full, color=GREY, linestyle=":", linewidth=1, label="All data")
    axes.set(xlabel="labels", ylabel="accuracy (%)")
    _legend(figure, 3, size=8.5)
    return figure


def gains(curves: Mapping[str, Mapping]) -> "Figure":
    """Draws how far every query is ahead of random sampling, seed by seed, with 95 % intervals.

    Args:
        curves: as of `learning_curves`, with "random" among them.
    """
    figure, axes = _figure(size=(5.8, 3.4))
    reference = np.asarray(curves["random"]["values"], float)
    for name, curve in curves.items():
        if name == "random":
            continue
        rounds = min(len(reference), len(curve["values"]))  # one of the two may have stopped earlier
        ahead = np.asarray(curve["values"], float)[:rounds] - reference[:rounds]
        _draw_query(axes, name, curves, curve["labels"][:rounds], 100 * ahead)
    axes.axhline(0, color="black", linestyle="--", linewidth=1)
    axes.set(xlabel="labels", ylabel="accuracy over that of\nrandom sampling (points)")
    _legend(figure, 3, size=8.5)
    return figure


def _draw_query(axes: "Axes", name: str, names: Mapping, labels: Sequence, values: np.ndarray) -> None:
    """Draws a line of means over seeds, of values `[rounds, seeds]`, with intervals from three seeds on."""
    colour, line = "black", "--"
    others = [other for other in names if other != "random"]
    if name in others:
        turn, place = divmod(others.index(name), len(_QUERY_COLOURS))
        colour, line = _QUERY_COLOURS[place], _QUERY_LINES[turn]
    axes.plot(labels, values.mean(1), color=colour, linestyle=line, linewidth=1.8, label=QUERY_TITLES.get(name, name))
    if values.shape[1] > 2:  # that of two seeds would hide the lines
        axes.fill_between(labels, *mean_interval(values), color=colour, alpha=0.13, linewidth=0)


def _times(seconds: Mapping[str, Mapping[str, float]]) -> "Figure":
    """Draws the seconds of a round, for all seeds together, as a bar for each query.

    Args:
        seconds: query → part → seconds.
    """
    figure, axes = _figure(size=(5.8, 1.1 + 0.3 * len(seconds)))
    left = np.zeros(len(seconds))
    for part, colour in zip(("train", "score", "select"), _QUERY_COLOURS):
        widths = np.asarray([one[part] for one in seconds.values()])
        axes.barh(range(len(seconds)), widths, left=left, color=colour, label=part, height=0.6)
        left += widths
    axes.set_yticks(range(len(seconds)), [QUERY_TITLES.get(name, name) for name in seconds], fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xlabel("seconds in a round")
    _legend(figure, 3, size=8.5)
    return figure


# -------------------------------------------------------------------------------------------------- a comparison


def _styles(entries: Sequence[Mapping]) -> dict[str, tuple[str, str, Any]]:
    """Returns colour, mark and line of every method, the same in all pictures: random sampling is black and dashed."""
    present = {entry["method"] for entry in entries}
    methods = [name for name in TITLES if name in present and name not in ("random", "full")]
    styles = {"random": ("black", "x", "--")} if "random" in present else {}
    colours = [colour for colour in PALETTE if colour != "#000000"]
    marks = "osD^vP*Xhd<>"
    for index, name in enumerate(methods):
        line = "-" if name.startswith("distilled") else (0, (4, 1)) if index % 2 else (0, (1, 1))
        styles[name] = colours[index % len(colours)], marks[index % len(marks)], line
    return styles | ({"full": (GREY, "s", "-")} if "full" in present else {})


def _budgets(entries: Sequence[Mapping], styles: Mapping[str, tuple]) -> "Figure":
    """Draws accuracy against the number of examples, a line for each method, with intervals over seeds.

    Args:
        entries: of one data set; see `results["compare"]["entries"]`.
        styles: see `_styles`.
    """
    figure, axes = _figure(size=(6.2, 4.4))
    for method, (colour, mark, line) in styles.items():
        if method == "full":
            continue
        ours = _by_examples(entries, method)
        x = [one["costs"]["examples"] for one in ours]
        mean = 100 * np.asarray([one["accuracy"]["mean"] for one in ours])
        style = {"color": colour, "linestyle": line, "marker": mark, "markersize": 4.5, "linewidth": 1.6}
        axes.plot(x, mean, label=TITLES[method], **style)
        if all("over_seeds" in one for one in ours):
            low, high = 100 * np.asarray([one["over_seeds"] for one in ours]).T
            axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            if len(x) == 1:  # a band of no width
                axes.vlines(x, low, high, color=colour, linewidth=1.6)
    _ceiling(axes, entries)
    return _finished(figure, axes, "examples to train on", "accuracy (%)")


def _trade_off(entries: Sequence[Mapping], styles: Mapping[str, tuple], cost: str, label: str) -> "Figure":
    """Draws accuracy against a cost (a key of `costs`) on a log axis, a mark for each method and budget."""
    figure, axes = _figure(size=(5.6, 3.9))
    for method, (colour, mark, line) in styles.items():
        ours = [one for one in _by_examples(entries, method) if (one["costs"].get(cost) or 0) > 0]
        x, y = [one["costs"][cost] for one in ours], [100 * one["accuracy"]["mean"] for one in ours]
        axes.plot(x, y, color=colour, linestyle=line, linewidth=0.7, marker=mark, markersize=5.5, label=TITLES[method])
    return _finished(figure, axes, label, "accuracy (%)")


def _training(entries: Sequence[Mapping], styles: Mapping[str, tuple]) -> "Figure":
    """Draws validation accuracy along training, a line for each entry."""
    figure, axes = _figure(size=(5.6, 3.9))
    _draw_along(axes, entries, styles, "training", "epochs")
    return _finished(figure, axes, "passes over the set", "validation accuracy (%)")


def _rounds(entries: Sequence[Mapping], styles: Mapping[str, tuple], every: Sequence[Mapping]) -> "Figure":
    """Draws validation accuracy along the rounds of active learning; that on all data, of `every` entry, is dotted."""
    figure, axes = _figure(size=(5.6, 3.9))
    _draw_along(axes, entries, styles, "rounds", "labels")
    _ceiling(axes, every, "validation_accuracy")
    return _finished(figure, axes, "labels", "validation accuracy (%)", log=False)


def _draw_along(axes: "Axes", entries: Sequence[Mapping], styles: Mapping, curve: str, key: str) -> None:
    for one in in_order(entries):
        colour, _, line = styles[one["method"]]
        values = 100 * np.asarray(one[curve]["validation"])
        axes.plot(one[curve][key], values, color=colour, linestyle=line, linewidth=1.5, label=TITLES[one["method"]])


def _by_examples(entries: Sequence[Mapping], method: str) -> list[Mapping]:
    ours = (one for one in entries if one["method"] == method)
    return sorted(ours, key=lambda one: one["costs"]["examples"])


def _compare_transfer(entries: Sequence[Mapping], home: str) -> "Figure":
    """Draws the accuracy of several networks on several sets as a heat map.

    Args:
        entries: with `transfer`; a row each.
        home: the network of the comparison, the first column.
    """
    networks = list(dict.fromkeys(name for one in entries for name in one["transfer"]))
    nothing = {"mean": np.nan}
    scores = [[one["accuracy"], *(one["transfer"].get(name, nothing) for name in networks)] for one in entries]
    values = 100 * np.asarray([[one["mean"] for one in row] for row in scores])
    figure, axes = _figure(size=(3.4 + 0.9 * len(networks), 1.6 + 0.34 * len(entries)), grid=False)
    picture = _heat_map(axes, values, (np.nanmin(values), np.nanmax(values)))
    axes.set_xticks(range(len(networks) + 1), [plain(name) for name in (home, *networks)], fontsize=8)
    axes.set_yticks(range(len(entries)), [name_of(one) for one in entries], fontsize=8)
    figure.colorbar(picture, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


def _ceiling(axes: "Axes", entries: Sequence[Mapping], score: str = "accuracy") -> None:
    for entry in entries:
        if entry["method"] == "full":
            height = 100 * entry[score]["mean"]
            axes.axhline(height, color=GREY, linestyle=":", linewidth=1.2, label=plain(TITLES["full"]))


def _finished(figure: "Figure", axes: "Axes", x: str, y: str, *, log: bool = True) -> "Figure":
    """Returns the figure of a comparison with its axes named, the first a log axis or not, and a legend above."""
    if log:
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis, axes.get_xlim(), decades=math.log10(300))
    axes.set(xlabel=x, ylabel=y)
    _legend(figure, 2, size=8)
    return figure


# -------------------------------------------------------------------------------------------------------- helpers


def plain(name: str) -> str:
    """Returns a name from data such that matplotlib does not read "$" in it as mathematics."""
    return name.replace("$", r"\$")


def _figure(
    *, rows: int = 1, columns: int = 1, size: tuple[float, float] = _SIZE, grid: bool = True
) -> tuple["Figure", "Axes"]:
    """Returns a figure and its axes: an array of them for several panels, which share their x axis in one column."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, sharex=columns == 1)
    for panel in np.atleast_1d(axes).ravel():
        if grid:
            panel.grid(color="#DDDDDD", linewidth=0.6)
            panel.set_axisbelow(True)
    return figure, axes


def _panels(
    count: int, most: int, width: tuple[float, float], height: tuple[float, float], *, grid: bool = True
) -> tuple["Figure", Sequence["Axes"]]:
    """Returns a figure and the axes of so many panels, in rows of `most`.

    Args:
        count: how many panels there are.
        most: panels in a row.
        width: inches for each column, and inches besides.
        height: inches for each row, and inches besides.
        grid: whether they have grid lines.
    """
    columns = min(most, count)
    rows = math.ceil(count / columns)
    size = (width[0] * columns + width[1], height[0] * rows + height[1])
    figure, axes = _figure(rows=rows, columns=columns, size=size, grid=grid)
    axes = np.atleast_1d(axes).ravel()
    for panel in axes[count:]:
        panel.set_axis_off()
    return figure, axes[:count]


def _mean_line(axes: "Axes", x: Sequence, values: np.ndarray, *, alpha: float, **style: Any) -> None:
    """Draws means over the last axis of `values`, `[x, draws]`, and of several draws a band of a standard deviation."""
    mean = values.mean(axis=1)
    axes.plot(x, mean, **style)
    if values.shape[1] > 1:
        std = values.std(axis=1, ddof=1)
        axes.fill_between(x, mean - std, mean + std, color=style["color"], alpha=alpha, linewidth=0)


def _heat_map(
    axes: "Axes", values: np.ndarray, span: tuple[float, float], *, digits: int | None = 1, missing: str = ""
) -> Any:
    """Draws a matrix as colours with its numbers in them, and returns the picture, which a colour bar is made for.

    Args:
        axes: to draw on.
        values: float[rows, columns]; NaN where there is none.
        span: what the darkest and the lightest colour stand for.
        digits: of the numbers; None for none of them.
        missing: what stands in place of NaN.
    """
    picture = axes.imshow(values, cmap="cividis", vmin=span[0], vmax=span[1], aspect="auto", interpolation="nearest")
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values) if digits is not None else ():
        text, ink = f"{value:.{digits}f}", "white" if value < (span[0] + span[1]) / 2 else "black"
        if np.isnan(value):
            text, ink = missing, GREY
        axes.text(column, row, text, color=ink, ha="center", va="center", fontsize=8)
    return picture


def _legend(figure: "Figure", columns: int, *lines: Any, size: float | None = None) -> None:
    """Puts a legend above the panels: of `lines`, handles and labels, or of all that have a label."""
    figure.legend(*lines, frameon=False, loc="outside upper center", ncols=columns, fontsize=size)


def _plain_numbers(axis: "Axis", limits: tuple[float, float] | None = None, *, decades: float = 2) -> None:
    """Labels a log axis with plain numbers in place of powers of ten.

    Args:
        axis: of a scale that is set.
        limits: of the axis, to label 1, 2 and 5 of each decade as well; None to leave the labels where they are.
        decades: from so many on, powers of ten are labels enough.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if limits is not None:
        low, high = limits
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 10**decades * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())

"""The pictures of the reports of runs: which there are, and what each of them shows."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from dd_al.report import canvas, compare_figures, example_figures
from dd_al.report.canvas import GREY, LONG_DASHES, MARKS, PALETTE
from dd_al.report.combine import runs
from dd_al.report.statistics import mean_interval
from dd_al.report.words import METHOD_TITLES, QUERY_TITLES, known, label_names, queries, score

# Line style and colour say the same thing, so that a grey print still reads.
_STYLES = {
    "distilled": (PALETTE[0], "-"), "random": (PALETTE[1], "--"), "full": (PALETTE[2], "-."),
    "full_finetuned": (PALETTE[3], LONG_DASHES), "prototypes": (PALETTE[3], ":"), "herding": (PALETTE[4], ":"),
    "k_center": (PALETTE[5], ":"), "k_medoids": (PALETTE[6], ":"), "support_vectors": (PALETTE[4], (0, (4, 1, 1, 1))),
    "condensed": (PALETTE[5], (0, (4, 1, 1, 1))),
}  # fmt: skip
_QUERY_LINES = ("-", "-.", LONG_DASHES)
_MOST_NUMBERS = 150  # a heat map with more cells than this shows colours only


def draw(results: Mapping, metrics: Sequence[Mapping] = (), distilled: Mapping | None = None) -> dict[str, Figure]:
    """Returns every picture that there is data for, by the name that templates and files give it.

    `metrics` are the logged lines of `build.read_metrics`, `distilled` the readable half of an artefact.
    """
    if "compare" in results:
        return compare_figures.draw(results)
    drawn = _draw_study(results["study"]) if "study" in results else {}
    if "active" in results:
        found, full = queries(results), score(results, "full")
        curves = {name: entry["curve"] for name, entry in found.items()}
        drawn = {"learning_curves": learning_curves(curves, full=full and full["mean"]), "times": _times(found)}
        drawn |= {"gains": gains(curves)} if "random" in curves and len(curves) > 1 else {}
    if "table" in results:
        drawn["table_curves"] = training_curves({row["name"]: _curves(row["run"]) for row in runs(results)})
    elif (run := _curves(results))[0] and not {"transfer", "active", "study"} & results.keys():  # dozens, or one
        drawn["training_curves"] = training_curves({"": run})
    logged = any(known(one.get("loss")) or known(one.get("validation_accuracy")) for one in metrics)
    if logged and "active" not in results:
        drawn["outer_curve"] = outer_curve(metrics, selected_step=_selected_step(results, metrics))
    if found := results.get("transfer"):
        drawn["transfer"] = transfer(found["networks"], found["ways"], found["retention"])
    if distilled and distilled["examples"] and distilled["examples"][0]["label"]:
        drawn["soft_labels"] = soft_labels([item["label"] for item in distilled["examples"]], label_names(distilled))
        drawn |= example_figures.draw(distilled)
    if distilled and distilled.get("rates", {}).get("values"):
        drawn["learned_rates"] = learned_rates(distilled["rates"]["values"], distilled["rates"]["names"])
    return drawn


def _curves(run: Mapping) -> tuple[dict[str, Mapping], float | None]:
    """Returns the curves of a run's methods, and the accuracy of a constant answer beside them."""
    curves = {name: entry["curve"] for name, entry in run["methods"].items() if entry.get("curve", {}).get("steps")}
    return curves, run["dataset"].get("validation_majority_rate")


def _selected_step(results: Mapping, metrics: Sequence[Mapping]) -> int | None:
    """Returns the step that was kept: as the results say, else the first of the best on validation."""
    if (step := results["methods"].get("distilled", {}).get("selected_step")) is not None:
        return step
    evaluated = [one for one in metrics if known(one.get("validation_accuracy"))]
    return max(evaluated, key=lambda one: one["validation_accuracy"], default={"step": None})["step"]


def _draw_study(found: Mapping) -> dict[str, Figure]:
    drawn = {}
    if found["curves"]:
        drawn["study_curves"] = _study_curves(found["curves"], found["networks"])
    if found["rows"]:
        drawn["study_matrix"] = _study_matrix(found)
    for number, one in enumerate(found.get("courses", [])):
        names = [str(c) for c in range(len(one["course"][0]["items"][0]["label"]))]
        drawn[f"study_points_{number}"] = example_figures.points(one["course"], names, found["real"])
    if found.get("surfaces"):
        drawn["study_surfaces"] = example_figures.surfaces(found["surfaces"], found["sides"], found["real"])
    return drawn


def training_curves(runs: Mapping[str, tuple[Mapping[str, Mapping], float | None]]) -> Figure:
    """Draws validation accuracy against training steps, means with a band of one standard deviation (paper, figure 3).

    A panel's title leads to its curves, method → `{"steps": [s], "accuracy": [s][inits]}`, and to the accuracy of a
    constant answer, drawn as a floor, or None.
    """
    several = len(runs) > 1
    size = {"width": (3.9, 0), "height": (2.7, 0.5)} if several else {}
    figure, axes = canvas.panels(len(runs), 2, **size)
    for panel, (title, (curves, majority_rate)) in zip(axes, runs.items(), strict=True):
        for index, (name, curve) in enumerate(curves.items()):
            colour, dashes = _STYLES.get(name, (PALETTE[4:][index % len(PALETTE[4:])], ":"))
            values = 100 * np.asarray(curve["accuracy"], float)
            style = {"color": colour, "linestyle": dashes, "marker": "o" if len(values) == 1 else None, "linewidth": 2}
            canvas.line(panel, curve["steps"], values, label=METHOD_TITLES.get(name, name), **style)
        if majority_rate is not None:
            panel.axhline(100 * majority_rate, color=GREY, linestyle=":", linewidth=1, label="Majority class")
        if min(step for curve in curves.values() for step in curve["steps"]) > 0:
            panel.set_xscale("log")
        else:  # a step 0, which has no logarithm, gets a place of its own on the left
            panel.set_xscale("symlog", linthresh=1, linscale=0.4)
            panel.set_xlim(left=-0.1)
        canvas.plain_numbers(panel.xaxis)
        panel.set_title(canvas.plain(title), fontsize=9)
    return canvas.finish(figure, "training steps", "validation accuracy (%)", 4 if several else 3)


def outer_curve(metrics: Sequence[Mapping], *, selected_step: int | None = None) -> Figure:
    """Draws training loss (above) and validation accuracy (below) of `metrics`, in order, against the outer step.

    The step that was kept is marked in both.
    """
    figure, (above, below) = canvas.panels(2, height=(1.7, 0))
    steps, loss = _series(metrics, "loss")
    many = len(loss) >= 50  # single losses are of random batches: the running mean is what can be read
    style = {"linewidth": 0.8, "alpha": 0.35 if many else 1, "marker": "o" if len(loss) == 1 else None}
    above.plot(steps, loss, color=PALETTE[0], **style)
    if many:
        window = max(5, len(loss) // 25)
        smooth = np.convolve(loss, np.ones(window) / window, mode="valid")
        above.plot(steps[window // 2 :][: len(smooth)], smooth, color=PALETTE[0], linewidth=2)
    steps, validation = _series(metrics, "validation_accuracy")
    below.plot(steps, 100 * validation, color=PALETTE[2], linewidth=2, marker="o", markersize=3)
    if selected_step is not None:
        for axes in (above, below):
            axes.axvline(selected_step, color=GREY, linestyle="--", linewidth=1, label=f"kept: step {selected_step:,}")
        below.legend(frameon=False)
    above.set_ylabel("training loss")
    below.set(xlabel="outer step", ylabel="validation\naccuracy (%)")
    return figure


def _series(metrics: Sequence[Mapping], key: str) -> np.ndarray:
    """Returns the steps and the finite values of `key`, float[2, n]."""
    pairs = [(one["step"], one[key]) for one in metrics if one.get(key) is not None]
    pairs = np.asarray(pairs, float).reshape(-1, 2)
    return pairs[np.isfinite(pairs).all(axis=1)].T


def soft_labels(labels: Sequence[Sequence[float]], names: Sequence[str]) -> Figure:
    """Draws learned labels, ``float[items][classes]``, as a heat map: an item a row, a class with its name a column."""
    values = np.asarray(labels, float)
    figure, (axes,) = canvas.panels(height=(min(9.0, max(2.4, 1.2 + 0.26 * len(values))), 0), grid=False)
    span = (min(0.0, values.min()), max(1.0, values.max()))
    short = [name if len(name) <= 14 else name[:13] + "…" for name in names]
    picture = canvas.heat_map(axes, values, span, (), short, digits=2 if values.size <= _MOST_NUMBERS else None)
    crowded = sum(map(len, short)) > 36
    axes.tick_params("x", labelsize=10, labelrotation=45 if crowded else 0)
    for text in axes.get_xticklabels() if crowded else ():
        text.set_ha("right")
    every = 1 + len(values) // 30
    axes.set_yticks(range(0, len(values), every), range(1, len(values) + 1, every))
    axes.set_ylabel("synthetic example")
    figure.colorbar(picture, ax=axes, label="target", pad=0.02)
    return figure


def transfer(networks: Sequence[str], ways: Sequence[str], retention: Sequence[Sequence[float | None]]) -> Figure:
    """Draws how much of its own full-data accuracy each network keeps on the distilled set, by each way to train.

    The shares are ``float[networks][ways]``, with None where a way does not exist for a network.
    """
    values = 100 * np.asarray(retention, float)
    figure, (axes,) = canvas.panels(width=(6.7, 0), height=(0, 1.8 + 0.34 * len(networks)), grid=False)
    low = min(50.0, np.nanmin(values)) if np.isfinite(values).any() else 50.0
    columns = [textwrap.fill(way, 10) for way in ways]
    picture = canvas.heat_map(axes, values, (low, 100), networks, columns, missing="–")
    figure.colorbar(picture, ax=axes, label="% of its accuracy on all data", pad=0.02)
    return figure


def learned_rates(values: Sequence[Sequence[float]], names: Sequence[str]) -> Figure:
    """Draws learning rates, ``float[inner steps][groups]``, on a log axis: a line for each group of parameters."""
    figure, (axes,) = canvas.panels()
    rates = np.asarray(values, float)
    shades = colormaps["viridis"](np.linspace(0, 0.85, len(names)))
    for index, (name, shade) in enumerate(zip(names, shades, strict=True)):
        style = {"marker": "osD^vP*X"[index % 8], "markersize": 4, "linewidth": 1.5}
        canvas.line(axes, range(1, len(rates) + 1), rates[:, index], label=name, color=shade, **style)
    axes.set_yscale("log")
    canvas.plain_numbers(axes.yaxis, axes.get_ylim())
    axes.xaxis.get_major_locator().set_params(integer=True)
    return canvas.finish(figure, "inner step", "learning rate", min(5, len(names)))


def _study_curves(found: Sequence[Mapping], networks: Sequence[str]) -> Figure:
    """Draws accuracy along values, a panel for each curve: means over restarts, and a band of a standard deviation."""
    figure, axes = canvas.panels(len(found), 3, width=(3.1, 1.2), height=(2.8, 0.5))
    for panel, curve in zip(axes, found, strict=True):
        places, accuracy = range(len(curve["values"])), 100 * np.asarray(curve["accuracy"], float)
        for index, name in enumerate(networks):
            style = {"color": PALETTE[index % len(PALETTE)], "marker": MARKS[index % len(MARKS)], "markersize": 4}
            canvas.line(panel, places, accuracy[:, index], label=name, **style)
        panel.set_xticks(places, curve["values"])
        panel.set_xlabel(canvas.plain(curve["name"]))
    low, high = zip(*(panel.get_ylim() for panel in axes), strict=True)
    for panel in axes:  # one scale, so that curves compare
        panel.set_ylim(min(low), max(high))
    return canvas.finish(figure, "", "accuracy (%)", 4)


def _study_matrix(study: Mapping) -> Figure:
    """Draws accuracies as heat maps, a panel for each schedule and one row of all data below."""
    networks, schedules, rows = study["networks"], study["schedules"], study["rows"]
    size = {"width": (0.9 + 0.55 * len(networks), 1.4), "height": (0, 1.7 + 0.42 * len(rows))}
    figure, axes = canvas.panels(len(schedules), len(schedules), **size, grid=False)
    values = [[row["accuracy"][number] for row in rows] + [study["full"]] for number in range(len(schedules))]
    values = 100 * np.asarray(values, float)
    low = min(np.nanmin(values), 90)
    names = [*(row["name"] for row in rows), "all data"]
    for panel, matrix, schedule in zip(axes, values, schedules, strict=True):
        picture = canvas.heat_map(panel, matrix, (low, 100), names if panel is axes[0] else (), networks)
        for text in panel.get_xticklabels():
            text.set(rotation=45, ha="right")
        panel.set_title(schedule, fontsize=9)
    figure.colorbar(picture, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


def learning_curves(curves: Mapping[str, Mapping], *, full: float | None = None) -> Figure:
    """Draws accuracy against labels, means over seeds with 95 % intervals (the paper's figure 4).

    A query leads to `{"labels": [rounds], "values": [rounds][seeds]}`; the mean accuracy on `full` data is a ceiling.
    """
    ceiling = None if full is None else {"y": 100 * full, "color": GREY, "linestyle": ":", "label": "All data"}
    return _draw_queries(curves, "accuracy (%)", ceiling, 3.9)


def gains(curves: Mapping[str, Mapping]) -> Figure:
    """Draws how far every query of `learning_curves` is ahead of "random", seed by seed, with 95 % intervals."""
    values, ahead = {name: np.asarray(curve["values"], float) for name, curve in curves.items()}, {}
    for name, curve in curves.items():
        if name != "random":
            rounds = min(len(values["random"]), len(values[name]))  # one of the two may have stopped earlier
            difference = values[name][:rounds] - values["random"][:rounds]
            ahead[name] = {"labels": curve["labels"][:rounds], "values": difference}
    level = {"y": 0, "color": "black", "linestyle": "--"}
    return _draw_queries(ahead, "accuracy over that of\nrandom sampling (points)", level, 3.4)


def _draw_queries(curves: Mapping[str, Mapping], title: str, level: Mapping | None, height: float) -> Figure:
    """Draws means over seeds, with intervals from three seeds on, and a level line."""
    figure, (axes,) = canvas.panels(width=(5.8, 0), height=(height, 0))
    others = [name for name in curves if name != "random"]
    for name, curve in curves.items():
        turn, place = divmod(others.index(name), 6) if name in others else (0, 0)
        style = {"color": PALETTE[place], "linestyle": _QUERY_LINES[turn], "linewidth": 1.8}
        style |= {"color": "black", "linestyle": "--"} if name == "random" else {}
        values = 100 * np.asarray(curve["values"], float)
        band = mean_interval(values) if values.shape[1] > 2 else None  # that of two seeds would hide the lines
        canvas.line(axes, curve["labels"], values.mean(1), band, label=QUERY_TITLES.get(name, name), **style)
    if level:
        axes.axhline(**level, linewidth=1)
    return canvas.finish(figure, "labels", title, 3)


def _times(found: Mapping[str, Mapping]) -> Figure:
    """Draws the seconds of a round, for all seeds together, as a bar for each query with its parts side by side."""
    figure, (axes,) = canvas.panels(width=(5.8, 0), height=(0.3 * len(found), 1.1))
    left = np.zeros(len(found))
    for part, colour in zip(("train", "score", "select"), PALETTE):
        widths = np.asarray([entry["seconds_per_round"][part] for entry in found.values()])
        axes.barh(range(len(found)), widths, left=left, color=colour, label=part, height=0.6)
        left += widths
    axes.set_yticks(range(len(found)), [QUERY_TITLES.get(name, name) for name in found], fontsize=8.5)
    axes.invert_yaxis()
    return canvas.finish(figure, "seconds in a round", "", 3)

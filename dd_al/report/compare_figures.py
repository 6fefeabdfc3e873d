"""The pictures of a comparison: accuracy along budgets, costs and training, a line or a mark for each method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dd_al.report.canvas import GREY, PALETTE, finish, heat_map, line, panels, plain_numbers
from dd_al.report.verdicts import near_paper
from dd_al.report.words import TITLES, in_order, largest, name_of, plain_entries

# Picture → the key of `costs` that it draws accuracy against, and what the axis is called.
_COSTS = {
    "budgets": ("examples", "examples to train on"),
    "labels": ("labels", "labels that a person gives"),
    "seconds": ("train_s", "seconds to train one learner"),
    "storage": ("bytes", "bytes of the set"),
}


def draw(results: Mapping) -> dict[str, Figure]:
    """Returns the pictures of each data set with two methods, behind whose names the data set's number stands."""
    drawn = {}
    for number, name in enumerate(results["compare"]["datasets"]):
        entries = in_order(plain_entries(results, name))
        styles = _styles({entry["method"] for entry in entries})
        if len(styles) < 2:
            continue
        ours = {key: _by_cost(entries, styles, *cost) for key, cost in _COSTS.items()}
        if beside := _paper_sets(entries):
            ours["training"] = _along(beside, styles, "training", "epochs", "passes over the set")
        if rounds := [one for one in largest(entries).values() if one.get("rounds")]:
            ours["rounds"] = _along(rounds, styles, "rounds", "labels", "labels", entries)
        if sets := [one for one in entries if "transfer" in one]:
            ours["transfer"] = _transfer(sets, results["compare"]["network"])
        drawn |= {f"{key}_{number}": figure for key, figure in ours.items()}
    return drawn


def _styles(present: set[str]) -> dict[str, dict[str, Any]]:
    """Returns how every method is drawn, the same in all pictures: random sampling is black and dashed."""
    styles = {"random": {"color": "black", "marker": "x", "linestyle": "--"}}
    colours = [colour for colour in PALETTE if colour != "#000000"]
    methods = [name for name in TITLES if name in present and name not in ("random", "full")]
    for index, name in enumerate(methods):
        dashes = "-" if name.startswith("distilled") else (0, (4, 1)) if index % 2 else (0, (1, 1))
        mark = "osD^vP*Xhd<>"[index % 12]
        styles[name] = {"color": colours[index % len(colours)], "marker": mark, "linestyle": dashes}
    styles["full"] = {"color": GREY, "marker": "s", "linestyle": "-"}
    return {name: style for name, style in styles.items() if name in present}


def _paper_sets(entries: Sequence[Mapping]) -> list[Mapping]:
    """The distilled and random entries of the distilled budget nearest to 0.1 %, and all data; none without either."""
    if not (distilled := [one for one in entries if one["method"] == "distilled"]):
        return []
    budget = near_paper(distilled)["budget"]
    found = [one for one in entries if one.get("training") and (one["method"] == "full" or one["budget"] == budget)]
    return found if len(found) > 1 else []


def _by_cost(entries: Sequence[Mapping], styles: Mapping[str, Mapping], cost: str, title: str) -> Figure:
    """Draws accuracy against a cost, a mark for each method and budget; against examples also what seeds leave open."""
    figure, (axes,) = panels(width=(6.2, 0), height=(4.4, 0))
    lines = cost == "examples"
    for method, style in styles.items():
        ours = [one for one in entries if one["method"] == method and (one["costs"].get(cost) or 0) > 0]
        if ours and not (lines and method == "full"):
            x, y = [one["costs"][cost] for one in ours], [100 * one["accuracy"]["mean"] for one in ours]
            known = lines and all("over_seeds" in one for one in ours)
            band = 100 * np.transpose([one["over_seeds"] for one in ours]) if known else None
            line(axes, x, y, band, label=TITLES[method], linewidth=1.6 if lines else 0.7, markersize=5, **style)
    return _finish(figure, title, "accuracy", entries if lines else ())


def _along(
    entries: Sequence[Mapping], styles: Mapping, curve: str, key: str, title: str, every: Sequence[Mapping] = ()
) -> Figure:
    """Draws validation accuracy along a curve, a line for each entry; that on all data, of `every` entry, is dotted."""
    figure, (axes,) = panels(width=(5.6, 0), height=(3.9, 0))
    for one in in_order(entries):
        style = {**styles[one["method"]], "marker": None, "linewidth": 1.5}
        line(axes, one[curve][key], 100 * np.asarray(one[curve]["validation"]), label=TITLES[one["method"]], **style)
    return _finish(figure, title, "validation_accuracy", every, log=curve != "rounds")


def _transfer(entries: Sequence[Mapping], home: str) -> Figure:
    """Draws the accuracy of several networks, first the `home` network, on several sets as a heat map."""
    networks = list(dict.fromkeys(name for one in entries for name in one["transfer"]))
    nothing = {"mean": np.nan}
    scores = [[one["accuracy"], *(one["transfer"].get(name, nothing) for name in networks)] for one in entries]
    values = 100 * np.asarray([[one["mean"] for one in row] for row in scores])
    figure, (axes,) = panels(width=(0.9 * len(networks), 3.4), height=(0.34 * len(entries), 1.6), grid=False)
    span = (np.nanmin(values), np.nanmax(values))
    picture = heat_map(axes, values, span, [name_of(one) for one in entries], [home, *networks])
    figure.colorbar(picture, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


def _finish(figure: Figure, title: str, score: str, entries: Sequence[Mapping], *, log: bool = True) -> Figure:
    """Returns the figure with its axes named, the first a log axis or not, and the score of all data as a ceiling."""
    (axes,) = figure.axes
    for entry in entries:
        if entry["method"] == "full":
            axes.axhline(100 * entry[score]["mean"], color=GREY, linestyle=":", linewidth=1.2, label=TITLES["full"])
    if log:
        axes.set_xscale("log")
        plain_numbers(axes.xaxis, axes.get_xlim())
    return finish(figure, title, f"{score.replace('_', ' ')} (%)", 2, 8)

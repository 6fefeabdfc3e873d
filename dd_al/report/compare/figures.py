"""The pictures of a comparison: accuracy against budgets, what it costs, and what wrong labels do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dd_al.report.compare.words import TITLES, in_order, name_of, near_paper, plain_entries
from dd_al.report.figures import GREY, PALETTE, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKS = "osD^vP*Xhd<>"


def draw(results: Mapping) -> dict[str, tuple[Any, str, str]]:
    """Returns name → (figure, title, caption) of every picture that there is data for."""
    found, drawn = results["compare"], {}
    for number, name in enumerate(found["datasets"]):
        entries, where = plain_entries(results, name), "" if len(found["datasets"]) == 1 else f", {name}"
        if len({entry["method"] for entry in entries}) < 2:
            continue
        styles = _styles(entries)
        drawn[f"budgets_{number}"] = (
            budgets(entries, styles),
            f"Accuracy against budget{where}",
            "Mean over seeds; the band, or bar, is Student's 95 % interval from three seeds on. Log axis; all of the "
            "data is the dotted line.",
        )
        drawn[f"labels_{number}"] = (
            trade_off(entries, styles, "labels", "labels that a person gives"),
            f"Accuracy against labels{where}",
            "A mark for each method and budget: instance selection looks at every label, and so does distillation, but "
            "for what is distilled from bought labels.",
        )
        drawn[f"seconds_{number}"] = (
            trade_off(entries, styles, "train_s", "seconds to train one learner"),
            f"Accuracy against seconds of training{where}",
            "What each training on the finished set takes, on the machine that computed the points.",
        )
        drawn[f"storage_{number}"] = (
            trade_off(entries, styles, "bytes", "bytes of the set"),
            f"Accuracy against storage{where}",
            "Texts as UTF-8 with a byte for the label; distilled sets as float32 numbers. Word vectors come on top of "
            "both.",
        )
        if beside := _paper_sets(entries):
            drawn[f"training_{number}"] = (
                along(beside, styles, "training", "epochs", "passes over the set", log=True),
                f"Accuracy along training{where}",
                "Validation accuracy while fresh learners train, a mean over seeds; each by the recipe that was chosen "
                "for it. This is figure 3 of the paper, in which distilled data rises at once and random data slowly.",
            )
        if rounds := [one for one in _last(entries) if one.get("rounds")]:
            drawn[f"rounds_{number}"] = (
                along(rounds, styles, "rounds", "labels", "labels", ceiling=entries),
                f"Accuracy along the rounds of active learning{where}",
                "Validation accuracy of the network that asks, before each query, a mean over seeds; one recipe for "
                "all rounds, which is not chosen anew as for the table. This is figure 4 of the paper, in which "
                "queries stand beside random sampling over 15 rounds.",
            )
        if sets := [one for one in entries if "transfer" in one]:
            drawn[f"transfer_{number}"] = (
                transfer(sets, found["network"]),
                f"Other networks{where}",
                "Accuracy of networks that are trained on each set, a mean over seeds: on real examples by the recipe "
                "that validation prefers, on distilled sets at one rate, but for the network that they were made for, "
                "which follows the rates that they bring.",
            )
    return drawn


def _last(entries: Sequence[Mapping]) -> list[Mapping]:
    """The entries of every method's largest budget."""
    return list({one["method"]: one for one in sorted(entries, key=lambda one: one["costs"]["examples"])}.values())


def _paper_sets(entries: Sequence[Mapping]) -> list[Mapping]:
    """The distilled and random entries of the distilled budget nearest to 0.1 %, and all data; none without either."""
    if not (distilled := [one for one in entries if one["method"] == "distilled"]):
        return []
    budget = near_paper(distilled)["budget"]
    found = [one for one in entries if one.get("training") and (one["method"] == "full" or one["budget"] == budget)]
    return found if len(found) > 1 else []


def along(
    entries: Sequence[Mapping],
    styles: Mapping[str, tuple],
    curve: str,
    key: str,
    label: str,
    *,
    log: bool = False,
    ceiling: Sequence[Mapping] = (),
) -> "Figure":
    """Draws curves of validation accuracy, a line for each entry.

    Args:
        entries: with that curve.
        styles: colour, mark and line of each method.
        curve: "training" or "rounds".
        key: of what it goes along.
        label: of the axis.
        log: whether that is a log axis.
        ceiling: entries with all data, whose validation accuracy is the dotted line.
    """
    figure, axes = new_figure(size=(5.6, 3.9))
    for one in in_order(entries):
        colour, _, line = styles[one["method"]]
        values = 100 * np.asarray(one[curve]["validation"])
        axes.plot(one[curve][key], values, color=colour, linestyle=line, linewidth=1.5, label=TITLES[one["method"]])
    _ceiling(axes, ceiling, "validation_accuracy")
    if log:
        _log_axis(axes)
    axes.set(xlabel=label, ylabel="validation accuracy (%)")
    figure.legend(frameon=False, loc="outside upper center", ncols=2, fontsize=8)
    return figure


def transfer(entries: Sequence[Mapping], home: str) -> "Figure":
    """Draws the accuracy of several networks on several sets as a heat map.

    Args:
        entries: with `transfer`; a row each.
        home: the network of the comparison, the first column.
    """
    networks = list(dict.fromkeys(name for one in entries for name in one["transfer"]))
    nothing = {"mean": np.nan}
    values = 100 * np.asarray(
        [
            [one["accuracy"]["mean"], *(one["transfer"].get(name, nothing)["mean"] for name in networks)]
            for one in entries
        ]
    )
    figure, axes = new_figure(size=(3.4 + 0.9 * len(networks), 1.6 + 0.34 * len(entries)), grid=False)
    picture = axes.imshow(values, cmap="cividis", aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(networks) + 1), [plain(name) for name in (home, *networks)], fontsize=8)
    axes.set_yticks(range(len(entries)), [name_of(one) for one in entries], fontsize=8)
    axes.tick_params(length=0)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        ink = "white" if value < middle else "black"
        axes.text(column, row, f"{value:.1f}", color=ink, ha="center", va="center", fontsize=8)
    figure.colorbar(picture, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


def budgets(entries: Sequence[Mapping], styles: Mapping[str, tuple]) -> "Figure":
    """Draws accuracy against the number of examples, a line for each method.

    Args:
        entries: of one data set; see `results["compare"]["entries"]`.
        styles: see `along`.
    """
    figure, axes = new_figure(size=(6.2, 4.4))
    for method, (colour, mark, line) in styles.items():
        if method == "full":
            continue
        ours = sorted((one for one in entries if one["method"] == method), key=lambda one: one["costs"]["examples"])
        x = [one["costs"]["examples"] for one in ours]
        mean = 100 * np.asarray([one["accuracy"]["mean"] for one in ours])
        axes.plot(
            x, mean, color=colour, linestyle=line, marker=mark, markersize=4.5, linewidth=1.6, label=TITLES[method]
        )
        if all("over_seeds" in one for one in ours):
            low, high = 100 * np.asarray([one["over_seeds"] for one in ours]).T
            axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            if len(x) == 1:  # a band of no width
                axes.vlines(x, low, high, color=colour, linewidth=1.6)
    _ceiling(axes, entries)
    _log_axis(axes)
    axes.set(xlabel="examples to train on", ylabel="accuracy (%)")
    figure.legend(frameon=False, loc="outside upper center", ncols=2, fontsize=8)
    return figure


def trade_off(entries: Sequence[Mapping], styles: Mapping[str, tuple], cost: str, label: str) -> "Figure":
    """Draws accuracy against a cost on a log axis, a mark for each method and budget.

    Args:
        entries: see `budgets`.
        styles: see `along`.
        cost: a key of their `costs`.
        label: of the axis.
    """
    figure, axes = new_figure(size=(5.6, 3.9))
    for method, (colour, mark, line) in styles.items():
        ours = [one for one in entries if one["method"] == method and (one["costs"].get(cost) or 0) > 0]
        ours.sort(key=lambda one: one["costs"]["examples"])
        x, y = [one["costs"][cost] for one in ours], [100 * one["accuracy"]["mean"] for one in ours]
        axes.plot(x, y, color=colour, linestyle=line, linewidth=0.7, marker=mark, markersize=5.5, label=TITLES[method])
    _log_axis(axes)
    axes.set(xlabel=label, ylabel="accuracy (%)")
    figure.legend(frameon=False, loc="outside upper center", ncols=2, fontsize=8)
    return figure


def _styles(entries: Sequence[Mapping]) -> dict[str, tuple[str, str, Any]]:
    """Returns colour, mark and line of every method, the same in all pictures: random sampling is black and dashed."""
    present = {entry["method"] for entry in entries}
    methods = [name for name in TITLES if name in present and name not in ("random", "full")]
    styles = {"random": ("black", "x", "--")} if "random" in present else {}
    colours = [colour for colour in PALETTE if colour != "#000000"]
    for index, name in enumerate(methods):
        line = "-" if name.startswith("distilled") else (0, (4, 1)) if index % 2 else (0, (1, 1))
        styles[name] = colours[index % len(colours)], _MARKS[index % len(_MARKS)], line
    if "full" in present:
        styles["full"] = GREY, "s", "-"
    return styles


def _ceiling(axes: "Axes", entries: Sequence[Mapping], score: str = "accuracy") -> None:
    for entry in entries:
        if entry["method"] == "full":
            height = 100 * entry[score]["mean"]
            axes.axhline(height, color=GREY, linestyle=":", linewidth=1.2, label=plain(TITLES["full"]))


def _log_axis(axes: "Axes") -> None:
    """A log axis with plain numbers: at 1, 2 and 5 of each decade where there are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:.2g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())

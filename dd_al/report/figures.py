"""The pictures of a report, without matplotlib's global state and in colours that the colour-blind can tell apart."""

import textwrap
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from dd_al.report.schema import METHOD_TITLES

if TYPE_CHECKING:  # importing matplotlib takes a good part of a second: only drawing needs it
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
# Line style and colour say the same thing, so that a grey print still reads.
_STYLES = {
    "distilled": (PALETTE[0], "-"),
    "random": (PALETTE[1], "--"),
    "full": (PALETTE[2], "-."),
    "full_finetuned": (PALETTE[3], (0, (5, 1, 1, 1, 1, 1))),
    "prototypes": (PALETTE[3], ":"),
    "herding": (PALETTE[4], ":"),
    "k_center": (PALETTE[5], ":"),
    "k_medoids": (PALETTE[6], ":"),
    "support_vectors": (PALETTE[4], (0, (4, 1, 1, 1))),
    "condensed": (PALETTE[5], (0, (4, 1, 1, 1))),
}
_MORE = PALETTE[4:]
GREY = "#555555"
_SIZE = (5.2, 3.4)  # inches: small, so that text stays readable where a phone shrinks the picture
_MOST_NUMBERS = 150  # a heat map with more cells than this shows colours only


def training_curves(curves: Mapping[str, Mapping], *, majority_rate: float | None = None) -> "Figure":
    """Draws validation accuracy against training steps, means with a band of one standard deviation (paper, figure 3).

    Args:
        curves: method → `{"steps": [s], "accuracy": [s][inits]}`.
        majority_rate: accuracy of a constant answer, drawn as a floor.
    """
    figure, axes = new_figure()
    _draw_curves(axes, curves, majority_rate)
    axes.set(xlabel="training steps", ylabel="validation accuracy (%)")
    figure.legend(frameon=False, loc="outside upper center", ncols=3, fontsize=8.5)
    return figure


def table_curves(panels: Mapping[str, tuple[Mapping[str, Mapping], float | None]]) -> "Figure":
    """Draws `training_curves` of several rows of a table, a panel each.

    Args:
        panels: name of the row → its curves, `[s][seeds]`, and its majority rate, as `training_curves` takes them.
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = new_figure(rows=rows, columns=columns, size=(3.9 * columns + 1.3 * (columns == 1), 2.7 * rows + 0.5))
    axes = np.atleast_1d(axes).ravel()
    for panel, (name, (curves, majority_rate)) in zip(axes, panels.items(), strict=False):
        _draw_curves(panel, curves, majority_rate)
        panel.set_title(plain(name), fontsize=9)
        panel.set(xlabel="training steps", ylabel="validation accuracy (%)")
    for panel in axes[len(panels) :]:
        panel.set_axis_off()
    lines = {line.get_label(): line for panel in axes for line in panel.get_lines()}
    figure.legend(lines.values(), lines.keys(), frameon=False, loc="outside upper center", ncols=4, fontsize=8.5)
    return figure


def _draw_curves(axes: "Axes", curves: Mapping[str, Mapping], majority_rate: float | None) -> None:
    """Draws means with bands of one standard deviation over the last axis of the accuracies."""
    for index, (name, curve) in enumerate(curves.items()):
        colour, line = _STYLES.get(name, (_MORE[index % len(_MORE)], ":"))
        steps = np.asarray(curve["steps"], dtype=float)
        values = 100 * np.asarray(curve["accuracy"], dtype=float)
        mean = values.mean(axis=1)
        spread = values.std(axis=1, ddof=1) if values.shape[1] > 1 else np.zeros_like(mean)
        axes.plot(
            steps, mean, color=colour, linestyle=line, linewidth=2, label=plain(METHOD_TITLES.get(name, name)),
            marker="o" if len(steps) == 1 else None,
        )  # fmt: skip
        axes.fill_between(steps, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
    if majority_rate is not None:
        axes.axhline(100 * majority_rate, color=GREY, linestyle=":", linewidth=1, label="Majority class")
    _log_steps(axes, [step for curve in curves.values() for step in curve["steps"]])


def outer_curve(metrics: Sequence[Mapping], *, selected_step: int | None = None) -> "Figure":
    """Draws training loss (above) and validation accuracy (below) against the outer step.

    Args:
        metrics: lines with `step`, and where they have them `loss` and `validation_accuracy`, in order.
        selected_step: the step that was kept, marked in both.
    """
    figure, (above, below) = new_figure(rows=2)
    loss_steps, loss = _series(metrics, "loss")
    above.plot(
        loss_steps, loss, color="#0072B2", linewidth=0.8, alpha=0.35 if len(loss) >= 50 else 1,
        marker="o" if len(loss) == 1 else None,
    )  # fmt: skip
    if len(loss) >= 50:  # single losses are of random batches: the running mean is what can be read
        window = max(5, len(loss) // 25)
        smooth = np.convolve(loss, np.ones(window) / window, mode="valid")
        above.plot(loss_steps[window // 2 :][: len(smooth)], smooth, color="#0072B2", linewidth=2)
    steps, validation = _series(metrics, "validation_accuracy")
    below.plot(steps, 100 * validation, color="#009E73", linewidth=2, marker="o", markersize=3)
    if selected_step is not None:
        for axes in (above, below):
            axes.axvline(selected_step, color=GREY, linestyle="--", linewidth=1, label=f"kept: step {selected_step:,}")
        below.legend(frameon=False)
    above.set_ylabel("training loss")
    below.set(xlabel="outer step", ylabel="validation\naccuracy (%)")
    return figure


def soft_labels(labels: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """Draws the learned labels as a heat map, an item a row and a class a column.

    Args:
        labels: float[items][classes], each row a distribution, or unrestricted numbers.
        names: one per class.
    """
    values = np.asarray(labels, dtype=float)
    items, classes = values.shape
    figure, axes = new_figure(size=(_SIZE[0], min(9.0, max(2.4, 1.2 + 0.26 * items))), grid=False)
    low, high = min(0.0, values.min()), max(1.0, values.max())
    picture = axes.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    short = [plain(name if len(name) <= 14 else name[:13] + "…") for name in names]
    crowded = sum(map(len, short)) > 36
    axes.set_xticks(range(classes), short, rotation=45 if crowded else 0, ha="right" if crowded else "center")
    axes.set_yticks(range(0, items, 1 + items // 30), range(1, items + 1, 1 + items // 30))
    axes.set_ylabel("synthetic example")
    axes.tick_params(length=0)
    if values.size <= _MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(values):
            ink = "white" if value < (low + high) / 2 else "black"
            axes.text(column, row, f"{value:.2f}", color=ink, ha="center", va="center", fontsize=8)
    figure.colorbar(picture, ax=axes, label="target", pad=0.02)
    return figure


def transfer(networks: Sequence[str], ways: Sequence[str], retention: Sequence[Sequence[float | None]]) -> "Figure":
    """Draws how much of its own full-data accuracy each network reaches on the distilled set, as a heat map.

    Args:
        networks: a row each.
        ways: to train, a column each.
        retention: float[networks][ways], shares; None where a way does not exist for a network.
    """
    values = 100 * np.asarray([[np.nan if v is None else v for v in row] for row in retention], dtype=float)
    figure, axes = new_figure(size=(_SIZE[0] + 1.5, 1.8 + 0.34 * len(networks)), grid=False)
    low = min(50.0, np.nanmin(values)) if np.isfinite(values).any() else 50.0
    picture = axes.imshow(values, cmap="cividis", vmin=low, vmax=100, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(ways)), [plain(textwrap.fill(way, 10)) for way in ways], fontsize=8)
    axes.set_yticks(range(len(networks)), [plain(name) for name in networks], fontsize=8)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values):
        text, ink = (
            ("–", GREY) if np.isnan(value) else (f"{value:.1f}", "white" if value < (low + 100) / 2 else "black")
        )
        axes.text(column, row, text, color=ink, ha="center", va="center", fontsize=8)
    figure.colorbar(picture, ax=axes, label="% of its accuracy on all data", pad=0.02)
    return figure


def learned_rates(values: Sequence[Sequence[float]], names: Sequence[str]) -> "Figure":
    """Draws the learned learning rates on a log axis, a line per group of parameters.

    Args:
        values: float[inner steps][groups], positive.
        names: one per group.
    """
    from matplotlib import colormaps
    from matplotlib.ticker import LogLocator

    figure, axes = new_figure()
    rates = np.asarray(values, dtype=float)
    steps = np.arange(1, len(rates) + 1)
    shades = colormaps["viridis"](np.linspace(0, 0.85, len(names)))
    markers = "osD^vP*X"
    for index, name in enumerate(names):
        axes.plot(
            steps,
            rates[:, index],
            color=shades[index],
            marker=markers[index % len(markers)],
            markersize=4,
            linewidth=1.5,
            label=plain(name),
        )
    axes.set_yscale("log")
    low, high = axes.get_ylim()  # over two decades powers of ten are labels enough
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    _plain_numbers(axes.yaxis)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="inner step", ylabel="learning rate")
    figure.legend(frameon=False, loc="outside upper center", ncols=min(5, len(names)))
    return figure


def png(figure: "Figure") -> bytes:
    """Returns the picture as PNG bytes, the same for the same picture (no date, no version inside)."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=180, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def new_figure(
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


def plain(name: str) -> str:
    """Returns a name from data such that matplotlib does not read "$" in it as mathematics."""
    return name.replace("$", r"\$")


def _log_steps(axes: "Axes", steps: Sequence[float]) -> None:
    """Makes the x axis logarithmic; a step 0, which has no logarithm, gets a place of its own on the left."""
    if min(steps) > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        axes.set_xlim(left=-0.1)
    _plain_numbers(axes.xaxis)


def _plain_numbers(axis: "Axis") -> None:
    """Labels a log axis with plain numbers in place of powers of ten."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _series(metrics: Sequence[Mapping], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps and the finite values of `key`."""
    pairs = np.array([(line["step"], line[key]) for line in metrics if line.get(key) is not None], dtype=float)
    pairs = pairs.reshape(-1, 2)
    return tuple(pairs[np.isfinite(pairs).all(axis=1)].T)

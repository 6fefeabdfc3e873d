"""From a finished work directory to its `figures/` and its `report.html`, and from nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dd_al.core.errors import WorkdirError
from dd_al.core.files import atomic_write, read_json
from dd_al.io.metrics import read as read_lines
from dd_al.report import (
    active,
    figures,
    html,
    item_figures,
    learning_figures,
    schema,
    sections,
    study,
    study_figures,
    table,
)
from dd_al.report.compare import figures as compare_figures
from dd_al.report.compare import page as compare_page
from dd_al.report.verdict import known, score, verdict


def build(workdir: str | Path) -> Path:
    """Writes `figures/*.png` and `report.html` into a finished work directory, from the files that are in it.

    The same files give the same bytes, so a report can be rebuilt anywhere at any time.

    Args:
        workdir: holds `results.json`, and where the experiment wrote them `config.json`, `metrics.jsonl` and
            `distilled.json`.

    Returns:
        The path of the report.

    Raises:
        WorkdirError: there is no `results.json`, or a file does not hold what it should; names the file and the key.
        UserError: a file is not JSON, or the disk is full.
    """
    workdir = Path(workdir)
    if not (workdir / "results.json").is_file():
        what = "holds no results.json: only a finished run has a report" if workdir.is_dir() else "is no folder"
        raise WorkdirError(f"{workdir} {what}")
    results = _read(workdir / "results.json", schema.validate)
    distilled = _read(workdir / "distilled.json", schema.validate_distilled)
    config = _read(workdir / "config.json")
    metrics, resumed = read_metrics(workdir / "metrics.jsonl")
    pictures = _draw(results, metrics, distilled)
    (workdir / "figures").mkdir(exist_ok=True)
    for name, (data, _, _) in pictures.items():
        atomic_write(workdir / "figures" / f"{name}.png", data)
    atomic_write(workdir / "report.html", _page(results, distilled, config, resumed, pictures))
    return workdir / "report.html"


def read_metrics(path: Path) -> tuple[list[dict], list[int]]:
    """Returns the logged lines, one per step in order, and the steps after which the run was resumed.

    A run that was killed repeats the steps after its last checkpoint: the later line of a step stands. Lines that are
    not JSON (the last one may be cut off) and lines without a step are passed over.

    Args:
        path: a `metrics.jsonl`; where there is none, both lists are empty.
    """
    lines: dict[int, dict] = {}
    resumed = []
    for line in read_lines(path):
        if not isinstance(line.get("step"), int):
            continue
        if line.get("event") == "resume":
            resumed.append(line["step"])
        elif "event" not in line:
            lines[line["step"]] = lines.get(line["step"], {}) | line  # training and evaluation may log apart
    return [lines[step] for step in sorted(lines)], resumed


def _read(path: Path, validate=None) -> Any:
    """Returns the content of a JSON file, checked, or None where there is no such file."""
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        if validate:
            validate(content)
    except ValueError as error:
        raise WorkdirError(f"{path}: {error}") from error
    return content


def _draw(results: Mapping, metrics: list[dict], distilled: Mapping | None) -> dict[str, tuple[bytes, str, str]]:
    """Returns name → (PNG, title, caption) of every picture that there is data for."""
    if "compare" in results:
        drawn = compare_figures.draw(results)
        return {name: (figures.png(picture), *words) for name, (picture, *words) in drawn.items()}
    drawn = _draw_active(results) if "active" in results else {}
    curves, majority_rate = _curves(results)
    if curves and not {"transfer", "table", "active", "study"} & results.keys():  # there are dozens, or one
        picture = figures.training_curves(curves, majority_rate=majority_rate)
        caption = (
            "Mean over initialisations; the band is one standard deviation. Log axis (the paper's figure 3). On "
            "validation: the test split is read once, by learners that are done."
        )
        drawn["training_curves"] = picture, "Accuracy against training steps", caption
    if "study" in results:
        drawn |= _draw_study(results["study"])
    if "table" in results:
        panels = {row["name"]: table.as_run(results, row) for row in results["table"]["rows"]}
        drawn["table_curves"] = (
            figures.table_curves({name: _curves(run) for name, run in panels.items()}),
            "Accuracy against training steps",
            "Mean over runs with other seeds, each the mean of its initialisations; the band is one standard deviation "
            "over seeds. Log axis (the paper's figure 3). On validation: the test split is read once, by learners that "
            "are done.",
        )
    outer = "active" not in results
    if outer and any(known(line.get("loss")) or known(line.get("validation_accuracy")) for line in metrics):
        picture = figures.outer_curve(metrics, selected_step=_selected_step(results, metrics))
        caption = "Loss on real minibatches with its running mean, and validation accuracy, which picks the step."
        drawn["outer_curve"] = picture, "The outer loop", caption
    if distilled and distilled["items"] and distilled["items"][0]["label"]:
        labels = [item["label"] for item in distilled["items"]]
        picture = figures.soft_labels(labels, sections.label_names(distilled))
        drawn["soft_labels"] = (
            picture,
            "Labels",
            "What each synthetic example teaches: cross-entropy is taken against these numbers.",
        )
        drawn |= _draw_items(distilled, labels, sections.label_names(distilled))
    if transfer := results.get("transfer"):
        picture = figures.transfer(transfer["networks"], transfer["ways"], transfer["retention"])
        caption = (
            "Accuracy on the distilled set over that of the same network on all data, in per cent. A dash: the set has "
            "no rates for that network's layers."
        )
        drawn["transfer"] = picture, "Away from home", caption
    if distilled and distilled.get("rates", {}).get("values"):
        picture = figures.learned_rates(distilled["rates"]["values"], distilled["rates"]["names"])
        drawn["learned_rates"] = picture, "Learned rates", "By inner step and group of parameters, on a log axis."
    return {name: (figures.png(picture), title, caption) for name, (picture, title, caption) in drawn.items()}


def _draw_items(distilled: Mapping, labels: list, names: list[str]) -> dict[str, tuple[Any, str, str]]:
    """Returns what can be drawn of the items themselves, and of how they came about: images, rows of two numbers."""
    items, drawn = distilled["items"], {}
    if all("pixels" in item for item in items):
        caption = sections.sets_note(distilled) + "With the class of a hard label, or the largest shares of a soft one."
        drawn["images"] = item_figures.images([i["pixels"] for i in items], labels, names), "Images", caption
        if course := distilled.get("course"):
            picture = item_figures.images_along(course, names)
            caption = (
                "The first of them at several outer steps; kept is the step that validation prefers for their set."
            )
            drawn["images_along"] = picture, "How the images came about", caption
    elif all(len(item.get("row", ())) == 2 for item in items) and len(names) <= item_figures.MOST_CLASSES:
        last = [{"step": None, "items": items}]
        picture = item_figures.points_along(last, names, distilled.get("real"))
        caption = "Synthetic ones where their two numbers say, marked by the class of their label; small ones are real."
        drawn["points"] = picture, "Points", caption
        if course := distilled.get("course"):
            picture = item_figures.points_along(course, names, distilled.get("real"))
            drawn["points_along"] = (
                picture,
                "How the points came about",
                "The same along outer steps; kept is what validation prefers.",
            )
    return drawn


def _draw_study(found: Mapping) -> dict[str, tuple[Any, str, str]]:
    """Returns the pictures of a study."""
    drawn, networks = {}, found["networks"]
    if found["curves"]:
        caption = "Mean over distillations; the band is one standard deviation."
        drawn["study_curves"] = study_figures.curves(found["curves"], networks), "Along values", caption
    if found["rows"]:
        picture = study_figures.matrix(found["rows"], networks, found["schedules"], found["full"])
        caption = "A row for each network that sets were distilled for, a column for each that is trained on them."
        drawn["study_matrix"] = picture, "Networks on one another's sets", caption
    for number, one in enumerate(found.get("courses", [])):
        names = [str(c) for c in range(len(one["course"][0]["items"][0]["label"]))]
        picture = item_figures.points_along(one["course"], names, found["real"])
        caption = "The first set at several outer steps, marked by the class of its labels; small points are real."
        drawn[f"study_points_{number}"] = picture, f"How the points came about, {one['row']}", caption
    if found.get("surfaces"):
        picture = study_figures.surfaces(found["surfaces"], found["sides"], found["real"])
        caption = "Mean over networks that were trained on the first set, by the rates that were learned."
        drawn["study_surfaces"] = picture, "What networks decide", caption
    return drawn


def _draw_active(results: Mapping) -> dict[str, tuple[Any, str, str]]:
    """Returns the pictures of active learning."""
    found = active.queries(results)
    curves = {name: entry["curve"] for name, entry in found.items()}
    full = score(results, "full")
    drawn = {
        "learning_curves": (
            learning_figures.learning_curves(curves, full=full and full["mean"]),
            "Accuracy against labels",
            "Mean over seeds; Student's 95 % interval from three seeds on (the paper's figure 4).",
        ),
        "times": (
            learning_figures.times({name: entry["seconds_per_round"] for name, entry in found.items()}),
            "Where the time goes",
            "Seconds of a round for all seeds together, without rounds that compile: the first after each start.",
        ),
    }
    if "random" in curves and len(curves) > 1:
        drawn["gains"] = (
            learning_figures.gains(curves),
            "Gain over random sampling",
            "Mean difference to random sampling with the same seed; Student's 95 % interval from three seeds on.",
        )
    return drawn


def _curves(run: Mapping) -> tuple[dict[str, Mapping], float | None]:
    """Returns the curves of a run's methods, and the accuracy of a constant answer beside them."""
    curves = {name: entry["curve"] for name, entry in run["methods"].items() if entry.get("curve", {}).get("steps")}
    return curves, run["dataset"].get("validation_majority_rate")


def _selected_step(results: Mapping, metrics: list[dict]) -> int | None:
    """Returns the step that was kept: as the results say, else the first of the best on validation."""
    if (step := results["methods"].get("distilled", {}).get("selected_step")) is not None:
        return step
    evaluated = [line for line in metrics if known(line.get("validation_accuracy"))]
    return max(evaluated, key=lambda line: line["validation_accuracy"], default={"step": None})["step"]


def _page(results: Mapping, distilled: Mapping | None, config: Any, resumed: list[int], pictures: Mapping) -> str:
    if "compare" in results:
        return compare_page.page(results, config, pictures)
    several = results.get("table") or results.get("active")
    seeds = several["seeds"] if several else [results["seed"]]
    title = f"{results['dataset']['name']}: {results['experiment']}, seed {', '.join(map(str, seeds))}"
    body = [html.tag("h1", title), sections.banners(results)]
    if "table" in results:
        body += [table.verdicts(results), html.tag("h2", "Results"), table.headline(results)]
    elif "study" in results:
        body += [html.tag("p", study.verdict(results), class_="verdict")]
        body += [html.tag("h2", "Results"), study.matrix(results), study.curves(results)]
    elif "active" in results:
        body += [html.tag("p", active.verdict(results), class_="verdict")]
        body += [html.tag("h2", "Results"), active.headline(results)]
    else:
        body += [html.tag("p", verdict(results), class_="verdict")]
        body += [html.tag("h2", "Results"), sections.headline(results)]
    if pictures:
        drawn = [html.picture(*picture) for picture in pictures.values()]
        body += [html.tag("h2", "Figures"), html.tag("div", drawn, class_="figures")]
    if distilled and any("row" in item for item in distilled["items"]):
        body += [html.tag("h2", "The synthetic rows"), sections.numbers(distilled)]
    if distilled and any(item.get("nearest_words") for item in distilled["items"]):
        body += [html.tag("h2", "The synthetic sentences"), sections.words(distilled)]
    if "active" in results:
        body += [html.tag("h2", "What was chosen"), active.picked(results)]
        body += [html.tag("h2", "When one could have stopped"), active.stops(results)]
    if "table" in results:
        body += [html.tag("h2", "What the rows are made of"), table.rows(results)]
    else:
        body += [html.tag("h2", "What each method was given"), sections.methods(results)]
    body += [html.tag("h2", "Provenance"), sections.provenance(results, config, resumed)]
    return html.page(title, *body)

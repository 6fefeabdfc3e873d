"""The text and the tables of a study: sets for several networks, on all of them."""

from collections.abc import Mapping, Sequence

from dd_al.report.html import Markup, markup, table, tag
from dd_al.report.verdict import percent, score, spread


def verdict(results: Mapping) -> str:
    """Returns what each network's own sets, and those for all at once, come to beside all of the data."""
    study, split = results["study"], results["evaluate"]["split"]
    lines = []
    for row in study["rows"]:
        if row["name"] in study["networks"]:
            at = study["networks"].index(row["name"])
            title = f"{row['name']} → {row['name']}: learned"
            lines.append(
                f"{row['name']}: {spread(score(results, title))} % {split} accuracy on its own sets, by the rates that "
                f"were learned, {percent(study['full'][at])} % on all data."
            )
        else:
            best = [_preferred(results, row["name"], network) for network in study["networks"]]
            mean, full = sum(value for value, _ in best) / len(best), sum(study["full"]) / len(best)
            how = ", ".join(
                f"{percent(value)} % ({network}, {name})" for (value, name), network in zip(best, study["networks"])
            )
            lines.append(
                f"Sets {row['name']}, by the schedule that validation prefers for each network: {how}, "
                f"{percent(mean)} % in the mean; all data gives {percent(full)} %."
            )
    return " ".join(lines) or "Accuracy along values of keys: see the figures."


def _preferred(results: Mapping, row: str, network: str) -> tuple[float, str]:
    """Returns a network's accuracy by the schedule that validation prefers, and which that is."""
    titles = {schedule: f"{row} → {network}: {schedule}" for schedule in results["study"]["schedules"]}
    chosen = max(titles, key=lambda name: results["methods"][titles[name]]["validation_accuracy"]["mean"])
    return score(results, titles[chosen])["mean"], chosen


def matrix(results: Mapping) -> Markup:
    """Returns the accuracy of every row's sets on every network, by every schedule, beside the published ones."""
    study = results["study"]
    if not study["rows"]:
        return markup([])
    head = ["Distilled for", "Rates", *(f"{name}, %" for name in study["networks"])]
    lines: list[Sequence] = []
    for row in study["rows"]:
        for schedule in study["schedules"]:
            cells = [score(results, f"{row['name']} → {name}: {schedule}") for name in study["networks"]]
            lines.append([row["name"] if schedule == study["schedules"][0] else "", schedule, *map(spread, cells)])
        for key, rates in ((row["name"], "learned"), (f"{row['name']} longer", "longer")):
            lines += _published(study, key, rates)
    lines.append(["all data", "", *(spread(score(results, f"full: {name}")) for name in study["networks"])])
    lines += _published(study, "all data")
    note = (
        "Mean ± standard deviation over distillations, each the mean of its fresh networks; of all data over networks. "
        "By the rates that were learned, or by longer schedules whose end validation chose: all of them repeated, the "
        "last epoch's continued, or rates that rise and fall and that nobody learned. A network that the sets were not "
        "distilled for takes the geometric mean of each step's rates. All data is Adam at the best of several rates."
    )
    notes = [note, f"Published: {study['source']}" if study.get("source") else ""]
    return markup([table(head, lines, class_="numbers"), [tag("p", text, class_="soft") for text in notes if text]])


def _published(study: Mapping, key: str, rates: str = "") -> list[list[str]]:
    values = study["published"].get(key)
    return [["    published", rates, *(f"{value:.1f}" for value in values)]] if values else []


def curves(results: Mapping) -> Markup:
    """Returns the accuracy at every point of the curves."""
    study, found = results["study"], []
    for curve in study["curves"]:
        head = [curve["name"], *(f"{name}, %" for name in study["networks"])]
        lines = [
            [value, *(spread(score(results, f"{curve['name']} = {value}: {name}")) for name in study["networks"])]
            for value in curve["values"]
        ]
        found.append(table(head, lines, class_="numbers"))
    return markup(found)

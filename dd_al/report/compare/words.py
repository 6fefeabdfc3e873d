"""What a comparison's methods are called, its verdict, and which method is for whom: words made from its numbers."""

import math
from collections.abc import Mapping, Sequence

from dd_al.report.active import QUERY_TITLES
from dd_al.report.learning import ENOUGH_SEEDS
from dd_al.report.schema import METHOD_TITLES
from dd_al.report.verdict import interval, known, percent

TITLES = {
    "random": "Random sampling",
    **{name: title for name, title in METHOD_TITLES.items() if name not in ("random", "distilled", "full")},
    **{name: title for name, title in QUERY_TITLES.items() if name != "random"},
    "distilled": "Distilled",
    "distilled_hard": "Distilled, hard labels",
    "distilled_known": "Distilled, known initialisation",
    "distilled_known_hard": "Distilled, known initialisation, hard labels",
    "distilled_bought": "Distilled from bought labels (AL → DD)",
    "distilled_picked": "Distilled, started from picks",
    "distilled_taught": "Distilled, with teachers",
    "full": METHOD_TITLES["full"],
}
QUERIES = tuple(name for name in QUERY_TITLES if name != "random")
_STARTS = {"another": "another draw", "random": "any texts", "k_means": "nearest to centers"}
_SIGNIFICANT = 0.05
_PAPER_SHARE, _QUERY_SHARE = 0.001, 0.01


def plain_entries(results: Mapping, dataset: str) -> list[Mapping]:
    """Returns the entries of a data set as it is: without wrong labels, outliers and other seed sets."""
    return [one for one in results["compare"]["entries"] if one["dataset"] == dataset and not varied(one)]


def varied(entry: Mapping) -> str:
    """Returns what an entry's points were repeated with, in words; "" for those as they are."""
    if entry["start"]:
        return f"seed set: {_STARTS[entry['start']]}"
    noise = f"{percent(entry['noise'], 0)} % wrong labels" if entry["noise"] else ""
    return noise or (f"{percent(entry['outliers'], 0)} % outliers" if entry["outliers"] else "")


def name_of(entry: Mapping) -> str:
    """Returns a method with its budget in words, as "Distilled at 0.1%"."""
    return TITLES[entry["method"]] + ("" if entry["method"] == "full" else f" at {entry['budget']}")


def verdict(results: Mapping, dataset: str) -> str:
    """Returns two sentences: what the two rivals reach, and whether seeds say that they differ.

    Compared are those of `rivals`; of the queries the best by validation.
    """
    entries = plain_entries(results, dataset)
    one, active = rivals(entries)
    if one is None or not active:
        return "This comparison has no distilled set, or no active learning, to put beside the other."
    other = max(active, key=lambda entry: entry["validation_accuracy"]["mean"])
    first = (
        f"{one['costs']['examples']:,.0f} synthetic sentences, made with all {one['costs']['labels']:,.0f} labels, "
        f"train a fresh learner to {_reached(one)}, and {other['costs']['examples']:,.0f} real ones, of which alone "
        f"the labels are bought ({TITLES[other['method']]}), train it to {_reached(other)}"
    )
    full = next((entry for entry in entries if entry["method"] == "full"), None)
    first += f"; all {full['costs']['examples']:,.0f} give {percent(full['accuracy']['mean'])} %." if full else "."
    return f"{first} {_tested(results, dataset, one, other)}"


def near_paper(entries: Sequence[Mapping]) -> Mapping:
    """Returns the entry whose budget is nearest to the paper's 0.1 %."""
    return min(entries, key=lambda entry: abs(math.log(entry["costs"]["share"] / _PAPER_SHARE)))


def rivals(entries: Sequence[Mapping]) -> tuple[Mapping | None, list[Mapping]]:
    """Returns the distilled set nearest to 0.1 % of the data, as in the paper, and all queries at 1 % or just above.

    Args:
        entries: of one data set.
    """
    distilled = [one for one in entries if one["method"] == "distilled"]
    active = [one for one in entries if one["method"] in QUERIES and one["costs"]["share"] >= _QUERY_SHARE]
    least = min((one["costs"]["examples"] for one in active), default=0)
    active = [one for one in active if one["costs"]["examples"] == least]
    return near_paper(distilled) if distilled else None, active


def _reached(entry: Mapping) -> str:
    kept = entry.get("retention")
    share = f", {percent(kept['mean'])} % {interval(entry['retention_interval'])} of all data" if kept else ""
    return f"{percent(entry['accuracy']['mean'])} % {interval(entry['interval'])}{share}"


def _tested(results: Mapping, dataset: str, one: Mapping, other: Mapping) -> str:
    for test in results["compare"]["tests"]:
        names = [(test[f"method_{side}"], test[f"budget_{side}"]) for side in "ab"]
        ours = [(entry["method"], entry["budget"]) for entry in (one, other)]
        if test["dataset"] == dataset and test["family"] == "headline" and names == ours:
            break
    else:
        return "No seeds are common to both, so nothing is tested."
    lead = "distillation" if test["difference"] > 0 else "active learning"
    points = f"{100 * abs(test['difference']):.1f} points"
    if test["pairs"] < ENOUGH_SEEDS:
        return (
            f"That is {points} for {lead}, which is no verdict: that takes {ENOUGH_SEEDS} seeds, and {test['pairs']} "
            f"cannot bring the adjusted p below {test['smallest_p_holm']:.3g}."
        )
    if test["p_holm"] < _SIGNIFICANT:
        return f"Over {test['pairs']} seeds {lead} is ahead by {points} (p = {test['p_holm']:.3g}, adjusted)."
    return f"Over {test['pairs']} seeds nothing can be told: {points} for {lead}, p = {test['p_holm']:.3g}, adjusted."


def advice(results: Mapping, dataset: str, *, keep: float = 0.9) -> list[tuple[str, str]]:
    """Returns which method to pick for a person who lacks something: the least of it that keeps most of the accuracy.

    Args:
        results: of a comparison.
        dataset: its name.
        keep: the share of the accuracy on all data that counts as most.
    """
    entries = [one for one in in_order(plain_entries(results, dataset)) if one["method"] != "full"]
    entries = [one for one in entries if (one.get("retention") or {}).get("mean", 0) >= keep]
    wants = {
        "labels": ("Labels", lambda v: f"{v:,.0f} labels"),
        "bytes": ("Storage", lambda v: f"{_size(v)}"),
        "floats": ("Memory to train in", lambda v: f"{v:,.0f} numbers"),
        "train_flops": ("Time to train, again and again", lambda v: f"{v / 1e9:.2g} GFLOP for each training"),
        "build_s": ("Time to make the set", lambda v: f"{v:,.0f} s to make it"),
    }
    found = []
    for key, (title, shown) in wants.items():
        there = [one for one in entries if known(one["costs"].get(key))]
        if there and not (key.endswith("_s") and len(devices(entries)) > 1):
            least, fewest = min((one["costs"][key], one["costs"]["examples"]) for one in there)
            ties = [one for one in there if (one["costs"][key], one["costs"]["examples"]) == (least, fewest)]
            kept = [percent(one["retention"]["mean"]) for one in sorted(ties, key=lambda one: one["retention"]["mean"])]
            share = " to ".join(dict.fromkeys((kept[0], kept[-1])))
            names = ", ".join(TITLES[one["method"]] for one in ties)
            found.append((title, f"{names} at {ties[0]['budget']}: {shown(least)}, {share} % of all data"))
    return found


def in_order(entries: Sequence[Mapping]) -> list[Mapping]:
    """Returns entries by method, as in `TITLES`, and by budget."""
    return sorted(entries, key=lambda one: (list(TITLES).index(one["method"]), one["costs"]["examples"]))


def _size(count: float) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def devices(entries: Sequence[Mapping]) -> list[str]:
    """Returns what entries were computed on; the seconds of one device are not to be set against another's."""
    return sorted({device for one in entries for device in one["devices"]})


def break_even(entry: Mapping, full: Mapping | None) -> float | None:
    """Returns after how many trainings a set has saved the time that it took to make; None if never.

    Args:
        entry: of the set.
        full: of all data; the answer is None, too, where there is none, or where devices differ.
    """
    if full is None or entry is full or len(devices([entry, full])) > 1:
        return None
    saved = full["costs"]["train_s"] - entry["costs"]["train_s"]
    return entry["costs"]["build_s"] / saved if saved > 0 else None

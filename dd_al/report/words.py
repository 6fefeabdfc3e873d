"""Titles of methods, numbers in the report's notation, and what the paper says: the words that all pages share."""

import math
from collections.abc import Iterable, Mapping, Sequence

from dd_al.config import active

# The words for a method in tables and legends; a method that is not named here goes by its own name.
METHOD_TITLES = {
    "full": "All data", "full_finetuned": "All data, fine-tuned vectors", "distilled": "Distilled",
    "random": "Random subset", "taught": "All data, taught", "teachers": "Teachers", "prototypes": "Class means",
    "herding": "Herding", "k_center": "k-center", "k_medoids": "k-medoids", "support_vectors": "Support vectors",
    "condensed": "Condensed nearest neighbour",
}  # fmt: skip
QUERY_TITLES = {name: name.replace("_", " ").capitalize() for name in active.QUERIES} | {
    "random": "Random sampling", "bald": "BALD", "power_bald": "PowerBALD", "batch_bald": "BatchBALD",
    "core_set": "Core-set", "badge": "BADGE", "k_means": "k-means", "contrastive": "Contrastive (CAL)",
    "feature_mixing": "Feature mixing (ALFA-Mix)", "ret": "RET", "rect": "RECT", "sud": "SUD",
}  # fmt: skip
_LAST = {
    "distilled": "Distilled",
    "distilled_hard": "Distilled, hard labels",
    "distilled_known": "Distilled, known initialisation",
    "distilled_known_hard": "Distilled, known initialisation, hard labels",
    "distilled_bought": "Distilled from bought labels (AL → DD)",
    "distilled_picked": "Distilled, started from picks",
    "distilled_taught": "Distilled, with teachers",
    "full": METHOD_TITLES["full"],
}
# The methods of a comparison, in their order: random sampling, instance selection, queries, distillation, all data.
TITLES = {"random": QUERY_TITLES["random"]}
TITLES |= {name: title for name, title in (METHOD_TITLES | QUERY_TITLES).items() if name not in TITLES | _LAST} | _LAST
QUERIES = tuple(name for name in QUERY_TITLES if name != "random")
RULES = {
    "stable": "Predictions stay the same",
    "certain": "Predictions are certain",
    "accurate": "Validation accuracy is reached",
}
_STARTS = {"another": "another draw", "random": "any texts", "k_means": "nearest to centers"}

# Table 2 of the seed paper, as shares of its accuracy on the original data.
PAPER_RATIOS = {"full": 1.0, "distilled": 0.892, "random": 0.638}
PAPER = (
    "The paper reports test accuracies of 0.9859 (original data), 0.8799 (distilled) and 0.6290 (random) on five-class "
    "SST. Those absolute numbers cannot be five-class SST, on which BERT-base trained on all of the data reaches about "
    "53 %: the ratios are the claim, and they are what the table sets beside ours."
)
PAPER_DATA = {"sst2", "sst5"}


def known(value: float | None) -> bool:
    """Returns whether a measured number is there: JSON has null for what was not finite."""
    return value is not None and math.isfinite(value)


def percent(value: float | None, digits: int = 1) -> str:
    """Returns a share as a percentage without its sign, as "78.9", or "n/a"."""
    return f"{100 * value:.{digits}f}" if known(value) else "n/a"


def fraction(value: float | None) -> str:
    """Returns a share that may be tiny, in three significant digits, as "0.116 %"."""
    return f"{100 * value:.3g} %" if known(value) else "n/a"


def number(value: float | None, form: str = ".3g") -> str:
    """Returns a number in a format of Python's, or "–" where there is none."""
    return format(value, form) if known(value) else "–"


def count(value: float | None) -> str:
    """Returns a whole number, as "6,920", or "–" where there is none."""
    return number(value, ",.0f")


def short(value: float | None, digits: int = 2, unit: float = 1) -> str:
    """Returns a number of units in so many digits or as a whole, as "0.12" or "1,234", or "–" where there is none."""
    if not known(value):
        return "–"
    return number(value / unit, ",.0f" if value / unit >= 10 ** (digits - 1) else f".{digits}g")


def mean(values: Iterable[float | None]) -> float | None:
    """Returns the mean of the numbers that are there, or None."""
    there = [value for value in values if known(value)]
    return sum(there) / len(there) if there else None


def spread(summary: Mapping | None) -> str:
    """Returns mean ± standard deviation in per cent, as "78.9 ± 0.7"; the mean alone where there is one value."""
    if not summary or not known(summary["mean"]):
        return "n/a"
    return percent(summary["mean"]) + (f" ± {percent(summary['std'])}" if summary["n"] > 1 else "")


def interval(ends: list | None) -> str:
    """Returns an interval in per cent, as "[97.0, 99.2]", or nothing where there is none."""
    return f"[{percent(ends[0])}, {percent(ends[1])}]" if ends and all(map(known, ends)) else ""


def score(results: Mapping, method: str, name: str = "accuracy") -> Mapping | None:
    """Returns the summary of a method's score on the evaluated split, or None where there is none."""
    return results["methods"].get(method, {}).get(f"{results['evaluate']['split']}_{name}")


def budget(results: Mapping, method: str) -> Mapping:
    """Returns what a method was given; a fine-tuned full-data learner is given what the full data is."""
    budgets = results["budget"]
    return budgets.get(method) or (budgets.get("full", {}) if method.startswith("full") else {})


def examples(results: Mapping, method: str) -> str:
    """Returns how many examples a method was given, as "6,920", or "n/a"."""
    found = budget(results, method).get("examples")
    return "n/a" if found is None else count(found)


def queries(results: Mapping) -> dict[str, Mapping]:
    """Returns the entries of the queries in `results["methods"]`."""
    return {name: entry for name, entry in results["methods"].items() if "aulc" in entry}


def points(difference: float | Sequence[float] | None, digits: int = 2) -> str:
    """Returns a signed difference of shares in points, as "+1.25", or an interval, as "[+0.10, +2.40]"; "" for none."""
    if isinstance(difference, Sequence):
        return f"[{', '.join(points(end, digits) for end in difference)}]"
    return "" if difference is None else f"{100 * difference:+.{digits}f}"


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


def in_order(entries: Sequence[Mapping]) -> list[Mapping]:
    """Returns entries by method, as in `TITLES`, and by budget."""
    return sorted(entries, key=lambda one: (list(TITLES).index(one["method"]), one["costs"]["examples"]))


def largest(entries: Iterable[Mapping], *, smallest: bool = False) -> dict[str, Mapping]:
    """Returns each method's entry of the largest budget, or of the smallest."""
    by_size = sorted(entries, key=lambda one: one["costs"]["examples"] * (-1 if smallest else 1))
    return {one["method"]: one for one in by_size}


def devices(entries: Sequence[Mapping]) -> list[str]:
    """Returns what entries were computed on; the seconds of one device are not to be set against another's."""
    return sorted({device for one in entries for device in one["devices"]})


def break_even(entry: Mapping, full: Mapping | None) -> float | None:
    """Returns after how many trainings a set has saved the time that it took to make; None if never.

    The answer is None, too, if there is no entry of all data (`full`), or if that is of another device.
    """
    if full is None or entry is full or len(devices([entry, full])) > 1:
        return None
    saved = full["costs"]["train_s"] - entry["costs"]["train_s"]
    return entry["costs"]["build_s"] / saved if saved > 0 else None


def label_names(distilled: Mapping) -> list[str]:
    """Returns a name for each class of the soft labels: its own where it has one, else its number."""
    classes = max((len(item["label"]) for item in distilled["examples"]), default=0)
    return class_names([str(name) for name in distilled.get("label_names", [])], classes)


def class_names(names: Sequence[str], classes: int) -> Sequence[str]:
    """Returns the names of classes where each has one, else their numbers."""
    return names if len(names) == classes else [str(index) for index in range(classes)]


def times(results: Mapping, resumed: Sequence[int]) -> dict[str, str]:
    """Returns what a run took, in seconds and memory, and the steps after which it was resumed."""
    found = {key: f"{value:,.1f} s" if known(value) else "n/a" for key, value in results["time"].items()}
    found |= {key: count(value) for key, value in results.get("memory", {}).items() if known(value)}
    return found | ({"resumed after step": ", ".join(map(count, resumed))} if resumed else {})

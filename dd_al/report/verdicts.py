"""The sentences at the top of a report: numbers that say how a run went, which templates put into words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dd_al.report import words
from dd_al.report.render import flow, render
from dd_al.report.statistics import ENOUGH_SEEDS, SIGNIFICANT

KEPT = 0.9  # of what all of the data add to a constant answer: below this share a reader is told why
_FEW_STEPS = 150  # of training on all of the data
_PAPER_SHARE, _QUERY_SHARE = 0.001, 0.01


def verdict(results: Mapping, *, why: bool = True) -> str:
    """Returns the outcome in plain words: what the distilled set gives beside all data, random data and a constant.

    It says `why` little is kept, and what to try, to those who can run it again.
    """
    facts = {"results": results, "rate": results["dataset"]["majority_rate"], "enough": KEPT, "shares": _kept(results)}
    if facts["shares"]:
        dataset, split = results["dataset"], results["evaluate"]["split"]
        full, distilled = (words.score(results, method)["mean"] for method in ("full", "distilled"))
        error = 2 * math.sqrt(max(full * (1 - full), distilled * (1 - distilled)) / dataset[split])
        facts |= {"full": full, "distilled": distilled, "error": error, "outer": _outer(results)}
        facts["twice"] = 2 * words.budget(results, "distilled").get("examples", 0)
        facts["reasons"] = "; ".join(filter(None, render("reasons.txt", **facts).splitlines()))
    return flow(render("verdict.txt", **facts, untrained=_untrained(results), why=why))


def _kept(results: Mapping) -> dict[str, float]:
    """Returns the shares that the distilled set keeps of what all data add to a constant; {} where it keeps enough."""
    rate, classes = results["dataset"]["majority_rate"], results["dataset"]["num_classes"]
    if not words.known(rate):
        return {}
    constant = 2 * rate / (1 + rate) / classes  # the F1 of its one class, and of others 0
    kept = {}
    for title, name, floor in (("accuracy", "accuracy", rate), ("macro-F1", "macro_f1", constant)):
        full, distilled = ((words.score(results, method, name) or {}).get("mean") for method in ("full", "distilled"))
        if words.known(full) and words.known(distilled) and full > floor:
            kept[title] = (distilled - floor) / (full - floor)
    return kept if "accuracy" in kept and min(kept.values()) < KEPT else {}


def _untrained(results: Mapping) -> dict[str, Any]:
    """Returns how the learner on all data, which all else is measured by, was trained too little; {} if it was not."""
    curve = results["methods"].get("full", {}).get("curve", {"steps": []})
    if len(curve["steps"]) < 2:
        return {}
    before, last = (_mean(accuracies) for accuracies in curve["accuracy"][-2:])
    improving = last - before > 0.01
    found = {"improving": improving, "before": before, "last": last, "steps": curve["steps"][-1]}
    return found if improving or curve["steps"][-1] < _FEW_STEPS else {}


def _outer(results: Mapping) -> dict[str, Any]:
    """Returns the course of the distillation: validation in its last fifth and the one before, what it was taught."""
    outer = results["methods"]["distilled"].get("outer", {})
    judged, taught = ([v for v in outer.get(key, []) if words.known(v)] for key in ("validation_accuracy", "accuracy"))
    if not judged or len(taught) != len(judged):
        return {}
    fifth, best = len(judged) // 5, int(np.argmax(judged))
    return {
        "short": not fifth, "steps": outer["steps"][-1], "best": judged[best], "best_step": outer["steps"][best],
        "late": _mean(judged[-fifth:]), "before": _mean(judged[-2 * fifth : -fifth]), "seen": _mean(taught[-fifth:]),
    }  # fmt: skip


def _mean(values: Sequence[float | None]) -> float:
    return sum(values) / len(values) if values and all(map(words.known, values)) else math.nan


def active_verdict(results: Mapping) -> str:
    """Returns in plain words whether any query beats random sampling, as far as the tests support it."""
    found, active = words.queries(results), results["active"]
    tests = {name: entry["against_random"] for name, entry in found.items() if "against_random" in entry}
    lengths = [entry["curve"]["labels"] for entry in found.values()]
    clear = {name: test["difference"] for name, test in tests.items() if test["p_holm"] < SIGNIFICANT}
    best_first = sorted(tests, key=lambda name: -tests[name]["difference"])
    shown = render(
        "verdict_active.txt",
        results=results,
        active=active,
        compared={name: tests[name] for name in best_first},
        shared=min(map(len, lengths), default=0),
        reached=[labels[-1] - active["charged"] for labels in lengths],
        enough_seeds=ENOUGH_SEEDS,
        better=[name for name in best_first if clear.get(name, 0) > 0],
        worse=[name for name in tests if clear.get(name, 0) < 0],
    )
    return flow(shown)


def study_verdict(results: Mapping) -> str:
    """Returns what each network's own sets, and those for all at once, come to beside all of the data."""
    study, preferred, means = results["study"], {}, {}
    for row in (row["name"] for row in study["rows"] if row["name"] not in study["networks"]):
        for network in study["networks"]:
            entries = {name: results["methods"][f"{row} → {network}: {name}"] for name in study["schedules"]}
            validation = {name: entry["validation_accuracy"]["mean"] for name, entry in entries.items()}
            preferred[row, network] = max(validation, key=validation.get)
        chosen = [f"{row} → {network}: {preferred[row, network]}" for network in study["networks"]]
        means[row] = _mean([words.score(results, name)["mean"] for name in chosen])
    return flow(render("verdict_study.txt", results=results, study=study, preferred=preferred, means=means))


def compare_verdict(results: Mapping, dataset: str) -> str:
    """Returns what the two `rivals` reach, of the queries the best by validation, and whether seeds say they differ."""
    entries = words.plain_entries(results, dataset)
    one, active = rivals(entries)
    other = max(active, key=lambda entry: entry["validation_accuracy"]["mean"], default=None)
    tests = [
        test
        for test in results["compare"]["tests"]
        if other and (test["dataset"], test["family"]) == (dataset, "headline")
        and (test["method_b"], test["budget_b"]) == (other["method"], other["budget"])
    ]  # fmt: skip
    facts = {"one": one, "other": other, "test": tests[0] if tests else None, "enough_seeds": ENOUGH_SEEDS}
    facts["full"] = next((entry for entry in entries if entry["method"] == "full"), None)
    return flow(render("verdict_compare.txt", **facts))


def near_paper(entries: Sequence[Mapping]) -> Mapping:
    """Returns the entry whose budget is nearest to the paper's 0.1 %."""
    return min(entries, key=lambda entry: abs(math.log(entry["costs"]["share"] / _PAPER_SHARE)))


def rivals(entries: Sequence[Mapping]) -> tuple[Mapping | None, list[Mapping]]:
    """Returns the distilled set nearest to 0.1 % of its data, as in the paper, and all queries at 1 % or just above."""
    distilled = [one for one in entries if one["method"] == "distilled"]
    active = [one for one in entries if one["method"] in words.QUERIES and one["costs"]["share"] >= _QUERY_SHARE]
    least = min((one["costs"]["examples"] for one in active), default=0)
    active = [one for one in active if one["costs"]["examples"] == least]
    return near_paper(distilled) if distilled else None, active


# What a person may lack → the cost that says how much of it a set takes, and that in words.
_WANTS = {
    "Labels": ("labels", lambda v: f"{v:,.0f} labels"),
    "Storage": ("bytes", lambda v: f"{v / 1e6:,.1f} MB" if v >= 1e6 else f"{v / 1e3:,.1f} kB"),
    "Memory to train in": ("floats", lambda v: f"{v:,.0f} numbers"),
    "Time to train, again and again": ("train_flops", lambda v: f"{v / 1e9:.2g} GFLOP for each training"),
    "Time to make the set": ("build_s", lambda v: f"{v:,.0f} s to make it"),
}


def advice(results: Mapping, dataset: str) -> list[tuple[str, str]]:
    """Returns which method suits a person who lacks something: the least of it that keeps 90 % of the full accuracy."""
    entries = [one for one in words.in_order(words.plain_entries(results, dataset)) if one["method"] != "full"]
    entries = [one for one in entries if (one.get("retention") or {}).get("mean", 0) >= 0.9]
    found = []
    for title, (key, shown) in _WANTS.items():
        costs = [(one["costs"][key], one["costs"]["examples"]) for one in entries if words.known(one["costs"].get(key))]
        if costs and not (key.endswith("_s") and len(words.devices(entries)) > 1):
            ties = [one for one in entries if (one["costs"].get(key), one["costs"]["examples"]) == min(costs)]
            kept = sorted(one["retention"]["mean"] for one in ties)
            share = " to ".join(dict.fromkeys((words.percent(kept[0]), words.percent(kept[-1]))))
            names = ", ".join(words.TITLES[one["method"]] for one in ties)
            found.append((title, f"{names} at {ties[0]['budget']}: {shown(min(costs)[0])}, {share} % of all data"))
    return found

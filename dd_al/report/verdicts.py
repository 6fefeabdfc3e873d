"""The sentence at the top of a report, made from the numbers of its results alone."""

import math
from collections.abc import Mapping, Sequence

from dd_al.report.statistics import ENOUGH_SEEDS, SIGNIFICANT
from dd_al.report.words import (
    QUERIES,
    QUERY_TITLES,
    RULES,
    TITLES,
    budget,
    devices,
    ends_of,
    fraction,
    in_order,
    interval,
    known,
    percent,
    plain_entries,
    points,
    queries,
    score,
    spread,
    unit_of,
)

KEPT = 0.9  # of what all of the data add to a constant answer: below this share a reader is told why
_FEW_TEXTS = 20  # in a class
_FEW_STEPS = 150  # of training on all of the data
_FEW_JUDGES = 200  # validation texts
_PAPER_SHARE, _QUERY_SHARE = 0.001, 0.01


def verdict(results: Mapping, *, why: bool = True) -> str:
    """Returns the outcome in plain words: what the distilled set gives beside all data, random data and a constant.

    Args:
        results: as `schema.validate` wants them.
        why: whether to say why little is kept, and what to try, which is for those who can run it again.
    """
    lines = [_distilled(results) if score(results, "distilled") else _baselines(results)]
    if known(rate := results["dataset"]["majority_rate"]):
        lines.append(f"Always answering the commonest class gives {percent(rate)} %.")
    return " ".join(lines + _warnings(results, why))


def _distilled(results: Mapping) -> str:
    entry, given = results["methods"]["distilled"], budget(results, "distilled")
    learner = "a fresh learner" if results["evaluate"]["init"] == "random" else "the known initialisation"
    unit = unit_of(results)
    text = (
        f"{_examples(results, 'distilled')} synthetic {_agree(results, 'distilled', unit, unit + 's')} "
        f"({fraction(given.get('fraction'))} of the training data) {_agree(results, 'distilled', 'trains', 'train')} "
        f"{learner} to {spread(score(results, 'distilled'))} % {results['evaluate']['split']} accuracy"
    )
    full, random, rate = score(results, "full"), score(results, "random"), results["dataset"]["majority_rate"]
    if full and known(full["mean"]) and known(rate) and full["mean"] <= rate:  # a ratio to that says nothing
        text += f"; all {_examples(results, 'full')} {unit}s give {percent(full['mean'])} %"
    elif full and known(entry.get("retention")):
        ends = interval(entry.get("interval", {}).get("retention"))
        text += f" = {percent(entry['retention'])} %{ends and ' ' + ends} of what all {_examples(results, 'full')} "
        text += f"{unit}s give ({percent(full['mean'])} %)"
    if random:
        text += f"; {_examples(results, 'random')} random {_agree(results, 'random', 'one reaches', 'ones reach')} "
        text += f"{percent(random['mean'])} %"
    return text + "."


def _baselines(results: Mapping) -> str:
    split, unit, parts = results["evaluate"]["split"], unit_of(results), []
    for name in results["methods"]:
        examples = _examples(results, name)
        who = {
            "full": f"all {examples} {unit}s",
            "full_finetuned": f"all {examples} {unit}s with fine-tuned word vectors",
            "random": f"{examples} random {unit}s",
        }.get(name, name)
        summary = score(results, name)
        runs = f" over {summary['n']} initialisations" if summary["n"] > 1 else ""
        parts.append(f"{who} give {spread(summary)} % {split} accuracy{runs}")
    text = "; ".join(parts) or "no method was evaluated"
    return text[0].upper() + text[1:] + "."


def _warnings(results: Mapping, why: bool) -> list[str]:
    """Returns what a reader must be told where the headline alone would flatter, and why where little is kept."""
    distilled, random = score(results, "distilled"), score(results, "random")
    if not distilled or not known(distilled["mean"]):
        return []
    lines, rate, full = _untrained(results), results["dataset"]["majority_rate"], score(results, "full")
    if known(rate) and full and known(full["mean"]) and full["mean"] <= rate:
        lines.append(
            "All of the data teach the learner no more than that constant answer, so retention means nothing here: "
            "train longer (config.full.epochs) or on more data."
        )
    if known(rate) and distilled["mean"] <= rate:
        lines.append("The distilled set does no better than that constant answer.")
    if random and known(random["mean"]) and distilled["mean"] <= random["mean"]:
        unit = unit_of(results)
        lines.append(f"Distillation does not beat random {unit}s here.")
    return lines + _shortfall(results, why)


def _untrained(results: Mapping) -> list[str]:
    """Returns a warning where the learner on all of the data, which all else is measured by, was trained too little."""
    curve = results["methods"].get("full", {}).get("curve")
    if not curve or len(curve["steps"]) < 2:
        return []
    before, last = (_mean(accuracies) for accuracies in curve["accuracy"][-2:])
    if known(before) and known(last) and last - before > 0.01:
        found = f"was still improving when it ended (validation {percent(before)} to {percent(last)} %)"
    elif curve["steps"][-1] < _FEW_STEPS:
        found = f"took {curve['steps'][-1]:,} steps only"
    else:
        return []
    return [
        f"Training on all of the data {found}, so its score may be too low and what is kept of it too high: raise "
        "config.full.epochs."
    ]


def _shortfall(results: Mapping, why: bool) -> list[str]:
    """Returns why the distilled set keeps less than `KEPT` of what all of the data add, where it does."""
    full, distilled, rate = score(results, "full"), score(results, "distilled"), results["dataset"]["majority_rate"]
    if not full or not known(full["mean"]) or not known(rate) or full["mean"] <= rate:
        return []
    kept = {"accuracy": (distilled["mean"] - rate) / (full["mean"] - rate)}
    full_f1, f1 = score(results, "full", "macro_f1"), score(results, "distilled", "macro_f1")
    constant = 2 * rate / (1 + rate) / results["dataset"]["num_classes"]  # the F1 of its one class, and of others 0
    if full_f1 and f1 and known(full_f1["mean"]) and known(f1["mean"]) and full_f1["mean"] > constant:
        kept["macro-F1"] = (f1["mean"] - constant) / (full_f1["mean"] - constant)
    if min(kept.values()) >= KEPT:
        return []
    shares = " and ".join(f"{percent(share)} % in {name}" for name, share in kept.items())
    line = (
        f"Of what all of the data add to that constant answer, the distilled set keeps {shares}, less than "
        f"{percent(KEPT, 0)} %."
    )
    if not why:
        return [line]
    reasons = [*_noise(results, kept["accuracy"]), *_outer(results), *_classes(results, kept)]
    reasons = reasons or [f"no number of this run says; try twice as many (config.distill.examples={_twice(results)})"]
    return [f"{line} Why, as far as the numbers tell: {'; '.join(reasons)}."]


def _noise(results: Mapping, kept: float) -> list[str]:
    """Returns what small splits and small gains say against reading much into the share that is kept."""
    dataset, split = results["dataset"], results["evaluate"]["split"]
    rate, full, distilled = (
        dataset["majority_rate"],
        score(results, "full")["mean"],
        score(results, "distilled")["mean"],
    )
    ours = _examples_word(results)
    reasons, error = [], 2 * math.sqrt(max(full * (1 - full), distilled * (1 - distilled)) / dataset[split])
    if kept < KEPT and rate + KEPT * (full - rate) - distilled < error:
        reasons.append(f"{dataset[split]:,} {split} {ours} tell accuracies ± {percent(error)} points apart, no finer")
    if full - rate < 0.05:
        reasons.append(f"all of the data add {percent(full - rate)} points only, so that little is a large share")
    if dataset["validation"] < _FEW_JUDGES:
        reasons.append(f"{dataset['validation']:,} validation {ours} chose the set, which leaves much to chance")
    return reasons


def _outer(results: Mapping) -> list[str]:
    """Returns what the course of the distillation says: too short, too few items, or learnt by heart."""
    outer = results["methods"]["distilled"].get("outer", {})
    judged = [value for value in outer.get("validation_accuracy", []) if known(value)]
    taught = [value for value in outer.get("accuracy", []) if known(value)]
    fifth = len(judged) // 5
    if not judged or len(taught) != len(judged):
        return []
    reasons, last, ours = [], outer["steps"][-1], _examples_word(results)
    if not fifth:
        return [f"distillation ended after {last:,} outer steps, too few to tell more: raise config.distill.iterations"]
    late, before = _mean(judged[-fifth:]), _mean(judged[-2 * fifth : -fifth])
    seen, given = _mean(taught[-fifth:]), results["budget"]["distilled"]["examples"]
    if late - before > 0.005:
        reasons.append(
            f"validation was still rising when distillation ended ({percent(before)} to {percent(late)} %): more "
            f"config.distill.iterations than {last:,}"
        )
    if seen < score(results, "full")["mean"]:
        reasons.append(
            f"the set teaches its own training {ours} no better than {percent(seen)} %, less than all of the data "
            f"teach new ones: {given:,} {_agree(results, 'distilled', 'item', 'items')} for "
            f"{results['dataset']['num_classes']} classes are few, try config.distill.examples={_twice(results)}"
        )
    elif seen - late > 0.05:
        best = max(judged)
        fell = f", which fell {percent(best - late)} points after step {outer['steps'][judged.index(best)]:,}"
        reasons.append(
            f"the set learns the training {ours} by heart (at the end {percent(seen)} % of them are right, and "
            f"{percent(late)} % on validation{fell if best - late > 0.01 else ''}): more {ours} would help"
        )
    return reasons


def _classes(results: Mapping, kept: Mapping[str, float]) -> list[str]:
    """Returns what rare classes explain."""
    counts, reasons, ours = results["dataset"].get("train_counts", []), [], _examples_word(results)
    rare = sum(count < _FEW_TEXTS for count in counts)
    if rare:
        reasons.append(
            f"{rare} of {len(counts)} classes {'has' if rare == 1 else 'have'} fewer than {_FEW_TEXTS} training {ours}"
        )
    elif counts and kept.get("macro-F1", KEPT) < min(KEPT, kept["accuracy"]):
        reasons.append(f"rare classes suffer most: they go from {min(counts):,} to {max(counts):,} training {ours}")
    return reasons


def _examples_word(results: Mapping) -> str:
    return "texts" if (unit := unit_of(results)) == "sentence" else f"{unit}s"


def _twice(results: Mapping) -> int:
    return 2 * results["budget"]["distilled"]["examples"]


def _mean(values: list) -> float:
    return sum(values) / len(values) if values and all(map(known, values)) else math.nan


def _examples(results: Mapping, method: str) -> str:
    count = budget(results, method).get("examples")
    return "n/a" if count is None else f"{count:,}"


def _agree(results: Mapping, method: str, one: str, several: str) -> str:
    return one if budget(results, method).get("examples") == 1 else several


def active_verdict(results: Mapping) -> str:
    """Returns in plain words whether any query beats random sampling, as far as the tests support it."""
    found, active = queries(results), results["active"]
    labels, seeds = active["labels"], len(active["seeds"])
    runs = f"{seeds} seeds" if seeds > 1 else "1 seed"
    asked, most = f"{active['rounds']} queries of {active['size']:,} labels after {active['first']:,} first ones, ", ""
    if "stop" in active:
        reached = [entry["curve"]["labels"][-1] - active["charged"] for entry in found.values()]
        asked += f"or fewer, until a query's seeds all met a rule ({RULES[active['stop']].lower()}): "
        most, labels = "" if min(reached) == max(reached) else f"{min(reached):,} to ", max(reached)
    lines = [
        f"{asked}{most}{labels:,} in all ({fraction(labels / results['dataset']['train'])} of the training data; "
        f"{labels + active['validation_labels']:,} with those of validation), {runs}."
    ]
    compared = {name: entry["against_random"] for name, entry in found.items() if "against_random" in entry}
    shared = min((len(entry["curve"]["labels"]) for entry in found.values()), default=0)
    if compared and shared == 1:
        return " ".join([*lines, "One of the queries stopped before it had asked: there is nothing to compare."])
    if compared and shared <= active["rounds"]:
        lines.append(f"Compared are the first {shared - 1} rounds of asking, which all queries had.")
    if not compared:
        return " ".join([*lines, "Nothing is compared with random sampling here."])
    best = max(compared, key=lambda name: compared[name]["difference"])
    ahead = compared[best]["difference"] > 0
    if seeds < ENOUGH_SEEDS:
        lead = f"{QUERY_TITLES[best]} has the largest mean area" if ahead else "No query has a larger mean area"
        lines.append(
            f"{lead}{_by(compared[best]) if ahead else ' than random sampling'}, which is no verdict: that takes "
            f"{ENOUGH_SEEDS} seeds, and {runs} cannot bring p below {compared[best]['smallest_p']:.3g}."
        )
        return " ".join(lines)
    better = [name for name, test in compared.items() if test["difference"] > 0 and test["p_holm"] < SIGNIFICANT]
    worse = [name for name, test in compared.items() if test["difference"] < 0 and test["p_holm"] < SIGNIFICANT]
    if better:
        better.sort(key=lambda name: -compared[name]["difference"])
        lines.append(
            "Better than random sampling: " + "; ".join(_against_random(name, compared[name]) for name in better) + "."
        )
    else:
        lines.append("No query is better than random sampling by a test at 5 %.")
        if ahead:
            lines.append(f"The largest mean area is that of {_against_random(best, compared[best])}.")
    if worse:
        lines.append(f"Worse: {'; '.join(_against_random(name, compared[name]) for name in worse)}.")
    return " ".join(lines)


def _by(test: Mapping) -> str:
    return f", {points(test['difference'])} points {ends_of(test)} over that of random sampling"


def _against_random(name: str, test: Mapping) -> str:
    ends = f" {ends_of(test)}" if ends_of(test) else ""
    return f"{QUERY_TITLES.get(name, name)} by {points(test['difference'])} points{ends}, p = {test['p_holm']:.3g}"


def study_verdict(results: Mapping) -> str:
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


def compare_verdict(results: Mapping, dataset: str) -> str:
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
    if test["p_holm"] < SIGNIFICANT:
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


def _size(count: float) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"

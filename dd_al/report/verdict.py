"""Numbers in the report's notation, and the sentence at its top, which is made from them alone."""

import math
from collections.abc import Mapping

KEPT = 0.9  # of what all of the data add to a constant answer: below this share a reader is told why
_FEW_TEXTS = 20  # in a class
_FEW_STEPS = 150  # of training on all of the data
_FEW_JUDGES = 200  # validation texts


def known(value: float | None) -> bool:
    """Returns whether a measured number is there: JSON has null for what was not finite."""
    return value is not None and math.isfinite(value)


def percent(value: float | None, digits: int = 1) -> str:
    """Returns a share as a percentage without its sign, as "78.9", or "n/a"."""
    return f"{100 * value:.{digits}f}" if known(value) else "n/a"


def fraction(value: float | None) -> str:
    """Returns a share that may be tiny, in three significant digits, as "0.116 %"."""
    return f"{100 * value:.3g} %" if known(value) else "n/a"


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


def unit_of(results: Mapping) -> str:
    """Returns what an example is called: "sentence", "image" or "row"."""
    return results["dataset"].get("unit", "sentence")


def budget(results: Mapping, method: str) -> Mapping:
    """Returns what a method was given; a fine-tuned full-data learner is given what the full data is."""
    budgets = results["budget"]
    return budgets.get(method) or (budgets.get("full", {}) if method.startswith("full") else {})


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
    reasons = reasons or [f"no number of this run says; try twice the items (config.distill.items={_twice(results)})"]
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
            f"{results['dataset']['num_classes']} classes are few, try config.distill.items={_twice(results)}"
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

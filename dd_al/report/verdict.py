"""Numbers in the report's notation, and the sentence at its top, which is made from them alone."""

import math
from collections.abc import Mapping


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


def budget(results: Mapping, method: str) -> Mapping:
    """Returns what a method was given; a fine-tuned full-data learner is given what the full data is."""
    budgets = results["budget"]
    return budgets.get(method) or (budgets.get("full", {}) if method.startswith("full") else {})


def verdict(results: Mapping) -> str:
    """Returns the outcome in plain words: what the distilled set gives beside all data, random data and a constant."""
    lines = [_distilled(results) if score(results, "distilled") else _baselines(results)]
    if known(rate := results["dataset"]["majority_rate"]):
        lines.append(f"Always answering the commonest class gives {percent(rate)} %.")
    return " ".join(lines + _warnings(results))


def _distilled(results: Mapping) -> str:
    entry, given = results["methods"]["distilled"], budget(results, "distilled")
    learner = "a fresh learner" if results["evaluate"]["init"] == "random" else "the known initialisation"
    text = (
        f"{_examples(results, 'distilled')} synthetic {_agree(results, 'distilled', 'sentence', 'sentences')} "
        f"({fraction(given.get('fraction'))} of the training data) {_agree(results, 'distilled', 'trains', 'train')} "
        f"{learner} to {spread(score(results, 'distilled'))} % {results['evaluate']['split']} accuracy"
    )
    full, random = score(results, "full"), score(results, "random")
    if full and known(entry.get("retention")):
        ends = interval(entry.get("interval", {}).get("retention"))
        text += f" = {percent(entry['retention'])} %{ends and ' ' + ends} of what all {_examples(results, 'full')} "
        text += f"sentences give ({percent(full['mean'])} %)"
    if random:
        text += f"; {_examples(results, 'random')} random {_agree(results, 'random', 'one reaches', 'ones reach')} "
        text += f"{percent(random['mean'])} %"
    return text + "."


def _baselines(results: Mapping) -> str:
    split, parts = results["evaluate"]["split"], []
    for name in results["methods"]:
        examples = _examples(results, name)
        who = {
            "full": f"all {examples} sentences",
            "full_finetuned": f"all {examples} sentences with fine-tuned word vectors",
            "random": f"{examples} random sentences",
        }.get(name, name)
        summary = score(results, name)
        runs = f" over {summary['n']} initialisations" if summary["n"] > 1 else ""
        parts.append(f"{who} give {spread(summary)} % {split} accuracy{runs}")
    text = "; ".join(parts) or "no method was evaluated"
    return text[0].upper() + text[1:] + "."


def _warnings(results: Mapping) -> list[str]:
    """Returns what a reader must be told where the headline alone would flatter."""
    distilled, random = score(results, "distilled"), score(results, "random")
    if not distilled or not known(distilled["mean"]):
        return []
    lines, rate, full = [], results["dataset"]["majority_rate"], score(results, "full")
    if known(rate) and full and known(full["mean"]) and full["mean"] <= rate:
        lines.append(
            "All of the data teach the learner no more than that constant answer, so retention means nothing here: "
            "train longer (config.full.epochs) or on more data."
        )
    if known(rate) and distilled["mean"] <= rate:
        lines.append("The distilled set does no better than that constant answer.")
    if random and known(random["mean"]) and distilled["mean"] <= random["mean"]:
        lines.append("Distillation does not beat random sentences here.")
    return lines


def _examples(results: Mapping, method: str) -> str:
    count = budget(results, method).get("examples")
    return "n/a" if count is None else f"{count:,}"


def _agree(results: Mapping, method: str, one: str, several: str) -> str:
    return one if budget(results, method).get("examples") == 1 else several

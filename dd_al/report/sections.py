"""The parts of the report, each made from plain data and returned as markup."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dd_al.report.active import QUERY_TITLES
from dd_al.report.html import Content, Markup, markup, pairs, table, tag
from dd_al.report.schema import METHOD_TITLES
from dd_al.report.verdict import budget, fraction, interval, known, percent, score, spread, unit_of

# Table 2 of the seed paper, as shares of its accuracy on the original data.
PAPER_RATIOS = {"full": 1.0, "distilled": 0.892, "random": 0.638}
PAPER = (
    "The paper reports test accuracies of 0.9859 (original data), 0.8799 (distilled) and 0.6290 (random) on five-class "
    "SST. Those absolute numbers cannot be five-class SST, on which BERT-base trained on all of the data reaches about "
    "53 %: the ratios are the claim, and they are what the table sets beside ours."
)
PAPER_DATA = {"sst2", "sst5"}
_ITEMS_SHOWN = 40
_NEXT = " They say nothing about the next distillation: repeat the run over seeds for that."


def banners(results: Mapping) -> Markup:
    """Returns the warnings that a reader must not miss, if there are any."""
    lines = []
    datasets = [row["dataset"] for row in results["table"]["rows"]] if "table" in results else [results["dataset"]]
    used_for = {data["stand_in_for"]: f"{data['name']} ({data['source']})" for data in datasets}
    for wanted, used in used_for.items():
        if not wanted:
            continue
        text = f"{wanted} could not be had, so this run used {used}. These are not results on {wanted}."
        lines.append([tag("b", "Stand-in data. "), text])
    if results["evaluate"]["split"] == "validation":
        text = "Every score is of the validation split, on which choices were made, and is likely to flatter."
        lines.append([tag("b", "Development run: the test split was not read. "), text])
    return markup([tag("p", line, class_="banner", role="note") for line in lines])


def headline(results: Mapping) -> Markup:
    """Returns the table of methods beside the paper's ratios, with how to read it."""
    split, level = results["evaluate"]["split"], _level(results)
    head = [
        "Method",
        "Examples",
        "Share of training data",
        f"{split.capitalize()} accuracy, %",
        "Macro-F1, %",
        "Retention, % of full",
        "Gain kept, %",
    ]
    paper = {results["dataset"]["name"], results["dataset"]["stand_in_for"]} & PAPER_DATA
    paper = paper and {"random", "distilled"} & results["methods"].keys()  # it has no number for anything else
    if paper:
        head.append("Paper's ratio, %")
    order = [*METHOD_TITLES, *results["methods"]]
    rows = [_method_row(results, name)[: len(head)] for name in sorted(results["methods"], key=order.index)]
    unit = unit_of(results)
    notes = (
        f"Mean ± standard deviation over initialisations; in brackets {percent(level, 0)} % intervals from a bootstrap "
        f"that draws both initialisations and {unit}s."
        f"{_NEXT if 'distilled' in results['methods'] else ''} Retention is accuracy over that of all the data. As a "
        "constant answer has some too, gain kept is the same ratio of what each method adds to the majority rate."
    )
    rows.append(_majority_row(results)[: len(head)])
    texts = (notes, PAPER) if paper else (notes,)
    return markup([table(head, rows, class_="numbers"), [tag("p", text, class_="soft") for text in texts]])


def methods(results: Mapping) -> Markup:
    """Returns what each method was given and how it was trained."""
    rows, titles = [], METHOD_TITLES | (QUERY_TITLES if "active" in results else {})
    for name, entry in results["methods"].items():
        given, parts = budget(results, name), [f"{score(results, name)['n']:,} initialisations. "]
        if given:
            parts.append(f"{given['labels_used']:,} labels used; {given['stored_floats']:,} floats stored. ")
        if results["evaluate"]["split"] == "test" and entry.get("validation_accuracy"):
            parts.append(f"Validation accuracy {spread(entry['validation_accuracy'])} %. ")
        if "note" in entry:
            parts.append(entry["note"] + " ")
        if entry.get("hyperparameters"):
            parts.append(tag("code", ", ".join(f"{key}={value}" for key, value in entry["hyperparameters"].items())))
        rows.append((titles.get(name, name), parts))
    return pairs(rows)


def words(distilled: Mapping) -> Markup:
    """Returns the synthetic sentences as the nearest word at each position, with the soft label of each."""
    items, names = distilled["items"], label_names(distilled)
    intro = (
        "A synthetic sentence is a row of continuous vectors. Shown is the word nearest to each: the stronger the "
        "shade, the larger the cosine similarity. Hold the pointer over a word for its runners-up."
    )
    more = f"The first {_ITEMS_SHOWN} of {len(items):,}. " if len(items) > _ITEMS_SHOWN else ""
    shown = [_item(index, item, names) for index, item in enumerate(items[:_ITEMS_SHOWN], start=1)]
    return markup([tag("p", more + sets_note(distilled) + intro, class_="soft"), shown])


def numbers(distilled: Mapping) -> Markup:
    """Returns the synthetic rows as they would stand in the data, with the soft label of each."""
    items, names = distilled["items"][:_ITEMS_SHOWN], label_names(distilled)
    columns = distilled.get("columns") or [str(i) for i in range(len(items[0]["row"]))]
    rows = [
        [str(index), _label(item["label"], names), *(f"{value:.4g}" if known(value) else "–" for value in item["row"])]
        for index, item in enumerate(items, start=1)
    ]
    more = f"The first {_ITEMS_SHOWN} of {len(distilled['items']):,}. " if len(distilled["items"]) > len(items) else ""
    more += sets_note(distilled)
    return markup([[tag("p", more, class_="soft")] if more else [], table(["Item", "Label", *columns], rows)])


def sets_note(distilled: Mapping) -> str:
    """Returns how the items are dealt to known initialisations, where several have a set each."""
    sets = [item.get("set", 0) for item in distilled["items"]]
    if not any(sets):
        return ""
    each = sets.count(0)
    return f"Each of {max(sets) + 1} known initialisations has a set of its own: items 1 to {each}, and so on. "


def label_names(distilled: Mapping) -> list[str]:
    """Returns a name for each class of the soft labels: its own where it has one, else its number."""
    names = [str(name) for name in distilled.get("label_names", [])]
    classes = max((len(item["label"]) for item in distilled["items"]), default=0)
    return names if len(names) == classes else [str(index) for index in range(classes)]


def provenance(results: Mapping, config: Any, resumed: Sequence[int]) -> Markup:
    """Returns where the numbers come from: command, data, vectors, time, environment and the resolved config."""
    dataset, parts = results["dataset"], []
    if "command" in results:
        parts += [tag("p", "These numbers come from:"), tag("pre", results["command"])]
    times = {key: f"{value:,.1f} s" if known(value) else "n/a" for key, value in results["time"].items()}
    times |= {key: f"{value:,.0f}" for key, value in results.get("memory", {}).items() if known(value)}
    if resumed:
        times["resumed after step"] = ", ".join(f"{step:,}" for step in resumed)
    run = {key: results[key] for key in ("experiment", "seed", "finished", "evaluate")}
    if several := results.get("table") or results.get("active"):
        run["seed"] = several["seeds"]
    tables = {
        "Run": run,
        "Data": dataset,
        "Word vectors": results.get("vectors", {}),
        "Time and memory": times,
        "Environment": results["environment"],
    }
    for title, values in tables.items():
        if values:
            parts += [tag("h3", title), pairs((key.replace("_", " "), _shown(value)) for key, value in values.items())]
    if config is not None:
        text = json.dumps(config, indent=2, ensure_ascii=False)
        parts.append(tag("details", tag("summary", "Resolved config"), tag("pre", text)))
    return markup(parts)


def _method_row(results: Mapping, name: str) -> list[Content]:
    entry, given = results["methods"][name], budget(results, name)
    ends = entry.get("interval", {})
    accuracy = score(results, name)
    paper = PAPER_RATIOS.get(name)
    return [
        METHOD_TITLES.get(name, name),
        f"{given['examples']:,}" if given else "n/a",
        fraction(given.get("fraction")),
        _with_small(spread(accuracy), interval(ends.get("accuracy"))),
        spread(score(results, name, "macro_f1")),
        _with_small(percent(entry.get("retention")), interval(ends.get("retention")) if name != "full" else ""),
        _gain(results, accuracy["mean"]),
        "–" if paper is None else percent(paper),
    ]


def _majority_row(results: Mapping) -> list[Content]:
    rate, full = results["dataset"]["majority_rate"], score(results, "full")
    comparable = known(rate) and full and known(full["mean"]) and full["mean"] > 0
    retention = percent(rate / full["mean"]) if comparable else "n/a"
    return ["Majority class (constant answer)", "–", "–", percent(rate), "–", retention, _gain(results, rate), "–"]


def _gain(results: Mapping, mean: float | None) -> str:
    """Returns (accuracy − majority) / (full accuracy − majority) in per cent."""
    rate, full = results["dataset"]["majority_rate"], score(results, "full")
    if not full or not all(map(known, (mean, rate, full["mean"]))) or full["mean"] <= rate:
        return "n/a"
    return percent((mean - rate) / (full["mean"] - rate))


def _with_small(text: str, small: str) -> Content:
    return [tag("span", text, tag("small", small))] if small else text


def _level(results: Mapping) -> float:
    return next((entry["interval"]["level"] for entry in results["methods"].values() if "interval" in entry), 0.95)


def _item(index: int, item: Mapping, names: Sequence[str]) -> Markup:
    text = _label(item["label"], names)
    parts = [tag("b", f"Item {index}"), " ", tag("span", text, class_="soft")]
    positions = item.get("nearest_words", [])[: item.get("length")]  # what lies behind the length is padding
    if positions:
        parts.append(tag("p", [_word(candidates) for candidates in positions if candidates], class_="words"))
    if item.get("start_text"):
        parts.append(tag("p", "Started from: " + item["start_text"], class_="soft"))
    return tag("div", parts, class_="item")


def _label(label: Sequence[float], names: Sequence[str]) -> str:
    """The largest shares of a soft label, or the largest numbers of an unrestricted one."""
    largest = sorted(zip(label, names, strict=False), key=lambda pair: -(pair[0] or 0))[:5]
    if all(0 <= (share or 0) <= 1 for share in label):
        return " · ".join(f"{name} {percent(share, 0)}\u00a0%" for share, name in largest)
    return " · ".join(f"{name} {share:.2f}" for share, name in largest)


def _word(candidates: Sequence[Sequence]) -> Content:
    word, near = candidates[0]
    title = ", ".join(f"{other} {cosine:.2f}" if known(cosine) else str(other) for other, cosine in candidates[:5])
    shade = f"--near:{min(1.0, max(0.0, near)):.2f}" if known(near) else "--near:0"
    return [tag("span", str(word), title=title, style=shade), " "]


def _shown(value: Any) -> Content:
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, (int, float, dict, list)):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {inner}" for key, inner in value.items())
    if isinstance(value, list):
        return [tag("div", _shown(inner)) for inner in value] or "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"

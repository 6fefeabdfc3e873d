"""The finished points of one comparison, or of several folders with parts of it, as one set of results and files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from dd_al.core.errors import UserError, WorkdirError
from dd_al.core.files import atomic_write, flattened, read_json, write_json
from dd_al.data.overlap import corpora
from dd_al.io.tensors import read_safetensors
from dd_al.report import schema, verdicts
from dd_al.report.build import build
from dd_al.report.combine import together
from dd_al.report.compare_tables import write_csv
from dd_al.report.render import render
from dd_al.report.statistics import (
    bootstrap_interval,
    critical_difference,
    effect_size,
    holm,
    mean_interval,
    paired,
    retention_interval,
    summary,
)
from dd_al.report.words import QUERIES, varied

ALL = "all"  # the budget of training on all of the data
_SAME = ("dataset", "method", "budget", "noise", "outliers", "start")


def gather(folders: Sequence[Path], *, command: str) -> dict:
    """Returns the results of a comparison from the folders of its points.

    A point that several folders have is taken from the first that has it finished.

    Args:
        folders: work directories of comparisons with one config, but for seeds, methods and data sets.
        command: what to type to get these numbers again.

    Raises:
        WorkdirError: a folder is none of a comparison, or the folders do not belong together.
    """
    plans = {folder: _plan(folder) for folder in folders}
    found: dict[str, dict] = {}
    alike: dict[str, tuple[Path, dict]] = {}
    for folder, plan in plans.items():
        for point in plan["points"]:
            path = folder / "runs" / point["name"]
            one = {"point": point, "folder": path, **read_point(path)}
            if one["state"] == "finished":
                _check_alike(one, alike.setdefault(point["dataset"], (path, _recipe(one))))
            if point["name"] not in found or (found[point["name"]]["state"] != "finished" == one["state"]):
                found[point["name"]] = one
    done = [one for one in found.values() if one["state"] == "finished"]
    datasets = {one["point"]["dataset"]: one["results"]["dataset"] for one in done}
    merged = {key: {k: v for plan in plans.values() for k, v in plan[key].items()} for key in ("budgets", "sketches")}
    sketches = merged.pop("sketches")
    merged["corpora"] = corpora({name: sketches[name] for name in datasets})
    merged["network"] = plans[folders[0]].get("network", "")
    return _results(found, datasets, merged, _entries(done), command)


def write(folder: Path, results: Mapping) -> None:
    """Writes results.json, then all that is made of it: `report.md`, `tables/*.csv`, `figures/` and `report.html`."""
    write_json(folder / "results.json", results)
    atomic_write(folder / "report.md", render("compare.md", results=results, verdicts=verdicts))
    write_csv(folder / "tables", results)
    build(folder)


def _plan(folder: Path) -> dict:
    path = folder / "points.json"
    if not path.is_file():
        raise WorkdirError(f"{folder} holds no points.json: it is no work directory of a comparison")
    return read_json(path)


def _recipe(one: Mapping) -> dict[str, Any]:
    """Returns what all points of a data set have in common: its content, the split, and the config."""
    config = read_json(one["folder"] / "config.json")
    results = one["results"]
    kept = flattened({key: value for key, value in config.items() if key not in ("point", "tensorboard")}, "config")
    return {"sha256 of the data": results["dataset"]["sha256"], "split": results["evaluate"]["split"], **kept}


def _check_alike(one: Mapping, first: tuple[Path, Mapping]) -> None:
    """Points of one data set were computed from the same data by the same recipe."""
    ours, theirs = _recipe(one), first[1]
    for key in {**theirs, **ours}:
        if ours.get(key) != theirs.get(key):
            raise WorkdirError(
                f"{one['folder']} does not go with {first[0]}: {key} of {one['point']['dataset']!r} are "
                f"{ours.get(key)!r} and {theirs.get(key)!r}"
            )


def read_point(path: Path) -> dict[str, Any]:
    """Returns the state of a point, with its results and answers where it is finished.

    Args:
        path: its folder, which may not be there.

    Returns:
        `state`, "finished", "failed" or "missing"; `error`, None unless it is the second; and `results` and `answers`
        if it is the first. Files that cannot be read are a failure.
    """
    found: dict[str, Any] = {"state": "missing", "error": None}
    try:
        results = read_json(path / "results.json") if (path / "results.json").is_file() else {}
        if results.get("finished"):
            schema.validate(results)
            answers = read_safetensors(path / "answers.safetensors")
            return found | {"state": "finished", "results": results, "answers": answers}
        if (path / "error.json").is_file():
            return found | {"state": "failed", "error": read_json(path / "error.json")["error"]}
    except (UserError, ValueError, KeyError, AttributeError, OSError) as error:  # somebody's edit, or a disk's
        return found | {"state": "failed", "error": f"{path}: {error}"}
    return found


def _entries(done: Iterable[Mapping]) -> list[dict]:
    """Returns an entry for each method, budget and data set: what its seeds come to, and what they cost."""
    groups: dict[tuple, list[tuple[Mapping, str]]] = {}
    for one in done:
        for budget in one["results"]["methods"]:
            key = tuple({**one["point"], "budget": budget}[name] for name in _SAME)
            groups.setdefault(key, []).append((one, budget))
    full = {}  # data set -> seed -> whether each answer was right, a mean over learners
    for key, members in groups.items():
        entry = dict(zip(_SAME, key))
        if entry["method"] == "full" and not varied(entry):
            full[entry["dataset"]] = {one["point"]["seed"]: one["answers"][budget].mean(0) for one, budget in members}
    return [_entry(dict(zip(_SAME, key)), members, full.get(key[0], {})) for key, members in groups.items()]


def _entry(entry: dict, members: list[tuple[Mapping, str]], full: Mapping[int, np.ndarray]) -> dict:
    members = sorted(members, key=lambda member: member[0]["point"]["seed"])
    seeds = [one["point"]["seed"] for one, _ in members]
    correct = np.stack([one["answers"][budget].mean(0) for one, budget in members])  # [seeds, texts]
    results = [one["results"] for one, _ in members]
    split = results[0]["evaluate"]["split"]
    budget = entry["budget"]
    entry |= {
        "seeds": seeds,
        "accuracy": summary(correct.mean(1)),
        "interval": list(bootstrap_interval(correct)),
        "macro_f1": summary([one["methods"][budget][f"{split}_macro_f1"]["mean"] for one in results]),
        "validation_accuracy": summary([one["methods"][budget]["validation_accuracy"]["mean"] for one in results]),
        "membership": summary([one["methods"][budget]["membership"]["mean"] for one in results]),
        "members": min(one["point"].get("members", {}).get(budget, 0) for one in results),
        "points": [one["point"]["name"] for one, _ in members],
        "devices": sorted({str(one["environment"].get("device")) for one in results}),
        "costs": {
            key: float(np.mean([np.nan if (v := one["costs"][budget][key]) is None else v for one in results]))
            for key in results[0]["costs"][budget]
        },
    }
    if len(seeds) > 2:
        entry["over_seeds"] = [float(end) for end in mean_interval(correct.mean(1))]
    paired = [at for at, seed in enumerate(seeds) if seed in full]
    if paired and any((ceiling := np.stack([full[seeds[at]] for at in paired])).ravel()):
        kept = correct[paired].mean(1) / ceiling.mean(1)
        entry["retention"] = summary(kept)
        entry["retention_interval"] = list(retention_interval(correct[paired], ceiling, paired=True))
    transfer = [one["point"].get("transfer", {}).get(budget, {}) for one in results]
    if any(transfer):  # folders that are joined may have tried other networks
        names = dict.fromkeys(name for one in transfer for name in one)
        entry["transfer"] = {name: summary([one[name]["mean"] for one in transfer if name in one]) for name in names}
    near = [one["point"]["nearness"] for one in results if "nearness" in one["point"]]
    if near:
        entry["nearness"] = {key: summary([one[key] for one in near]) for key in near[0]}
        entry["shown"] = results[0]["point"].get("shown")
    picked = [one["point"]["picked"] for one in results if "picked" in one.get("point", {})]
    if picked:
        entry["picked"] = {
            "classes": np.mean([one["classes"] for one in picked], 0).tolist(),
            "words": float(np.mean([one["words"] for one in picked])),
            "examples": picked[0]["examples"],
        }
        if "outliers" in picked[0]:
            entry["picked"]["outliers"] = summary([one["outliers"] for one in picked])
        entry["rounds"] = _mean_curve([one["point"]["rounds"] for one in results], "labels")
    entry["training"] = _mean_curve([one["point"]["training"].get(budget, {}) for one in results], "epochs")
    return entry


def _mean_curve(curves: Sequence[Mapping], along: str) -> dict[str, list[float]]:
    """Returns one curve of validation for seeds whose curves have the same places, else none."""
    if not curves[0] or any(one.get(along) != curves[0][along] for one in curves):
        return {}
    return {along: curves[0][along], "validation": np.mean([one["validation"] for one in curves], 0).tolist()}


def _results(
    found: Mapping[str, Mapping], datasets: Mapping, merged: Mapping, entries: list[dict], command: str
) -> dict:
    done = [one["results"] for one in found.values() if one["state"] == "finished"]
    if not done:
        errors = {one["error"] for one in found.values() if one["error"]}
        raise WorkdirError(
            f"no point of this comparison is finished{': ' if errors else ''}{'; '.join(sorted(errors))}"
        )
    split = done[0]["evaluate"]["split"]
    if any(one["evaluate"]["split"] != split for one in done):  # of different data sets
        raise WorkdirError("points of the test split and of validation do not go together")
    whole = all(one["state"] == "finished" for one in found.values())
    plain = [entry for entry in entries if not varied(entry)]
    results = schema.new_results(
        "compare",
        0,
        command=command,
        dataset=together(list(datasets.values())),
        evaluate={"split": split, "inits": max(one["evaluate"]["inits"] for one in done), "init": "random"},
        budget={title(entry): _given(entry) for entry in plain},
        methods={
            title(entry): {
                f"{split}_accuracy": entry["accuracy"], f"{split}_macro_f1": entry["macro_f1"],
                "retention": entry.get("retention", {}).get("mean"),
            }
            for entry in plain
        },
        compare={
            "points": [
                {
                    **{key: value for key, value in one["point"].items() if key != "budgets"},
                    "state": one["state"], "error": one["error"], "folder": f"{one['folder']}",
                    "command": one["results"].get("command", "") if one["state"] == "finished" else "",
                    "seconds": one["results"]["time"]["total_s"] if one["state"] == "finished" else None,
                    "device": one["results"]["environment"].get("device") if one["state"] == "finished" else None,
                }
                for one in found.values()
            ],
            "datasets": dict(datasets),
            **merged,
            "entries": entries,
            "tests": rival_tests(plain),
            "ranks": ranks(plain, merged["corpora"]),
        },
        time={"total_s": sum(one["time"]["total_s"] or 0 for one in done)},
        memory={"peak_rss_mb": max(one["memory"]["peak_rss_mb"] for one in done)},
        environment=done[0]["environment"],
    )  # fmt: skip
    return results if whole else results | {"finished": ""}


def title(entry: Mapping) -> str:
    """Returns what a method at a budget is called in `results["methods"]`."""
    budget = "" if entry["budget"] == ALL else f", {entry['budget']}"
    return f"{entry['dataset']}: {entry['method']}{budget}"


def _given(entry: Mapping) -> dict:
    costs = entry["costs"]
    return {
        "examples": round(costs["examples"]), "fraction": costs["share"] if "share" in costs else None,
        "labels_used": round(costs["labels"]), "stored_floats": round(costs["floats"]),
    }  # fmt: skip


def rival_tests(entries: Sequence[Mapping]) -> list[dict]:
    """Returns tests of methods against random sampling at the same budget, and of the rivals against each other.

    Each data set has three families, within which p is adjusted (Holm): "headline", the distilled set of the verdict
    against every query that could have been beside it; "random", every method against random sampling at its budget;
    and "rivals", every distilled set against active learning with more examples. Pairs are seeds.

    Args:
        entries: of `results["compare"]["entries"]`, without wrong labels and outliers.
    """
    found = []
    for dataset in dict.fromkeys(entry["dataset"] for entry in entries):
        ours = {(entry["method"], entry["budget"]): entry for entry in entries if entry["dataset"] == dataset}
        headline, queries = verdicts.rivals(list(ours.values()))
        if headline is not None:
            found += _family(dataset, "headline", [(headline, other) for other in queries])
        against = [
            (one, ours["random", budget]) for (method, budget), one in ours.items()
            if method not in ("random", "full") and ("random", budget) in ours
        ]  # fmt: skip
        found += _family(dataset, "random", against)
        distilled = [one for (method, _), one in ours.items() if method.startswith("distilled")]
        active = [one for (method, _), one in ours.items() if method in QUERIES]
        fewer = [
            (one, other) for one in distilled for other in active
            if one["costs"]["examples"] < other["costs"]["examples"]
        ]  # fmt: skip
        found += _family(dataset, "rivals", fewer)
    return found


def _family(dataset: str, family: str, pairs: Sequence[tuple[Mapping, Mapping]]) -> list[dict]:
    found = []
    for one, other in pairs:
        seeds = [seed for seed in one["seeds"] if seed in other["seeds"]]
        if not seeds:
            continue
        a, b = (
            np.asarray([entry["accuracy"]["values"][entry["seeds"].index(seed)] for seed in seeds])
            for entry in (one, other)
        )
        names = {
            f"{key}_{side}": entry[key]
            for side, entry in (("a", one), ("b", other)) for key in ("method", "budget")
        }  # fmt: skip
        found.append({"dataset": dataset, "family": family, **names, **paired(a, b), "effect": effect_size(a - b)})
    adjusted = holm({index: test["p"] for index, test in enumerate(found)})
    for index, test in enumerate(found):
        test["p_holm"] = adjusted[index]
        test["smallest_p_holm"] = min(1.0, len(found) * test["smallest_p"])
    return found


def ranks(entries: Sequence[Mapping], corpora: Mapping[str, str]) -> dict:
    """Returns average ranks of methods over corpora at each budget, with Nemenyi's critical difference.

    Data sets of one corpus count once, by their mean accuracy (Demšar 2006, "Statistical comparisons of classifiers
    over multiple data sets", section 3.2).

    Args:
        entries: see `rival_tests`.
        corpora: data set → corpus.

    Returns:
        budget → `methods` → mean rank, from 1 for the best, with `corpora`, `p` of Friedman's test and
        `critical_difference`; nothing for fewer than two corpora.
    """
    found = {}
    for budget in dict.fromkeys(entry["budget"] for entry in entries):
        scores: dict[str, dict[str, list]] = {}
        for entry in entries:
            if entry["budget"] == budget:
                corpus = corpora.get(entry["dataset"], entry["dataset"])
                scores.setdefault(entry["method"], {}).setdefault(corpus, []).append(entry["accuracy"]["mean"])
        shared = set.intersection(*(set(one) for one in scores.values()))
        if len(shared) < 2 or len(scores) < 2:
            continue
        table = np.asarray([[np.mean(one[corpus]) for corpus in sorted(shared)] for one in scores.values()])
        ranked = stats.rankdata(-table, axis=0).mean(1)
        count, blocks = table.shape
        found[budget] = {
            "methods": dict(zip(scores, ranked.tolist())),
            "corpora": blocks,
            "p": float(stats.friedmanchisquare(*table).pvalue) if count > 2 else None,
            "critical_difference": critical_difference(count, blocks),
        }
    return found

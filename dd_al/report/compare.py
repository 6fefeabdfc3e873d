"""The finished points of one comparison, or of several folders with parts of it, as one set of results and files."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from dd_al.config.settings import recorded
from dd_al.core.errors import UserError, WorkdirError
from dd_al.core.files import atomic_write, read_json, write_json
from dd_al.data.overlap import corpora
from dd_al.io.tensors import read_safetensors
from dd_al.report import schema, statistics, verdicts
from dd_al.report.build import build
from dd_al.report.combine import together
from dd_al.report.compare_tables import SAME, write_csv
from dd_al.report.render import render
from dd_al.report.statistics import summary
from dd_al.report.words import QUERIES, varied

ALL = "all"  # the budget of training on all of the data


def gather(folders: Sequence[Path], *, command: str) -> dict:
    """Returns the results of a comparison from the folders of its points; `command` is what to type to get them again.

    The folders are work directories of comparisons with one config, but for seeds, methods and data sets; one that is
    not is a WorkdirError. A point that several have is taken from the first that has it finished.
    """
    plans, found, recipes = [], {}, {}
    for folder in folders:
        if not (folder / "points.json").is_file():
            raise WorkdirError(f"{folder} holds no points.json: it is no work directory of a comparison")
        plans.append(read_json(folder / "points.json"))
        for point in plans[-1]["points"]:
            path = folder / "runs" / point["name"]
            one = {"point": point, "folder": path, **read_point(path)}
            if one["state"] == "finished":
                _check_alike(one, recipes)
            if point["name"] not in found or (found[point["name"]]["state"] != "finished" == one["state"]):
                found[point["name"]] = one
    done = [one for one in found.values() if one["state"] == "finished"]
    if not done:
        errors = "; ".join(sorted({one["error"] for one in found.values() if one["error"]}))
        raise WorkdirError(f"no point of this comparison is finished{errors and ': '}{errors}")
    if len({one["results"]["evaluate"]["split"] for one in done}) > 1:  # of different data sets
        raise WorkdirError("points of the test split and of validation do not go together")
    budgets, sketches = (
        {name: one for plan in plans for name, one in plan[key].items()} for key in ("budgets", "sketches")
    )
    datasets = {one["point"]["dataset"]: one["results"]["dataset"] for one in done}
    merged = {
        "datasets": datasets,
        "budgets": budgets,
        "corpora": corpora({name: sketches[name] for name in datasets}),
        "network": plans[0].get("network", ""),
    }
    return _results(list(found.values()), done, merged, command)


def write(folder: Path, results: Mapping) -> None:
    """Writes results.json, then all that is made of it: `report.md`, `tables/*.csv`, `figures/` and `report.html`."""
    write_json(folder / "results.json", results)
    atomic_write(folder / "report.md", render("compare.md", results=results, verdicts=verdicts))
    write_csv(folder / "tables", results)
    build(folder)


def _check_alike(one: Mapping, recipes: dict[str, tuple[Path, dict]]) -> None:
    """Refuses a point that was computed from other data, or by another recipe, than the first of its data set."""
    name, results = one["point"]["dataset"], one["results"]
    config = {k: v for k, v in read_json(one["folder"] / "config.json").items() if k not in ("point", "tensorboard")}
    ours = {"sha256 of the data": results["dataset"]["sha256"], "split": results["evaluate"]["split"]}
    ours |= recorded(config)
    first, theirs = recipes.setdefault(name, (one["folder"], ours))
    for key in {**theirs, **ours}:
        if ours.get(key) != theirs.get(key):
            raise WorkdirError(
                f"{one['folder']} does not go with {first}: {key} of {name!r} are {ours.get(key)!r} and "
                f"{theirs.get(key)!r}"
            )


def read_point(path: Path) -> dict[str, Any]:
    """Returns the `state` of a point by its folder: "finished", with `results` and `answers`, "failed" or "missing".

    The `error` says why it failed, and is None otherwise. Files that cannot be read are a failure.
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
    groups: dict[tuple, list[Mapping]] = {}
    for one in sorted(done, key=lambda one: one["point"]["seed"]):
        for budget in one["results"]["methods"]:
            groups.setdefault(tuple({**one["point"], "budget": budget}[name] for name in SAME), []).append(one)
    entries = [(dict(zip(SAME, key)), members) for key, members in groups.items()]
    full = {}  # data set → seed → whether each answer was right, a mean over learners
    for entry, members in entries:
        if entry["method"] == "full" and not varied(entry):
            answers = {one["point"]["seed"]: one["answers"][entry["budget"]].mean(0) for one in members}
            full[entry["dataset"]] = answers
    return [entry | _entry(entry["budget"], members, full.get(entry["dataset"], {})) for entry, members in entries]


def _entry(budget: str, members: Sequence[Mapping], full: Mapping[int, np.ndarray]) -> dict:
    """Returns what the points of an entry come to, one for each seed, beside the answers of all data by seed."""
    seeds = [one["point"]["seed"] for one in members]
    correct = np.stack([one["answers"][budget].mean(0) for one in members])  # [seeds, texts]
    runs = [one["results"] for one in members]
    points, methods, costs = zip(*((run["point"], run["methods"][budget], run["costs"][budget]) for run in runs))
    f1 = f"{runs[0]['evaluate']['split']}_macro_f1"
    entry = {
        "seeds": seeds,
        "accuracy": summary(correct.mean(1)),
        "interval": list(statistics.bootstrap_interval(correct)),
        "macro_f1": summary([one[f1]["mean"] for one in methods]),
        "validation_accuracy": summary([one["validation_accuracy"]["mean"] for one in methods]),
        "membership": summary([one["membership"]["mean"] for one in methods]),
        "members": min(one.get("members", {}).get(budget, 0) for one in points),
        "points": [one["point"]["name"] for one in members],
        "devices": sorted({str(run["environment"].get("device")) for run in runs}),
        "costs": {key: float(np.mean(np.asarray([one[key] for one in costs], float))) for key in costs[0]},
    }
    if len(seeds) > 2:
        entry["over_seeds"] = [float(end) for end in statistics.mean_interval(correct.mean(1))]
    paired = [at for at, seed in enumerate(seeds) if seed in full]
    if paired and any((ceiling := np.stack([full[seeds[at]] for at in paired])).ravel()):
        entry["retention"] = summary(correct[paired].mean(1) / ceiling.mean(1))
        entry["retention_interval"] = list(statistics.retention_interval(correct[paired], ceiling, paired=True))
    transfer = [one.get("transfer", {}).get(budget, {}) for one in points]
    if any(transfer):  # folders that are joined may have tried other networks
        names = dict.fromkeys(name for one in transfer for name in one)
        entry["transfer"] = {name: summary([one[name]["mean"] for one in transfer if name in one]) for name in names}
    if near := [one["nearness"] for one in points if "nearness" in one]:
        entry["nearness"] = {key: summary([one[key] for one in near]) for key in near[0]}
        entry["shown"] = points[0].get("shown")
    if picked := [one["picked"] for one in points if "picked" in one]:
        entry["picked"] = {
            "classes": np.mean([one["classes"] for one in picked], 0).tolist(),
            "words": float(np.mean([one["words"] for one in picked])),
            "examples": picked[0]["examples"],
        }
        if "outliers" in picked[0]:
            entry["picked"]["outliers"] = summary([one["outliers"] for one in picked])
        entry["rounds"] = _mean_curve([one["rounds"] for one in points], "labels")
    entry["training"] = _mean_curve([one["training"].get(budget, {}) for one in points], "epochs")
    return entry


def _mean_curve(curves: Sequence[Mapping], along: str) -> dict[str, list[float]]:
    """Returns one curve of validation for seeds whose curves have the same places, else none."""
    if not curves[0] or any(one.get(along) != curves[0][along] for one in curves):
        return {}
    return {along: curves[0][along], "validation": np.mean([one["validation"] for one in curves], 0).tolist()}


def _results(found: Sequence[Mapping], done: Sequence[Mapping], merged: Mapping, command: str) -> dict:
    """Returns the results of a comparison, which are unfinished as long as a point of it is."""
    entries, runs = _entries(done), [one["results"] for one in done]
    plain = {}
    for one in entries:
        if not varied(one):
            plain[f"{one['dataset']}: {one['method']}" + ("" if one["budget"] == ALL else f", {one['budget']}")] = one
    split = runs[0]["evaluate"]["split"]
    points = []
    for one in found:
        run = one.get("results", {"time": {"total_s": None}, "environment": {}})
        point = {key: value for key, value in one["point"].items() if key != "budgets"}
        point |= {"state": one["state"], "error": one["error"], "folder": f"{one['folder']}"}
        point |= {"command": run.get("command", ""), "seconds": run["time"]["total_s"]}
        points.append(point | {"device": run["environment"].get("device")})
    results = schema.new_results(
        "compare",
        0,
        command=command,
        dataset=together(list(merged["datasets"].values())),
        evaluate={"split": split, "inits": max(run["evaluate"]["inits"] for run in runs), "init": "random"},
        budget={
            name: {
                "examples": round(entry["costs"]["examples"]), "fraction": entry["costs"].get("share"),
                "labels_used": round(entry["costs"]["labels"]), "stored_floats": round(entry["costs"]["floats"]),
            }
            for name, entry in plain.items()
        },
        methods={
            name: {
                f"{split}_accuracy": entry["accuracy"], f"{split}_macro_f1": entry["macro_f1"],
                "retention": entry.get("retention", {}).get("mean"),
            }
            for name, entry in plain.items()
        },
        compare={
            "points": points,
            **merged,
            "entries": entries,
            "tests": rival_tests(list(plain.values())),
            "ranks": ranks(list(plain.values()), merged["corpora"]),
        },
        time={"total_s": sum(run["time"]["total_s"] or 0 for run in runs)},
        memory={"peak_rss_mb": max(run["memory"]["peak_rss_mb"] for run in runs)},
        environment=runs[0]["environment"],
    )  # fmt: skip
    return results if len(done) == len(found) else results | {"finished": ""}


def rival_tests(entries: Sequence[Mapping]) -> list[dict]:
    """Returns tests of methods against random sampling at the same budget, and of the rivals against each other.

    Each data set has three families, within which p is adjusted (Holm): "headline", the distilled set of the verdict
    against every query that could have been beside it; "random", every method against random sampling at its budget;
    and "rivals", every distilled set against active learning with more examples. Pairs are seeds. Entries are those of
    `results["compare"]["entries"]` without wrong labels and outliers.
    """
    found = []
    for dataset in dict.fromkeys(entry["dataset"] for entry in entries):
        ours = [entry for entry in entries if entry["dataset"] == dataset]
        headline, queries = verdicts.rivals(ours)
        found += _family(dataset, "headline", [(headline, other) for other in queries if headline is not None])
        random = {one["budget"]: one for one in ours if one["method"] == "random"}
        others = [one for one in ours if one["method"] not in ("random", "full")]
        against = [(one, random[one["budget"]]) for one in others if one["budget"] in random]
        found += _family(dataset, "random", against)
        distilled = [one for one in others if one["method"].startswith("distilled")]
        pairs = product(distilled, [one for one in others if one["method"] in QUERIES])
        fewer = [(one, other) for one, other in pairs if one["costs"]["examples"] < other["costs"]["examples"]]
        found += _family(dataset, "rivals", fewer)
    return found


def _family(dataset: str, family: str, pairs: Sequence[tuple[Mapping, Mapping]]) -> list[dict]:
    found = []
    for pair in pairs:
        values = [dict(zip(entry["seeds"], entry["accuracy"]["values"])) for entry in pair]
        seeds = [seed for seed in values[0] if seed in values[1]]
        if seeds:
            a, b = (np.asarray([of_seed[seed] for seed in seeds]) for of_seed in values)
            one = {f"{key}_{side}": entry[key] for side, entry in zip("ab", pair) for key in ("method", "budget")}
            one |= statistics.paired(a, b) | {"effect": statistics.effect_size(a - b)}
            found.append({"dataset": dataset, "family": family, **one})
    adjusted = statistics.holm({index: test["p"] for index, test in enumerate(found)})
    for index, test in enumerate(found):
        test["p_holm"] = adjusted[index]
        test["smallest_p_holm"] = min(1.0, len(found) * test["smallest_p"])
    return found


def ranks(entries: Sequence[Mapping], corpora: Mapping[str, str]) -> dict:
    """Returns, for each budget with two corpora, `methods` → mean rank over `corpora`, from 1 for the best.

    With them come `p` of Friedman's test and Nemenyi's `critical_difference`. Data sets of one corpus count once, by
    their mean accuracy (Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", section 3.2).
    Entries are those of `rival_tests`; a data set leads to its corpus.
    """
    import pandas as pd  # half a second, which no other report needs

    rows = [(e["budget"], e["method"], corpora.get(e["dataset"], e["dataset"]), e["accuracy"]["mean"]) for e in entries]
    frame, found = pd.DataFrame(rows, columns=["budget", "method", "corpus", "accuracy"]), {}
    for budget, group in frame.groupby("budget", sort=False):
        scores = group.pivot_table("accuracy", "method", "corpus").loc[group["method"].unique()].dropna(axis=1)
        methods, blocks = scores.shape
        if methods > 1 and blocks > 1:
            ranked = stats.rankdata(-scores, axis=0).mean(1)
            found[budget] = {
                "methods": dict(zip(scores.index, ranked.tolist())),
                "corpora": blocks,
                "p": float(stats.friedmanchisquare(*scores.to_numpy()).pvalue) if methods > 2 else None,
                "critical_difference": statistics.critical_difference(methods, blocks),
            }
    return found

"""The schema of `results.json`, how results are put together, and the checks before they are written or read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from dd_al.config.documents import check_document
from dd_al.core.files import jsonable
from dd_al.report import statistics

SCHEMA = 1

# Specs of `dd_al.config.documents`. A measured number may be null: `jsonable` writes NaN so.
_TEXT, _COUNT, _NUMBER, _NULL = (str,), (int,), (int, float, type(None)), type(None)


def _keys(names: str, spec: Any) -> dict[str, Any]:
    """Returns keys that all hold the same."""
    return dict.fromkeys(names.split(), spec)


_SUMMARY = {**_keys("mean std", _NUMBER), "n": _COUNT, "values": [_NUMBER]}
_DATASET = {
    **_keys("name source", _TEXT),
    "stand_in_for": (str, _NULL),
    "num_classes": (int, _NULL),  # None: several data sets of different numbers of classes
    "label_map": {},
    **_keys("majority_rate validation_majority_rate?", _NUMBER),
    **_keys("train validation test dropped_duplicates", _COUNT),
    "train_counts?": [_COUNT],
    "sha256?": (str, _NULL),
    "notes?": [_TEXT],
    "unit?": _TEXT,
}
_EVALUATE = {
    "split": frozenset({"test", "validation"}),
    "inits": _COUNT,
    "init": frozenset({"random", "known", "random, known"}),  # both: of different rows of a table
}
_POINTS = [{"label": [_NUMBER], "row?": [_NUMBER], "pixels?": [[[_COUNT]]]}]
_COURSE = [{"step": _COUNT, "items": _POINTS}]
_REAL = {"rows": [[_NUMBER]], "classes": [_COUNT]}
_METHOD = {
    **_keys("test_accuracy? test_macro_f1? validation_accuracy? validation_macro_f1?", _SUMMARY),
    **_keys("retention_over_seeds? aulc? membership?", _SUMMARY),
    "retention?": _NUMBER,
    "interval?": {**_keys("accuracy? retention?", [_NUMBER]), "level": _NUMBER, "resamples": _COUNT},
    "curve?": {  # by training steps, of initialisations; or by labels, a mean beside the values of the seeds
        "steps?": [_NUMBER],
        "labels?": [_COUNT],
        "accuracy": [(int, float, _NULL, list)],
        "values?": [[_NUMBER]],
    },
    "against_random?": {**_keys("difference p p_holm smallest_p", _NUMBER), "pairs": _COUNT},
    **_keys("labels_to? seconds_per_round?", {str: _NUMBER}),
    "stopping?": {str: {"labels": [(int, _NULL)], "accuracy": [_NUMBER]}},
    "picked?": {"classes": [_NUMBER], "words": _NUMBER, "examples": [_TEXT]},
    "selected_step?": _COUNT,
    "outer?": _keys("steps loss accuracy validation_accuracy", [_NUMBER]),
    "note?": _TEXT,
    "hyperparameters?": {},
}
_TABLE = {
    "rows": [
        {
            **_keys("name changes", _TEXT),
            "runs": [_TEXT],
            "dataset": _DATASET,
            "evaluate": _EVALUATE,
            "published": {str: _TEXT},
        }
    ],
    "seeds": [_COUNT],
    "source": (str, _NULL),
}
_STUDY = {
    **_keys("networks schedules", [_TEXT]),
    "full": [_NUMBER],
    "rows": [{"name": _TEXT, "accuracy": [[_NUMBER]]}],  # [schedules][networks]
    "published": {str: [_NUMBER]},
    "curves": [{"name": _TEXT, "values": [_TEXT], "accuracy": [[[_NUMBER]]]}],  # [values][networks][restarts]
    "surfaces?": [{**_keys("row network", _TEXT), "shares": [[[_COUNT]]], "items": _POINTS}],  # [y][x][classes], %
    "sides?": [[_NUMBER]],
    "courses?": [{"row": _TEXT, "course": _COURSE}],
    "real?": _REAL,
}
_COMPARE = {
    "points": [
        {
            **_keys("name folder command", _TEXT),
            "state": frozenset({"finished", "failed", "missing"}),
            "error": (str, _NULL),
        }
    ],
    "datasets": {str: _DATASET},
    "budgets": {str: {str: _COUNT}},
    "corpora": {str: _TEXT},
    "network": _TEXT,
    "entries": [
        {
            **_keys("dataset method budget", _TEXT),
            **_keys("noise outliers", _NUMBER),
            "seeds": [_COUNT],
            **_keys("accuracy macro_f1 retention?", _SUMMARY),
            **_keys("interval retention_interval?", [_NUMBER]),
            **_keys("points devices", [_TEXT]),
            "costs": {str: _NUMBER},
        }
    ],
    "tests": [
        {
            **_keys("dataset family method_a budget_a method_b budget_b", _TEXT),
            **_keys("difference p p_holm smallest_p smallest_p_holm effect", _NUMBER),
            "pairs": _COUNT,
        }
    ],
    "ranks": {str: {"methods": {str: _NUMBER}, "corpora": _COUNT, **_keys("p critical_difference", _NUMBER)}},
}
_RESULTS = {
    "schema": frozenset({SCHEMA}),
    "experiment": _TEXT,
    "seed": _COUNT,
    "finished": _TEXT,
    "dataset": _DATASET,
    "evaluate": _EVALUATE,
    "budget": {str: {**_keys("examples labels_used stored_floats", _COUNT), "fraction": _NUMBER}},
    "methods": {str: _METHOD},
    "transfer?": {**_keys("networks ways", [_TEXT]), "retention": [[_NUMBER]]},
    "table?": _TABLE,
    "study?": _STUDY,
    "active?": {
        "seeds": [_COUNT],
        **_keys("first size rounds labels validation_labels charged", _COUNT),
        "stop?": _TEXT,
    },
    "point?": _keys("name dataset method", _TEXT),
    "costs?": {str: {str: _NUMBER}},
    "compare?": _COMPARE,
    **_keys("time memory?", {str: _NUMBER}),
    **_keys("vectors? environment", {}),
    "command?": _TEXT,
}
_DISTILLED = {
    "examples": [
        {
            "label": [_NUMBER],
            "nearest_words?": [[[(str, int, float, _NULL)]]],  # per position, per neighbour: its word and cosine
            "length?": _COUNT,
            "row?": [_NUMBER],  # of numbers, as they are in the data
            "pixels?": [[[_COUNT]]],  # [height][width][channels], from 0 to 255
            "start_text?": (str, _NULL),
        }
    ],
    "rates?": {"names": [_TEXT], "values": [[_NUMBER]]},
    "label_names?": [(str, int)],
    "columns?": [_TEXT],
    "course?": _COURSE,
    "real?": _REAL,
    "inner_steps?": _COUNT,
}


def method_name(row: str, method: str) -> str:
    """Returns what a method of one row of a table is called in `results["methods"]` and `results["budget"]`."""
    return f"{row}: {method}"


def method_results(
    predictions: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    split: str,
    full: np.ndarray | None = None,
    paired: bool = False,
    validation_accuracy: Sequence[float] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    **extra: Any,
) -> dict:
    """Returns the entry of one method in `results["methods"]`, with its scores, retention and intervals.

    Args:
        predictions: int[inits, n] classes that this method's learners predict on the evaluated split. Rows count as
            independent: of random subsets give one learner for each draw, not many learners of few draws.
        labels: int[n] true classes.
        classes: how many classes there are.
        split: "test" or "validation": what was evaluated, which names the keys `{split}_accuracy`, `{split}_macro_f1`.
        full: int[full inits, n] predictions of the full-data learners, against which retention is measured; None where
            this method is the full data itself.
        paired: row i of `predictions` and of `full` began from the same (known) initialisation.
        validation_accuracy: accuracy of each initialisation on validation, to go beside a test score.
        level: the coverage of the intervals.
        resamples: bootstrap replicates of the intervals.
        seed: of the bootstrap.
        **extra: further keys as they are: `curve`, `note`, `selected_step`, `hyperparameters`.
    """
    correct = np.atleast_2d(predictions) == labels
    entry: dict[str, Any] = {
        f"{split}_accuracy": statistics.summary(correct.mean(axis=1)),
        f"{split}_macro_f1": statistics.summary(statistics.macro_f1(np.atleast_2d(predictions), labels, classes)),
    }
    if split == "test" and validation_accuracy is not None:
        entry["validation_accuracy"] = statistics.summary(validation_accuracy)
    draws = {"level": level, "resamples": resamples, "seed": seed}
    interval: dict[str, Any] = {"accuracy": list(statistics.bootstrap_interval(correct, **draws))}
    if full is None:
        entry["retention"], interval["retention"] = 1.0, [1.0, 1.0]
    elif (full_correct := np.atleast_2d(full) == labels).any():
        entry["retention"] = float(correct.mean() / full_correct.mean())
        interval["retention"] = list(statistics.retention_interval(correct, full_correct, paired=paired, **draws))
    else:  # a tiny slice, say: there is nothing to keep, and the other numbers still stand
        entry["retention"] = None
    return entry | {"interval": interval | {"level": level, "resamples": resamples}} | extra


def new_results(experiment: str, seed: int, *, command: str | None = None, **parts: Any) -> dict:
    """Returns validated results in plain Python (see `jsonable`), stamped with the schema and the time.

    Args:
        experiment: which one ran, as "distill".
        seed: the seed of the run.
        command: what to type to get these numbers again.
        **parts: `dataset`, `evaluate`, `budget`, `methods`, `time`, `environment`, and where known `memory`, `vectors`.

    Raises:
        ValueError: see `validate`.
    """
    results = {
        "schema": SCHEMA,
        "experiment": experiment,
        "seed": seed,
        "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **parts,
    }
    if command is not None:
        results["command"] = command
    results = jsonable(results, "results")
    validate(results)
    return results


def validate(results: Any) -> None:
    """Checks results before they are written, or after they were read.

    Raises:
        ValueError: a key is missing or holds the wrong type; the scores are not those of the evaluated split (a
            development run never has test scores); a curve is ragged. Names the key.
    """
    check_document(results, _RESULTS, "results")
    split = results["evaluate"]["split"]
    for name, method in results["methods"].items():
        where = f"results.methods.{name}"
        if f"{split}_accuracy" not in method:
            raise ValueError(f"{where}.{split}_accuracy is missing, and evaluate.split is {split!r}")
        if split == "validation" and "test_accuracy" in method:
            raise ValueError(f"{where}.test_accuracy must not be there: evaluate.split is 'validation'")
        curve = method.get("curve", {"steps": [], "accuracy": []})
        along = curve.get("labels" if "values" in curve else "steps", [])
        rows = curve.get("values", curve["accuracy"])
        if len(along) != len(curve["accuracy"]) or not _even(rows) or len(rows) != len(along):
            raise ValueError(f"{where}.curve needs one row per step, and as many initialisations in every row")
    if transfer := results.get("transfer"):
        shape = [len(transfer["ways"])] * len(transfer["networks"])
        if [len(row) for row in transfer["retention"]] != shape:
            raise ValueError("results.transfer.retention needs a row per network, and in it a number per way")
    for row in results.get("table", {"rows": []})["rows"]:
        for method in ("full", "distilled", "random"):
            for part in ("methods", "budget"):
                if (name := method_name(row["name"], method)) not in results[part]:
                    raise ValueError(f"results.{part}.{name} is missing, and results.table has this row")


def _even(rows: Sequence) -> bool:
    """Whether all are lists of one length."""
    return all(isinstance(row, (list, tuple)) for row in rows) and len({len(row) for row in rows}) <= 1


def validate_distilled(distilled: Any) -> None:
    """Checks the part of `distilled.json` that the report reads; see `validate`.

    Raises:
        ValueError: a key is missing or holds the wrong type. Names the key.
    """
    check_document(distilled, _DISTILLED, "distilled")

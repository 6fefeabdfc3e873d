"""The schema of `results.json`, how results are put together, and the checks before they are written or read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np

from dd_al.config.documents import check_document
from dd_al.core.files import jsonable
from dd_al.report import statistics

SCHEMA = 1

# Kinds of values, in the specs of `dd_al.config.documents`. A measured number may be null: `jsonable` writes NaN so.
_NULL, _NUMBER = type(None), (int, float, type(None))
_KINDS = {
    "text": (str,),
    "text_or_null": (str, _NULL),
    "texts": [(str,)],
    "count": (int,),
    "count_or_null": (int, _NULL),
    "counts": [(int,)],
    "number": _NUMBER,
    "numbers": [_NUMBER],
    "matrix": [[_NUMBER]],
    "cube": [[[_NUMBER]]],
    "pixels": [[[(int,)]]],
    "by_name": {str: _NUMBER},
    "summary": {"mean": _NUMBER, "std": _NUMBER, "n": (int,), "values": [_NUMBER]},
    "anything": {},
}


def _keys(inner: dict[str, Any] | None = None, **kinds: str) -> dict[str, Any]:
    """Returns the spec of a table: names of its keys by kind, "?" behind those that may be missing, and other specs."""
    return {name: _KINDS[kind] for kind, names in kinds.items() for name in names.split()} | (inner or {})


_DATASET = _keys(
    text="name source unit?", text_or_null="stand_in_for sha256?", number="majority_rate validation_majority_rate?",
    count="train validation test dropped_duplicates", counts="train_counts?", texts="notes?", anything="label_map",
    count_or_null="num_classes",  # null: several data sets of different numbers of classes
)  # fmt: skip
_EVALUATE = _keys(
    {
        "split": frozenset({"test", "validation"}),
        "init": frozenset({"random", "known", "random, known"}),  # both: of different rows of a table
    },
    count="inits",
)
_POINTS = [_keys(numbers="label row?", pixels="pixels?")]
_COURSE = [_keys({"items": _POINTS}, count="step")]
_REAL = _keys(matrix="rows", counts="classes")
_METHOD = _keys(
    {
        "interval?": _keys(numbers="accuracy? retention?", number="level", count="resamples"),
        # By training steps, of initialisations; or by labels, a mean beside the values of the seeds.
        "curve?": _keys(
            {"accuracy": [(int, float, _NULL, list)]}, numbers="steps?", counts="labels?", matrix="values?"
        ),
        "against_random?": _keys(number="difference p p_holm smallest_p", count="pairs"),
        "stopping?": {str: _keys({"labels": [(int, _NULL)]}, numbers="accuracy")},
        "picked?": _keys(numbers="classes", number="words", texts="examples"),
        "outer?": _keys(numbers="steps loss accuracy validation_accuracy"),
    },
    summary="test_accuracy? test_macro_f1? validation_accuracy? validation_macro_f1? retention_over_seeds? aulc? "
    "membership?",
    number="retention?", by_name="labels_to? seconds_per_round?", count="selected_step?", text="note?",
    anything="hyperparameters?",
)  # fmt: skip
_ROW = _keys(
    {"dataset": _DATASET, "evaluate": _EVALUATE, "published": {str: (str,)}}, text="name changes", texts="runs"
)
_STUDY = _keys(
    {
        "rows": [_keys(text="name", matrix="accuracy")],  # [schedules][networks]
        "published": {str: [_NUMBER]},
        "curves": [_keys(text="name", texts="values", cube="accuracy")],  # [values][networks][restarts]
        "surfaces?": [_keys({"items": _POINTS}, text="row network", pixels="shares")],  # [y][x][classes], %
        "courses?": [_keys({"course": _COURSE}, text="row")],
        "real?": _REAL,
    },
    texts="networks schedules", numbers="full", matrix="sides?",
)  # fmt: skip
_POINT = _keys(
    {"state": frozenset({"finished", "failed", "missing"})}, text="name folder command", text_or_null="error"
)
_ENTRY = _keys(
    text="dataset method budget", number="noise outliers", counts="seeds", summary="accuracy macro_f1 retention?",
    numbers="interval retention_interval?", texts="points devices", by_name="costs",
)  # fmt: skip
_TEST = _keys(
    text="dataset family method_a budget_a method_b budget_b",
    number="difference p p_holm smallest_p smallest_p_holm effect",
    count="pairs",
)
_COMPARE = _keys(
    {
        "points": [_POINT],
        "datasets": {str: _DATASET},
        "budgets": {str: {str: (int,)}},
        "corpora": {str: (str,)},
        "entries": [_ENTRY],
        "tests": [_TEST],
        "ranks": {str: _keys(by_name="methods", count="corpora", number="p critical_difference")},
    },
    text="network",
)
_RESULTS = {"schema": frozenset({SCHEMA})} | _keys(
    {
        "dataset": _DATASET,
        "evaluate": _EVALUATE,
        "budget": {str: _keys(count="examples labels_used stored_floats", number="fraction")},
        "methods": {str: _METHOD},
        "transfer?": _keys(texts="networks ways", matrix="retention"),
        "table?": _keys({"rows": [_ROW]}, counts="seeds", text_or_null="source"),
        "study?": _STUDY,
        "active?": _keys(counts="seeds", count="first size rounds labels validation_labels charged", text="stop?"),
        "point?": _keys(text="name dataset method"),
        "costs?": {str: {str: _NUMBER}},
        "compare?": _COMPARE,
    },
    text="experiment finished command?", count="seed", by_name="time memory?", anything="vectors? environment",
)  # fmt: skip
_DISTILLED = _keys(
    {
        "examples": [
            _keys(
                {"nearest_words?": [[[(str, int, float, _NULL)]]]},  # per position, per neighbour: its word and cosine
                numbers="label row?", count="length?", text_or_null="start_text?",
                pixels="pixels?",  # [height][width][channels], from 0 to 255
            )
        ],
        "rates?": _keys(texts="names", matrix="values"),
        "label_names?": [(str, int)],
        "course?": _COURSE,
        "real?": _REAL,
    },
    texts="columns?", count="inner_steps?",
)  # fmt: skip


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
    resamples: int = 2000,
    **extra: Any,
) -> dict:
    """Returns the entry of one method in `results["methods"]`, with its scores, retention and intervals.

    Args:
        predictions: int[inits, n] classes that this method's learners predict on the evaluated split. Rows count as
            independent: of random subsets give one learner for each draw, not many learners of few draws.
        labels: int[n] true classes.
        classes: how many classes there are.
        split: "test" or "validation", which the keys `{split}_accuracy` and `{split}_macro_f1` are named by.
        full: int[full inits, n] predictions of the full-data learners, against which retention is measured; None where
            this method is the full data itself.
        paired: row i of `predictions` and of `full` began from the same (known) initialisation.
        validation_accuracy: accuracy of each initialisation on validation, to go beside a test score.
        resamples: bootstrap replicates of the intervals, which cover 95 %.
        **extra: further keys as they are: `curve`, `note`, `selected_step`, `hyperparameters`.
    """
    correct = np.atleast_2d(predictions) == labels
    entry: dict[str, Any] = {
        f"{split}_accuracy": statistics.summary(correct.mean(axis=1)),
        f"{split}_macro_f1": statistics.summary(statistics.macro_f1(np.atleast_2d(predictions), labels, classes)),
    }
    if split == "test" and validation_accuracy is not None:
        entry["validation_accuracy"] = statistics.summary(validation_accuracy)
    interval: dict[str, Any] = {"accuracy": list(statistics.bootstrap_interval(correct, resamples=resamples))}
    if full is None:
        entry["retention"], interval["retention"] = 1.0, [1.0, 1.0]
    elif (full_correct := np.atleast_2d(full) == labels).any():
        entry["retention"] = float(correct.mean() / full_correct.mean())
        ends = statistics.retention_interval(correct, full_correct, paired=paired, resamples=resamples)
        interval["retention"] = list(ends)
    else:  # a tiny slice, say: there is nothing to keep, and the other numbers still stand
        entry["retention"] = None
    return entry | {"interval": interval | {"level": statistics.LEVEL, "resamples": resamples}} | extra


def new_results(experiment: str, seed: int, *, command: str | None = None, **parts: Any) -> dict:
    """Returns validated results in plain Python (see `jsonable`), stamped with the schema and the time.

    The `command` is what to type to get these numbers again; `parts` are `dataset`, `evaluate`, `budget`, `methods`,
    `time`, `environment`, and where known others of the schema. A ValueError comes from `validate`.
    """
    finished = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    results = {"schema": SCHEMA, "experiment": experiment, "seed": seed, "finished": finished, **parts}
    results = jsonable(results | ({} if command is None else {"command": command}), "results")
    validate(results)
    return results


def validate(results: Any) -> None:
    """Checks results before they are written, or after they were read.

    A ValueError names a key that is missing, holds the wrong type or a ragged curve, or has scores of another split
    than the evaluated one (a development run never has test scores).
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
        even = all(isinstance(row, (list, tuple)) for row in rows) and len({len(row) for row in rows}) <= 1
        if not even or not len(along) == len(curve["accuracy"]) == len(rows):
            raise ValueError(f"{where}.curve needs one row per step, and as many initialisations in every row")
    if transfer := results.get("transfer"):
        shape = [len(transfer["ways"])] * len(transfer["networks"])
        if [len(row) for row in transfer["retention"]] != shape:
            raise ValueError("results.transfer.retention needs a row per network, and in it a number per way")
    rows = [row["name"] for row in results.get("table", {"rows": []})["rows"]]
    for row, method, part in product(rows, ("full", "distilled", "random"), ("methods", "budget")):
        if (name := method_name(row, method)) not in results[part]:
            raise ValueError(f"results.{part}.{name} is missing, and results.table has this row")


def validate_distilled(distilled: Any) -> None:
    """Checks the part of `distilled.json` that the report reads; see `validate`."""
    check_document(distilled, _DISTILLED, "distilled")

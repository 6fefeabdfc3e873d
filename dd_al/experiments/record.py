"""What every experiment puts down: stages, environment, results and the report."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from dd_al.config.settings import Settings
from dd_al.core.files import write_json
from dd_al.core.version import VERSION
from dd_al.data import images, minilm_files, sources, tables
from dd_al.data.dataset import Dataset
from dd_al.distill.synthetic import Synthetic
from dd_al.experiments.baselines import Trained
from dd_al.experiments.task import Task
from dd_al.io.tensors import read_safetensors, write_safetensors
from dd_al.io.workdir import Workdir
from dd_al.learner.predict import predict
from dd_al.models.base import Model, Params
from dd_al.report import build, schema
from dd_al.report.build import read_metrics

_LOG = logging.getLogger(__name__)
_RARE, _RARE_SHARE = 10, 20  # a class of fewer examples than one, and than the median class's over the other
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "tokenizers", "datasets")


def load_dataset(settings: Settings, workdir: Workdir, **found: str) -> Dataset:
    """Loads the data of a config, says what a run must say about it, and takes the work directory for it.

    Args:
      settings: which data.
      workdir: taken for these data; see `Workdir.begin`.
      **found: what else the run depends on.
    """
    dataset, read = read_dataset(settings)
    workdir.begin(**read, **found)
    if workdir.resumed:
        _LOG.info("resuming the run in %s", workdir.path)
    announce(dataset)
    return dataset


def read_dataset(settings: Settings) -> tuple[Dataset, dict[str, str]]:
    """The data of a config, with notes on what a run must say about it, and what `Workdir.begin` has to compare."""
    dataset = {"images": images.load, "rows": tables.load}.get(settings.inputs, sources.load)(settings.data)
    dataset = replace(dataset, notes=(*dataset.notes, *_rare(dataset)))
    found = {"data": identity(dataset)}
    if settings.inputs in ("sentences", "pieces"):
        found["encoder"] = minilm_files.load(settings.encoder).sha256[:12]
    return dataset, found


def announce(dataset: Dataset) -> None:
    """Logs what a data set is, and its notes."""
    for note in dataset.notes:
        _LOG.warning("%s", note)
    _LOG.info(
        "%s (%s): %d train, %d validation, %d test %ss, %d classes", dataset.name, dataset.source,
        len(dataset.train), len(dataset.validation), len(dataset.test), dataset.unit, dataset.num_classes,
    )  # fmt: skip
    if dataset.columns:
        shown = ", ".join(dataset.columns[:12]) + (", …" if len(dataset.columns) > 12 else "")
        _LOG.info("a row is %d numbers: %s", len(dataset.columns), shown)


def _rare(dataset: Dataset) -> list[str]:
    """A warning of classes that are hardly there beside the others, which may be misspelt ones."""
    parts = (dataset.train, dataset.validation, dataset.test)
    counts = sum(np.bincount(np.asarray(part.labels), minlength=dataset.num_classes) for part in parts)
    spellings: dict[int, list[str]] = {}
    for name, c in dataset.label_map.items():
        if counts[c] < _RARE and _RARE_SHARE * counts[c] < np.median(counts):
            spellings.setdefault(c, []).append(repr(name))
    names = [f"{'/'.join(found)} ({counts[c]})" for c, found in spellings.items()]
    if not names:
        return []
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"hardly any {dataset.unit}s have the label {shown}: is it misspelt?"]


def identity(dataset: Dataset) -> str:
    """What a work directory records of its data, and compares."""
    return f"{dataset.name} ({dataset.source}), content {dataset.sha256[:12]}"


def stage(workdir: Workdir, name: str, compute: Callable[[], Trained]) -> tuple[Trained, float]:
    """A baseline's learners and the seconds they took, from the work directory if an earlier start got so far."""
    path = workdir.checkpoints / f"{name}.safetensors"
    if path.exists():
        _LOG.info("%s: from an earlier start of this run", name)
        return read_stage(path)
    start = time.perf_counter()
    trained = jax.tree.map(np.asarray, compute())
    seconds = time.perf_counter() - start
    params = {f"params/{key}": value for key, value in flatten_dict(trained.params, sep="/").items()}
    rest = {name: value for name, value in trained._asdict().items() if name != "params"}
    path.parent.mkdir(exist_ok=True)
    write_safetensors(path, {**params, **rest, "seconds": np.float32(seconds)})
    return trained, seconds


def read_stage(path: Path) -> tuple[Trained, float]:
    """What `stage` has written, and the seconds that it took."""
    arrays = read_safetensors(path)
    params = {key[7:]: value for key, value in arrays.items() if key.startswith("params/")}
    trained = Trained(unflatten_dict(params, sep="/"), arrays["steps"], arrays["accuracy"], arrays["chosen"])
    return trained, float(arrays["seconds"])


def predicting(task: Task, model: Model, *, embed: Callable | None = None) -> Callable[[Any, str], np.ndarray]:
    """``predict(params, split)``: classes that stacked learners predict, ``int32[learners, n]``.

    It is compiled once for a number of learners and a split.
    """
    embed = embed or task.embed

    @jax.jit
    def answer(params, examples):
        # The examples are an argument: constants would be folded into the program.
        return predict(model, params, examples, embed)

    def predicted(params: Any, split: str) -> np.ndarray:
        return np.argmax(np.asarray(answer(params, task.examples(split))), -1).astype(np.int32)

    return predicted


def answers(
    task: Task, model: Model, params: Mapping[str, Params], split: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What the learners of several methods predict on validation and on the judged split: the place that reads test.

    All of them answer in one program.

    Args:
      task: the data.
      model: the network that they share.
      params: each method's learners, stacked, by its name.
      split: "test", or "validation" for both.
    """
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *params.values())
    ends = np.cumsum([jax.tree.leaves(one)[0].shape[0] for one in params.values()])[:-1]
    predicted = predicting(task, model)

    def on(split: str) -> dict[str, np.ndarray]:
        return dict(zip(params, np.split(predicted(together, split), ends)))

    validation = on("validation")
    return validation, on(split) if split != "validation" else validation


def method_entry(
    task: Task, split: str, predicted: np.ndarray, on_validation: np.ndarray, full: np.ndarray | None, **extra: Any
) -> dict:
    """The entry of one method in ``results["methods"]``."""
    return schema.method_results(
        predicted,
        task.labels(split),
        task.classes,
        split=split,
        full=full,
        validation_accuracy=(on_validation == task.labels("validation")).mean(1),
        **extra,
    )


def given(examples: int, count: int, labels: int, floats: int) -> dict:
    """The budget of one method: examples, their share of ``count``, labels looked at, numbers stored."""
    return {"examples": examples, "fraction": examples / count, "labels_used": labels, "stored_floats": floats}


def given_of(synthetic: Synthetic, count: int) -> dict:
    """The budget of one of stacked distilled sets, for which all of ``count`` labels were looked at."""
    floats = sum(int(np.prod(x.shape[1:])) for x in jax.tree.leaves(synthetic))
    return given(synthetic.inputs.shape[1], count, count, floats)


def curve(steps: np.ndarray, accuracy: np.ndarray) -> dict:
    """Validation accuracy along training: ``[points]`` and ``[points, learners]``."""
    return {"steps": np.asarray(steps).tolist(), "accuracy": np.asarray(accuracy, np.float64).round(6).tolist()}


def outer_course(metrics: Path) -> dict:
    """Validation accuracy at every look of the outer loop, and training loss and accuracy since the look before."""
    course: dict[str, list] = {"steps": [], "loss": [], "accuracy": [], "validation_accuracy": []}
    since: list[dict] = []
    steps: list[int] = []  # in each stretch, of which some are shorter than others
    last = 0
    for line in read_metrics(metrics)[0]:
        since.append(line)
        steps.append(max(line["step"] - last, 1))
        last = line["step"]
        if "validation_accuracy" in line:
            course["steps"].append(line["step"])
            course["validation_accuracy"].append(line["validation_accuracy"])
            for name in ("loss", "accuracy"):
                course[name].append(float(np.average([one[name] for one in since], weights=steps)))
            since, steps = [], []
    return course


def finish(workdir: Workdir, settings: Settings, task: Task, *, total_s: float | None = None, **parts: Any) -> None:
    """Writes results.json, which ends the run, and the report.

    ``total_s`` is the sum of the stages' seconds, unless it is given because stages ran side by side.
    """
    evaluate = {"split": settings.evaluate.split, **parts.pop("evaluate")}
    seconds = {**task.seconds, **parts.pop("time")}
    seconds["total_s"] = sum(seconds.values()) if total_s is None else total_s
    results = schema.new_results(
        settings.experiment,
        settings.seed,
        command=command(),
        dataset=task.dataset.provenance(settings.evaluate.split),
        **({"vectors": task.vectors.report} if task.vectors else {}),
        evaluate=evaluate,
        time={name: round(value, 3) for name, value in seconds.items()},
        memory={"peak_rss_mb": round(peak_rss_mb(), 1)},
        environment=environment(),
        **parts,
    )
    write_json(workdir.results, results)
    build(workdir.path)


def command() -> str:
    """What was typed."""
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    program = ["python", "-m", module.name] if module else ["python", Path(sys.argv[0]).name]
    return shlex.join([*program, *sys.argv[1:]])


def peak_rss_mb() -> float:
    """The most memory that this process has held, in MB."""
    try:  # on Linux ru_maxrss begins with what the parent held when it forked
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024 / 1e6
    except (OSError, TypeError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def environment() -> dict[str, Any]:
    """Versions, device and commit."""
    versions = {"dd_al": VERSION}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "device": devices[0].device_kind,
        "device_count": len(devices),
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    try:
        # An installed copy may lie in a folder of another repository.
        git = ["git", "-C", str(Path(__file__).parent)]
        for arguments in (["ls-files", "--error-unmatch", Path(__file__).name], ["rev-parse", "HEAD"]):
            done = subprocess.run([*git, *arguments], capture_output=True, text=True, timeout=5)
            if done.returncode:
                return None
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip()

"""How do several distillations compare, over seeds, and with published ones? A table of whole runs."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from dd_al.config.grid import published, row_folder, table_rows
from dd_al.config.settings import Settings
from dd_al.core.files import read_json
from dd_al.experiments import distill, record
from dd_al.experiments.sweep import Trial, read_data, refuse_failures, run_trials
from dd_al.io.metrics import MetricsWriter
from dd_al.io.workdir import Workdir
from dd_al.report import build, combine


def run(settings: Settings, workdir: Workdir, part: str | None = None) -> None:
    """Distils every row with every seed, each as a run of its own in `runs/`, and puts them into one table.

    Of slices, which share the work directory, ``part`` names one, as "3/40"; the last to finish puts all together.

    Raises:
      UserError: runs have failed.
    """
    rows = table_rows(settings)
    data = {name: read.identity for name, read in read_data(rows).items()}
    workdir.begin(**{f"{key} of {name}": value for name in rows for key, value in data[name].items()})
    # Seeds outside: every row has a first result, or a first mistake, early on.
    trials = {}
    for seed in settings.table.seeds:
        for name, row in rows.items():
            folder, one = f"{row_folder(name)}-seed{seed}", replace(row, seed=seed)
            compute = partial(lambda one, part, stop: distill.run(one, part), one)
            trials[name, seed] = Trial(folder, one, data[name], compute, title=f"{name}, seed {seed}")
    failed = run_trials(workdir, list(trials.values()), part, clear=True)
    refuse_failures(failed, len(trials), "runs")
    with workdir.one_at_a_time():
        results = {key: _results(workdir, trial) for key, trial in trials.items()}
        if all(results.values()):
            _write(settings, workdir, trials, results)


def _results(workdir: Workdir, trial: Trial) -> dict:
    """The results of a run, with its report beside them; nothing where it is left to another slice."""
    path = workdir.path / "runs" / trial.name
    results = read_json(path / "results.json") if (path / "results.json").exists() else {}
    if results and not (path / "report.html").exists():  # the process was killed between the two
        build(path)
    return results


def _write(settings: Settings, workdir: Workdir, trials: Mapping[tuple, Trial], results: Mapping[tuple, dict]) -> None:
    accuracy, names, seeds = f"{settings.evaluate.split}_accuracy", settings.table.rows, settings.table.seeds
    record.note_resumption(workdir)
    with MetricsWriter(workdir.metrics, workdir.events) as metrics:
        for number, ((name, seed), one) in enumerate(results.items(), start=1):
            scores = {method: entry[accuracy]["mean"] for method, entry in one["methods"].items()}
            metrics.write(number, row=name, seed=seed, **scores)
    theirs = published(settings.table)
    parts = combine.summarise(
        {name: [results[name, seed] for seed in seeds] for name in names},
        changes=names,
        runs={name: [f"runs/{trials[name, seed].name}" for seed in seeds] for name in names},
        published={name: theirs.get(name, {}) for name in names},
    )
    parts["table"]["source"] = settings.table.source
    memory = {"peak_rss_mb": max(one["memory"]["peak_rss_mb"] for one in results.values())}
    record.write(workdir, settings, memory=memory, **parts)
    build(workdir.path)

"""How do several distillations compare, over seeds, and with published ones? A table of whole runs."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace

import jax

from dd_al.config.grid import published, row_folder, table_rows
from dd_al.config.settings import Settings
from dd_al.core.errors import DataError
from dd_al.core.files import read_json, write_json
from dd_al.data.load import identity, load
from dd_al.experiments import distill, record
from dd_al.io.metrics import MetricsWriter
from dd_al.io.progress import progress_of
from dd_al.io.workdir import Workdir
from dd_al.report import build, combine, schema

_LOG = logging.getLogger(__name__)


def run(settings: Settings, workdir: Workdir) -> None:
    """Distils every row with every seed, each as a run of its own in `runs/`, and puts them into one table.

    A run that is finished is not repeated, and one that was stopped goes on, so the same command resumes the table.
    """
    rows = table_rows(settings)
    identities = _identities(rows)
    workdir.begin(**{f"data of {name}": identity for name, identity in identities.items()})
    folders = {name: [f"{row_folder(name)}-seed{seed}" for seed in settings.table.seeds] for name in rows}
    results: dict[str, list] = {name: [] for name in rows}
    with MetricsWriter(workdir.metrics, workdir.events) as metrics:
        if workdir.resumed:
            metrics.resume(0)
        # Seeds outside: every row has a first result, or a first mistake, early on.
        for index, seed in enumerate(settings.table.seeds):
            for name, row in rows.items():
                done = sum(map(len, results.values()))
                title = f"{name}, seed {seed}"
                _LOG.info("%s: run %d of %d", title, done + 1, len(rows) * len(settings.table.seeds))
                with progress_of(title):
                    one = _one(workdir, folders[name][index], replace(row, seed=seed), identities[name])
                results[name].append(one)
                accuracy = f"{settings.evaluate.split}_accuracy"
                scores = {method: entry[accuracy]["mean"] for method, entry in one["methods"].items()}
                metrics.write(done + 1, row=name, seed=seed, **scores)
    theirs = published(settings.table)
    parts = combine.summarise(
        results,
        changes=settings.table.rows,
        runs={name: [f"runs/{folder}" for folder in folders[name]] for name in rows},
        published={name: theirs.get(name, {}) for name in rows},
    )
    parts["table"]["source"] = settings.table.source
    peaks = [one["memory"]["peak_rss_mb"] for several in results.values() for one in several]
    write_json(
        workdir.results,
        schema.new_results(
            settings.experiment,
            settings.seed,
            command=record.command(),
            memory={"peak_rss_mb": max(peaks)},
            environment=record.environment(),
            **parts,
        ),
    )
    build(workdir.path)


def _identities(rows: Mapping[str, Settings]) -> dict[str, str]:
    """What the data of every row are: a mistake in the last one is not to be found after hours."""
    known: list[tuple[tuple, str]] = []
    found = {}
    for name, row in rows.items():
        read = (row.inputs, row.data)
        if all(read != one for one, _ in known):
            try:
                known.append((read, identity(row, load(row))["data"]))
            except DataError as error:
                raise DataError(f"the data of {name!r}: {error}") from error
        found[name] = next(identity for one, identity in known if one == read)
    return found


def _one(workdir: Workdir, folder: str, settings: Settings, identity: str) -> dict:
    """The results of one run, which is made, or gone on with, where it is not finished."""
    with workdir.part(folder, asdict(settings)) as part:
        if part.finished:
            part.begin(data=identity)  # refuses other data under the same name
            _LOG.info("finished before: %s", part.path)
        else:
            try:
                distill.run(settings, part)
            finally:
                # Each run has programs of its own, and its data are constants in them.
                jax.clear_caches()
                gc.collect()
        if not part.report.exists():
            build(part.path)
        return read_json(part.results)

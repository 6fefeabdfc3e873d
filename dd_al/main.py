"""From the command line to one experiment and an exit code: `python -m dd_al.main --help`."""

import dataclasses
import importlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from dd_al.cli import config_files
from dd_al.cli.command import Command, start_logging
from dd_al.cli.devices import define_jax_flags, start_jax
from dd_al.config import grid
from dd_al.config.schema import from_config, keys_help
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, nearest
from dd_al.core.files import flattened, read_json
from dd_al.experiments import EXPERIMENTS
from dd_al.io.workdir import Workdir, is_written, open_workdir

logger = logging.getLogger("dd_al.main")  # not __name__, which is "__main__" under `python -m`

_USAGE = f"""
usage: python -m dd_al.main --config=FILE[:key=value,...] --workdir=DIR [--config.KEY=VALUE ...] [--overwrite]
       [--points=K/N] [--debug]

Runs one experiment: {", ".join(EXPERIMENTS)}.

examples:
  python -m dd_al.main --list
  python -m dd_al.main --config=configs/smoke.py --workdir=/tmp/smoke
  python -m dd_al.main --config=dd_al:smoke --workdir=/tmp/smoke
  python -m dd_al.main --config=configs/sst_distill.py:classes=5,init=known --workdir=/tmp/five
  python -m dd_al.main --config=configs/sst_distill.py --workdir=/tmp/two --config.seed=1 --config.distill.examples=4
  python -m dd_al.main --config=configs/sst_compare.py --workdir=/tmp/compare --points=3/40

The same command resumes a run that was stopped. Exit codes: 0 done, 1 a failure of the program, 2 a mistake in the
command, the config, the data or the workdir, or too little memory, 130 interrupted and 143 terminated (the state is
saved).
"""


def _define_flags(values: flags.FlagValues, argv: list[str]) -> None:
    config_files.define_config(values, argv, Settings)
    flags.DEFINE_string("workdir", None, "the folder that the run writes to, and resumes from", values)
    flags.DEFINE_bool("overwrite", False, "delete what an earlier run wrote there first", values)
    flags.DEFINE_string(
        "points", None, "K/N: of a comparison or a table, the K-th of N slices; others may run beside it", values
    )
    flags.DEFINE_bool("dry_run", False, "show config, sizes and an estimate of time and memory", values)
    flags.DEFINE_bool("list", False, "show the configs that come with the package", values)
    define_jax_flags(argv)


def _run(values: flags.FlagValues, arguments: list[str]) -> None:
    if arguments:
        raise ConfigError(f"unknown argument {arguments[0]}; see --help")
    if values.list:
        _print_configs()
        return
    start_logging(values)
    # Everything that can be wrong with the command is looked at before JAX is imported, which takes seconds.
    settings = _settings(values)
    if values.dry_run:
        start_jax()
        importlib.import_module("dd_al.dry_run").run(settings)
        return
    if values.workdir is None:
        raise ConfigError("--workdir=DIR is missing: where the run is to write; see --help")
    plain, shared = dataclasses.asdict(settings), values.points is not None
    _check_inputs(plain, Path(values.workdir).expanduser().resolve())
    if shared:
        _check_slice(settings, values)
    from dd_al import report  # SciPy comes with it: not before the arguments are known to be right

    free = ["annotate", "compare"]
    with open_workdir(values.workdir, plain, overwrite=values.overwrite, free=free, shared=shared) as workdir:
        # A comparison looks at its points: there may be more of them now, or one may have been lost.
        if workdir.finished and settings.experiment != "compare":
            print(f"{workdir.path} holds a finished run of this config; --overwrite runs it again")
            if not workdir.report.exists():  # the process was killed between the two
                report.build(workdir.path)
        else:
            experiment = importlib.import_module(EXPERIMENTS[settings.experiment])
            start_jax()
            began = time.monotonic()
            experiment.run(settings, workdir, **({"part": values.points} if shared else {}))
            logger.info("done in %.0f s", time.monotonic() - began)
        _print_headline(workdir)


def _settings(values: flags.FlagValues) -> Settings:
    """Returns the checked settings: the config file's, with the flags on top."""
    if values.config is None:
        raise ConfigError(config_files.MISSING)
    settings = from_config(Settings, values.config)
    if settings.experiment not in EXPERIMENTS:
        hint, known = nearest(settings.experiment, EXPERIMENTS), ", ".join(EXPERIMENTS)
        raise ConfigError(f"config.experiment = {settings.experiment!r}: must be one of {known}{hint}")
    grid.check(settings)
    return settings


def _check_slice(settings: Settings, values: flags.FlagValues) -> None:
    if settings.experiment not in ("compare", "table"):
        known = "experiment = 'compare' or 'table'"
        raise ConfigError(f"--points={values.points} is for {known}, not {settings.experiment!r}")
    if values.overwrite:
        raise ConfigError("--overwrite with --points would delete what other slices have done: run it alone first")
    grid.sliced((), values.points)


def _check_inputs(plain: Mapping[str, Any], workdir: Path) -> None:
    """Refuses to write over what the run is to read: the work directory, or a run's files in it."""
    for key, value in flattened(plain, "config").items():
        if isinstance(value, str) and value:
            read = Path(value).expanduser().resolve()
            if is_written(workdir, read) or (read.parent == workdir and read.stem == "distilled"):
                raise ConfigError(f"{key} = {value!r} lies in --workdir, which is written: give another folder")


def _print_headline(workdir: Workdir) -> None:
    """Prints what results.json records of each method, or the table of several runs, and where the report lies."""
    from dd_al.report import compare_tables, tables

    results: dict[str, Any] = read_json(workdir.results) if workdir.results.exists() else {}
    if "table" in results:
        print(tables.text(results))
    elif "compare" in results:
        print(compare_tables.text(results))
    else:
        for name, scores in results.get("methods", {}).items():
            split = "test" if "test_accuracy" in scores else "validation"
            score = scores[f"{split}_accuracy"]
            std = f" ± {score['std']:.4f}" if score["n"] > 1 else ""
            print(f"{name}: {split} accuracy {score['mean']:.4f}{std} over {score['n']}")
    if workdir.report.exists():
        print(f"report: {workdir.report}")


def _print_configs() -> None:
    known = config_files.headers()
    width = max(map(len, known), default=0)
    for name, header in known.items():
        print(f"  {name.ljust(width)}  {header}")
    print(f"\n--config=dd_al:NAME runs one; the files, with their variants, are in {config_files.folder()}")


def _keys_help(values: flags.FlagValues) -> str:
    if values.config is None:
        return ""
    lines = [f"  {line}" for line in keys_help(_settings(values))]
    return "\n".join([f"\nkeys of {values['config'].config_filename}:", *lines])


main = Command(_USAGE, _define_flags, _run, _keys_help)

if __name__ == "__main__":
    main.start()

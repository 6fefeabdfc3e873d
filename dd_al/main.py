"""From the command line to one experiment and an exit code: `python -m dd_al.main --help`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dd_al import config_files
from dd_al.command import Parser, exit_code, start_jax, start_logging
from dd_al.config import grid
from dd_al.config.schema import from_config, keys_help, override
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError, nearest
from dd_al.core.files import read_json
from dd_al.experiments import EXPERIMENTS
from dd_al.io.workdir import Workdir, is_written, open_workdir
from dd_al.report import build, tables

logger = logging.getLogger("dd_al.main")  # not __name__, which is "__main__" under `python -m`

_EXAMPLES = """
examples:
  python -m dd_al.main --list
  python -m dd_al.main --config=configs/smoke.py --workdir=/tmp/smoke
  python -m dd_al.main --config=dd_al:smoke --workdir=/tmp/smoke
  python -m dd_al.main --config=configs/sst_distill.py:classes=5,init=known --workdir=/tmp/five
  python -m dd_al.main --config=configs/sst_distill.py --workdir=/tmp/two --config.seed=1 --config.distill.items=4
  python -m dd_al.main --config=configs/sst_compare.py --workdir=/tmp/compare --points=3/40

The same command resumes a run that was stopped. Exit codes: 0 done, 1 a failure of the program, 2 a mistake in the
command, the config, the data or the workdir, 130 interrupted and 143 terminated (the state is saved).
"""


def main(argv: Sequence[str]) -> int:
    """Runs one experiment.

    Args:
        argv: the command line; its first item is the program's name.

    Returns:
        The exit code: 0 done (or help shown), 1 a failure, 2 the user's mistake, 130 and 143 for SIGINT and SIGTERM.
    """
    return exit_code(_run, argv[1:])


def _run(args: Sequence[str]) -> None:
    flags, overrides = _parse(args)
    if flags.help:
        _print_help(flags)
        return
    if flags.list:
        _print_configs()
        return
    start_logging()
    # Everything that can be wrong with the command is looked at before JAX is imported, which takes seconds.
    settings = _settings(flags.config, overrides)
    if flags.dry_run:
        start_jax()
        importlib.import_module("dd_al.experiments.dry_run").run(settings)
        return
    if flags.workdir is None:
        raise ConfigError("--workdir=DIR is missing: where the run is to write; see --help")
    plain = dataclasses.asdict(settings)
    _check_inputs(plain, Path(flags.workdir).expanduser().resolve())
    _check_slice(settings, flags)
    free, shared = ["annotate", "compare"], flags.points is not None
    with open_workdir(flags.workdir, plain, overwrite=flags.overwrite, free=free, shared=shared) as workdir:
        # A comparison looks at its points: there may be more of them now, or one may have been lost.
        if workdir.finished and settings.experiment != "compare":
            print(f"{workdir.path} holds a finished run of this config; --overwrite runs it again")
            if not workdir.report.exists():  # the process was killed between the two
                build(workdir.path)
        else:
            experiment = importlib.import_module(EXPERIMENTS[settings.experiment])
            start_jax()
            began = time.monotonic()
            experiment.run(settings, workdir, **({"part": flags.points} if flags.points else {}))
            logger.info("done in %.0f s", time.monotonic() - began)
        _print_headline(workdir)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m dd_al.main",
        usage="%(prog)s --config=FILE[:key=value,...] --workdir=DIR [--config.KEY=VALUE ...] [--overwrite] "
        "[--points=K/N] [--debug]",
        description=f"Runs one experiment: {', '.join(EXPERIMENTS)}.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--config", metavar="FILE[:key=value,...]", help="a file with get_config(arg), or dd_al:NAME")
    parser.add_argument("--workdir", metavar="DIR", help="the folder that the run writes to, and resumes from")
    parser.add_argument("--overwrite", action="store_true", help="delete what an earlier run wrote there first")
    parser.add_argument(
        "--points", metavar="K/N", help="of a comparison or a table, the K-th of N slices; others may run beside it"
    )
    parser.add_argument("--dry_run", action="store_true", help="show config, sizes and an estimate of time and memory")
    parser.add_argument("--debug", action="store_true", help="show the traceback of the user's mistakes, too")
    parser.add_argument("--list", action="store_true", help="show the configs that come with the package")
    parser.add_argument("--help", "-h", action="store_true", help="show this, and with --config all its keys")
    return parser


def _parse(args: Sequence[str]) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
    """Returns the flags, and the overrides in order: `--config.seed=1` and `--config.seed 1` are ("seed", "1")."""
    flags, rest = _parser().parse_known_args(list(args))
    overrides, rest = [], list(rest)
    while rest:
        name, equals, text = rest.pop(0).partition("=")
        if not name.startswith("--config."):
            known = ["--config", "--workdir", "--overwrite", "--points", "--dry_run", "--debug", "--list", "--help"]
            kind = "flag" if name.startswith("-") else "argument"
            raise ConfigError(f"unknown {kind} {name}{nearest(name, known)}; see --help")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"{name} has no value: write {name}=VALUE")
            text = rest.pop(0)
        overrides.append((name.removeprefix("--config."), text))
    return flags, overrides


def _settings(config_flag: str | None, overrides: Sequence[tuple[str, str]]) -> Settings:
    """Returns the checked settings: the config file's, with the flags on top."""
    if config_flag is None:
        raise ConfigError("--config=FILE is missing: which experiment to run; see --help")
    config = config_files.load(config_flag)
    for key, text in overrides:
        override(Settings, config, key, text)
    settings = from_config(Settings, config)
    if settings.experiment not in EXPERIMENTS:
        hint, known = nearest(settings.experiment, EXPERIMENTS), ", ".join(EXPERIMENTS)
        raise ConfigError(f"config.experiment = {settings.experiment!r}: must be one of {known}{hint}")
    grid.check(settings)
    return settings


def _check_slice(settings: Settings, flags: argparse.Namespace) -> None:
    if flags.points is None:
        return
    if settings.experiment not in ("compare", "table"):
        known = "experiment = 'compare' or 'table'"
        raise ConfigError(f"--points={flags.points} is for {known}, not {settings.experiment!r}")
    if flags.overwrite:
        raise ConfigError("--overwrite with --points would delete what other slices have done: run it alone first")
    grid.sliced((), flags.points)


def _check_inputs(values: Mapping[str, Any], workdir: Path, path: str = "config") -> None:
    """Refuses to write over what the run is to read: the work directory, or a run's files in it."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            _check_inputs(value, workdir, f"{path}.{name}")
        elif isinstance(value, str) and value:
            read = Path(value).expanduser().resolve()
            if is_written(workdir, read) or (read.parent == workdir and read.stem == "distilled"):
                raise ConfigError(f"{path}.{name} = {value!r} lies in --workdir, which is written: give another folder")


def _print_headline(workdir: Workdir) -> None:
    """Prints what results.json records of each method, or the table of several runs, and where the report lies."""
    results: dict[str, Any] = read_json(workdir.results) if workdir.results.exists() else {}
    methods = results.get("methods", {})
    if "table" in results:
        print(tables.text(results))
        methods = {}
    if "compare" in results:
        print(tables.comparison_text(results))
        methods = {}
    for name, scores in methods.items():
        for split in ("test", "validation"):
            score = scores.get(f"{split}_accuracy")
            if isinstance(score, dict) and score.get("mean") is not None:
                several = score.get("std") is not None and score.get("n", 2) > 1
                std = f" ± {score['std']:.4f}" if several else ""
                print(f"{name}: {split} accuracy {score['mean']:.4f}{std} over {score.get('n', '?')}")
                break
    if workdir.report.exists():
        print(f"report: {workdir.report}")


def _print_configs() -> None:
    known = config_files.headers()
    width = max(map(len, known), default=0)
    for name, header in known.items():
        print(f"  {name.ljust(width)}  {header}")
    print(f"\n--config=dd_al:NAME runs one; the files, with their variants, are in {config_files.folder()}")


def _print_help(flags: argparse.Namespace) -> None:
    _parser().print_help()
    if flags.config:
        print(f"\nkeys of {flags.config}:")
        config = _settings(flags.config, [])
        print("\n".join(f"  {line}" for line in keys_help(config)))


if __name__ == "__main__":
    sys.exit(main(sys.argv))

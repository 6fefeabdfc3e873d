"""Builds the report of a finished work directory again, or one report of several comparisons."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from dd_al.cli.command import Command
from dd_al.core.errors import ConfigError
from dd_al.core.files import read_json
from dd_al.report import compare
from dd_al.report.build import build

_USAGE = f"""
usage: python -m dd_al.report DIR [DIR ...] [--out=DIR]

{__doc__}

examples:
  python -m dd_al.report runs/sst2
  python -m dd_al.report machine1/compare machine2/compare --out=runs/joined

Comparisons (experiment=compare) of one config may be joined: their seeds, methods and data sets may differ. A point
that several have is taken from the first that has it.
"""


def _define_flags(values: flags.FlagValues, argv: list[str]) -> None:
    flags.DEFINE_string("out", None, "the folder that the joined report is written to", values)


def _run(values: flags.FlagValues, arguments: list[str]) -> None:
    if not arguments:
        raise ConfigError("a work directory is needed; see --help")
    print(_report([Path(folder) for folder in arguments], values.out))


def _report(folders: Sequence[Path], out: str | None) -> Path:
    if len(folders) == 1 and out is None and not (folders[0] / "points.json").is_file():
        return build(folders[0])
    if len(folders) > 1 and out is None:
        raise ConfigError("several work directories need --out=DIR, the folder of the joined report")
    command = shlex.join(["python", "-m", "dd_al.report", *map(str, folders), *([f"--out={out}"] if out else [])])
    results = compare.gather(folders, command=command)
    where = folders[0] if out is None else Path(out)
    if out is not None:
        _refuse_run(where, out)
    where.mkdir(parents=True, exist_ok=True)
    compare.write(where, results)
    return where / "report.html"


def _refuse_run(folder: Path, out: str) -> None:
    """Refuses a folder that holds a run; a joined report, which has no config.json, may be written anew."""
    if (folder / "config.json").exists() or (folder / "points.json").exists():
        raise ConfigError(f"--out={out} is the work directory of a run: give another folder")
    if (folder / "results.json").exists() and "compare" not in read_json(folder / "results.json"):
        raise ConfigError(f"--out={out} holds a results.json that is of no comparison: give another folder")


main = Command(_USAGE, _define_flags, _run)

if __name__ == "__main__":
    main.start()

"""Builds the report of a finished work directory again, or one report of several comparisons."""

import shlex
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
    folders, out = [Path(folder) for folder in arguments], values.out
    if not folders:
        raise ConfigError("a work directory is needed; see --help")
    if len(folders) > 1 and out is None:
        raise ConfigError("several work directories need --out=DIR, the folder of the joined report")
    where = folders[0] if out is None else Path(out)
    if out is None and not (where / "points.json").is_file():
        print(build(where))
        return
    command = shlex.join(["python", "-m", "dd_al.report", *arguments, *([f"--out={out}"] if out else [])])
    results = compare.gather(folders, command=command)
    if out is not None:  # a joined report, which has no config.json, may be written anew
        if (where / "config.json").exists() or (where / "points.json").exists():
            raise ConfigError(f"--out={out} is the work directory of a run: give another folder")
        if (where / "results.json").exists() and "compare" not in read_json(where / "results.json"):
            raise ConfigError(f"--out={out} holds a results.json that is of no comparison: give another folder")
    where.mkdir(parents=True, exist_ok=True)
    compare.write(where, results)
    print(where / "report.html")


main = Command(_USAGE, _define_flags, _run)

if __name__ == "__main__":
    main.start()

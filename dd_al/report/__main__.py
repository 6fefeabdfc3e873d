"""Builds the report of a finished work directory again, or one report of several comparisons."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dd_al.core.errors import ConfigError, UserError
from dd_al.core.files import read_json
from dd_al.report import compare
from dd_al.report.build import build

_EPILOG = """
examples:
  python -m dd_al.report runs/sst2
  python -m dd_al.report machine1/compare machine2/compare --out=runs/joined

Comparisons (experiment=compare) of one config may be joined: their seeds, methods and data sets may differ. A point
that several have is taken from the first that has it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds the report, prints where it is, and returns the exit code: 0, or 2 for the user's mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m dd_al.report",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workdirs", nargs="+", metavar="DIR", help="a work directory")
    parser.add_argument("--out", metavar="DIR", help="the folder that the joined report is written to")
    flags = parser.parse_args(arguments)
    try:
        print(_report([Path(folder) for folder in flags.workdirs], flags.out))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


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


if __name__ == "__main__":
    sys.exit(main())

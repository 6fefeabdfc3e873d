"""Builds the report of a finished work directory again."""

import argparse
import sys
from collections.abc import Sequence

from dd_al.core.errors import UserError
from dd_al.report.build import build


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds the report, prints where it is, and returns the exit code: 0, or 2 for the user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m dd_al.report", description=__doc__)
    parser.add_argument("workdir", metavar="DIR", help="a work directory with a results.json")
    try:
        print(build(parser.parse_args(arguments).workdir))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

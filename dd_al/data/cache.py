"""Arrays that take long to make, kept in the user's cache folder."""

import io
import json
import logging
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from dd_al.core.errors import UserError
from dd_al.core.files import atomic_write, sha256_of, user_cache

_LOG = logging.getLogger(__name__)


def cached(what: str, folder: str, key: Any, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the arrays that were kept for `key`, or makes and keeps them; a damaged file is made again.

    The `key`, of JSON values, decides what the arrays hold; warnings call them `what`.
    """
    path = user_cache() / folder / f"{sha256_of(json.dumps(key))[:32]}.npz"
    if path.exists():
        try:
            with np.load(path) as file:  # an archive with checksums, of plain arrays: pickles are refused
                return dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            _LOG.warning("%s is damaged (%s): making %s again", path, error, what)
    made, buffer = make(), io.BytesIO()
    np.savez(buffer, **made)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, buffer.getvalue())
    except (OSError, UserError) as error:
        _LOG.warning("cannot keep %s in %s (%s): they are made again next time", what, path, error)
    return made

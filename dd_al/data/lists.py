"""Texts and labels that come from a program's own lists."""

from collections.abc import Iterable
from typing import Any

from dd_al.core.errors import DataError

Label = str | int | float | bool


def strings(texts: Any) -> list[str]:
    """A list of texts.

    Raises:
      DataError: no list, or something in it that is no string; says which.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise DataError(f"texts must be a list, not {type(texts).__name__}")
    texts = list(texts)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"texts[{index}] is {text!r} ({type(text).__name__}); it must be a string")
    return texts

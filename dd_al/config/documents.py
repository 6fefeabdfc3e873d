"""Checks documents that were read from files, such as an artefact's description, against a spec of their keys.

A spec is one of these:

    Field                one value with its bounds or choices, checked and worded like a key of a config
    a tuple of types     a value of one of them; a bool is no number
    a frozenset          one of these values
    [spec]               a list of such
    {str: spec}          a table with any keys
    {"a": spec, "b?": …}  a table with these keys, of which those with "?" may be missing; others are let through
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dd_al.config.schema import Field
from dd_al.core.errors import ConfigError


def check_document(value: Any, spec: Any, where: str = "") -> None:
    """Checks that a document has the keys and the types of values that a spec asks for.

    Args:
        value: the document, of plain values as JSON gives them.
        spec: see the module.
        where: its name in messages; "" for keys without a name before them.

    Raises:
        ConfigError: a `Field` refuses its value; names the key, the value and what is allowed.
        ValueError: a key is missing, or holds another type; names the key.
    """
    if isinstance(spec, Field):
        # A file holds a number in its own type: 1e3 is an integer in a flag, and 1000.0 is none here.
        if type(spec.checked(value, where)) is not type(value):
            raise ConfigError(f"{where} = {value!r}: must be {spec.describe()}")
    elif isinstance(spec, dict):
        _check_table(value, spec, where)
    elif isinstance(spec, list):
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where} must be a list, got {_shown(value)}")
        for index, item in enumerate(value):
            check_document(item, spec[0], f"{where}[{index}]")
    elif isinstance(spec, frozenset):
        if isinstance(value, (list, dict)) or value not in spec:
            raise ValueError(f"{where} must be {' or '.join(sorted(map(repr, spec)))}, got {_shown(value)}")
    elif not isinstance(value, spec) or isinstance(value, bool):  # a bool is an int to Python
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in spec)
        raise ValueError(f"{where} must be {names}, got {_shown(value)}")


def _check_table(value: Any, spec: dict, where: str) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be a table of keys, got {_shown(value)}")
    if str in spec:
        spec = dict.fromkeys(value, spec[str])
    for key, inner in spec.items():
        name = key.removesuffix("?")
        path = f"{where}.{name}" if where else name
        if name in value:
            check_document(value[name], inner, path)
        elif name == key:
            raise ValueError(f"{path} is missing")


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"

"""Checks documents that were read from files, such as an artefact's description, against a spec of their keys.

A spec is one of these:

    Field                one value with its bounds or choices, checked and worded like a key of a config
    a tuple of types     a value of one of them; a bool is no number
    a frozenset          one of these values
    [spec]               a list of such
    {str: spec}          a table with any keys
    {"a": spec, "b?": …}  a table with these keys, of which those with "?" may be missing; others are let through
"""

from collections.abc import Mapping
from typing import Any

from dd_al.config.schema import Field
from dd_al.core.errors import ConfigError


def check_document(value: Any, spec: Any, where: str = "") -> None:
    """Checks that a document has the keys and the types of values that a spec (see the module) asks for.

    The document is of plain values, as JSON gives them; `where` is its name in messages, if it has one.

    Raises:
        ConfigError: a `Field` refuses its value; names the key, the value and what is allowed.
        ValueError: a key is missing, or holds another type; names the key.
    """
    wanted = ""
    if isinstance(spec, Field):
        # A file holds a number in its own type: 1e3 is an integer in a flag, and 1000.0 is none here.
        if type(spec.checked(value, where)) is not type(value):
            raise ConfigError(f"{where} = {value!r}: must be {spec.describe()}")
    elif isinstance(spec, dict) and isinstance(value, Mapping):
        for key, inner in (dict.fromkeys(value, spec[str]) if str in spec else spec).items():
            name = key.removesuffix("?")
            path = f"{where}.{name}" if where else name
            if name in value:
                check_document(value[name], inner, path)
            elif name == key:
                raise ValueError(f"{path} is missing")
    elif isinstance(spec, list) and isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check_document(item, spec[0], f"{where}[{index}]")
    elif isinstance(spec, (dict, list)):
        wanted = "a table of keys" if isinstance(spec, dict) else "a list"
    elif isinstance(spec, frozenset):
        if isinstance(value, (list, dict)) or value not in spec:
            wanted = " or ".join(sorted(map(repr, spec)))
    elif not isinstance(value, spec) or isinstance(value, bool):  # a bool is an int to Python
        wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in spec)
    if wanted:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        raise ValueError(f"{where} must be {wanted}, got {shown} ({type(value).__name__})")

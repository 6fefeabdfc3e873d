"""The one grammar of texts that change keys: `"key=value; key=value"`, and `"key=a|b"` for several configs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from dd_al.config.schema import Field, from_config, override, to_config
from dd_al.core.errors import ConfigError, nearest

T = TypeVar("T")


def split(text: str, separator: str) -> Iterator[tuple[str, str, str]]:
    """Yields (key, "=", value) of each part of a text, without the spaces around them; a part may lack what follows."""
    for part in text.split(separator):
        key, equals, value = part.partition("=")
        yield key.strip(), equals, value.strip()


def pairs(text: str) -> list[tuple[str, str]]:
    """Returns `"key=value; key=value"` as pairs; a ConfigError if it is no such text, or gives a key twice."""
    found: dict[str, str] = {}
    for key, equals, value in split(text, ";"):
        if key and not equals:
            raise ConfigError(f"{key!r}: write key=value; key=value")
        if equals and key in found:
            raise ConfigError(f"{text!r} gives a key twice")
        if equals:
            found[key] = value
    return list(found.items())


def along(text: str) -> dict[str, list[tuple[str, str]]]:
    """Returns the pairs of each config that `"key=a|b; key=value"` stands for, by the first varying key's value.

    Keys with several values go together: the second config has the second value of each. A ConfigError says that no
    key has several values, that one has more than another, or that a value comes twice.
    """
    values = {key: several.split("|") for key, several in pairs(text)}
    first = next((several for several in values.values() if len(several) > 1), None)
    if first is None:
        raise ConfigError("no key with several values, as in distill.steps=1|10|100")
    if len(set(first)) < len(first):
        raise ConfigError("a value is given twice")
    for key, several in values.items():
        if len(several) not in (1, len(first)):
            raise ConfigError(f"config.{key} has {len(several)} values where another has {len(first)}")
    return {
        value: [(key, several[index % len(several)]) for key, several in values.items()]
        for index, value in enumerate(first)
    }


def changed(settings: T, changes: Iterable[tuple[str, str]], *, fixed: tuple[str, ...] = (), why: str = "") -> T:
    """Returns settings in which keys have the values that texts spell: `changes` are such as those of `pairs`.

    A ConfigError names a key that does not exist, that cannot have its value, or that is one of the `fixed` keys and
    sections, and `why` those are.
    """
    config = to_config(settings)
    for key, value in changes:
        if key in fixed or key.split(".")[0] in fixed:
            raise ConfigError(f"config.{key} = {value!r}: {why}")
        override(type(settings), config, key, value)
    return from_config(type(settings), config)


def parse_variant(arg: str | None, allowed: Mapping[str, tuple | type]) -> dict[str, Any]:
    """Returns the values of a config's variant, the part after the colon in `configs/NAME.py:key=value,key=value`.

    Each known key is `allowed` the values of a tuple, or of a type (bool, int, float or str); `"quick"` means
    `"quick=true"`. A ConfigError names any other key or value.
    """
    values: dict[str, Any] = {}
    for key, equals, text in split(arg, ",") if arg else []:
        known = ", ".join(f"{name}={Field.of(kind).describe()}" for name, kind in allowed.items()) or "none"
        part, hint = key + equals + text, f"{nearest(key, allowed)}; known keys: {known}"
        if not equals and allowed.get(key) is bool:
            equals, text = "=", "true"
        if not equals:
            raise ConfigError(f"variant {part!r}: write key=value{hint}")
        if key not in allowed:
            raise ConfigError(f"variant {part!r}: no such key{hint}")
        if key in values:
            raise ConfigError(f"variant {arg!r}: {key} is given twice")
        field = Field.of(allowed[key])
        values[key] = field.checked(field.read(text), f"variant {key}")
    return values

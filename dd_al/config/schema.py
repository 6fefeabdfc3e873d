"""Frozen dataclasses inside, `ml_collections.ConfigDict`s at the door, and errors that name the key.

A settings class is a frozen dataclass whose fields are `bool`, `int`, `float`, `str`, `tuple[X, ...]`, `dict[str, X]`,
`X | None` or another settings class, all with defaults:

    @dataclass(frozen=True)
    class DistillSettings:
        examples: int | None = option(None, "synthetic examples in all", min=1)

`to_config` turns it into the ConfigDict that a config file edits, flags put `Text` into it, and `from_config` checks
everything and returns the dataclass. The ConfigDict itself checks nothing (it is not type-safe, nor locked before its
file is done), so that every mistake meets the same checks and the same wording, here.
"""

import ast
import dataclasses
import types
import typing
import warnings
from collections.abc import Mapping
from functools import reduce
from typing import Any, Self, TypeVar

from ml_collections import ConfigDict

from dd_al.core.errors import ConfigError, named, nearest
from dd_al.core.files import flattened, jsonable

T = TypeVar("T")
_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Text(str):
    """The text of a flag, as a value of a ConfigDict: `Field.checked` reads it by the type of its key."""


def option(default: Any, help: str, **limits: Any) -> Any:
    """A field of a settings class: its default, its meaning in a line, and what is allowed.

    `limits` are `min` and `max` (allowed themselves), `choices` (of a tuple: of each item), `example` (of a dict), and
    `was`, its name in the version before.
    """
    return dataclasses.field(default=default, metadata={"help": help, **limits})


@dataclasses.dataclass(frozen=True)
class Field:
    """What a value may be: its type, whether None is allowed, and the field's metadata."""

    kind: Any
    optional: bool
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, hint: Any, metadata: Mapping[str, Any] | None = None) -> Self:
        """Returns the field of an annotation such as ``int | None``, or of a tuple of choices."""
        if isinstance(hint, tuple):
            return cls(type(hint[0]), False, {"choices": hint})
        kinds = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
        (kind,) = (kind for kind in kinds if kind is not type(None))
        return cls(kind, len(kinds) > 1, metadata or {})

    @property
    def is_section(self) -> bool:
        """Whether the value is another settings class."""
        return dataclasses.is_dataclass(self.kind)

    @property
    def origin(self) -> type:
        """The type without its parameters: ``tuple`` of ``tuple[int, ...]``."""
        return typing.get_origin(self.kind) or self.kind

    @property
    def item(self) -> "Field":
        """The items of a tuple, or the values of a dict."""
        args = typing.get_args(self.kind)
        return Field.of(args[0] if self.origin is tuple else args[1], self.metadata)

    def describe(self) -> str:
        """Returns what is allowed in words, such as "an integer of at least 1, or None"."""
        low, high, choices = map(self.metadata.get, ("min", "max", "choices"))
        if self.origin is tuple:
            text = f"a comma-separated list without repetitions, each item {self.item.describe()}"
        elif self.origin is dict:
            text = f"like {self.metadata.get('example', 'bad:0,good:1')}"
        elif choices is not None:
            text = "one of " + ", ".join(map(repr, choices))
        else:
            text = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}[self.origin]
            if low is not None:
                text += f" of at least {low}" if high is None else f" between {low} and {high}"
        return text + (", or None" if self.optional else "")

    def check(self, value: Any) -> Any:
        """Returns `value` in this field's type, or raises a ValueError, which `checked` words."""
        if value is None and self.optional:
            return None
        if self.origin is tuple and isinstance(value, (tuple, list)):
            items = tuple(self.item.check(item) for item in value)
            if not items or len(set(items)) < len(items):
                raise ValueError
            return items
        if self.origin is dict and isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: self.item.check(item) for key, item in value.items()}
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if self.origin is int and numeric and value == value // 1:  # 1e3 is an integer, too; NaN and inf are not
            value = int(value)
        elif self.origin is float and numeric and value == value:
            value = float(value)
        elif self.origin not in (bool, str) or not isinstance(value, self.origin):
            raise ValueError
        low, high, choices = map(self.metadata.get, ("min", "max", "choices"))
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError
        if choices is not None and value not in choices:
            raise ValueError
        return value

    def checked(self, value: Any, key: str) -> Any:
        """Returns `value`, or what a `Text` spells, in this field's type.

        A ConfigError names the key, a value that is not allowed, what is allowed and the nearest of the choices.
        """
        value = self.read(str(value)) if isinstance(value, Text) else value
        try:
            return self.check(value)
        except ValueError:
            items = value if isinstance(value, (tuple, list)) else (value,)
            choices = [str(choice) for choice in self.metadata.get("choices", ())]
            hints = (nearest(item, choices) for item in items if isinstance(item, str) and item not in choices)
            hint = next(filter(None, hints), "")
            raise ConfigError(f"{key} = {value!r}: must be {self.describe()}{hint}") from None

    def read(self, text: str) -> Any:
        """Returns the value that `text` spells; where it spells none, `text` itself, which `check` then refuses."""
        if self.optional and text.strip().lower() in ("", "none", "null"):
            return None
        if self.origin is str:
            return text
        if self.origin is bool:
            return _BOOLS.get(text.strip().lower(), text)
        if self.origin is tuple:
            items = [item.strip() for item in text.strip().strip("()[]").split(",")]
            return tuple(self.item.read(item) for item in items if item)
        if self.origin is dict and ":" in text and not text.strip().startswith("{"):
            pairs = [entry.rpartition(":") for entry in text.split(",")]
            found = {key.strip(): self.item.read(value) for key, _, value in pairs}
            return found if all(found) and len(found) == len(pairs) else text
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return text


def to_config(settings: Any, **changes: Any) -> ConfigDict:
    """Returns the fields of a settings dataclass as a nested, unlocked ConfigDict, for a config file to edit.

    `changes` are keys, or sections such as `distill={"examples": 8}`, that are to be otherwise.
    """
    # Not type-safe: `from_config` says it better. Not converting: a dict of labels is a value, not a section.
    config = ConfigDict(type_safe=False, convert_dict=False)
    for name, field in _fields(type(settings)).items():
        value = getattr(settings, name)
        config[name] = to_config(value) if field.is_section else value
    config.update(changes)
    return config


def from_config(cls: type[T], config: ConfigDict | Mapping[str, Any]) -> T:
    """Returns the frozen dataclass that a ConfigDict, or nested mappings (such as a parsed config.json), describe.

    Keys that are left out keep their defaults. Those in the class's `RETIRED` may be there with what they always are.
    A ConfigError names the full key (`config.distill.examples`), the value, what is allowed and the nearest known key.
    """
    return _build(cls, config, "config", cls)


def _build(cls: type[T], config: ConfigDict | Mapping[str, Any], path: str, root: type) -> T:
    fields, checked = _fields(cls), {}
    if not isinstance(config, (ConfigDict, Mapping)):
        raise ConfigError(f"{path} = {config!r}: is a section; its keys are {', '.join(fields)}")
    values = dict(config.items())
    for name in config:
        if (new := _renamed(fields, name, path)) != name:
            value = values.pop(name)
            if values.get(new) is None:
                values[new] = value
            elif not isinstance(values[new], Text):  # a flag changes what the file says by the old name
                raise ConfigError(f"{path}.{name} = {value!r}: {path}.{new} is given, too, which is its new name")
    for name, value in values.items():
        key = f"{path}.{name}"
        if name in fields:
            section = fields[name].is_section
            checked[name] = _build(fields[name].kind, value, key, root) if section else fields[name].checked(value, key)
        elif not is_retired(root, key, value):
            raise ConfigError(_unknown(key, value, cls, root, path))
    with named(path):  # for checks of the class's own, between fields
        return cls(**checked)


def is_retired(cls: type, key: str, value: Any) -> bool:
    """Whether an earlier version had a key, such as `"config.data.points"`, and the value is what it always is now."""
    retired, key = getattr(cls, "RETIRED", {}), key.removeprefix("config.")
    return key in retired and jsonable(value) == retired[key][0]


def find(cls: type, key: str, text: str) -> tuple[str, Field]:
    """Returns the name that a key such as `"distill.examples"` has in this version, and its field.

    A name of the version before is answered with a warning. If there is no such key, a ConfigError names it, the value
    that it was to have (`text`), and the nearest key.
    """
    owner, here, given, field = cls, "config", key.split("."), None
    for name in given:
        if field and not field.is_section:
            raise ConfigError(f"config.{key} = {text!r}: {here} has no keys; it is {field.describe()}")
        fields = _fields(owner)
        name = _renamed(fields, name, here)
        if name not in fields:
            raise ConfigError(_unknown(f"config.{key}", text, owner, cls, here))
        field, here = fields[name], f"{here}.{name}"
        owner = field.kind
    if field.is_section:
        raise ConfigError(f"{here} = {text!r}: is a section; its keys are {', '.join(_fields(owner))}")
    return here.removeprefix("config."), field


def override(cls: type, config: ConfigDict, key: str, text: str) -> None:
    """Sets one key of `config` from a text: `--config.distill.examples=8` is `("distill.examples", "8")`.

    Integers may be spelt `1e3`, tuples `3,4,5`, dicts `bad:0,good:1` (or as in Python), and None `none`. A ConfigError
    says that there is no such key, or what it allows.
    """
    key, field = find(cls, key, text)
    *sections, name = key.split(".")
    reduce(ConfigDict.__getitem__, sections, config)[name] = field.checked(Text(text), f"config.{key}")


def keys_help(settings: Any, prefix: str = "--config.") -> list[str]:
    """Returns one line per key of a settings dataclass: the flag, its default, its `help` and its choices."""
    lines = []
    for name, field in _fields(type(settings)).items():
        value = getattr(settings, name)
        if field.is_section:
            lines += keys_help(value, f"{prefix}{name}.")
        else:
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
            choices = f" ({', '.join(map(str, field.metadata['choices']))})" if "choices" in field.metadata else ""
            lines.append(f"{prefix}{name}={shown}  {field.metadata.get('help', '')}{choices}".rstrip())
    return lines


def _renamed(fields: Mapping[str, Field], name: str, section: str) -> str:
    """The name of a key in this version, which its field remembers by the old one (``was``)."""
    found = next((new for new, field in fields.items() if field.metadata.get("was") == name), name)
    if found != name:
        text = f"{section}.{name} is called {section}.{found} now; the old name goes with the next version"
        warnings.warn(text, FutureWarning, stacklevel=2)
    return found


def _unknown(key: str, value: Any, cls: type, root: type, path: str) -> str:
    """The message for a key that its section `cls` at `path` lacks; it hints at this section, then at the others."""
    inside = key.removeprefix("config.")
    if inside in (retired := getattr(root, "RETIRED", {})):
        return f"{key} = {value!r}: is no key any more: {retired[inside][1]}"
    name, _, _ = key.removeprefix(f"{path}.").partition(".")
    everywhere = [known[1:] for known in flattened(dataclasses.asdict(root()))]
    elsewhere = [known for known in everywhere if known.endswith(f".{inside.rpartition('.')[2]}")]
    hint = nearest(name, _fields(cls)) or nearest(inside, elsewhere or everywhere)
    if elsewhere and not hint:
        hint = f" (did you mean {elsewhere[0]!r}?)"
    return f"{key} = {value!r}: no such key{hint}; the keys of {path} are {', '.join(_fields(cls))}"


def _fields(cls: type) -> dict[str, Field]:
    hints = typing.get_type_hints(cls)
    return {field.name: Field.of(hints[field.name], field.metadata) for field in dataclasses.fields(cls)}

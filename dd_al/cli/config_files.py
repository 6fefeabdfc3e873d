"""Config files, by path or by the name that they have in the package, and the flags that change their keys."""

import ast
import inspect
import re
import runpy
import traceback
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from dd_al.config.schema import Text, find, to_config
from dd_al.core.errors import ConfigError, UserError, nearest

MISSING = "--config=FILE is missing: which experiment to run; see --help"
_PACKAGE = "dd_al"
_HERE = Path(__file__).parent.parent


def define_config(values: flags.FlagValues, argv: list[str], cls: type) -> None:
    """Defines `--config=FILE`, whose value is a locked ConfigDict, and `--config.KEY=VALUE` for the keys in `argv`.

    By `ml_collections.config_flags`, with two parsers of ours. Its own one of files keeps one module for all of them,
    and does not tell the line of a mistake; those of values know neither `none`, nor `1e3`, nor how to set what is
    None: they leave the text to `from_config`, which knows all of a key. Its errors do not name unknown keys well, so
    those are looked for first, and keys in `argv`, which is parsed next, get new names for old ones.

    The ConfigDict has all keys of the settings class `cls`, whatever the file leaves out. A ConfigError names a key
    that does not exist, or one without `--config`.
    """
    for place, (arg, after) in enumerate(zip_longest(argv[:], argv[1:], fillvalue="")):
        if flag := re.fullmatch(r"(--?(?:no)?config\.)([^=]*)(=.*)?", arg, re.DOTALL):
            key, _ = find(cls, flag[2], flag[3][1:] if flag[3] else after)
            argv[place] = f"{flag[1]}{key}{flag[3] or ''}"
            if not any(re.match("--?config(=|$)", arg) for arg in argv):
                raise ConfigError(MISSING)
    for kind in (bool, int, float, str, tuple, list, dict, type(None)):
        config_flags.register_flag_parser_for_type(kind, _TEXT)
    help = "a file with get_config(arg), or dd_al:NAME; then --config.KEY=VALUE changes any key"
    config_flags.DEFINE_config_file("config", None, help, values, lock_config=True, sys_argv=list(argv))
    values["config"].parser = _Parser(parse=lambda flag: _filled(to_config(cls()), load(flag)).lock())


class _Parser(flags.ArgumentParser):
    def __init__(self, parse: Callable[[Any], Any]):
        self.parse = parse


_TEXT = _Parser(parse=lambda argument: Text(argument) if isinstance(argument, str) else argument)


def _filled(config: ConfigDict, given: ConfigDict | Mapping) -> ConfigDict:
    """Returns `config` with the keys that are given, section by section."""
    for name, value in given.items():
        nested = isinstance(config.get(name), ConfigDict) and isinstance(value, (ConfigDict, Mapping))
        config[name] = _filled(config[name], value) if nested else value
    return config


def folder() -> Path:
    """The folder of the configs that come with the package: in it where it is installed, beside it in a clone."""
    return next((path for path in (_HERE / "configs", _HERE.parent / "configs") if path.is_dir()), _HERE / "configs")


def headers() -> dict[str, str]:
    """The configs that come with the package: name → the first line of what the file says of itself."""
    found = {}
    for path in sorted(folder().glob("*.py")):
        try:
            found[path.stem] = (ast.get_docstring(ast.parse(path.read_bytes())) or "").partition("\n")[0]
        except (SyntaxError, ValueError, OSError) as error:
            found[path.stem] = f"(cannot be read: {error})"
    return found


def load(flag: str) -> ConfigDict:
    """What `get_config` gives of "FILE.py[:VARIANT]" or "dd_al:NAME[:VARIANT]", or a ConfigError why it gives none."""
    name, path, variant = _find(flag)
    try:
        get_config = runpy.run_path(str(path.absolute())).get("get_config")
        if not callable(get_config):
            raise ConfigError("has no function get_config(arg)")
        takes_variant = bool(inspect.signature(get_config).parameters)
        if variant and not takes_variant:
            raise ConfigError(f"has no variants: leave out {variant!r}")
        config = get_config(variant or None) if takes_variant else get_config()
    except UserError as error:
        raise type(error)(f"{name}: {error}") from error
    except (Exception, SystemExit) as error:  # the file is the user's, and so is whatever goes wrong in it
        # ConfigDict quotes a KeyError's text, line break and all, and then again.
        text = str(error).replace("\\n", ". ").replace("\\'", "").strip("'")
        raise ConfigError(f"{name}{_line(error, path)}: {type(error).__name__}: {text}") from error
    if not isinstance(config, ConfigDict):
        raise ConfigError(f"{name}: get_config returned a {type(config).__name__} instead of a ConfigDict")
    return config


def _find(flag: str) -> tuple[str, Path, str]:
    """The name of a config for messages, its file and its variant."""
    name, _, variant = flag.partition(":")
    if name == _PACKAGE and not Path(name).is_file():
        stem, _, variant = variant.partition(":")
        known = [path.stem for path in folder().glob("*.py")]
        if stem not in known:
            raise ConfigError(f"there is no config {name}:{stem}{nearest(stem, known)}; see --list")
        return f"{name}:{stem}", folder() / f"{stem}.py", variant
    path = Path(name)
    if not path.is_file():
        siblings = [str(other) for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        named = f"; {_PACKAGE}:{path.stem} comes with the package" if (folder() / f"{path.stem}.py").is_file() else None
        raise ConfigError(f"there is no config file {name}{named or nearest(name, siblings)}")
    return name, path, variant


def _line(error: BaseException, path: Path) -> str:
    """Where in the config file an error came from, as ", line 3"; "" if not there."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path.absolute()]
    number = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    return f", line {number}" if number else ""

"""Config files: by path, or by name those that come with the package."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import traceback
from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict

from dd_al.core.errors import ConfigError, UserError, nearest

_PACKAGE = "dd_al"
_HERE = Path(__file__).parent


def folder() -> Path:
    """The folder of the configs that come with the package: in it where it is installed, beside it in a clone."""
    return next((path for path in (_HERE / "configs", _HERE.parent / "configs") if path.is_dir()), _HERE / "configs")


def headers() -> dict[str, str]:
    """The configs that come with the package: name → the first line of what the file says of itself."""
    return {path.stem: _header(path) for path in sorted(folder().glob("*.py"))}


def _header(path: Path) -> str:
    try:
        text = ast.get_docstring(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError, OSError) as error:
        return f"(cannot be read: {error})"
    return (text or "").partition("\n")[0]


def load(flag: str) -> ConfigDict:
    """What `get_config` of a file gives.

    Args:
        flag: "FILE.py", "FILE.py:VARIANT", "dd_al:NAME" or "dd_al:NAME:VARIANT".

    Raises:
        ConfigError: there is no such file, or it gives no config.
    """
    name, path, variant = _find(flag)
    try:
        get_config = getattr(_import_file(path), "get_config", None)
        if not callable(get_config):
            raise ConfigError("has no function get_config(arg)")
        takes_variant = bool(inspect.signature(get_config).parameters)
        if variant and not takes_variant:
            raise ConfigError(f"has no variants: leave out {variant!r}")
        config = get_config(variant or None) if takes_variant else get_config()
    except UserError as error:
        raise type(error)(f"{name}: {error}") from error
    except Exception as error:  # the file is the user's, and so is whatever goes wrong in it
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


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dd_al_config_{path.stem}", path.absolute())
    if spec is None or spec.loader is None:
        raise ConfigError("is no Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line(error: Exception, path: Path) -> str:
    """Where in the config file an error came from, as ", line 3"; "" if not there."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path.absolute()]
    number = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    return f", line {number}" if number else ""

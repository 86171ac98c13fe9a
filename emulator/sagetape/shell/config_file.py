"""The configuration file: where it is looked for, how it is read, and on which line a key stands.

`sagetape.toml`, else the table `[tool.sagetape]` of a `pyproject.toml`, in the working folder or the nearest folder
above it; the search ends at the root of a repository. What the keys mean is `settings.py`'s.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.values import valueclass
from .toml_lines import KeyPath, key_lines, line_of

OWN_NAME = "sagetape.toml"
SHARED_NAME = "pyproject.toml"
SHARED_TABLE: KeyPath = ("tool", "sagetape")


@valueclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file that was read."""

    path: Path
    table: dict[str, Any]
    """Sagetape's own table, as tomllib gives it."""
    lines: dict[KeyPath, int]
    prefix: KeyPath = ()

    @property
    def folder(self) -> Path:
        """What relative paths in the file are relative to, and the first place where functions are imported from."""
        return self.path.parent

    def place(self, *key: str | int) -> str:
        """`sagetape.toml:12` for a key: the start of a problem's sentence."""
        return f"{shown(self.path)}:{line_of(self.prefix + key, self.lines)}"


def shown(path: Path) -> str:
    """A path as short as it stays right: relative when it is below the working folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:  # not below it: the whole path is the only right name
        return str(path)


def find_config(start: Path) -> ConfigFile | None:
    """The nearest configuration file at or above a folder; None when there is none."""
    for folder in (start, *start.parents):
        if (folder / OWN_NAME).is_file():
            return read_config(folder / OWN_NAME)
        if (folder / SHARED_NAME).is_file() and (shared := read_config(folder / SHARED_NAME)).table:
            return shared
        if (folder / ".git").exists():
            break
    return None


def read_config(path: Path) -> ConfigFile:
    """Reads one file, whatever its name. Raises ConfigError when it is missing, unreadable or not TOML."""
    path = path.absolute()
    try:
        source = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(missing_text(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown(path)}: cannot be read ({error}). Make it a readable file in UTF-8.") from error
    try:
        table: Any = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(syntax_text(path, error)) from error
    prefix = SHARED_TABLE if path.name == SHARED_NAME else ()
    for key in prefix:
        table = table.get(key, {})
    return ConfigFile(path, table, key_lines(source), prefix)


def missing_text(path: Path) -> str:
    """Why a file that was named cannot be used, and the nearest one."""
    near = next((path.parent / name for name in (OWN_NAME, SHARED_NAME) if (path.parent / name).is_file()), None)
    nearest = f" The nearest is {shown(near)}." if near else " There is no configuration file in its folder either."
    return (
        f"{shown(path)}: no such configuration file.{nearest} Correct --config, or leave it out to have it looked for."
    )


def syntax_text(path: Path, error: tomllib.TOMLDecodeError) -> str:
    """A syntax error as one sentence with its place first."""
    text = str(error)
    found = re.search(r" \(at line (\d+), column \d+\)$", text)
    line, cause = (
        (found.group(1), text[: found.start()]) if found else ("1", text.removesuffix(" (at end of document)"))
    )
    return f"{shown(path)}:{line}: not valid TOML: {cause}. Texts need quotes, and a key stands once in its table."

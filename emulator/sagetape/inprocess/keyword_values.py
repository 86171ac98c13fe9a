"""The values of keywords, judged as those of the configuration file are: for `Emulator`, `attach` and markers alike.

Decides by the table of settings (`shell/setting_rows.py`) what a value may be, and says the nearest word that would
have worked. Refuses to guess: a text is no number, and no text counts as true. Python's own spellings are taken: a
tuple or set for a list, any path for a path, a number of seconds for a length of time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..core.errors import ConfigError
from ..core.values import valueclass
from ..core.wire import INSTANT_MAX
from ..shell.clock import VirtualClock
from ..shell.setting_kinds import FilePath, Kind, Number, Several, Span, Switch, Table, sentence
from ..shell.setting_rows import BY_NAME

TABLES: Final[dict[type, tuple[Any, str]]] = {dict: (Mapping, "a dict"), list: (list | tuple, "a list of dicts")}


@valueclass(frozen=True, slots=True)
class Unlisted:
    """A setting that only Python can give, so that no row speaks of it."""

    kind: Kind
    help: str


UNLISTED: Final = {
    "is_replay": Unlisted(Switch(), "Ask no upstream at all."),
    "python_path": Unlisted(FilePath(), "Where functions are imported from."),
    "config_path": Unlisted(FilePath(), "The configuration file that relative names are of."),
}


def judged(name: str, value: Any, problems: list[str], *, owner: str) -> Any:
    """The value of one keyword; what is wrong with it is a sentence more in `problems`."""
    row = BY_NAME.get(name) or UNLISTED.get(name)
    if row is None:
        return value
    try:
        return read(row.kind, value)
    except ValueError as error:
        problems.append(f"keywords of {owner}: {name} {sentence(python_words(str(error)))} {row.help}")
        return value


def read(kind: Kind, value: Any) -> Any:
    """A value by its kind. Raises ValueError with the rest of a sentence."""
    if isinstance(kind, Several):
        parts = value if isinstance(value, list | tuple | set | frozenset) else [value]
        return tuple(read(kind.kind, part) for part in parts)
    if isinstance(kind, Table):
        wanted, described = TABLES[kind.kind]
        if not isinstance(value, wanted):
            raise ValueError(f"must be {described}, not {value!r}")
        return value
    if isinstance(kind, FilePath) and isinstance(value, os.PathLike):
        return Path(value)
    if isinstance(kind, Span):
        return kind.from_text(value) if isinstance(value, str) else Number(0).from_toml(value)
    if callable(value) and kind.metavar == "UPSTREAM":
        raise ValueError(f"names a function as text: write {function_name(value)!r}, not the function itself")
    return kind.from_toml(value)


def advanced(clock: object, seconds: object, *, owner: str) -> float:
    """Moves a deck's virtual clock ahead; the new Unix time. Raises ConfigError for a real clock, and for no time."""
    if not isinstance(clock, VirtualClock):
        raise ConfigError(f'{owner}\'s clock is real and moves by itself. Make it with clock="virtual".')
    return clock.advance(seconds_from(seconds, most=INSTANT_MAX - clock.now()))


def seconds_from(value: object, *, most: float = INSTANT_MAX) -> float:
    """How far time is to move ahead. Raises ConfigError for what is no length of time."""
    try:
        return Number(0, most).from_toml(value)
    except ValueError as error:
        raise ConfigError(f"advance(seconds): seconds {sentence(str(error))} Time moves forward only.") from None


def function_name(function: Any) -> str:
    """A function as an upstream is written."""
    module, name = getattr(function, "__module__", "module"), getattr(function, "__qualname__", "name")
    return f"function:{module}:{name}"


def python_words(text: str) -> str:
    """The words for a file, where they differ, as those for a Python call."""
    return text.replace(" in quotes", "").replace("true or false", "True or False")

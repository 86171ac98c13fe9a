"""Functions that match rules name: which of them are imported, and the matcher made with them.

A cassette may come from anybody, and its rules may name any function of any module. Importing a module runs it, so a
name counts only when the user gave it too: in the user's own match rules, by the setting `allowed_custom`, or, for
the commands that take no settings, by its variable. Refuses all others before anything is imported.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from ..core.errors import ConfigError
from ..core.matching import Matcher, MatchRules
from .upstreams.modules import find_function, import_first

VARIABLE: Final = "SAGETAPE_ALLOWED_CUSTOM"
"""Of the setting `allowed_custom`."""

_ALLOWED: Final[ContextVar[tuple[str, ...]]] = ContextVar("sagetape_allowed_custom", default=())


def matcher_with(rules: MatchRules, folder: Path, *, allowed: Collection[str]) -> Matcher:
    """The matcher of rules, their functions imported from `folder`. Raises ConfigError for one not allowed."""
    refused = [name for name in rules.custom if name not in allowed]
    if refused:
        names = ", ".join(refused)
        raise ConfigError(
            f"The cassette's match rules name code of this machine: {names}. It is not imported, because a "
            "cassette may come from anybody. When you know and trust it, allow it by name: "
            f"--allow-custom {refused[0]}, or {VARIABLE}={','.join(refused)}."
        )
    names_of = [name.split(":") for name in rules.custom]
    return Matcher(rules, custom=[find_function(import_first(module, folder), name) for module, name in names_of])


def named_in(match: Mapping[str, Any]) -> tuple[str, ...]:
    """The functions that the user's own match rules name: with that they are allowed. Raises ConfigError."""
    return MatchRules.from_dict(match).custom if match else ()


@contextmanager
def allowing(names: Collection[str]) -> Iterator[None]:
    """What a command line allows, while the command runs."""
    token = _ALLOWED.set(tuple(names))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def allowed_for_commands() -> tuple[str, ...]:
    """What the command line and the variable of the setting allow together."""
    return _ALLOWED.get() + tuple(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())

"""Keywords of Python calls as settings and faults: the tables and texts of the configuration file, as Python values."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..core.errors import ConfigError
from ..core.faults.parsing import parse_rule, parse_text
from ..core.faults.selection import Rule
from ..shell.config_file import ConfigFile
from ..shell.setting_kinds import sentence, suggestion
from ..shell.setting_tables import TABLE_READERS
from ..shell.settings import ServerSettings
from .keyword_values import judged

OPTIONAL = tuple(item.name for item in dataclasses.fields(ServerSettings) if item.default is None)
"""Keywords that None leaves out."""
NAMED: Final[dict[Path, float]] = {}
"""Cassettes that this process was told to play, and when (`time.monotonic`): others may be of no use to anybody."""


def settings_from(given: Mapping[str, Any], *, owner: str = "Emulator") -> ServerSettings:
    """Settings from keywords: tables are read as those of the configuration file are. Raises ConfigError."""
    values = dict(given)
    known = [item.name for item in dataclasses.fields(ServerSettings)]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise ConfigError([f"keywords of {owner}: {unknown_keyword(name, known)}" for name in unknown])
    problems: list[str] = []
    for name in [name for name, value in values.items() if value is None and name in OPTIONAL]:
        del values[name]
    for name in values:
        if name != "faults":
            values[name] = judged(name, values[name], problems, owner=owner)
    if "faults" in values:
        values["faults"] = tuple(faults_from(values["faults"], problems, owner=owner))
    if not problems:
        read_tables(values, problems, owner=owner)
    if problems:
        raise ConfigError(problems)
    try:
        settings = ServerSettings(**values)
    except TypeError as error:
        raise ConfigError(f"{error}. The keywords are the fields of ServerSettings.") from None
    NAMED.update(dict.fromkeys((path.absolute() for path in settings.cassettes), time.monotonic()))
    return settings


def read_tables(values: dict[str, Any], problems: list[str], *, owner: str) -> None:
    """Reads the tables among keywords as those of the configuration file are read."""
    tables = {name: values[name] for name in TABLE_READERS if name in values}
    file = ConfigFile(Path.cwd() / f"keywords of {owner}", tables, {})
    for name, reader in TABLE_READERS.items():
        if name in tables and name != "faults":
            values[name] = reader(tables[name], file, problems)


def faults_from(given: Any, problems: list[str], *, owner: str) -> Iterator[Rule]:
    """The rules of the keyword `faults`: one, or several."""
    several = given if isinstance(given, list | tuple | set | frozenset) else [given]
    for fault in several:
        try:
            yield fault_from(fault, {})
        except ConfigError as error:
            problems += [f"keywords of {owner}: faults: {problem}" for problem in error.problems]


def unknown_keyword(name: str, known: Iterable[str]) -> str:
    """What is said about a keyword that is no setting: the fields of `ServerSettings` are."""
    return f"{sentence(f'there is no {name!r}{suggestion(name, known)}')} Correct the name or leave it out."


def fault_from(fault: str | Mapping[str, Any] | Rule, parameters: Mapping[str, Any]) -> Rule:
    """A rule from a text, from a name with keywords, or from a table."""
    if isinstance(fault, Rule):
        return fault
    if isinstance(fault, Mapping):
        return parse_rule({**fault, **parameters})
    if not isinstance(fault, str):
        raise ConfigError(
            f'{fault!r} is no fault. Write a text such as "throttle:endpoint=churn", or a dict with the key fault.'
        )
    if parameters:
        return parse_rule({"fault": fault, **parameters}, place=f"fault {fault}")
    return parse_text(fault, place=f"fault {fault!r}")

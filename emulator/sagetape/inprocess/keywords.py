"""Keywords of Python calls as settings and faults: the tables and texts of the configuration file, as Python values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.faults.parsing import parse_rule, parse_text
from ..core.faults.selection import Rule
from ..shell.config_file import ConfigFile
from ..shell.setting_kinds import sentence, suggestion
from ..shell.setting_tables import TABLE_READERS
from ..shell.settings import ServerSettings

LISTS = ("upstream", "host", "allowed_hosts", "regions")
PATHS = ("record_to", "port_file", "token_file", "python_path")


def settings_from(given: Mapping[str, Any], *, owner: str = "Emulator") -> ServerSettings:
    """Settings from keywords: tables are read as those of the configuration file are. Raises ConfigError."""
    values = dict(given)
    known = [item.name for item in dataclasses.fields(ServerSettings)]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise ConfigError([f"keywords of {owner}: {unknown_keyword(name, known)}" for name in unknown])
    faults = values.get("faults")
    if faults is not None:
        values["faults"] = tuple(fault_from(fault, {}) for fault in ([faults] if isinstance(faults, str) else faults))
    file = ConfigFile(Path.cwd() / f"keywords of {owner}", {k: values[k] for k in TABLE_READERS if k in values}, {})
    problems: list[str] = []
    for name, read in TABLE_READERS.items():
        if name in values and name != "faults":
            values[name] = read(values[name], file, problems)
    for name in LISTS:
        if isinstance(values.get(name), str):
            values[name] = (values[name],)
    if isinstance(values.get("upstream"), list):
        values["upstream"] = tuple(values["upstream"])
    for name in PATHS:
        if values.get(name) is not None:
            values[name] = Path(values[name])
    if problems:
        raise ConfigError(problems)
    try:
        return ServerSettings(**values)
    except TypeError as error:
        raise ConfigError(f"{error}. The keywords are the fields of ServerSettings.") from None


def unknown_keyword(name: str, known: Iterable[str]) -> str:
    """What is said about a keyword that is no setting: the fields of `ServerSettings` are."""
    return f"{sentence(f'there is no {name!r}{suggestion(name, known)}')} Correct the name or leave it out."


def fault_from(fault: str | Mapping[str, Any] | Rule, parameters: Mapping[str, Any]) -> Rule:
    """A rule from a text, from a name with keywords, or from a table."""
    if isinstance(fault, Rule):
        return fault
    if isinstance(fault, Mapping):
        return parse_rule({**fault, **parameters})
    if parameters:
        return parse_rule({"fault": fault, **parameters})
    return parse_text(fault)

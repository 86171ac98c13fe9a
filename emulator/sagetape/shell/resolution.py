"""From flags, variables, a file and defaults to one `ServerSettings`; every problem is listed at once, with its place.

A flag beats a variable, a variable the file, the file the default. Decides what the values mean together; whether a
port is free or a cassette is intact is found out by who opens it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from .cassette_paths import check_present, expand, recorded_apart, unmatched
from .config_file import ConfigFile, find_config, read_config, shown
from .consistency import contradictions
from .setting_kinds import sentence, unknown_key
from .setting_rows import BY_NAME, FILE, FILE_KEYS, FLAG, ROWS, STRICT_LIMITS, VARIABLE, Row
from .setting_tables import TABLE_READERS, table_contradictions
from .settings import STRICT_BODY_BYTES_MAX, ServerSettings
from .variables import own_variables, unknown_variables

CONFIG_VARIABLE = "SAGETAPE_CONFIG"
NO_CONFIG_VARIABLE = "SAGETAPE_NO_CONFIG"

# A command's own default, and what it insists on whatever the other layers say.
COMMAND_DEFAULTS: dict[str, dict[str, Any]] = {"record": {"mode": "new_episodes"}}
COMMAND_RULES: dict[str, dict[str, Any]] = {"replay": {"mode": "none", "is_replay": True}}


@dataclass(slots=True)
class Layers:
    """What the four layers say together: values by field, and where each that is no default was said."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    """Fields whose value could not be read; rules that need them have nothing to say."""
    doubts: list[str] = field(default_factory=list)
    """What may not be meant so, and is no mistake yet."""

    def place(self, name: str) -> str:
        """Where a field's value was said, for a message."""
        return self.places.get(name, "the default")


def settings_for(
    command: str,
    flags: Mapping[str, Any],
    *,
    environ: Mapping[str, str],
    folder: Path,
    config: Path | None = None,
    uses_config: bool = True,
    spelled: Mapping[str, str] | None = None,
) -> ServerSettings:
    """The settings of one command. `flags` holds read values by field; what was not given is absent.
    `spelled` names a field as the command's user wrote it, where that is not the setting's own flag.

    Raises ConfigError with every problem, or CassetteMissing when only a cassette is not there.
    """
    environ = own_variables(environ)
    file = chosen_config(environ, folder=folder, config=config) if uses_config else None
    layers = gather(flags, environ, file=file)
    layers.places.update({name: text for name, text in (spelled or {}).items() if flags.get(name) is not None})
    layers.problems += unknown_variables(environ)
    prepare(layers, command)
    read_tables(layers, file)
    resolve_paths(layers, folder, file=file)
    settings = build(layers, folder, file=file)
    layers.problems += contradictions(settings, layers.place, failed=layers.failed)
    if settings.endpoints:
        layers.problems += table_contradictions(settings, file)
    if layers.problems:
        raise ConfigError(layers.problems)
    check_present(settings)
    return dataclasses.replace(settings, doubts=tuple(layers.doubts))


def chosen_config(environ: Mapping[str, str], *, folder: Path, config: Path | None) -> ConfigFile | None:
    """The file that a flag or a variable names, else the nearest one; None when there is none or none is wanted."""
    if config is not None:
        return read_config(config)
    if environ.get(NO_CONFIG_VARIABLE, "") not in ("", "0", "false", "no", "off"):
        return None
    named = environ.get(CONFIG_VARIABLE)
    return read_config(Path(named)) if named else find_config(folder)


def gather(flags: Mapping[str, Any], environ: Mapping[str, str], *, file: ConfigFile | None) -> Layers:
    """Each setting from the highest layer that says it. A lower layer's mistakes are reported all the same."""
    layers = Layers()
    for row in ROWS:
        if file is not None and FILE in row.sources and row.file_key in file.table:
            read_into(layers, row, file.place(row.file_key), read=row.kind.from_toml, raw=file.table[row.file_key])
        if VARIABLE in row.sources and environ.get(row.variable):
            read_into(layers, row, row.variable, read=row.kind.from_text, raw=environ[row.variable])
        if FLAG in row.sources and flags.get(row.name) is not None:
            layers.values[row.name], layers.places[row.name] = flags[row.name], row.option
    if file is not None:
        layers.problems += unknown_keys(file)
    return layers


def read_into(layers: Layers, row: Row, place: str, *, read: Any, raw: Any) -> None:
    """Reads one value, or notes why it cannot be read."""
    try:
        layers.values[row.name] = read(raw)
        layers.places[row.name] = place
    except ValueError as error:
        name = f"{row.file_key} " if place != row.variable else ""
        layers.problems.append(f"{place}: {name}{sentence(str(error))} {row.help}")
        layers.failed.add(row.name)


def unknown_keys(file: ConfigFile) -> list[str]:
    """A sentence for every key of the file's root that is no setting."""
    return [f"{file.place(key)}: {unknown_key(key, FILE_KEYS)}" for key in file.table if key not in FILE_KEYS]


def prepare(layers: Layers, command: str) -> None:
    """Puts in what the command itself says, and folds `strict_limits` into the limit it stands for."""
    for name, value in COMMAND_DEFAULTS.get(command, {}).items():
        if layers.values.get(name, "none") == "none" and layers.places.get(name) != BY_NAME[name].option:
            layers.values[name] = value
    for name, value in COMMAND_RULES.get(command, {}).items():
        layers.values[name] = value
        layers.places[name] = f"the command {command}"
    if layers.values.pop(STRICT_LIMITS.name, False):
        layers.values["body_bytes_max"] = STRICT_BODY_BYTES_MAX


def read_tables(layers: Layers, file: ConfigFile | None) -> None:
    """Turns the file's tables into values, each by the reader of the room that owns it."""
    for name, read in TABLE_READERS.items():
        if file is not None and name in layers.values:
            count = len(layers.problems)
            layers.values[name] = read(layers.values[name], file, layers.problems)
            if len(layers.problems) > count:
                layers.failed.add(name)


def resolve_paths(layers: Layers, folder: Path, *, file: ConfigFile | None) -> None:
    """Makes paths absolute: the file's from its own folder and with globs, any other from the working folder."""
    for name in ("cassettes", "record_to", "port_file", "token_file", "upstream_ca"):
        if name not in layers.values:
            continue
        is_from_file = file is not None and ":" in layers.place(name)
        base = file.folder if file is not None and is_from_file else folder
        if name == "cassettes":
            if is_from_file:
                note_unmatched(layers, base)
            layers.values[name] = expand(layers.values[name], base, globs=is_from_file)
        else:
            layers.values[name] = base / layers.values[name]


def note_unmatched(layers: Layers, base: Path) -> None:
    """Patterns of the file that find nothing: a doubt, and under `strict` a mistake."""
    noted = layers.problems if layers.values.get("strict") else layers.doubts
    noted += [
        f"{layers.place('cassettes')}: the pattern {pattern} finds no cassette below {shown(base)}. "
        "Correct it, or remove it until there is one."
        for pattern in unmatched(layers.values["cassettes"], base)
    ]


def build(layers: Layers, folder: Path, *, file: ConfigFile | None) -> ServerSettings:
    """The settings themselves, with the recording told apart from what is only played."""
    known = {item.name for item in dataclasses.fields(ServerSettings)}
    values = {name: value for name, value in layers.values.items() if name in known}
    values["config_path"] = file.path if file else None
    values["python_path"] = file.folder if file else folder
    return recorded_apart(ServerSettings(**values))

"""The `[endpoints.<name>]` tables as `core.endpoints.Endpoint` values.

Keys are the fields of the dataclasses there, so that a field added there is a key here. Decides types and names; what
contradicts itself is `core/endpoint_rules.py`'s.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ..core.endpoints import Endpoint
from .config_file import ConfigFile
from .setting_kinds import Choice, Kind, Number, Several, Switch, Text, sentence, unknown_key
from .upstream_kind import Upstream

# Keys that read better than the fields' names, which are predicates.
KEYS: Final = {"is_async": "async", "is_cached": "cached"}
NAME_FIELDS: Final = ("name", "hostname")
"""What a table's own name fills: `variants.blue` is the variant named `blue`."""

KINDS: Final[dict[Any, Kind]] = {
    str: Text(),
    bool: Switch(),
    int: Number(0, 2**31 - 1, whole=True),
    float: Number(0, 1e9),
    tuple[str, ...]: Several(Text()),
}


@dataclasses.dataclass(slots=True)
class Reading:
    """One file's endpoints being read: where sentences about them go."""

    file: ConfigFile
    problems: list[str]

    def note(self, path: tuple[str | int, ...], text: str) -> None:
        """Adds a sentence about the key at a path, with its place."""
        self.problems.append(f"{self.file.place(*path)}: {text}")


def read_endpoints(tables: Mapping[str, Any], file: ConfigFile, problems: list[str]) -> dict[str, Endpoint]:
    """All endpoints by name; one with a problem is left out."""
    reading = Reading(file, problems)
    found: dict[str, Endpoint] = {}
    for name, table in tables.items():
        count = len(problems)
        value = read_value(Endpoint, table, reading, path=("endpoints", name))
        if len(problems) == count:
            found[name] = with_stream_limit(value, table)
    return found


def with_stream_limit(endpoint: Endpoint, table: Mapping[str, Any]) -> Endpoint:
    """A limit that was given holds for streams too, unless they were given one of their own."""
    if "timeout_s" in table and "stream_timeout_s" not in table:
        return dataclasses.replace(endpoint, stream_timeout_s=endpoint.timeout_s)
    return endpoint


def read_value(kind: Any, table: Any, reading: Reading, *, path: tuple[str | int, ...]) -> Any:
    """A dataclass from a table; None, and sentences, when something in it is wrong."""
    if not isinstance(table, dict):
        reading.note(path, f"{path[-1]} must be a table, not {table!r}. Write [{'.'.join(map(str, path))}] above it.")
        return None
    hints = typing.get_type_hints(kind)
    names = {KEYS.get(item.name, item.name): item.name for item in dataclasses.fields(kind)}
    own = [name for name in names if name in NAME_FIELDS]
    values: dict[str, Any] = dict.fromkeys(own, path[-1])
    for key, raw in table.items():
        if key not in names or key in own:
            reading.note((*path, key), unknown_key(key, names.keys() - own, owner=str(path[-1])))
            continue
        values[names[key]] = read_field(hints[names[key]], raw, reading, path=(*path, key))
    return None if None in values.values() else kind(**values)


def read_field(hint: Any, raw: Any, reading: Reading, *, path: tuple[str | int, ...]) -> Any:
    """One value of the type that a field has."""
    kind = without_none(hint)
    if dataclasses.is_dataclass(kind):
        return read_value(kind, raw, reading, path=path)
    inner = typing.get_args(kind)[:1]
    if inner and dataclasses.is_dataclass(inner[0]):
        return read_named(inner[0], raw, reading, path=path)
    judge = judge_of(kind, str(path[-1]))
    try:
        value = judge.from_toml(raw)
    except ValueError as error:
        reading.note(path, f"{path[-1]} {sentence(str(error))}")
        return None
    return kind(value) if isinstance(judge, Choice) else value


def judge_of(kind: Any, key: str) -> Kind:
    """How a value of a plain type is read. An upstream has the type of any list of texts, and its name."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Choice(tuple(item.value for item in kind))
    return Several(Upstream()) if key == "upstream" else KINDS[kind]


def read_named(kind: Any, tables: Any, reading: Reading, *, path: tuple[str | int, ...]) -> tuple[Any, ...] | None:
    """A table of tables as a tuple of dataclasses, each with its table's name."""
    if not isinstance(tables, dict):
        reading.note(path, f"{path[-1]} must be tables by name, as in {path[-1]}.first = {{ ... }}, not {tables!r}.")
        return None
    return tuple(read_value(kind, table, reading, path=(*path, name)) for name, table in tables.items())


def without_none(hint: Any) -> Any:
    """The type itself of `type | None`."""
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint

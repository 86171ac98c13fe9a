"""A small path language into JSON: the one that ignored and scrubbed paths are written in.

    a.b          member b of member a              "a b"."c.d"   members with any name, quoted as in JSON
    a[0]         element 0                         a[*].b        member b of every element
    *.b          member b of every member

It is a subset of JMESPath (https://jmespath.org/specification.html: identifiers, quoted identifiers, index and
wildcard expressions) without functions, filters, slices and negative indexes: a path names places, it computes
nothing. A leading `$.` is taken for the root, as in JSONPath. `find_spans` locates the places in the text itself, so
that a value can be replaced without writing the rest of the document again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from .errors import ConfigError

Step: TypeAlias = "str | int | None"
"""A member's name, an element's index, or None for every member or element."""

Path: TypeAlias = "tuple[Step, ...]"

PATH_CHARS_MAX: Final = 512
DEPTH_MAX: Final = 64

_TOKEN = re.compile(r'\.?(?:([A-Za-z_][A-Za-z0-9_-]*)|("(?:[^"\\]|\\.)*")|(\*))|\[(?:([0-9]{1,9})|(\*))\]')
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def parse_path(text: str) -> Path:
    """The steps of a path. Raises `ConfigError` for anything outside the subset."""
    if len(text) > PATH_CHARS_MAX:
        raise ConfigError(f"The JSON path {text[:40]!r}... is longer than {PATH_CHARS_MAX} characters. Shorten it.")
    body = text[2:] if text.startswith("$.") else text[1:] if text.startswith("$[") else text
    steps: list[Step] = []
    position = 0
    while position < len(body):
        found = _TOKEN.match(body, position)
        if found is None or not _starts_rightly(body, position):
            raise _outside_subset(text)
        steps.append(_step_of(found))
        position = found.end()
    if not steps or len(steps) > DEPTH_MAX:
        raise _outside_subset(text)
    return tuple(steps)


def find_spans(text: str, path: Path) -> list[tuple[int, int]]:
    """Where the values at `path` stand in a JSON text, as (start, end) in characters. Empty when it is not JSON."""
    try:
        start = _skip(text, 0)
        end = _end_of_value(text, start)
        if _skip(text, end) != len(text):
            return []
        return list(_walk(text, start, path))
    except (ValueError, IndexError, RecursionError):
        return []  # not JSON, or nested beyond what the parser takes: there is no such place


def has_value(value: object, path: Path) -> bool:
    """Whether a parsed document has something at the path."""
    if not path:
        return True
    return any(has_value(inner, path[1:]) for inner in _children(value, path[0]))


def _children(value: object, step: Step) -> Iterator[object]:
    if isinstance(value, dict):
        if step is None:
            yield from value.values()
        elif step in value:
            yield value[step]
    elif isinstance(value, list):
        if step is None:
            yield from value
        elif isinstance(step, int) and step < len(value):
            yield value[step]


def _starts_rightly(body: str, position: int) -> bool:
    """A name needs a dot before it, except at the start; a bracket never does."""
    if position == 0:
        return body[0] != "."
    return body[position] in ".["


def _step_of(found: re.Match[str]) -> Step:
    name, quoted, _, index, _ = found.groups()
    if name is not None:
        return name
    if quoted is not None:
        try:
            return str(json.loads(quoted))
        except ValueError:
            raise _outside_subset(quoted) from None
    return int(index) if index is not None else None


def _outside_subset(text: str) -> ConfigError:
    return ConfigError(
        f"The JSON path {text!r} is not one that names places. "
        'Known forms: a.b, a[0], a[*].b, *.b, "any name".b. Write it with these.'
    )


# --- places in a text ---------------------------------------------------------------------------------------------


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _end_of_value(text: str, start: int) -> int:
    return _DECODER.raw_decode(text, start)[1]


def _walk(text: str, start: int, path: Path) -> Iterator[tuple[int, int]]:
    if not path:
        yield start, _end_of_value(text, start)
    elif text[start] == "{":
        for name, position in _members(text, start):
            if path[0] is None or path[0] == name:
                yield from _walk(text, position, path[1:])
    elif text[start] == "[":
        for index, position in enumerate(_elements(text, start)):
            if path[0] is None or path[0] == index:
                yield from _walk(text, position, path[1:])


def _members(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Name and place of the value, for every member of the object that starts here, duplicates too."""
    position = _skip(text, start + 1)
    while text[position] == '"':
        name, position = _DECODER.raw_decode(text, position)
        value = _skip(text, _skip(text, position) + 1)
        yield name, value
        position = _next_item(text, value)


def _elements(text: str, start: int) -> Iterator[int]:
    position = _skip(text, start + 1)
    while text[position] != "]":
        yield position
        position = _next_item(text, position)


def _next_item(text: str, value: int) -> int:
    """Where the item after this value starts, or the closing bracket."""
    position = _skip(text, _end_of_value(text, value))
    return _skip(text, position + 1) if text[position] == "," else position

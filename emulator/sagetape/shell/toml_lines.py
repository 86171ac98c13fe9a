"""Which line of a TOML document holds a key: tomllib gives values without places.

It reads just enough TOML (https://toml.io/en/v1.0.0) to find where statements begin: comments, strings and brackets.
It judges nothing and never raises: a document that tomllib accepted is located, any other gives what was understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys from the root; an integer counts the tables of an array of tables from 0."""

# What can hide a bracket, a `#` or a line end; the longer forms first.
TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'|" r"#[^\n]*|[\[{]|[\]}]|\n",
    re.DOTALL,
)
KEY_PART = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")


def statements(source: str) -> Iterator[tuple[int, str]]:
    """Each statement's first line (from 1) and its text: a header, or a key with its whole value."""
    line, start, start_line, depth = 1, 0, 1, 0
    for match in TOKEN.finditer(source + "\n"):
        token = match.group()
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
        elif token == "\n" and depth <= 0:
            yield start_line, source[start : match.start()]
            start, start_line, depth = match.end(), line + 1, 0
        line += token.count("\n")


def key_parts(text: str) -> tuple[list[str], int]:
    """A dotted key at the start of a text, and where it ends."""
    parts: list[str] = []
    position = 0
    while match := KEY_PART.match(text, position):
        parts.append(next(group for group in match.groups() if group is not None))
        position = match.end()
        if text[position : position + 1] != ".":
            break
        position += 1
    return parts, position


def key_lines(source: str) -> dict[KeyPath, int]:
    """The line of every header and key of a document. Keys inside a value have the line of their statement."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, text in statements(source):
        stripped = text.strip()
        if stripped.startswith("[["):
            table = with_indices(tuple(key_parts(stripped[2:])[0]), counts, opens=True)
        elif stripped.startswith("["):
            table = with_indices(tuple(key_parts(stripped[1:])[0]), counts)
        else:
            parts, _ = key_parts(stripped)
            note(lines, table + tuple(parts), line)
            continue
        note(lines, table, line)
    return lines


def note(lines: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    """Notes the line of a key, and of the tables on the way to it that nothing named before."""
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], line)


def with_indices(names: KeyPath, counts: dict[KeyPath, int], *, opens: bool = False) -> KeyPath:
    """A header's path with the number of the current table after each array of tables on it."""
    path: KeyPath = ()
    for position, name in enumerate(names):
        path += (name,)
        if opens and position == len(names) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    """The line of a key, else of the nearest table around it, else 1."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1

"""What is printed where: data on standard output, everything else on standard error, colour only on a terminal.

https://no-color.org and https://clig.dev say when colour is wanted; text from cassettes is made harmless before it is
printed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import click

NAME = "sagetape"


def wants_colour(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Whether a stream is to be coloured."""
    variables = os.environ if environ is None else environ
    if variables.get("NO_COLOR"):
        return False
    if variables.get("FORCE_COLOR"):
        return True
    return stream.isatty() and variables.get("TERM") != "dumb"


def painted(text: str, colour: str, stream: TextIO) -> str:
    """The text in a colour, where the stream wants one."""
    return click.style(text, fg=colour) if wants_colour(stream) else text


def complain(text: str) -> None:
    """An error on standard error: one line, or a count and a line for each."""
    stream = sys.stderr
    prefix = painted(f"{NAME}: error:", "red", stream)
    lines = [harmless(line) for line in text.splitlines()] or [""]
    if len(lines) == 1:
        tell(f"{prefix} {lines[0]}")
        return
    tell(f"{prefix} {len(lines)} problems")
    for line in lines:
        tell(f"  - {line}")


def warn(text: str) -> None:
    """A warning on standard error."""
    tell(f"{painted(f'{NAME}: warning:', 'yellow', sys.stderr)} {harmless(text)}")


def tell(text: str) -> None:
    """A line on standard error, as it is."""
    click.echo(text, err=True, color=wants_colour(sys.stderr))


def emit(text: str) -> None:
    """A line of data on standard output."""
    click.echo(text, color=wants_colour(sys.stdout))


def emit_json(value: Any) -> None:
    """One JSON value on one line, for a machine."""
    emit(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def harmless(text: str) -> str:
    """The text without control characters: what a cassette or a server says cannot move the cursor or set a title."""
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be, two spaces between, no line longer than its text."""
    whole = [list(head), *([harmless(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in whole) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in whole]


def painted_verdict(text: str, *, is_good: bool) -> str:
    """The last line of a run."""
    return f"{painted(f'{NAME}: verdict:', 'green' if is_good else 'red', sys.stderr)} {harmless(text)}"

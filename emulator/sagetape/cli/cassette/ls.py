"""`sagetape cassette ls`: one line per interaction."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ...core.cassette import Summary
from ...shell.store import Cassette
from ..terminal import emit, emit_json, table_lines
from .files import cassettes_argument, json_option, opened

HEAD = ("#", "endpoint", "operation", "status", "request", "answer", "recorded", "notes")


@click.command()
@cassettes_argument
@json_option
def ls(paths: tuple[Path, ...], as_json: bool) -> None:
    """List the interactions of each CASSETTE; sizes are in bytes."""
    for path in paths:
        with opened(path) as cassette:
            if as_json:
                emit_json(described(path, cassette))
            else:
                print_listing(path, cassette)


def print_listing(path: Path, cassette: Cassette) -> None:
    """One cassette as a heading and a table."""
    count = len(cassette)
    emit(f"{path}: {count} interaction{'' if count == 1 else 's'}, {path.stat().st_size} bytes")
    if count:
        for line in table_lines(HEAD, map(row, cassette.summaries())):
            emit(f"  {line}")


def row(one: Summary) -> tuple[str, ...]:
    """One interaction as cells."""
    return (
        str(one.number),
        one.endpoint,
        one.operation.removeprefix("InvokeEndpoint") or "InvokeEndpoint",
        str(one.status or "-"),
        str(one.request_bytes),
        str(one.response_bytes),
        when(one),
        ", ".join(notes(one)),
    )


def when(one: Summary) -> str:
    """The time of a recording in UTC, to the second."""
    return datetime.fromtimestamp(one.recorded_at, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def notes(one: Summary) -> list[str]:
    """What a reader should know besides."""
    said = []
    if one.session is not None:
        said.append(f"session {one.session.lane} step {one.session.step}")
    if not one.is_complete:
        said.append("breaks off")
    if one.is_synthetic:
        said.append("not from a model")
    return said


def described(path: Path, cassette: Cassette) -> dict[str, Any]:
    """One cassette for a machine."""
    return {
        "cassette": str(path),
        "bytes": path.stat().st_size,
        "interactions": [
            {
                "number": one.number,
                "key": one.key.hex(),
                "endpoint": one.endpoint,
                "operation": one.operation,
                "status": one.status,
                "request_bytes": one.request_bytes,
                "response_bytes": one.response_bytes,
                "recorded_at": one.recorded_at,
                "is_complete": one.is_complete,
                "is_synthetic": one.is_synthetic,
                "session": None if one.session is None else {"lane": one.session.lane, "step": one.session.step},
            }
            for one in cassette.summaries()
        ],
    }

"""`sagetape cassette ls`: one line per interaction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from ...core.cassette import Summary
from ...core.meaning.comparison import counted
from ...shell.store import Cassette
from ..terminal import complain, emit, emit_json, harmless, table_lines
from .files import cassettes_argument, json_option, opened, option
from .views import moment

HEAD = ("#", "endpoint", "operation", "status", "request", "answer", "recorded", "notes")


TOO_LARGE: Final = 3  # a failed check
UNITS: Final = {"": 1, "k": 1000, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


@click.command()
@cassettes_argument
@option("--sizes", is_flag=True, help="One line per endpoint with its sizes, the largest first.")
@option("--max-size", metavar="SIZE", help="End with 3 when a CASSETTE is larger: 500k, 2MB, 1.5GiB, or bytes.")
@json_option
@click.pass_context
def ls(ctx: click.Context, /, paths: tuple[Path, ...], sizes: bool, max_size: str | None, as_json: bool) -> None:
    """List the interactions of each CASSETTE; sizes are in bytes.

    Reads where things are and not every byte: `sagetape cassette verify` checks them all.
    """
    limit = None if max_size is None else parsed_size(max_size)
    is_over = False
    for path in paths:
        with opened(path) as cassette:
            if as_json:
                emit_json({**described(path, cassette), "max_bytes": limit})
            else:
                print_sizes(path, cassette) if sizes else print_listing(path, cassette)
        if limit is not None and path.stat().st_size > limit:
            is_over = True
            complain(
                f"{path} has {path.stat().st_size} bytes, more than {limit}. "
                f"Shrink it with `sagetape cassette compact {path}`, or see what is large with `ls --sizes`."
            )
    ctx.exit(TOO_LARGE if is_over else 0)


def parsed_size(text: str) -> int:
    """Bytes of `500k`, `2MB`, `1.5GiB`. Raises BadParameter: usage."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg]i?)?b?", text.strip().lower(), re.ASCII)
    if found is None:
        raise click.BadParameter(
            f"{text!r} is no size. Write bytes, or a number with k, M, G, Ki, Mi, Gi.", param_hint="--max-size"
        )
    return int(float(found[1]) * UNITS[found[2] or ""])


def print_sizes(path: Path, cassette: Cassette) -> None:
    """One cassette by endpoint."""
    emit(f"{harmless(str(path))}: {counted(len(cassette), 'interaction')}, {path.stat().st_size} bytes")
    rows = ((e, str(n), str(q), str(a), str(m)) for e, n, q, a, m in endpoint_sizes(cassette))
    for line in table_lines(("endpoint", "interactions", "requests", "answers", "largest"), rows):
        emit(f"  {line}")
    emit("  requests and answers as sent; the file holds every distinct body once, and compressed where it pays")


def endpoint_sizes(cassette: Cassette) -> Iterator[tuple[str, int, int, int, int]]:
    """Endpoint, interactions, bytes of requests, bytes of answers, bytes of the largest interaction."""
    found: dict[str, list[int]] = {}
    for one in cassette.summaries():
        row = found.setdefault(one.endpoint, [0, 0, 0, 0])
        row[0] += 1
        row[1] += one.request_bytes
        row[2] += one.response_bytes
        row[3] = max(row[3], one.request_bytes + one.response_bytes)
    for endpoint, (count, requests, answers, largest) in sorted(found.items(), key=lambda i: -i[1][1] - i[1][2]):
        yield endpoint, count, requests, answers, largest


def print_listing(path: Path, cassette: Cassette) -> None:
    """One cassette as a heading and a table."""
    count = len(cassette)
    emit(f"{path}: {counted(count, 'interaction')}, {path.stat().st_size} bytes")
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
        moment(one.recorded_at),
        ", ".join(notes(one)),
    )


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
        "problems": cassette.report.lines(),
        "endpoints": [
            {
                "endpoint": endpoint,
                "interactions": count,
                "request_bytes": requests,
                "response_bytes": answers,
                "largest_bytes": largest,
            }
            for endpoint, count, requests, answers, largest in endpoint_sizes(cassette)
        ],
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

"""What a body means: one small reader per kind of body, chosen by the content type and by nothing else.

The content type decides alone, and a body without one is bytes. Guessing from the bytes was rejected: the container
chooses its decoder by the content type, so `{"a": 1}` sent as `text/plain` is another request than the same text sent
as JSON, and a guess that changes with one byte would give wrong answers silently.

A projection is total: whatever a reader does not understand (`Unreadable`) is compared as bytes. Every reader is linear
in the body's length, with caps, imports nothing outside the standard library and runs no code from the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..paths import Path
from . import csv_rows, json_lines, json_text
from .tree import Tree, Unreadable, digest

BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a body is read: what the rules of matching ask of the readers."""

    round_digits: int | None = None
    ignored: tuple[Path, ...] = ()
    pixels: bool = False


class Reader(Protocol):
    """Turns a body into its tree, or raises Unreadable; never anything else, whatever the bytes."""

    def __call__(self, body: bytes, *, round_digits: int | None = ..., ignored: tuple[Path, ...] = ...) -> Tree: ...


READERS: dict[str, Reader] = {
    "json": json_text.read,
    "json-lines": json_lines.read,
    "csv": csv_rows.read,
}

KINDS: dict[str, str] = {
    "application/json": "json",
    "application/x-json": "json",
    "text/json": "json",
    "application/jsonlines": "json-lines",
    "application/json-lines": "json-lines",
    "application/x-jsonlines": "json-lines",
    "application/jsonl": "json-lines",
    "application/ndjson": "json-lines",
    "application/x-ndjson": "json-lines",
    "text/csv": "csv",
    "application/csv": "csv",
}
"""Media types whose bodies are read; `+json` is JSON too (RFC 6839), everything else is bytes."""


def media_type(content_type: str | None) -> str:
    """The bare media type: lower case, without parameters; empty when there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


def kind_of(content_type: str | None, reading: Reading) -> str:
    """The name of the reader for a content type, or `bytes`."""
    media = media_type(content_type)
    kind = KINDS.get(media)
    if kind is None and media.endswith("+json"):
        return "json"
    return kind or BYTES


def understand(content_type: str | None, body: bytes, reading: Reading) -> tuple[str, Tree]:
    """The kind as which a body was really read, and its tree (the body itself when that is `bytes`)."""
    kind = kind_of(content_type, reading)
    if kind == BYTES:
        return BYTES, body
    try:
        return kind, READERS[kind](body, round_digits=reading.round_digits, ignored=reading.ignored)
    except Unreadable:
        return BYTES, body


def project(content_type: str | None, body: bytes, *, body_sha256: bytes, reading: Reading) -> tuple[str, bytes]:
    """The kind as which a body is compared, and its meaning in 16 bytes (for `bytes`: the 32 of its SHA-256)."""
    if kind_of(content_type, reading) == BYTES:
        return BYTES, body_sha256
    kind, tree = understand(content_type, body, reading)
    return (BYTES, body_sha256) if kind == BYTES else (kind, digest(kind, tree))


def without_boundary(content_type: str) -> str:
    """A multipart content type without the boundary parameter, which is new in each request."""
    first, *parameters = content_type.split(";")
    return ";".join([first, *(p for p in parameters if p.strip()[:9].lower() != "boundary=")])


def require(reading: Reading) -> None:
    """Raise ConfigError when a way of reading needs something that is not installed."""

"""What a body means: one small reader per kind of body, chosen by the content type and by nothing else.

The content type decides alone, and a body without one is bytes. Guessing from the bytes was rejected: the container
chooses its decoder by the content type, so `{"a": 1}` sent as `text/plain` is another request than the same text sent
as JSON, and a guess that changes with one byte would give wrong answers silently.

A projection is total: whatever a reader does not understand (`Unreadable`) is compared as bytes. Every reader is linear
in the body's length, with caps, imports nothing outside the standard library (but for pixels, when asked) and runs no
code from the body.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from ..wire import EVENT_STREAM
from . import csv_rows, json_lines, json_text, multipart, npy, npz, pixels, server_events
from .reading import PLAIN, Reader, Reading, Understood
from .tree import Unreadable, digest

__all__ = [
    "BYTES",
    "EVENT_STREAM",
    "KINDS",
    "PLAIN",
    "READERS",
    "Reading",
    "Understood",
    "kind_of",
    "media_type",
    "project",
    "require",
    "understand",
    "without_boundary",
]

BYTES: Final = "bytes"

KINDS: Final[dict[str, str]] = {
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
    "application/x-npy": "npy",
    "application/npy": "npy",
    "application/x-npz": "npz",
    "application/npz": "npz",
    "multipart/form-data": "multipart",
    "multipart/mixed": "multipart",
    "multipart/related": "multipart",
    "text/event-stream": "server-events",
}
"""Media types whose bodies are read. `+json` is JSON too (RFC 6839), images when asked; everything else is bytes."""


def media_type(content_type: str | None) -> str:
    """The bare media type: lower case, without parameters; empty when there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


def kind_of(content_type: str | None, reading: Reading) -> str:
    """The name of the reader for a content type, or `bytes`."""
    media = media_type(content_type)
    if media in KINDS:
        return KINDS[media]
    if reading.pixels and media.startswith("image/"):
        return "pixels"
    return "json" if media.endswith("+json") else BYTES


def understand(content_type: str | None, body: bytes, reading: Reading) -> Understood:
    """What a body means. Never raises, whatever the bytes: what is not understood is bytes."""
    kind = kind_of(content_type, reading)
    if kind == BYTES:
        return Understood(BYTES, body)
    try:
        return Understood(kind, READERS[kind](body, content_type or "", reading))
    except Unreadable as error:
        return Understood(BYTES, body, str(error))


def project(content_type: str | None, body: bytes, *, body_sha256: bytes, reading: Reading) -> tuple[str, bytes]:
    """The kind as which a body is compared, and its meaning in 16 bytes (for `bytes`: the 32 of its SHA-256)."""
    if kind_of(content_type, reading) == BYTES:
        return BYTES, body_sha256
    understood = understand(content_type, body, reading)
    if understood.kind == BYTES:
        return BYTES, body_sha256
    return understood.kind, digest(understood.kind, understood.tree)


def without_boundary(content_type: str) -> str:
    """A multipart content type without the boundary parameter, which is new in each request."""
    return multipart.without_boundary(content_type)


def require(reading: Reading) -> None:
    """Raise ConfigError when a way of reading needs something that is not installed."""
    if reading.pixels:
        pixels.require()


READERS: Final[dict[str, Reader]] = {
    "json": json_text.read,
    "json-lines": json_lines.read,
    "csv": csv_rows.read,
    "npy": npy.read,
    "npz": npz.read,
    "multipart": partial(multipart.read, understand=understand),
    "server-events": server_events.read,
    "pixels": pixels.read,
}

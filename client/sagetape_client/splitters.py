"""A stream of bytes cut into what it means: characters, lines, JSON documents, server-sent events.

Pure and incremental: `feed(bytes)` gives what became complete, `finish()` gives the rest at a whole stream's end.
Where the parts were cut makes no difference to what comes out. Nothing here waits or knows HTTP.
"""

from __future__ import annotations

import codecs as stdlib_codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from .errors import ContentError

T_co = TypeVar("T_co", covariant=True)


class Splitter(Protocol[T_co]):
    """What every splitter offers. What is whole comes out before an error about what follows it is raised."""

    def feed(self, data: bytes) -> Iterator[T_co]: ...

    def finish(self) -> Iterator[T_co]: ...


class Characters:
    """Text by whole characters; a character cut by a part boundary waits for its other half."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._decoder = stdlib_codecs.getincrementaldecoder(encoding)("strict")
        self._count_bytes = 0

    def feed(self, data: bytes) -> Iterator[str]:
        return self._decode(data, final=False)

    def finish(self) -> Iterator[str]:
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, *, final: bool) -> Iterator[str]:
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            if good := error.object[: error.start].decode(error.encoding):
                yield good
            at = self._count_bytes - pending + error.start
            raise ContentError(
                f"The stream's byte {at} is not {error.encoding}: {error.reason}. Read it as bytes with parts().",
                offset=at,
            ) from error
        self._count_bytes += len(data)
        if text:
            yield text


class Lines:
    """Lines as bytes, without `\\n` or `\\r\\n`; a last line without an end counts."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if b"\n" not in data:
            self._rest += data
            return
        *lines, rest = (bytes(self._rest) + data).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            yield line.removesuffix(b"\r")

    def finish(self) -> Iterator[bytes]:
        rest, self._rest = bytes(self._rest), bytearray()
        if rest:
            yield rest


class TextLines:
    """Lines as text; the error names the line that is not."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self._lines = Lines()
        self._number = 0

    def feed(self, data: bytes) -> Iterator[str]:
        return map(self._decode, self._lines.feed(data))

    def finish(self) -> Iterator[str]:
        return map(self._decode, self._lines.finish())

    def _decode(self, line: bytes) -> str:
        self._number += 1
        try:
            return line.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise ContentError(
                f"The stream's line {self._number} is not {self._encoding} at its byte {error.start}: {line[:40]!r}."
                " Read it with parts()."
            ) from error


_OUTSIDE = re.compile(rb'["{}\[\]\s,:]')
_INSIDE = re.compile(rb'["\\]')


class Documents:
    """JSON documents one after another, with or without white space between them, each decoded.

    A bare number or word is complete when white space or another document follows, or the stream ends.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._in_string = False
        self._offset = 0

    def feed(self, data: bytes) -> Iterator[Any]:
        self._buffer += data
        while (end := self._scan()) is not None:
            yield from self._take(end)

    def finish(self) -> Iterator[Any]:
        yield from self._take(len(self._buffer))

    def _take(self, end: int) -> list[Any]:
        raw = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._scanned, at = 0, self._offset
        self._offset += end
        if not raw.strip():
            return []
        try:
            return [json.loads(raw.decode("utf-8"))]
        except ValueError as error:
            at += len(raw) - len(raw.lstrip())
            raise ContentError(
                f"The stream's document at byte {at} is not JSON ({error}); it begins {raw.strip()[:40]!r}."
                " Read it as lines() or parts() to see what came.",
                offset=at,
            ) from error

    def _scan(self) -> int | None:
        """The end of the next document in the buffer, remembering how far it looked."""
        while True:
            match = (_INSIDE if self._in_string else _OUTSIDE).search(self._buffer, self._scanned)
            if match is None:
                self._scanned = len(self._buffer)
                return None
            at, character = match.start(), match.group()
            if character == b"\\":
                if at + 1 >= len(self._buffer):
                    self._scanned = at
                    return None
                self._scanned = at + 2
                continue
            self._scanned = at + 1
            if (end := self._step(at, character)) is not None:
                return end

    def _step(self, at: int, character: bytes) -> int | None:
        if character == b'"':
            before = self._has_document_before(at) and not self._in_string
            if before and self._depth == 0:
                self._scanned = 0
                return at
            self._in_string = not self._in_string
            return at + 1 if not self._in_string and self._depth == 0 else None
        if character in b"{[":
            if self._depth == 0 and self._has_document_before(at):
                return at
            self._depth += 1
        elif character in b"}]":
            self._depth = max(self._depth - 1, 0)
            return at + 1 if self._depth == 0 else None
        elif self._depth == 0 and character.isspace() and self._has_document_before(at):
            return at
        return None

    def _has_document_before(self, at: int) -> bool:
        return bool(self._buffer[:at].strip()) if self._depth == 0 else False


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event. `event` is `message` unless named; `retry_ms` is the wait asked before reconnecting."""

    data: str
    event: str = "message"
    id: str = ""
    retry_ms: int | None = None

    def json(self) -> Any:
        """The data as JSON; ContentError when it is not."""
        try:
            return json.loads(self.data)
        except ValueError as error:
            raise ContentError(
                f"The event's data is not JSON ({error}): {self.data[:60]!r}."
                " OpenAI-shaped streams end with [DONE]: stop there."
            ) from error


class ServerEvents:
    """Server-sent events (WHATWG HTML, "Server-sent events"): CR, LF or CRLF, comments, one byte order mark.

    One departure: an event that the end of a whole stream cuts off before its blank line is given, not dropped,
    because model containers leave the last blank line out.
    """

    def __init__(self) -> None:
        self._text = Characters()
        self._rest = ""
        self._began = False
        self._fields: dict[str, str] = {}
        self._data: list[str] = []
        self._last_id = ""

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        for text in self._text.feed(data):
            yield from self._lines(text, final=False)

    def finish(self) -> Iterator[ServerEvent]:
        yield from self._lines("".join(self._text.finish()), final=True)
        yield from self._dispatch()

    def _lines(self, text: str, *, final: bool) -> Iterator[ServerEvent]:
        if text and not self._began:
            self._began, text = True, text.removeprefix("\ufeff")
        self._rest += text
        held = "\r" if self._rest.endswith("\r") and not final else ""  # its \n may be in the next part
        body = self._rest[: len(self._rest) - len(held)]
        lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = "" if final else lines.pop() + held
        for line in lines:
            yield from self._line(line)

    def _line(self, line: str) -> list[ServerEvent]:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._last_id = value
        elif name in ("event", "retry"):
            self._fields[name] = value
        return []  # a comment begins with the colon; an unknown field is ignored, as the standard says

    def _dispatch(self) -> list[ServerEvent]:
        data, self._data = self._data, []
        fields, self._fields = self._fields, {}
        if not data:
            return []
        retry = fields.get("retry", "")
        wait_ms = int(retry) if retry.isascii() and retry.isdigit() else None
        return [ServerEvent("\n".join(data), fields.get("event") or "message", self._last_id, wait_ms)]

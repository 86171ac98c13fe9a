"""Performs a script on an HTTP connection: the one loop that turns steps into bytes on a socket.

It decides nothing. It adds the headers of the moment (request id, Date, length or chunking, connection) in the order
and case of AWS's traces, and writes past aiohttp's response classes: an answer that is known whole leaves in one
write of a prepared header block and its body (the largest single gain measured for a small call). aiohttp asks three
things of a response, and the classes here are those three: `prepare`, `write_eof` and `keep_alive`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from ..core.wire import Abort, Chunk, End, Head, Pause, Script, Step, is_event_stream
from .readers import reset

WRITE_BYTES = 256 * 1024  # of a large body at a time: a slow reader holds one piece in memory, not the body
JOIN_BYTES = 64 * 1024  # up to here one joined write is cheaper than two

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {530: "Internal Dependency"}
_LAST_CHUNK = b"0\r\n\r\n"


class Waiting(Protocol):
    """The part of a deck's clock that a performance needs."""

    async def sleep(self, seconds: float) -> None:
        """Waits, in the deck's time."""


class Dates:
    """The `Date` header's value, formatted once a second."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._second = -1
        self._text = b""

    def now(self) -> bytes:
        """The current second in the form of RFC 9110, 5.6.7."""
        second = int(self._wall())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode()
        return self._text


# --- the header block -----------------------------------------------------------------------------------------------


def _line(name: str, value: str) -> bytes:
    """One header line of a `%` template. Control characters never reach the wire (response splitting)."""
    clean = "".join(c for c in value if c >= " " or c == "\t")
    return f"{name}: {clean}\r\n".encode("utf-8", "surrogateescape").replace(b"%", b"%%")


_ID = b"x-amzn-RequestId: %(id)b\r\n"
_DATE = b"Date: %(date)b\r\n"
_CONNECTION = b"Connection: %(connection)b\r\n"


def head_template(head: Head, *, length_bytes: int | None) -> bytes:
    """The header block as a `%` template with three holes: `id`, `date`, `connection`.

    `length_bytes` None sends the body chunked. A `Content-Length` among the head's own headers wins: that is how a
    truncated answer claims more than it sends. The order is the traces': on success the request id first and the
    connection last; on an error id and type after the general headers (aws/amazon-sagemaker-examples#290).
    """
    content_type = [_line(k, v) for k, v in head.headers if k.lower() == "content-type"]
    claimed = [_line(k, v) for k, v in head.headers if k.lower() == "content-length"]
    # An upstream's own Date survives on a refused signature: the client corrects its clock by it.
    date = [_line(k, v) for k, v in head.headers if k.lower() == "date"] or [_DATE]
    own = [_line(k, v) for k, v in head.headers if k.lower() not in ("content-type", "content-length", "date")]
    if not claimed:
        chunked = b"Transfer-Encoding: chunked\r\n"
        claimed = [chunked if length_bytes is None else b"Content-Length: %d\r\n" % length_bytes]
    status = f"HTTP/1.1 {head.status} {_PHRASES.get(head.status, 'Status')}\r\n".encode()
    if head.status >= 400:
        lines = [status, *date, *content_type, *claimed, _CONNECTION, _ID, *own]
    else:
        lines = [status, _ID, *own, *date, *content_type, *claimed, _CONNECTION]
    return b"".join(lines) + b"\r\n"


def fill(template: bytes, *, request_id: bytes, date: bytes, keep_alive: bool) -> bytes:
    """The header block itself."""
    connection = b"keep-alive" if keep_alive else b"close"
    return template % {b"id": request_id, b"date": date, b"connection": connection}


class Prepared:
    """An answer that is known whole, ready to be written many times: the template and the body, nothing else."""

    __slots__ = ("body", "status", "template")

    def __init__(self, script: Script) -> None:
        """`script` must be `is_plain`."""
        head = script[0]
        assert isinstance(head, Head)
        chunks = [step.data for step in script if isinstance(step, Chunk)]
        self.status = head.status
        self.body: bytes | memoryview = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.template = head_template(head, length_bytes=len(self.body))


def is_plain(script: Script) -> bool:
    """Whether the script is one whole answer without waits, breaks or stream frames: it can leave in one write."""
    head = script[0] if script else None
    if not isinstance(head, Head) or not isinstance(script[-1], End):
        return False
    if is_event_stream(head) or head.header("Content-Length") is not None:
        return False
    return all(isinstance(step, Chunk) for step in script[1:-1])


# --- what aiohttp is given --------------------------------------------------------------------------------------------


class WholeReply:
    """One prepared answer. The body's bytes are never copied when they are large."""

    __slots__ = ("block", "body", "keep_alive", "status")

    def __init__(self, prepared: Prepared, *, block: bytes, keep_alive: bool) -> None:
        self.status = prepared.status
        self.body = prepared.body
        self.block = block
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Writes everything; waits only while the client is slower than the body is long."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        body = self.body
        if len(body) <= JOIN_BYTES:
            transport.write(b"".join((self.block, body)))
            return
        transport.write(self.block)
        await _send(request, transport, body)

    async def write_eof(self) -> None:
        """Everything was written by `prepare`."""


class ScriptReply:
    """Steps performed as they come: streams, waits, breaks. Live and recorded ones alike.

    `on_part` hears of every chunk that left. When the client leaves, `abandoned` decides what becomes of the rest:
    a recording goes on without a listener, so that a paid answer is kept.
    """

    def __init__(
        self,
        steps: AsyncIterator[Step],
        *,
        fill_head: Callable[[bytes], bytes],
        clock: Waiting,
        keep_alive: bool,
        length_bytes: int | None = None,
        on_part: Callable[[], None] | None = None,
        abandoned: Callable[[AsyncIterator[Step]], object] | None = None,
    ) -> None:
        self._steps = steps
        self._fill_head = fill_head
        self._clock = clock
        self._length_bytes = length_bytes
        self._on_part = on_part
        self._abandoned = abandoned
        self._chunked = False
        self.keep_alive = keep_alive
        self.status = 0

    async def prepare(self, request: web.BaseRequest) -> None:
        """Performs every step; raises ConnectionResetError when the client has left."""
        try:
            async for step in self._steps:
                await self._perform(step, request)
        except ConnectionError:
            if self._abandoned is not None:
                self._abandoned(self._steps)
            raise

    async def write_eof(self) -> None:
        """The end was written by the step that says so."""

    async def _perform(self, step: Step, request: web.BaseRequest) -> None:
        match step:
            case Chunk(data):
                await self._write(request, self._framed(data))
                if self._on_part is not None:
                    self._on_part()
            case Pause(seconds):
                await self._clock.sleep(seconds)
            case Head():
                self._open(step, request)
            case End():
                if self._chunked:
                    await self._write(request, (_LAST_CHUNK,))
            case Abort(reason):
                self.keep_alive = False
                await self._break(request, is_reset=reason == "reset")

    def _open(self, head: Head, request: web.BaseRequest) -> None:
        self.status = head.status
        template = head_template(head, length_bytes=self._length_bytes)
        self._chunked = self._length_bytes is None and head.header("Content-Length") is None
        block = self._fill_head(template)
        if self._chunked and request.version < (1, 1):
            # HTTP/1.0 knows no chunks: the body ends with the connection.
            self._chunked = self.keep_alive = False
            block = block.replace(b"Transfer-Encoding: chunked\r\n", b"").replace(b": keep-alive", b": close")
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        transport.write(block)

    def _framed(self, data: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
        if not self._chunked:
            return (data,)
        if not len(data):
            return ()  # an empty chunk would end the body
        return (b"%x\r\n" % len(data), data, b"\r\n")

    async def _write(self, request: web.BaseRequest, pieces: tuple[bytes | memoryview, ...]) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        if sum(map(len, pieces)) <= JOIN_BYTES:
            transport.write(b"".join(pieces))
        else:
            for piece in pieces:
                await _send(request, transport, piece)
        await request.writer.drain()

    async def _break(self, request: web.BaseRequest, *, is_reset: bool) -> None:
        transport = request.transport
        if transport is None:
            return
        if is_reset:
            reset(transport)
        else:
            transport.close()


async def _send(request: web.BaseRequest, transport: asyncio.Transport, data: bytes | memoryview) -> None:
    """A large piece, as fast as the client reads. Raises ConnectionResetError when it leaves."""
    view = memoryview(data)
    for start in range(0, len(view), WRITE_BYTES):
        if transport.is_closing():  # aiohttp's drain does not tell of a client that left without an error
            raise ConnectionResetError("the client has left")
        transport.write(view[start : start + WRITE_BYTES])
        await request.writer.drain()


async def replayed(script: Script) -> AsyncIterator[Step]:
    """A stored script as a stream of steps."""
    for step in script:
        yield step


def script_length(script: Script) -> int | None:
    """Bytes of the body when the answer announces them; None for an event stream, which is chunked.

    None for a broken answer, too: the length of the part that is there would make it look whole.
    """
    if not script or not isinstance(script[-1], End):
        return None
    for step in script:
        if isinstance(step, Head):
            if is_event_stream(step):
                return None
            break
    return sum(len(step.data) for step in script if isinstance(step, Chunk))

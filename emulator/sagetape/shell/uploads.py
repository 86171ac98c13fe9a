"""Large bodies past aiohttp's parser: the kernel writes them where they stay, and they are hashed while in the cache.

Through a parser every byte is copied into a piece, each piece waits in a queue, and the pieces are copied into one
body. Here the transport is given the rest of the body's own memory (`asyncio.BufferedProtocol`), as long as the body
lasts, and aiohttp sees a request without one. It refuses to judge: what may come in, and when, its caller has decided
before `read`; until then nothing is read, and memory is not taken.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping

from aiohttp import web

from ..core.errors import CallerError
from ..core.refusals import body_too_large
from ..core.request_heads import RequestHead
from .bodies import LARGE_BYTES, PATIENCE, RENEWAL_SHARE, Budget, Patience, body_timeout, read_body
from .memory import unwritten

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # RFC 9110, 15.2.1
STEP_BYTES = 512 * 1024  # read and hashed at once; more spares system calls, and small calls wait longer beside it

_LENGTH = re.compile(rb"(?i)(\r\ncontent-length:[ \t]*)[0-9]+")


def without_body(head: bytes) -> bytes:
    """The same plain head (`core/request_heads.py`), of a request that has no body."""
    return _LENGTH.sub(rb"\g<1>0", head, count=1)


class Upload(asyncio.BufferedProtocol):
    """The body of one request on one connection. `read` once; the connection has its transport back afterwards.

    When the body did not arrive whole, the connection is out of step and must be closed: nothing more is read on it.
    """

    def __init__(
        self, connection: asyncio.Protocol, transport: asyncio.Transport, head: RequestHead, *, first: memoryview
    ) -> None:
        """`first` are the body's first bytes, which came with its head."""
        self._connection = connection
        self._transport = transport
        self._first = first
        self.fields = head.fields
        self.size_bytes = head.body_bytes
        self.is_read = False
        """Whether the body arrived whole."""
        self._arrived_bytes = 0
        self._lost: ConnectionError | None = None
        self._done: asyncio.Future[None] | None = None
        transport.pause_reading()
        transport.set_protocol(self)

    async def read(self, patience: Patience = PATIENCE) -> tuple[bytes, bytes]:
        """The body and its SHA-256 (32 bytes). Raises CallerError, 408, when it stalls; ConnectionError when the
        client leaves."""
        if self._lost is not None:
            raise self._lost
        loop = asyncio.get_running_loop()
        self._patience, self._now = patience, loop.time
        self._started, self._renewed = patience.now(), loop.time()
        self._body, self._view = unwritten(self.size_bytes)
        self._digest = hashlib.sha256()
        self._done = loop.create_future()
        try:
            async with asyncio.timeout(patience.idle_s) as self._limit:
                self._view[: len(self._first)] = self._first
                self.buffer_updated(len(self._first))
                self._first.release()
                if not self._done.done():
                    self._transport.resume_reading()
                await self._done
        except TimeoutError:
            raise body_timeout(f"no data for {patience.idle_s:g} seconds") from None
        finally:
            self._stop()
        body, self._body = self._body, b""
        return body, self._digest.digest()

    def _stop(self) -> None:
        """Gives the transport back after a whole body, and reads nothing more after any other."""
        self._done = None
        if self._lost is None and not self._transport.is_closing():
            if self.is_read:
                self._transport.set_protocol(self._connection)
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
        self._view.release()

    # --- what the transport calls ---

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes belong; never beyond the body, so that the next request is nobody's body."""
        start = self._arrived_bytes
        return self._view[start : start + STEP_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes of it are there."""
        start = self._arrived_bytes
        self._arrived_bytes = end = start + nbytes
        with self._view[start:end] as piece:
            self._digest.update(piece)
        if end >= self.size_bytes:
            self.is_read = True
            self._transport.pause_reading()
            self._settle(None)
            return
        if nbytes == STEP_BYTES:  # there is more: libuv would read it, 32 times over, before anybody else's
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)
        now = self._now()
        if now - self._renewed > self._patience.idle_s * RENEWAL_SHARE:
            self._renew(now)

    def _go_on(self) -> None:
        if self._done is not None and not self._done.done():
            self._transport.resume_reading()

    def _renew(self, now: float) -> None:
        """Waits on for a body that comes fast enough."""
        try:
            self._patience.check(started=self._started, size_bytes=self._arrived_bytes, announced_bytes=self.size_bytes)
        except CallerError as error:  # whoever waits for the body answers with it
            self._transport.pause_reading()
            self._settle(error)
            return
        self._renewed = now
        self._limit.reschedule(now + self._patience.idle_s)

    def _settle(self, error: Exception | None) -> None:
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has left; the connection hears of it too."""
        self._lost = ConnectionResetError("the client left in the middle of its body")
        if not self.is_read:
            self._settle(self._lost)
        self._connection.connection_lost(exc)  # type: ignore[arg-type]

    def pause_writing(self) -> None:
        """Passed on."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self._connection.resume_writing()


async def receive(
    request: web.BaseRequest,
    fields: Mapping[bytes, bytes],
    upload: Upload | None,
    *,
    limit_bytes: int,
    patience: Patience,
    budget: Budget,
) -> tuple[bytes, bytes]:
    """A request's body and its SHA-256, as `read_body`; a large one when there is memory for it."""
    content = request.content
    if upload is None and content.is_eof():
        return await read_body(content, limit_bytes=limit_bytes)
    announced = fields.get(b"content-length", b"")
    size_bytes = int(announced) if announced.isdigit() else limit_bytes
    if size_bytes > limit_bytes:
        raise body_too_large(limit_bytes)
    if fields.get(b"expect", b"").lower() == b"100-continue" and request.transport is not None:
        request.transport.write(CONTINUE)
    if upload is None and size_bytes <= LARGE_BYTES:
        return await read_body(content, limit_bytes=limit_bytes, patience=patience)
    await budget.acquire(size_bytes, within_s=patience.idle_s)
    try:
        if upload is not None:
            return await upload.read(patience)
        return await read_body(content, limit_bytes=limit_bytes, patience=patience)
    finally:
        budget.release(size_bytes)

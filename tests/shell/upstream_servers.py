"""Servers and clocks for the tests of upstreams: raw sockets that misbehave, and a limit that passes when told to."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sagetape.core.platform import Ask
from sagetape.core.wire import Call, Step
from sagetape.shell.clock import RealClock
from sagetape.shell.upstreams.upstream import Clock, Upstream

INVOKE, STREAM = "InvokeEndpoint", "InvokeEndpointWithResponseStream"


class FusedClock(RealClock):
    """A clock whose limits pass the moment `blow` is called, and never before."""

    def __init__(self) -> None:
        self._is_blown = False
        self._limits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as timeout:
            self._limits.add(timeout)
            if self._is_blown:
                self.blow()
            try:
                yield
            finally:
                self._limits.discard(timeout)

    def blow(self) -> None:
        """Let every limit pass, now and from now on."""
        self._is_blown = True
        for timeout in self._limits:
            timeout.reschedule(asyncio.get_running_loop().time())


def ask_of(
    operation: str = INVOKE, *, body: bytes = b"{}", members: Mapping[str, str] | None = None, **more: Any
) -> Ask:
    """A routed call."""
    sha256 = hashlib.sha256(body).digest()
    return Ask(Call(operation, "churn", members or {}, body, sha256, request_id="request-1"), **more)


async def steps_of(upstream: Upstream, ask: Ask, *, clock: Clock | None = None) -> list[Step]:
    """All steps of an answer; the upstream is closed."""
    try:
        return [step async for step in upstream.ask(ask, clock=clock or RealClock())]
    finally:
        await upstream.close()


Behave = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


@asynccontextmanager
async def raw_server(behave: Behave) -> AsyncIterator[int]:
    """The port of a server that reads one request per connection and then behaves as it is told."""
    open_writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        try:
            await behave(writer, await read_request(reader))
        except ConnectionError:
            pass  # the client left first, which is what some of these behaviours provoke

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.transport.abort()
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    return head + await reader.readexactly(length)


def sends(data: bytes, *, then: str = "close", clock: FusedClock | None = None) -> Behave:
    """Send bytes, then `close`, `reset` the connection, or `hang` with the clock's limit passing."""

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(data)
        await writer.drain()
        if then == "hang" and clock is not None:
            clock.blow()
        elif then == "reset":
            reset(writer)
        elif then == "close":
            writer.close()

    return behave


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a RST."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

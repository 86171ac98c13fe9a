"""The servers that ours is measured against: each answers a constant and does nothing else.

`aiohttp` is aiohttp's low-level server on uvloop, `raw` an asyncio protocol on uvloop that counts bytes instead of
parsing, `hashing` one that keeps each body and takes its SHA-256: the least that a server which verifies signatures
can spend on an upload. All read whole requests. `raw` is also the fast upstream of the recording case.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Callable

ANSWER_BYTES = 1024


def answer_of(size: int) -> bytes:
    """A JSON text of about this many bytes."""
    return b'{"label":"' + b"y" * (size - 12) + b'"}'


def announce(port: int) -> None:
    """What the starter waits for."""
    print(f"ready url=http://127.0.0.1:{port}", flush=True)


async def serve_aiohttp() -> None:
    from aiohttp import web

    body = answer_of(ANSWER_BYTES)

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.content.read()  # not request.read(), which stops at 1 MiB
        return web.Response(body=body, content_type="application/json")

    server = web.Server(handle, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    announce(listener.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


class Raw(asyncio.Protocol):
    """Finds the end of each request by its Content-Length, and answers."""

    ANSWER = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n"
        % ANSWER_BYTES
    ) + answer_of(ANSWER_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.head = b""
        self.missing = 0

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            data = self.head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.head = data
                return
            at = data.lower().find(b"content-length:", 0, end)
            size = int(data[at + 15 : data.find(b"\r\n", at)]) if at >= 0 else 0
            self.head, self.missing = b"", end + 4 + size
        self.missing -= len(data)
        if self.missing <= 0:
            self.missing = 0
            self.transport.write(self.ANSWER)  # type: ignore[attr-defined]


class Hashing(asyncio.BufferedProtocol):
    """Has the kernel write each body where it stays, hashes what has arrived, and answers."""

    def __init__(self) -> None:
        from sagetape.shell.memory import unwritten

        self.unwritten = unwritten

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.head = bytearray(65536)
        self.body: memoryview | None = None
        self.got = 0

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self.head)[self.got :] if self.body is None else self.body[self.got :]

    def buffer_updated(self, nbytes: int) -> None:
        self.got += nbytes
        if self.body is None:
            self._begin(bytes(self.head[: self.got]))
        else:
            self.digest.update(self.body[self.got - nbytes : self.got])
        if self.body is not None and self.got >= len(self.body):
            self.digest.digest()
            self.body, self.got = None, 0
            self.transport.write(Raw.ANSWER)  # type: ignore[attr-defined]

    def _begin(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        at = data.lower().find(b"content-length:", 0, end)
        first = data[end + 4 :]
        self.kept, self.body = self.unwritten(int(data[at + 15 : data.find(b"\r\n", at)]))
        self.got = len(first)
        self.body[: self.got] = first
        self.digest = hashlib.sha256(first)


async def serve_hashing() -> None:
    from sagetape.shell.memory import keep_freed_memory

    keep_freed_memory()
    await serve(Hashing)


async def serve_raw() -> None:
    await serve(Raw)


async def serve(protocol: Callable[[], asyncio.BaseProtocol]) -> None:
    listener = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    announce(listener.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


FLOORS: dict[str, Callable[[], object]] = {"aiohttp": serve_aiohttp, "raw": serve_raw, "hashing": serve_hashing}


def main(name: str) -> None:
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(FLOORS[name]())  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1])

"""A container, clients on bare sockets and recorders in processes of their own, for the tests of durability."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The command itself, after its imports: the next recorder loads them while the one before it is still recording.
COMMAND = """
import sys
import sagetape.cli, sagetape.cli.serve, sagetape.shell.server
sys.stdin.readline()
sagetape.cli.main()
"""

STREAM_TYPE = b"application/vnd.amazon.eventstream"


@dataclass
class Container:
    """Answers every call otherwise than any before, so that a recording cannot be mistaken for a new answer."""

    count: int = 0
    parts: int = 6
    breaks: bool = False
    """Whether a stream ends without its end."""
    pace: Callable[[int], object] | None = None
    """Awaited before each part of a stream."""
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                self.asked.append(body)
                self.count += 1
                if b"stream" in body[:8]:
                    await self._stream(writer, b"%d %b" % (self.count, body))
                else:
                    answer = b"%d " % self.count + body * (1 + self.count % 90)
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the recorder was killed, or closed its connection
        finally:
            writer.close()

    async def _stream(self, writer: asyncio.StreamWriter, text: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in range(self.parts):
            if self.pace is not None:
                await self.pace(part)  # type: ignore[misc]
            piece = b"%d of %b" % (part, text) * (1 + part * 20)
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if self.breaks:
            writer.close()
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")


@asynccontextmanager
async def container(**options: object) -> AsyncIterator[Container]:
    """A container on a free port."""
    made = Container(**options)  # type: ignore[arg-type]
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


# --- clients ----------------------------------------------------------------------------------------------------


class Client:
    """One connection; calls one after the other. `on_data` hears of every piece that arrives."""

    def __init__(self, port: int, *, on_data: Callable[[], object] = lambda: None) -> None:
        self._port, self._on_data = port, on_data
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.status = 0

    async def call(self, body: bytes, *, is_stream: bool = False) -> bytes | None:
        """The answer's body, to its end; None when the connection broke before that."""
        try:
            reader, _ = await self.send(body, is_stream=is_stream)
            head = await reader.readuntil(b"\r\n\r\n")
            self.status = int(head.split(b" ", 2)[1])
            self._on_data()
            if b"chunked" in head.lower():
                return await self._chunked(reader)
            return await self._exactly(reader, _length(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def send(self, body: bytes, *, is_stream: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Only the request."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        operation = "invocations-response-stream" if is_stream else "invocations"
        self._streams[1].write(
            b"POST /endpoints/churn/%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: text/csv\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (operation.encode(), self._port, len(body), body)
        )
        await self._streams[1].drain()
        return self._streams

    async def _exactly(self, reader: asyncio.StreamReader, length: int) -> bytes:
        parts: list[bytes] = []
        while length:
            part = await reader.read(length)
            if not part:
                raise ConnectionResetError
            self._on_data()
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    async def _chunked(self, reader: asyncio.StreamReader) -> bytes:
        parts: list[bytes] = []
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            part = await self._exactly(reader, size)
            await reader.readexactly(2)
            if not size:
                return b"".join(parts)
            parts.append(part)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


# --- recorders --------------------------------------------------------------------------------------------------


@dataclass
class Recorder:
    """A `sagetape` command in a process; `start` lets it begin."""

    process: asyncio.subprocess.Process
    port: int = 0
    pid: int = 0
    """Of the recorder itself, whatever runs it."""

    async def start(self) -> None:
        """Returns when it is ready. Raises RuntimeError when it ends before."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"ended with {await self.process.wait()}")
        ready = json.loads(line)
        self.port, self.pid = int(ready["url"].rpartition(":")[2]), ready["pid"]

    async def stop(self) -> tuple[int, str]:
        """Tells it to end; its exit code and what it said."""
        if self.process.returncode is None:
            os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> tuple[int, str]:
        """Its exit code and what it said on standard error."""
        _, said = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, (said or b"").decode()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGETAPE_"))}
    paths = os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))
    return {**kept, "PYTHONPATH": paths, "HOME": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}


async def recorder(
    cassette: Path, upstream: str, *options: str, before: Sequence[str] = (), is_quiet: bool = False
) -> Recorder:
    """`sagetape record` on a free port, waiting for `start`. `before` is a command that runs it."""
    words = ["record", str(cassette), "--upstream", upstream, "--port", "0", "--json", "--no-config", "--auth", "off"]
    process = await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        "-c",
        COMMAND,
        *words,
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL if is_quiet else asyncio.subprocess.PIPE,
        env=environment(),
    )
    return Recorder(process)

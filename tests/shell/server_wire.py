"""What the tests of the whole server stand on: one raw connection, one raw upstream, and what a cassette holds."""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from sagetape import Emulator
from sagetape.core.wire import Interaction
from sagetape.shell.store import Cassette, verify

LIMIT_S = 30  # of one read: a server that says nothing is a failure, not a stuck run
PATH = "/endpoints/churn/invocations"
GATES: defaultdict[str, threading.Event] = defaultdict(threading.Event)
"""Events that a test shares with a function that serves as its model in this process."""
STREAM_PATH = "/endpoints/churn/invocations-response-stream"


class Answer(NamedTuple):
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection of a client that does as it is told."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host = f"[{parts.hostname}]:{parts.port}" if ":" in parts.hostname else f"{parts.hostname}:{parts.port}"
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=LIMIT_S)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def reset(self) -> None:
        """Leave without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def post(self, body: bytes = b"", *headers: str, path: str = PATH, length: int | None = None) -> None:
        """A request; `length` may announce more than is sent."""
        lines = [f"POST {path} HTTP/1.1", f"Host: {self.host}", *headers]
        if not any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in headers):
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def head(self) -> Answer:
        """Status and headers; the body is left where it is."""
        status = int(self.file.readline().split(b" ")[1])
        headers: dict[str, str] = {}
        while line := self.file.readline().rstrip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, b"")

    def chunk(self) -> bytes:
        """One chunk of a chunked body; empty at its end."""
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        assert self.file.readline() == b"\r\n"
        return data

    def answer(self) -> Answer:
        """A whole answer."""
        head = self.head()
        if head.headers.get("transfer-encoding") == "chunked":
            return head._replace(body=b"".join(iter(self.chunk, b"")))
        return head._replace(body=self.file.read(int(head.headers.get("content-length", "0"))))

    def rest(self) -> bytes:
        """Everything up to the end of the connection, a reset being an end."""
        try:
            return self.file.read()
        except ConnectionResetError:
            return b"(reset)"


Behave = Callable[[socket.socket, bytes], None]


class Upstream:
    """A raw server on a thread for each connection; `behave` gets the socket and one whole request."""

    def __init__(self, behave: Behave) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed: the test is over
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                while request := read_request(client):
                    self.requests.append(request)
                    self._behave(client, request)
            except OSError:
                return  # the server left first, which some behaviours provoke

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(LIMIT_S)


@contextmanager
def upstream(behave: Behave) -> Iterator[Upstream]:
    """A raw upstream for the length of a test."""
    running = Upstream(behave)
    try:
        yield running
    finally:
        running.close()


def read_request(client: socket.socket) -> bytes:
    """One request with its body; empty when the connection ends."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def plain(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def says(data: bytes) -> Behave:
    """The same bytes for every request; the connection stays open."""
    return lambda client, _: client.sendall(data)


def kept(tape: Path) -> list[Interaction]:
    """What a cassette holds, which must be without fault; nothing when there is no file."""
    if not tape.exists():
        return []
    assert verify(tape).is_sound
    with Cassette.open(tape) as cassette:
        return [cassette.read(number) for number in cassette.numbers()]


@contextmanager
def recorder(tape: Path, spec: str, **settings: Any) -> Iterator[Emulator]:
    """A server that records what one upstream answers, without signatures."""
    options = {"record_to": tape, "mode": "new_episodes", "auth": "off", "upstream": (spec,), **settings}
    with Emulator(**options) as emulator:
        yield emulator


def client(emulator: Emulator, *, attempts: int = 1, **options: Any) -> Any:
    """A boto3 client that asks so often."""
    config = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, **options)
    return boto3.session.Session().client(
        "sagemaker-runtime",
        endpoint_url=emulator.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )

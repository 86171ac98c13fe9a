"""The light way to an emulator: the standard library's http.client and our own signer.

Plain http only, static keys only, no proxy: anything else goes through botocore (`boto`). Connections are kept and
used again, the last used first; one that the server closed in the meantime is noticed before it is used, so that no
request is lost to it.
"""

from __future__ import annotations

import http.client
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import CallTimeout, ConnectError, SettingsError
from .request import Outgoing
from .signer import Keys, host_of, sign
from .transport import Attempt, Incoming

CHUNK_BYTES = 65_536
MASK = "***"
AGENT = f"sagetape-client ua/2.1 os/{sys.platform} lang/python#{'.'.join(map(str, sys.version_info[:3]))}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Socket limits in seconds."""

    connect_s: float
    read_s: float


class LightTransport:
    """Sends to one base URL with one pair of keys. Safe to use from several threads."""

    def __init__(
        self, url: str, *, keys: Keys, region: str, limits: Limits, now: Callable[[], float] = time.time
    ) -> None:
        parts = urlsplit(url)
        self._base = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._host = parts.hostname or ""
        self._port = _port_of(url)
        self._keys = keys
        self._region = region
        self._limits = limits
        self._now = now
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def send(self, outgoing: Outgoing, attempt: Attempt) -> Incoming:
        """One attempt over a kept or a new connection."""
        headers = [*self._headers(outgoing), *attempt.headers()]
        connection = self._connection()
        try:
            _write(connection, self._prefix + outgoing.path, headers=headers, body=outgoing.body)
            response = connection.getresponse()
        except TimeoutError as error:
            connection.close()
            raise self._silent() from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ConnectError(
                f"The connection to {self._base} broke before an answer: {_cause(error)}."
                " Look at the server's log; if it was restarted, ask again."
            ) from error
        return Incoming(
            response.status,
            response.getheaders(),
            self._chunks(connection, response),
            close=lambda: self._give_back(connection, response),
        )

    def describe(self, outgoing: Outgoing) -> tuple[str, list[tuple[str, str]]]:
        """As `Transport.describe`: signature and token masked."""
        masked = []
        for name, value in self._headers(outgoing):
            if name == "Authorization":
                value = value.rpartition("=")[0] + "=" + MASK
            masked.append((name, MASK if name == "X-Amz-Security-Token" else value))
        return self._base + outgoing.path, masked

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _headers(self, outgoing: Outgoing) -> list[tuple[str, str]]:
        url = self._base + outgoing.path
        # botocore signs no Accept-Encoding: urllib3 adds it after signing. Signed headers are the members and the host.
        signed = sign(
            "POST",
            url,
            headers=outgoing.headers(),
            body=outgoing.body,
            keys=self._keys,
            region=self._region,
            now=self._now(),
        )
        plain = [("Host", host_of(url)), ("Accept-Encoding", "identity"), *outgoing.headers()]
        return [*plain, ("User-Agent", AGENT), *signed]

    def _connection(self) -> http.client.HTTPConnection:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not _is_dropped(connection):
                    return connection
                connection.close()
        return self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._limits.connect_s)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise ConnectError(
                f"Nobody answers at {self._base}: {_cause(error)}. Start the emulator there (`sagetape serve`), or give"
                " its URL with EndpointUrl or AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME."
            ) from error
        connection.sock.settimeout(self._limits.read_s)
        return connection

    def _chunks(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while chunk := response.read1(CHUNK_BYTES):
                yield chunk
            if response.length:  # Content-Length promised more: http.client says nothing when read in pieces
                raise http.client.IncompleteRead(b"", response.length)
        except TimeoutError as error:
            connection.close()
            raise self._silent() from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise ConnectError(
                f"The connection to {self._base} broke inside the answer: {_cause(error)}. Ask again."
            ) from error

    def _give_back(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        is_read = response.isclosed() or response.length == 0  # CPython 3.11's read1 leaves a read answer open
        if not is_read or response.will_close or connection.sock is None:
            connection.close()
            return
        response.close()
        with self._lock:
            if connection not in self._idle:  # closing twice is allowed
                self._idle.append(connection)

    def _silent(self) -> CallTimeout:
        return CallTimeout(
            f"{self._base} sent nothing for {self._limits.read_s:g} s. A model may take 60 s: look at its log, or allow"
            " more with read_timeout_s. The call was not repeated, for the model may still be working on it."
        )


def _port_of(url: str) -> int:
    try:
        return urlsplit(url).port or 80
    except ValueError as error:
        raise SettingsError(
            f"The endpoint URL {url!r} has no valid port: {error}. Give one like http://127.0.0.1:7243."
        ) from error


def _write(connection: http.client.HTTPConnection, target: str, *, headers: list[tuple[str, str]], body: bytes) -> None:
    connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value.encode("utf-8"))  # botocore sends UTF-8 where ASCII was expected
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)


def _is_dropped(connection: http.client.HTTPConnection) -> bool:
    """Whether an idle connection is readable: then the server has closed it, or speaks out of turn."""
    if connection.sock is None:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([connection.sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _cause(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return f"the name does not resolve ({error.strerror})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

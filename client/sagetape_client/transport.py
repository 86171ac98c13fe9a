"""What carries one attempt to the service and brings back status, headers and bytes.

Two implementations: `light` (own signer, the standard library's http.client; an emulator with keys from the
environment, without importing botocore) and `boto` (botocore: profiles, SSO, roles, TLS, proxies, the real service).
Neither judges an answer and neither repeats an attempt, unless botocore was asked to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from .request import Outgoing


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which try this is. One id for all tries of a call, so that a server knows them for one."""

    invocation_id: str
    number: int
    limit: int

    def headers(self) -> list[tuple[str, str]]:
        """As botocore sends them, unsigned."""
        return [
            ("amz-sdk-invocation-id", self.invocation_id),
            ("amz-sdk-request", f"attempt={self.number}; max={self.limit}"),
        ]


class Incoming:
    """An answer whose body is still on the connection. Read it once, whole or in chunks; reading ends the attempt."""

    def __init__(
        self,
        status: int,
        headers: Sequence[tuple[str, str]],
        chunks: Iterator[bytes],
        *,
        close: Callable[[], None],
        retries: int = 0,
    ) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks
        self.close = close
        self.retries = retries

    def read(self) -> bytes:
        """The whole body."""
        try:
            return b"".join(self.chunks)
        finally:
            self.close()


class Transport(Protocol):
    """Sends one attempt. Raises ConnectError, CallTimeout, CredentialsError, SettingsError; an error is an answer."""

    def send(self, outgoing: Outgoing, attempt: Attempt) -> Incoming: ...

    def describe(self, outgoing: Outgoing) -> tuple[str, list[tuple[str, str]]]:
        """The URL and the headers that would be sent, without secrets: for `--dry-run`."""
        ...

    def close(self) -> None: ...

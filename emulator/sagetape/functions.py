"""What a Python function that serves as a model sees and returns: the public names for users' own code.

Decides nothing: `shell/upstreams/function.py` calls the function and turns what it returns into steps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from dataclasses import field
from enum import Enum
from typing import Any, Final, Protocol

from .core.values import valueclass


class ModelClock(Protocol):
    """The deck's clock, real or virtual, as a function sees it."""

    def now(self) -> float:
        """Unix time in seconds on the deck's clock."""

    def sleep(self, seconds: float) -> Awaitable[None] | None:
        """Wait on the deck's clock: `await` it in an async function; in a plain one it blocks the function alone."""


@valueclass(frozen=True, slots=True)
class Invocation:
    """One call as a model sees it. A member that the client did not send is None."""

    operation: str
    """`InvokeEndpoint` or `InvokeEndpointWithResponseStream`."""
    endpoint: str
    body: bytes
    content_type: str | None = None
    accept: str | None = None
    custom_attributes: str | None = None
    target_model: str | None = None
    target_variant: str | None = None
    """The variant that the client named."""
    variant: str = "AllTraffic"
    """The variant that serves."""
    target_container_hostname: str | None = None
    inference_component: str | None = None
    inference_id: str | None = None
    enable_explanations: str | None = None
    prefix_aware_id: str | None = None
    session_id: str | None = None
    """`NEW_SESSION` on opening."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """As a container would receive them; names are looked up whatever their case."""
    clock: ModelClock | None = None
    """Always there when an emulator calls; None only in an Invocation that a test made itself."""


@valueclass(frozen=True, slots=True)
class Answer:
    """A body with the headers that survive the platform.

    `body` is bytes, text, any JSON value, or an iterator or async iterator of bytes (a stream). `content_type` is
    by default application/json for a JSON value, text/plain for text, application/octet-stream for bytes and streams.
    `new_session` is `<id>; Expires=yyyy-mm-ddThh:mm:ssZ` (UTC).
    """

    body: Any = b""
    content_type: str | None = None
    custom_attributes: str | None = None
    new_session: str | None = None
    closed_session: str | None = None


class ModelFailure(Exception):
    """Raise it to answer as a failing container does: the client gets a 424 ModelError with this status and body."""

    def __init__(self, status: int = 500, body: bytes | str = b"") -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body.encode() if isinstance(body, str) else bytes(body)


class NotMine(Enum):
    """The type of `NOT_MINE`."""

    NOT_MINE = "not mine"


NOT_MINE: Final = NotMine.NOT_MINE
"""Return it to say that this function has no answer for the call: the next upstream of the chain is asked."""

Stream = Iterator[bytes] | AsyncIterator[bytes]

"""What an upstream is: the interface, the clock it measures the platform's limits with, and "nothing here"."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ...core.errors import UpstreamError, compact_json
from ...core.keeping import failure_of, unanswered
from ...core.platform import Ask
from ...core.wire import Pause, Script, Step, whole

log = logging.getLogger("sagetape.upstreams")


class Clock(Protocol):
    """The deck's clock, as far as upstreams need it."""

    def now(self) -> float:
        """Unix time in seconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait in the deck's time."""

    def limit(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Raises TimeoutError inside when the limit passes, in the deck's time or in real time."""


class Upstream(Protocol):
    """What answers when a cassette does not."""

    @property
    def source(self) -> str:
        """Provenance as configured, without secrets."""

    @property
    def is_remote(self) -> bool:
        """Not on this machine: asked only where the mode allows it."""

    @property
    def is_synthetic(self) -> bool:
        """No model stands behind it."""

    def ask(self, ask: Ask, *, clock: Clock) -> AsyncIterator[Step]:
        """The answer as a client of AWS would see it, without the headers of the moment.

        Raises NothingHere before the first step, and nothing else: every other failure is an answer. Closing the
        iterator early gives the upstream's resources back.
        """

    async def close(self) -> None:
        """Give connections and threads back. A closed upstream may be asked again."""


class NothingHere(Exception):
    """This upstream has no answer and did nothing: a chain asks the next one.

    `instead` is what the client gets when there is no next one: the platform's answer for a container that cannot be
    reached, an upstream's own miss. None: the call is a miss.
    """

    def __init__(self, reason: str, *, instead: Script | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.instead = instead


UPSTREAM_CODE = "SagetapeUpstream"  # ours: AWS has no word for "the emulator could not reach AWS"


def unreachable(message: str, *, failure: str = "") -> NothingHere:
    """A remote service could not be reached, or must not be: the client gets a 502 that says so.

    `failure` is what the log and the verdict say of it (default: the message).
    """
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", UPSTREAM_CODE))
    answer = whole(502, headers, compact_json({"Message": message[:2048]}))
    error = NothingHere(message, instead=unanswered(answer, failure or message))
    error.__cause__ = UpstreamError(message)
    return error


def explained(script: Script, source: str) -> Script:
    """In place of an answer that broke before a status: a 502 that says why, so that a client reads it in its error."""
    failure = failure_of(script)
    text = f"Sagetape has no answer of its upstream {source} to pass on: {failure}. Nothing was recorded of it."
    told = unreachable(text, failure=failure)
    assert told.instead is not None
    waits = tuple(step for step in script if isinstance(step, Pause))
    return (*waits, *told.instead)


class Countdown:
    """What is left of a limit that spans several waits, on the deck's clock and in real time, whichever is further."""

    __slots__ = ("_clock", "_real", "_start", "_timeout_s")

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._start = clock.now()
        self._real = time.monotonic()

    def left_s(self) -> float:
        """Seconds until the limit, never below zero."""
        passed = max(self._clock.now() - self._start, time.monotonic() - self._real)
        return max(0.0, self._timeout_s - passed)

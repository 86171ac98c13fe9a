"""Reads request bodies: hashed as they arrive, bounded in size, in time and in total memory."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable

from aiohttp import StreamReader

from ..core import refusals
from ..core.errors import CallerError, compact_json
from ..core.values import valueclass

IDLE_S = 60.0  # between two pieces of a body; nginx's client_body_timeout
RATE_MIN_BYTES_S = 128  # on average, after the first idle limit: a drip of one byte per second ends
WHOLE_S = 600.0  # in which a body that announces its length has to arrive, once the first idle limit is over
BUDGET_BYTES = 512 * 1024 * 1024  # of bodies in memory at once, over all connections
RENEWAL_SHARE = 0.05  # of the idle limit: so much sooner it may strike, for fewer timers
LARGE_BYTES = 256 * 1024  # below this a body does not count against the budget


class Budget:
    """A first-come, first-served budget of bytes. A request larger than the whole budget is let in alone."""

    def __init__(self, total_bytes: int = BUDGET_BYTES) -> None:
        self._total = total_bytes
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size_bytes: int, *, within_s: float) -> None:
        """Waits until the bytes fit beside what is in memory. Raises CallerError, 503, when that takes too long."""
        if not self._waiting and self._fits(size_bytes):
            self._used += size_bytes
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, turn))
        try:
            async with asyncio.timeout(within_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.cancelled():
                self._admit()
            else:
                self.release(size_bytes)  # its turn came in the same moment
            if isinstance(error, TimeoutError):
                raise busy(self._total) from None
            raise

    def release(self, size_bytes: int) -> None:
        """Gives the bytes back and lets the next ones in."""
        self._used -= size_bytes
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
            elif self._fits(size):
                self._waiting.popleft()
                self._used += size
                turn.set_result(None)
            else:
                return

    def _fits(self, size_bytes: int) -> bool:
        return self._used == 0 or self._used + size_bytes <= self._total


@valueclass(frozen=True, slots=True)
class Patience:
    """How long a body may take."""

    idle_s: float = IDLE_S
    """Between two pieces."""
    rate_min_bytes_s: int = RATE_MIN_BYTES_S
    now: Callable[[], float] = time.monotonic

    def check(self, *, started: float, size_bytes: int, announced_bytes: int = 0) -> None:
        """Raises CallerError for a body that drips: a large one holds memory that others wait for."""
        elapsed_s = self.now() - started
        if elapsed_s > self.idle_s and size_bytes < elapsed_s * max(self.rate_min_bytes_s, announced_bytes / WHOLE_S):
            raise body_timeout(f"{size_bytes} bytes in {elapsed_s:.0f} seconds")


PATIENCE = Patience()


def body_timeout(found: str) -> CallerError:
    """408 for a body that does not arrive. The code is the one SDKs know and retry in standard mode."""
    text = f"The request body did not arrive: {found}. Send the body without pauses, or raise --body-idle-s."
    return CallerError(408, "RequestTimeoutException", compact_json({"message": text}))


def busy(total_bytes: int) -> CallerError:
    """503 for a large body that found no room. SDKs try again."""
    text = (
        f"The emulator holds {total_bytes >> 20} MiB of request bodies at once, and other clients are still sending "
        "theirs, so this one was not read. Send fewer large bodies at a time."
    )
    return CallerError(503, "SagetapeBusy", compact_json({"message": text}))


async def read_body(content: StreamReader, *, limit_bytes: int, patience: Patience = PATIENCE) -> tuple[bytes, bytes]:
    """The whole body and its SHA-256 (32 bytes).

    Hashed piece by piece on the loop: the same processor time as at once, and a small call beside large uploads does
    not wait for them. Raises CallerError: 413 over the limit, 408 when it stalls; ConnectionError when the client
    leaves.
    """
    if content.is_eof():  # a small body came with its head
        body = content.read_nowait(-1)
        if len(body) > limit_bytes:
            raise refusals.body_too_large(limit_bytes)
        return body, hashlib.sha256(body).digest()
    try:
        async with asyncio.timeout(patience.idle_s) as limit:
            return await _gather(content, limit_bytes=limit_bytes, patience=patience, limit=limit)
    except TimeoutError:
        raise body_timeout(f"no data for {patience.idle_s:g} seconds") from None


async def _gather(
    content: StreamReader, *, limit_bytes: int, patience: Patience, limit: asyncio.Timeout
) -> tuple[bytes, bytes]:
    digest = hashlib.sha256()
    pieces: list[bytes] = []
    size = 0
    started = patience.now()
    loop_time = asyncio.get_running_loop().time
    renewed = loop_time()
    while piece := await content.readany():
        size += len(piece)
        if size > limit_bytes:
            raise refusals.body_too_large(limit_bytes)
        digest.update(piece)
        pieces.append(piece)
        patience.check(started=started, size_bytes=size)
        now = loop_time()
        if now - renewed > patience.idle_s * RENEWAL_SHARE:  # a timer for each piece would cost more than its hash
            renewed = now
            limit.reschedule(now + patience.idle_s)
    return b"".join(pieces), digest.digest()

"""Clients that stop reading their answer: after a while their connection ends, and what waits for them is given up.

Decides by what leaves the write buffer: a client that reads slowly is waited for, one that reads nothing is not. One
timer serves all connections, so a limit is met up to a quarter of itself late.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger("sagetape")

IDLE_S: Final = 60.0  # nginx's send_timeout: between two successive write operations
LOOKS: Final = 4  # in one limit


class Readers:
    """The connections whose client is slower than its answer. `idle_s` is how long it may read nothing."""

    def __init__(self, idle_s: float = IDLE_S, *, now: Callable[[], float] = time.monotonic) -> None:
        self._idle_s = idle_s
        self._now = now
        self._behind: dict[asyncio.Transport, tuple[float, int]] = {}
        """When a client last read, and how many bytes waited for it then."""
        self._timer: asyncio.TimerHandle | None = None
        self.cut_count = 0

    def fell_behind(self, transport: asyncio.Transport) -> None:
        """The transport's buffer is full."""
        self._behind[transport] = self._now(), transport.get_write_buffer_size()
        if self._timer is None:
            self._look_later()

    def caught_up(self, transport: asyncio.Transport) -> None:
        """The client has read, or left."""
        self._behind.pop(transport, None)

    def look(self) -> None:
        """Cuts off whoever has read nothing for the whole limit; what was read meanwhile begins a new one."""
        now, self._timer = self._now(), None
        for transport, (since, waiting_bytes) in list(self._behind.items()):
            if transport.get_write_buffer_size() < waiting_bytes:
                self._behind[transport] = now, transport.get_write_buffer_size()
            elif now - since >= self._idle_s:
                self.caught_up(transport)
                self._cut(transport)
        if self._behind:
            self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._idle_s / LOOKS, self.look)

    def _cut(self, transport: asyncio.Transport) -> None:
        self.cut_count += 1
        if self.cut_count & (self.cut_count - 1) == 0:  # the 1st, 2nd, 4th, 8th ...: no storm in the log
            log.warning(
                "cut off a client that read nothing of its answer for %g seconds (%d so far). A program that waits so "
                "long between two parts needs a larger --send-idle-s.",
                self._idle_s,
                self.cut_count,
            )
        reset(transport)


def reset(transport: asyncio.Transport | asyncio.WriteTransport) -> None:
    """Ends a connection at once: a linger of zero turns close into RST (socket(7)), and what is still buffered, here
    and by the system, is dropped with it."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

"""Many answers wait for one sync: write, then sync, then answer, without holding up the event loop.

While a sync runs, further recordings gather; the next sync is for all of them. A sync that fails fails everybody who
waits for it, and is never repeated (see `appending.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol


class Syncable(Protocol):
    """What a group commit needs of a cassette."""

    def sync(self) -> None:
        """All that was appended so far to the disk; raises CassetteUnwritten."""


class GroupCommit:
    """One per cassette and event loop. `run` performs the sync outside of the loop."""

    def __init__(
        self, cassette: Syncable, *, run: Callable[[Callable[[], None]], Awaitable[None]] = asyncio.to_thread
    ) -> None:
        self._cassette = cassette
        self._run = run
        self._asked = 0
        self._done = 0
        self._round: asyncio.Future[None] | None = None

    async def committed(self) -> None:
        """Returns when everything that was appended before this call is on the disk. Raises CassetteUnwritten."""
        self._asked += 1
        mine = self._asked
        while self._done < mine:
            if self._round is None:
                self._round = asyncio.ensure_future(self._sync())
            # Shielded: a client that leaves must not cancel the sync that others wait for.
            await asyncio.shield(self._round)

    async def settle(self) -> None:
        """Waits for the sync that runs, whoever asked for it: the file may be closed then."""
        while self._round is not None:
            await asyncio.wait([self._round])

    async def _sync(self) -> None:
        until = self._asked
        try:
            await self._run(self._cassette.sync)
            self._done = until
        finally:
            self._round = None

"""A recorded stream of an asynchronous client: read as it comes, on the client's own loop, read or not.

Such a client leaves a stream without a word, and only its own loop can read the rest. A break is kept as one when the
client meets it: behind a client that has left, it is as likely the end of the client's own connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from ..core.wire import Step
from .opened import OpenDeck
from .recording import StreamRecorder


class Pump:
    """The steps of one stream, for a client that takes them when it likes."""

    def __init__(self, recorder: StreamRecorder, raw: Any, opened: OpenDeck) -> None:
        self._recorder = recorder
        self._parts = raw.content.iter_chunks()
        self._opened = opened
        self._steps: deque[Step] = deque(recorder.opening)
        self._error: Exception | None = None
        self._has_ended = False
        self._news = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        self._task = self.loop.create_task(self._run())
        opened.streams.add(self)

    def __aiter__(self) -> AsyncIterator[Step]:
        return self

    async def __anext__(self) -> Step:
        while not self._steps:
            if self._error is not None:
                self._recorder.broke(self._error)
                self._opened.streams.discard(self)
                raise self._error
            if self._has_ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._steps.popleft()

    # --- the other end ---

    async def _run(self) -> None:
        try:
            async for data in self._read():
                self._give(self._recorder.feed(data))
                self._recorder.passed()
            self._give(self._recorder.end())
            self._opened.streams.discard(self)
        except Exception as error:
            self._error = error
        finally:
            self._has_ended = True
            self._news.set()

    async def _read(self) -> AsyncIterator[bytes]:
        """The bytes as they come. A loop that ends cancels its tasks and waits for them: once, it is read on."""
        is_told = False
        while True:
            try:
                data, _ = await anext(self._parts)
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if is_told:
                    raise
                is_told = True
            else:
                yield data

    def _give(self, steps: list[Step]) -> None:
        self._steps.extend(steps)
        self._news.set()

    # --- the end of the deck ---

    def finish(self, *, within_s: float) -> None:
        """Waits for the end of it, which the client's loop reaches, running already or run for this."""
        if self._task.done() or self.loop is None or self.loop.is_closed():
            return
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self._settled(within_s), self.loop).result()
        else:
            self.loop.run_until_complete(self._settled(within_s))

    async def _settled(self, within_s: float) -> None:
        await asyncio.wait({self._task}, timeout=within_s)

    def cut(self) -> None:
        """What comes now is for nobody."""
        self._recorder.cut()

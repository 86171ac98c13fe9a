"""Where asynchronous upstreams are waited for when the caller is synchronous: one loop in one background thread.

Made on first use: a deck that plays recordings never starts it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Loop(Protocol):
    """Runs coroutines for callers that cannot."""

    @property
    def is_running(self) -> bool:
        """Whether anything was ever run."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result."""


class GivenLoop:
    """The loop of a server in this process. `run` must not be called on that loop's own thread."""

    is_running = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


class BackgroundLoop:
    """A loop of one's own, started when the first coroutine comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._loop is not None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._started()).result()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="sagetape-upstreams", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Ends the thread, when there is one."""
        with self._lock:
            if self._loop is None or self._thread is None:
                return
            self.run_last(self._loop.shutdown_asyncgens())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def run_last(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine while the lock is held."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def pulled(steps: AsyncIterator[T], loop: Loop) -> Generator[T, None, None]:
    """An asynchronous iterator, read synchronously; closing it closes the other."""
    try:
        while True:
            found = loop.run(_next(steps))
            if found is None:
                return
            yield found
    finally:
        close = getattr(steps, "aclose", None)
        if close is not None:
            loop.run(_closed(close))


async def _next(steps: AsyncIterator[T]) -> T | None:
    return await anext(steps, None)


async def _closed(close: Any) -> None:
    await close()


def finish(work: Coroutine[Any, Any, T], loop: Loop) -> T:
    """The result of a coroutine; without a loop when it has nothing to wait for."""
    if loop.is_running:
        return loop.run(work)
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("an upstream that was never asked has something to wait for")

"""The live streams that clients inside the process have open.

A client may leave a stream without a word, and Python collects what it left whenever it likes, on any thread. So the
deck holds every stream until it has ended, and ends what is left when it is closed itself: what is being recorded is
heard to its end, as a server does for a client that has left. It waits and decides nothing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from ..core.endpoints import STREAM_TIMEOUT_S
from ..core.wire import Step

if TYPE_CHECKING:
    from .opened import OpenDeck

LEFT_LIMIT_S: Final = STREAM_TIMEOUT_S  # of a stream that its client has left: the platform's own for any stream


class Ending(Protocol):
    """What is open until it is `finish`ed, or `cut` when that takes too long."""

    loop: asyncio.AbstractEventLoop | None
    """The only one that can bring it to its end; None: any thread can."""

    def finish(self, *, within_s: float) -> None: ...
    def cut(self) -> None: ...


class Streams:
    """Those of one deck that have not ended."""

    def __init__(self) -> None:
        self._open: dict[int, Ending] = {}
        self._lock = threading.Lock()

    def add(self, stream: Ending) -> None:
        """Holds one until it has ended."""
        with self._lock:
            self._open[id(stream)] = stream

    def discard(self, stream: Ending) -> None:
        """It has ended."""
        with self._lock:
            self._open.pop(id(stream), None)

    def left(self) -> list[Ending]:
        """Those that have not ended."""
        with self._lock:
            return list(self._open.values())

    def end(self, *, within_s: float) -> None:
        """Ends all that are left, at once; cuts those off that take longer."""
        until = time.monotonic() + within_s
        threads = [
            threading.Thread(target=one.finish, kwargs={"within_s": within_s}, daemon=True, name="sagetape-left")
            for one in self.left()
            if one.loop is None or one.loop is not running_loop()  # which this very call holds up
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        for late in self.left():
            late.cut()
            self.discard(late)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class OpenStream(Iterator[Step]):
    """The steps of a live stream for the client that reads them, on whichever thread.

    With `reads_out` this is the way from the service, which has to be gone to its end; else closing is enough, and the
    upstream is heard out behind it. What was read out meanwhile is held for a client that reads on after all.
    """

    def __init__(
        self,
        steps: Generator[Step, None, None],
        opened: OpenDeck,
        *,
        reads_out: bool = False,
        cut: Callable[[], None] = lambda: None,
    ) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._steps = steps
        self._opened = opened
        self._reads_out = reads_out
        self._cut = cut
        self._held: deque[Step] = deque()
        self._error: Exception | None = None
        self._lock = threading.RLock()
        opened.streams.add(self)

    def __next__(self) -> Step:
        with self._lock:
            if self._held:
                return self._held.popleft()
            if self._error is not None:
                if self._opened.is_closed:
                    self._opened.on_late()
                raise self._error
            try:
                return next(self._steps)
            except BaseException:
                self._opened.streams.discard(self)
                raise

    def close(self) -> None:
        """The client reads no more."""
        with self._lock:
            self.finish(within_s=LEFT_LIMIT_S)
            self._held.clear()
            self._error = None

    def finish(self, *, within_s: float) -> None:
        """To the end of it."""
        with self._lock:
            try:
                if self._reads_out:
                    self._held.extend(self._steps)
                else:
                    self._steps.close()
                    self._error = self._opened.closed_error()
            except Exception as error:
                self._error = error  # for who reads on
            self._opened.streams.discard(self)

    def cut(self) -> None:
        """It did not end in time: what comes now is for nobody."""
        self._cut()
        self._error = self._opened.closed_error()

"""The deck's clock, real or virtual: the only thing in a deck that waits.

Decides how long a wait takes. Refuses to decide what to do about it: a limit that is met is `TimeoutError`.

**Virtual time.** A virtual clock stands still until `advance`. A call that waits on it (declared latency, recorded
pause, model load, a function that awaits the clock) is not held up: its own *timeline* moves ahead of the deck by that
wait, and the next call starts at the deck's time again. So 60 virtual seconds inside one call meet that call's limit
at once, and expire nobody else's session; only `advance` and `set` move what everybody sees. What outlives a call (a
model that a first call waited for) carries its time in the core (`core/models.py`), not here.

Within a timeline, tasks that wait at once wait in parallel: the earliest due goes on first, and a limit that is due
before every wait is met. A wait that is real (a container, `time.sleep` in a thread) takes real time and meets the
same limit in real time.

**Frozen.** After `freeze`, waits no longer pass by themselves but when `advance` reaches them: a test can look at a
stream in the middle. `thaw` undoes it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

_YIELDS = 2  # turns of the loop in which tasks started together get to say how long they wait


class Clock(Protocol):
    """Unix time in seconds, and waiting."""

    @property
    def is_virtual(self) -> bool: ...

    def now(self) -> float:
        """The time as this call sees it."""

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; at once for none or fewer."""

    def limit(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Raise TimeoutError when the body takes `seconds` or more."""

    def timeline(self) -> AbstractContextManager[None]:
        """One call: its waits move nobody else's time."""

    def begin_call(self) -> None:
        """The same for the rest of the current task, which is one call."""


class RealClock:
    """Wall time."""

    is_virtual = False

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)

    def limit(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def timeline(self) -> AbstractContextManager[None]:
        return nullcontext()

    def begin_call(self) -> None:
        """Nothing to keep apart: the time is everybody's."""


@dataclass(slots=True, order=True)
class _Waiter:
    """A wait, or a limit, on a timeline; `elapsed_s` counts from the timeline's start."""

    elapsed_s: float
    is_wait: bool  # a limit sorts before a wait due at the same moment: 60 s are too long for a limit of 60 s
    serial: int
    timeout: asyncio.Timeout | None = field(default=None, compare=False)
    due: float = field(default=math.inf, compare=False)
    """Of a limit: when it is met by the deck's own time, should that be moved meanwhile."""


@dataclass(slots=True)
class _Timeline:
    """How far one call is ahead of the deck, and who waits in it."""

    elapsed_s: float = 0.0
    waiters: list[_Waiter] = field(default_factory=list)


class VirtualClock:
    """Time that passes when told to. `advance`, `set`, `freeze` and `thaw` may be called from any thread."""

    is_virtual = True

    def __init__(self, start: float | None = None) -> None:
        """Start at a Unix time in seconds; None: now."""
        self._now = time.time() if start is None else start
        self._is_frozen = False
        self._lock = threading.Lock()
        self._parked: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._serials = itertools.count()
        self._line: ContextVar[_Timeline | None] = ContextVar("timeline", default=None)

    @property
    def is_frozen(self) -> bool:
        return self._is_frozen

    @property
    def waiting(self) -> int:
        """Waits that pass as the frozen clock is advanced."""
        return len(self._parked)

    def now(self) -> float:
        line = self._line.get()
        return self._now if line is None else self._now + line.elapsed_s

    def advance(self, seconds: float) -> float:
        """Move everybody's time ahead; return the new time. Raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s: time moves forward; use set() for another instant")
        return self.set(self._now + seconds)

    def set(self, instant: float) -> float:
        """Make it another instant, earlier or later; return it."""
        with self._lock:
            self._now = instant
        self._wake()
        return instant

    def freeze(self) -> None:
        """From now on waits pass only as `advance` reaches them."""
        self._is_frozen = True

    def thaw(self) -> None:
        """Waits pass at once again."""
        self._is_frozen = False
        self._wake()

    @contextmanager
    def timeline(self) -> Iterator[None]:
        token = self._line.set(_Timeline())
        try:
            yield
        finally:
            self._line.reset(token)

    def begin_call(self) -> None:
        self._line.set(_Timeline())

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        if self._is_frozen:
            await self._park(self.now() + seconds)
            return
        line = self._line.get() or _Timeline()  # outside of any call: nobody's time moves
        waiter = _Waiter(line.elapsed_s + seconds, True, next(self._serials))
        line.waiters.append(waiter)
        try:
            await self._reach(line, waiter)
        finally:
            line.waiters.remove(waiter)

    async def _reach(self, line: _Timeline, waiter: _Waiter) -> None:
        """Pass when no other wait of the timeline is due earlier; meet the limits that are."""
        while True:
            for _ in range(_YIELDS):
                await asyncio.sleep(0)
            first = min(line.waiters)
            if first is waiter:
                line.elapsed_s = max(line.elapsed_s, waiter.elapsed_s)
                return
            if first.timeout is not None:
                line.elapsed_s = max(line.elapsed_s, first.elapsed_s)
                _expire(first.timeout)
                first.elapsed_s = math.inf  # met: who is stopped by it is on its way out, and no longer in the way

    async def _park(self, due: float) -> None:
        """Wait until the deck's time has come, or until the clock is thawed."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            self._parked.append(entry)
        try:
            while self._is_frozen and self.now() < due:
                event.clear()
                await event.wait()
                self._meet_limits()
        finally:
            with self._lock:
                self._parked.remove(entry)

    def _meet_limits(self) -> None:
        """The deck's time has moved under a call that waits: limits that it passed are met."""
        line = self._line.get()
        for limit in [] if line is None else line.waiters:
            if limit.timeout is not None and limit.due <= self.now():
                _expire(limit.timeout)

    def _wake(self) -> None:
        with self._lock:
            parked = list(self._parked)
        for loop, event in parked:
            loop.call_soon_threadsafe(event.set)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        line = self._line.get() or _Timeline()
        async with asyncio.timeout(seconds) as timeout:
            waiter = _Waiter(line.elapsed_s + seconds, False, next(self._serials), timeout, self.now() + seconds)
            line.waiters.append(waiter)
            try:
                yield
            finally:
                line.waiters.remove(waiter)


def _expire(timeout: asyncio.Timeout) -> None:
    """Let the limit be met now, once."""
    when = timeout.when()
    now = asyncio.get_running_loop().time()
    if when is not None and when > now:
        timeout.reschedule(now)

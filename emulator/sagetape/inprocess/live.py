"""An upstream that is asked for a client inside the process, heard as long as the client is patient.

It waits and decides nothing. What the client does not wait for is heard to its end all the same, so that it is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeVar

from ..core.deck import Forward
from ..core.wire import Script, Step
from ..shell.live import live_answer
from .opened import OpenDeck
from .patience import OutOfPatience, Patience

T = TypeVar("T")


async def forwarded(opened: OpenDeck, forward: Forward, *, patience: Patience) -> Script | LiveSteps:
    """An upstream's answer, as `shell/live.py` gives it to a server. Raises OutOfPatience."""
    with opened.player.clock.timeline():
        context = copy_context()  # the timeline of the call: the waits of its parts belong to it too
        live = LiveSteps(opened, context, patience, keeps=forward.keep)
        answer = await live.heard(live_answer(opened.player, forward))
    if isinstance(answer, tuple):
        return answer
    live.steps = answer
    return live


class LiveSteps:
    """The steps of a stream as they come, each waited for as long as the client is patient."""

    def __init__(self, opened: OpenDeck, context: Context, patience: Patience, *, keeps: bool) -> None:
        self.steps: AsyncIterator[Step] | None = None
        self._opened = opened
        self._context = context
        self._patience = patience
        self._keeps = keeps
        self._is_left = False

    async def heard(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of something that takes time, real or virtual. Raises OutOfPatience."""
        task = asyncio.get_running_loop().create_task(self._timed(work), context=self._context)
        await asyncio.wait({task}, timeout=self._patience.real_limit_s)
        if task.done():
            result, waited_s = task.result()
            if not self._opened.player.clock.is_virtual or self._patience.bears(waited_s):
                return result
        self._leave(task)
        raise OutOfPatience

    async def _timed(self, work: Coroutine[Any, Any, T]) -> tuple[T, float]:
        clock = self._opened.player.clock
        begun = clock.now()
        return await work, clock.now() - begun

    def _leave(self, task: asyncio.Task[tuple[Any, float]] | None = None) -> None:
        self._is_left = True
        self._context.run(self._opened.player.go_on, self._hear_out(task))

    async def _hear_out(self, task: asyncio.Task[tuple[Any, float]] | None) -> None:
        """What the client did not wait for, to its end."""
        answer = None if task is None else (await task)[0]
        steps = self.steps or answer or ()
        if not isinstance(steps, tuple):
            async for _ in steps:
                pass

    def __aiter__(self) -> LiveSteps:
        return self

    async def __anext__(self) -> Step:
        assert self.steps is not None
        step = await self.heard(next_of(self.steps))
        if step is None:
            raise StopAsyncIteration
        return step

    async def aclose(self) -> None:
        """Nobody reads on: a stream that is to be kept is heard to its end, as by a server, any other ends here."""
        if self._is_left or self.steps is None:
            return
        close = getattr(self.steps, "aclose", None)
        if self._keeps:
            self._leave()
        elif close is not None:
            await close()


async def next_of(steps: AsyncIterator[Step]) -> Step | None:
    """The next step, None at the end."""
    return await anext(steps, None)

"""Asks upstreams for a forward and hands the answer on while it is kept.

A whole answer is gathered first and kept before its first byte leaves: a client with a Content-Length sees the end
with the last byte, before any `End` step could be acted on. A stream is passed on part by part, its waits measured, and
kept before its end leaves. What the client does never decides what is kept: when it leaves, the rest is still read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..core.deck import Forward
from ..core.operations import INVOKE
from ..core.pipeline import ask_of, next_call
from ..core.platform import Ask
from ..core.wire import Abort, Call, Chunk, End, Head, Pause, Script, Step, is_event_stream
from .upstreams.chain import answerer
from .upstreams.upstream import Clock, NothingHere, Upstream

log = logging.getLogger("sagetape")

FindUpstream: TypeAlias = Callable[[tuple[str, ...]], Upstream]

WAIT_MIN_S = 0.001  # shorter waits are the machine's, not the model's: they would only make recordings differ
KEPT_MAX_BYTES = 256 * 1024 * 1024  # of one stream held for the cassette; beyond it the stream is served and not kept


@dataclass(slots=True)
class Answer:
    """What an upstream begins to answer: its first steps, and the rest to come."""

    upstream: Upstream
    first: Head | Abort
    rest: AsyncIterator[Step]
    waited_s: float

    @property
    def is_stream(self) -> bool:
        return isinstance(self.first, Head) and is_event_stream(self.first)


class Stopwatch:
    """Seconds between two looks, in the deck's time or in real time, whichever was longer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deck_s = clock.now()
        self._real_s = time.monotonic()

    def lap(self) -> float:
        """Since the last look; rounded to milliseconds, and 0 below one."""
        deck_s, real_s = self._clock.now(), time.monotonic()
        passed = max(deck_s - self._deck_s, real_s - self._real_s)
        self._deck_s, self._real_s = deck_s, real_s
        return round(passed, 3) if passed >= WAIT_MIN_S else 0.0


async def begin(ask: Ask, upstream: Upstream, *, clock: Clock) -> Answer:
    """The first step of an upstream's answer. Raises NothingHere when it has none."""
    watch = Stopwatch(clock)
    steps = upstream.ask(ask, clock=clock)
    waited_s = 0.0
    async for step in steps:
        if isinstance(step, Head | Abort):
            return Answer(answerer(steps, upstream), step, steps, watch.lap() + waited_s)
        if isinstance(step, Pause):
            waited_s += step.seconds
    raise NothingHere(f"{upstream.source} ended without an answer")


async def begin_route(forward: Forward, find: FindUpstream, *, clock: Clock) -> Answer:
    """The answer of the route's last container; those before it are asked one after the other.

    A pipeline that ends early (an error, an answer too big for the next container) ends with that answer.
    """
    call, route = forward.call, forward.route
    last = len(route.hops) - 1
    for number in range(last):
        # Whatever the client called, containers before the last one answer the pipeline, not a stream.
        ask = ask_of(replace(call, operation=INVOKE), route, hop_number=number)
        answer = await begin(ask, find(forward.chains[number]), clock=clock)
        script = await gather(answer)
        following = next_call(call, route, hop_number=number, answer=script)
        if not isinstance(following, Call):
            return Answer(answer.upstream, _head(following), _rest(following), 0.0)
        call = following
    return await begin(ask_of(call, route, hop_number=last), find(forward.chains[last]), clock=clock)


def _head(script: Script) -> Head | Abort:
    return next(step for step in script if isinstance(step, Head | Abort))


async def _rest(script: Script) -> AsyncIterator[Step]:
    for step in script:
        if isinstance(step, Chunk | End):
            yield step


async def gather(answer: Answer) -> Script:
    """A whole answer, to its last byte, with the wait before it."""
    steps: list[Step] = [answer.first]
    if isinstance(answer.first, Head):
        data: list[bytes] = []
        async with aclosing(answer.rest) as rest:  # type: ignore[type-var]
            async for step in rest:
                if isinstance(step, Chunk):
                    data.append(bytes(step.data))
                elif isinstance(step, End | Abort):
                    body = b"".join(data)
                    steps += [*([Chunk(body)] if body else []), step]
                    break
            else:
                steps.append(Abort("the upstream ended without an end"))
    if answer.waited_s:
        steps.insert(0, Pause(answer.waited_s))
    return tuple(steps)


async def tee(answer: Answer, *, keep: Callable[[Script], Awaitable[object]], clock: Clock) -> AsyncIterator[Step]:
    """A live stream, passed on; `keep` is called with all of it before its end is."""
    recorded: list[Step] = [Pause(answer.waited_s)] if answer.waited_s else []
    recorded.append(answer.first)
    size = 0
    yield answer.first
    watch = Stopwatch(clock)
    ended = False
    try:
        async for step in answer.rest:
            waited_s = watch.lap()
            if waited_s:
                recorded.append(Pause(waited_s))
            if isinstance(step, Chunk):
                size += len(step.data)
                if size > KEPT_MAX_BYTES:
                    recorded.clear()
            if size <= KEPT_MAX_BYTES:
                recorded.append(step)
            if isinstance(step, End | Abort):
                ended = True
                await _finish(recorded, keep=keep, size_bytes=size)
            yield step
            watch.lap()
            if ended:
                return
        if not ended:
            recorded.append(Abort("the upstream ended without an end"))
            await _finish(recorded, keep=keep, size_bytes=size)
            yield Abort("the upstream ended without an end")
    finally:
        close = getattr(answer.rest, "aclose", None)
        if close is not None:
            await close()


async def _finish(recorded: list[Step], *, keep: Callable[[Script], Awaitable[object]], size_bytes: int) -> None:
    if size_bytes > KEPT_MAX_BYTES:
        log.error("a stream of %d bytes was served but not kept: the limit is %d bytes", size_bytes, KEPT_MAX_BYTES)
        return
    await keep(tuple(recorded))

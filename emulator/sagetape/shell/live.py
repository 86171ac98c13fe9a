"""One forward from the deck's word to the client's answer: load, wait, ask, keep, edit, mirror.

It waits for what the deck decided, in the order in which the platform does it, and decides nothing. What is kept is
what the upstream said; faults edit what the client gets.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from copy import copy

from ..core.decisions import Forward
from ..core.errors import CallerError
from ..core.faults.selection import Line
from ..core.keeping import failure_of
from ..core.wire import Chunk, End, Head, Pause, Script, Step, head_of
from . import forwarding
from .decks import Player
from .residents import prepare, watch_answer
from .upstreams.upstream import NothingHere, explained

log = logging.getLogger("sagetape")


async def live_answer(player: Player, forward: Forward) -> Script | AsyncIterator[Step]:
    """What the client gets: a script that is known whole, or the steps of a stream as they come."""
    deck, clock, route = player.deck, player.clock, forward.route
    if route.wait_s:
        await clock.sleep(route.wait_s)
    if route.shadow is not None:
        player.go_on(_mirror(player, forward))
    refusal = await prepare(player, forward)
    if refusal is not None:
        if not isinstance(refusal, CallerError):
            player.note_failure(failure_of(refusal))
        return deck.refused(forward, refusal, now=clock.now()).script
    try:
        answer = await forwarding.begin_route(forward, player.find_upstream, clock=clock)
    except NothingHere as nothing:
        script = player.nothing(forward, nothing)
        await player.committed(forward.entry)
        return script

    forward.entry.upstream = answer.upstream.source  # known from now on, whether or not the answer ends

    async def keep(script: Script) -> Script:
        kept = player.keep(forward, script, source=answer.upstream.source, synthetic=answer.upstream.is_synthetic)
        await player.committed(forward.entry)
        return kept

    if answer.is_stream:
        steps = forwarding.tee(answer, keep=keep, clock=clock)
        struck = forward.case.struck
        return counted(forward, steps if struck is None else edited(steps, struck.line(), drain=player.drain))
    script = await forwarding.gather(answer)
    if head_of(script) is None and not deck.settings.record_errors:
        script = explained(script, answer.upstream.source)  # a break that is recorded is passed on as it will replay
    script = await keep(script)
    watch_answer(player, forward, script)
    # The wait before the answer has passed: it is in the recording, and nobody waits twice.
    return deck.edited(forward, tuple(step for step in script if not isinstance(step, Pause)))


async def counted(forward: Forward, steps: AsyncIterator[Step]) -> AsyncIterator[Step]:
    """A stream, its parts counted as they come: what a client that has left did not read is told by the difference."""
    entry = forward.entry
    try:
        async for step in steps:
            if isinstance(step, Head) and step.status == 200 and forward.call.is_stream:
                entry.parts_total = 0
            elif isinstance(step, Chunk) and entry.parts_total >= 0:
                entry.parts_total += 1
            yield step
    finally:
        close = getattr(steps, "aclose", None)
        if close is not None:
            await close()


async def edited(
    steps: AsyncIterator[Step], line: Line, *, drain: Callable[[AsyncIterator[Step]], None]
) -> AsyncIterator[Step]:
    """A live stream through its faults. Where a fault ends it, the upstream is still heard to its end."""
    async for step in steps:
        for passed in line.feed(step):
            yield passed
        if line.is_over:
            if not isinstance(step, End):
                drain(steps)
            return


async def _mirror(player: Player, forward: Forward) -> None:
    """A copy of the call for the shadow variant; whatever it answers is discarded."""
    shadow = forward.route.shadow
    assert shadow is not None
    chains = tuple(hop.upstream for hop in shadow.hops)
    if not all(chains):
        return
    case = copy(forward.case)
    case.route = shadow
    mirrored = Forward(case, chains, keep=False)
    player.deck.journal.shares[shadow.endpoint, shadow.variant] += 1
    try:
        with player.clock.timeline():
            await forwarding.gather(await forwarding.begin_route(mirrored, player.find_upstream, clock=player.clock))
    except NothingHere as nothing:
        log.info("the shadow variant %s of %s had no answer: %s", shadow.variant, shadow.endpoint, nothing.reason)

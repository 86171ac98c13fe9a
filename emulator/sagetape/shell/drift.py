"""Asks an upstream what a cassette has recorded, and has the answers compared. Writes nothing.

Requests outside of sessions are asked several at a time; a recorded session is asked step by step, its live id in the
place of the recorded one. What cannot be asked again is told, never guessed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from ..core.drift import FAILED, NOT_ASKED, Limits, Outcome, asked_again, judge
from ..core.keeping import is_worth_keeping
from ..core.lanes import recorded_id
from ..core.matching import MatchRules
from ..core.merging.settings import ACCOUNTS
from ..core.originals import Originals
from ..core.platform import INVOCATION_TIMEOUT_S, NEW_SESSION_ID, STREAM_TIMEOUT_S, Ask
from ..core.relabel import relabel_call, relabel_script
from ..core.rules import ScrubRules
from ..core.scrub import Scrubber
from ..core.wire import Call, Interaction, Script, head_of
from .clock import RealClock
from .forwarding import begin, gather
from .store import Cassette
from .upstreams import Upstream
from .upstreams.upstream import NothingHere

AT_ONCE: Final = 4
THROTTLED: Final = ("ThrottlingException", "Throttling", "TooManyRequestsException")
PATIENCE_S: Final = (1.0, 2.0, 4.0)  # before an attempt that was throttled is made again


@dataclass(slots=True)
class Questions:
    """One cassette being verified."""

    cassette: Cassette
    upstream: Upstream
    limits: Limits
    clock: RealClock = field(default_factory=RealClock)
    at_once: int = AT_ONCE
    accounts: Sequence[str] = ()
    """The user's, to put back where their fakes stand in requests."""

    def __post_init__(self) -> None:
        settings = self.cassette.settings
        seen = tuple(settings.initial.get(ACCOUNTS, ()))
        self._scrubber = Scrubber(ScrubRules.from_dict(settings.scrub), account=None, seen=seen)
        self._originals = Originals(self.accounts, seen)

    _scrubber: Scrubber = field(init=False)
    _originals: Originals = field(init=False)

    async def ask_all(self, numbers: Sequence[int], tell: Callable[[int, int], object]) -> list[Outcome]:
        """The outcome of every interaction, in order; `tell` gets what is done and the whole."""
        gate, outcomes = asyncio.Semaphore(self.at_once), list[Outcome]()

        async def work(unit: Sequence[int]) -> None:
            async with gate:
                async for outcome in self._unit(unit):
                    outcomes.append(outcome)
                    tell(len(outcomes), len(numbers))

        async with asyncio.TaskGroup() as group:
            for unit in self._units(numbers):
                group.create_task(work(unit))
        return sorted(outcomes, key=lambda one: one.number)

    def _units(self, numbers: Iterable[int]) -> list[list[int]]:
        """Single interactions, and whole sessions in the order of their steps."""
        lanes: dict[str, list[int]] = {}
        units: list[list[int]] = []
        for number in numbers:
            mark = self.cassette.summary(number).session
            if mark is None:
                units.append([number])
            else:
                lanes.setdefault(mark.lane, []).append(number)
        for lane in lanes.values():
            units.append(sorted(lane, key=lambda n: self.cassette.summary(n).session.step))  # type: ignore[union-attr]
        return units

    async def _unit(self, unit: Sequence[int]) -> AsyncIterator[Outcome]:
        """The outcomes of one interaction or of a session's steps; after a failure the later steps are not asked."""
        live_id = ""
        for place, number in enumerate(unit):
            recorded = self.cassette.read(number)
            call, lane = recorded.call, recorded.session.lane if recorded.session else ""
            if lane and place and not live_id:
                yield Outcome(number, call.endpoint, NOT_ASKED, reason="the session it belongs to did not open")
                continue
            if lane and recorded.session and not place and recorded.session.step:
                yield Outcome(number, call.endpoint, NOT_ASKED, reason="the opening of its session was not recorded")
                continue
            asked = relabelled(call, recorded_id(lane), live_id) if live_id else call
            outcome, script = await self._one(number, recorded, asked, live_id=live_id)
            live_id = live_id or opened_id(script)
            yield outcome

    async def _one(self, number: int, recorded: Interaction, call: Call, *, live_id: str) -> tuple[Outcome, Script]:
        call, reason = asked_again(call, self._originals)
        if reason:
            return Outcome(number, call.endpoint, NOT_ASKED, reason=reason), ()
        start = time.monotonic()
        try:
            script = await self._answer(call)
        except NothingHere as nothing:
            return Outcome(number, call.endpoint, FAILED, reason=nothing.reason), ()
        live_s = time.monotonic() - start
        if not is_worth_keeping(script, keeps_errors=True):
            return Outcome(number, call.endpoint, FAILED, reason=f"refused: {error_code(script)}"), ()
        seen = self._scrubber.script(script)
        live_id = live_id or opened_id(script)
        if recorded.session is not None and live_id:
            seen = relabel_script(seen, live_id, new=recorded_id(recorded.session.lane))
        key = self.cassette.key(number)
        others = [self.cassette.script(n) for n in self.cassette.takes(key) if n != number][:8]
        return judge(number, recorded, others, seen, live_s=live_s, limits=self.limits), script

    async def _answer(self, call: Call) -> Script:
        """The upstream's answer; asked again, with patience, while it is throttled."""
        limit_s = STREAM_TIMEOUT_S if call.is_stream else INVOCATION_TIMEOUT_S
        for pause_s in (*PATIENCE_S, 0.0):
            answer = await begin(Ask(call, timeout_s=limit_s), self.upstream, clock=self.clock)
            async with aclosing(answer.rest):  # type: ignore[type-var]
                script = await gather(answer)
            if error_code(script) not in THROTTLED or not pause_s:
                break
            await self.clock.sleep(pause_s)
        return tuple(script)


def limits_of(cassette: Cassette, limits: Limits) -> Limits:
    """The limits with what the cassette's rules leave out of answers."""
    return replace(limits, reading=MatchRules.from_dict(cassette.settings.match).answer_reading())


def relabelled(call: Call, old: str, live: str) -> Call:
    """A recorded step with the live session's id, in its header and its body."""
    members = {**call.members, "SessionId": live} if "SessionId" in call.members else call.members
    return replace(relabel_call(call, old, new=live), members=members)


def opened_id(script: Script) -> str:
    """The id of the session that an answer opens; empty when it opens none."""
    head = head_of(script)
    header = head.header(NEW_SESSION_ID) if head is not None else None
    return (header or "").partition(";")[0].strip()


def error_code(script: Script) -> str:
    """The code of an error of the service; empty for an answer of a model."""
    head = head_of(script)
    return ((head.header("x-amzn-ErrorType") if head else None) or "").partition(":")[0]


def chosen_numbers(cassette: Cassette, endpoints: Sequence[str]) -> list[int]:
    """The interactions to ask: all, or those of some endpoints."""
    return [one.number for one in cassette.summaries() if not endpoints or one.endpoint in endpoints]

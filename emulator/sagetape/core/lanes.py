"""Recorded sessions at replay: which recorded step answers a live session's call.

Decides the lane that a session follows, and what was expected where a call fits none. Rewrites nothing
(`core/relabel.py`) and reads no files: recordings are numbers, given by the library.

**Position.** `Call.position` is the place of a call in its session, part of the match key, and the same whether the
session is recorded or replayed:

- outside of a session: empty;
- the call with NEW_SESSION: `/0`;
- every later call: sixteen hexadecimal digits, the first eight bytes of the key of the session's previous request,
  then `/` and the number of the step. As that key covers its own position, the digits stand for all requests before;
- the first call seen of a session that began before the recording did: `joined/0`.

Numbers are given in the order in which calls are decided; an SDK's further attempts at a call are the same step. The
session's id is in no position and in no key. Where a request's *body* repeats the id, recording keys it as sent; replay
first puts the recorded id in the place of the live one (`relabel_call`), so both keys agree.

At replay the position given to a call is the one *stored* with the recorded step it is compared with, so that a
cassette whose early steps were edited by hand, and keyed anew, still plays.

**Choice of a lane.** The opening is an ordinary request with an ordinary key; its takes play in recorded order, under
the deck's rule for used-up takes, and the take's lane is the session's. Each later call is compared with its lane's
next step (steps that were never kept are passed over) and, where it differs, with the next step of every other lane
whose requests so far were the same: the session changes over to the lane it fits. A recorded step is never used up: any
number of sessions follow one lane.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .relabel import relabel_call
from .sessions import Place, Session
from .values import valueclass
from .wire import Call, SessionMark


@valueclass(frozen=True, slots=True)
class Followed:
    """The recorded step that answers a call."""

    number: int
    """Of the interaction in the library."""
    lane: str
    step: int
    key: bytes
    call: Call
    """The call as the recording would have it: its position, and the recorded id in its body."""
    place: Place
    """Where the call stands in its lane, for `Sessions.advance`: beyond steps that were never kept."""


@valueclass(frozen=True, slots=True)
class Astray:
    """A call that fits no recorded step of its session."""

    lane: str
    step: int
    """The number of the step that the call would have been."""
    step_count: int
    expected: int | None
    """The interaction that was recorded there; None after the last step."""
    fits: int | None
    """The step of the same lane that this call would fit; None when it fits none."""

    def text(self, describe: Callable[[int], str]) -> str:
        """What happened, what was expected, what to do; `describe` puts an interaction in a few words."""
        if self.expected is None:
            happened = f"the recorded session {self.lane} ends after step {self.step_count - 1}"
            remedy = "record the session again with this call"
        else:
            happened = f"step {self.step} of the recorded session {self.lane} was expected: {describe(self.expected)}"
            remedy = "make the calls in the recorded order, or record the session again"
        if self.fits is None:
            return f"This call is out of step with its session: {happened}. To replay it, {remedy}."
        return f"This call is step {self.fits} of its recorded session, and {happened}. To replay it, {remedy}."


@dataclass(slots=True)
class _Lane:
    """One recorded session."""

    steps: dict[int, list[int]] = field(default_factory=dict)
    """Interactions by step; several where an SDK made further attempts."""
    numbers: list[int] = field(default_factory=list)
    """The steps' numbers, ascending: a step that was not kept is missing."""
    is_joined: bool = False
    visited: set[int] = field(default_factory=set)

    def next_step(self, step: int) -> int | None:
        """The number of the first recorded step from `step` on; None after the last."""
        at = bisect_left(self.numbers, step)
        return self.numbers[at] if at < len(self.numbers) else None


@dataclass(slots=True)
class Lanes:
    """All recorded sessions of one deck."""

    position_of: Callable[[int], str]
    """The position stored with the call of an interaction, by its number."""
    key_of: Callable[[Call], bytes]
    """The match key of a call, scrubbed on the way as while recording."""
    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _keys: dict[int, bytes] = field(default_factory=dict)
    _after: dict[bytes, dict[str, None]] = field(default_factory=dict)
    """Lanes by the key of any of their requests."""

    def add(self, number: int, key: bytes, *, mark: SessionMark) -> None:
        """An interaction of a cassette that stands in a session; in any order."""
        lane = self._lanes.setdefault(mark.lane, _Lane())
        if mark.step not in lane.steps:
            at = bisect_left(lane.numbers, mark.step)
            lane.numbers.insert(at, mark.step)
        lane.steps.setdefault(mark.step, []).append(number)
        lane.is_joined |= mark.step == 0 and mark.lifetime_s is None
        self._keys[number] = key
        self._after.setdefault(key, {})[mark.lane] = None

    def has(self, lane: str) -> bool:
        """Whether a lane of this name was recorded."""
        return lane in self._lanes

    def joined(self, session_id: str) -> str | None:
        """The lane recorded from a session that was already open and had this very id; None: there is none."""
        lane = self._lanes.get(session_id)
        return session_id if lane is not None and lane.is_joined else None

    def visit(self, lane: str, step: int) -> None:
        """A recorded step was played."""
        if lane in self._lanes:
            self._lanes[lane].visited.add(step)

    def unvisit(self) -> None:
        """No step was played yet."""
        for lane in self._lanes.values():
            lane.visited.clear()

    def unvisited(self) -> Mapping[str, tuple[int, ...]]:
        """Recorded steps that were never played, by lane."""
        left = {name: tuple(n for n in lane.numbers if n not in lane.visited) for name, lane in self._lanes.items()}
        return {name: steps for name, steps in left.items() if steps}

    def follow(self, place: Place, call: Call) -> Followed | Astray:
        """The recorded step for a call of a replayed session; the session changes lanes where it must."""
        session = place.session
        assert session is not None, "an opening is found by its key, like any call"
        for lane, step, number in self._candidates(session, place):
            view = self._view(call, session, lane=lane, number=number)
            key = self.key_of(view)
            if key == self._keys[number]:
                session.lane = lane
                self.visit(lane, step)
                return Followed(number, lane, step, key, view, replace(place, step=step))
        return self._astray(session, place, call)

    def _candidates(self, session: Session, place: Place) -> Iterator[tuple[str, int, int]]:
        """Lane, step and interaction: the next of the session's own lane, then of those that began alike."""
        names = [session.lane]
        if place.step > 0 and place.attempt == 0:
            names += [name for name in self._after.get(session.history, {}) if name != session.lane]
        for name in names:
            lane = self._lanes.get(name)
            step = None if lane is None else lane.next_step(place.step)
            if lane is not None and step is not None:
                attempts = lane.steps[step]
                yield name, step, attempts[min(place.attempt, len(attempts) - 1)]

    def _view(self, call: Call, session: Session, *, lane: str, number: int) -> Call:
        return relabel_call(replace(call, position=self.position_of(number)), session.id, new=recorded_id(lane))

    def _astray(self, session: Session, place: Place, call: Call) -> Astray:
        lane = self._lanes.get(session.lane, _Lane())
        wanted = lane.next_step(place.step)
        fits = None
        for step in lane.numbers:
            number = lane.steps[step][0]
            view = self._view(call, session, lane=session.lane, number=number)
            if step != wanted and self.key_of(view) == self._keys[number]:
                fits = step
                break
        expected = None if wanted is None else lane.steps[wanted][0]
        last = lane.numbers[-1] if lane.numbers else -1
        return Astray(session.lane, place.step if wanted is None else wanted, last + 1, expected, fits)


def recorded_id(lane: str) -> str:
    """The id that a lane's session had when it was recorded: the lane's name up to `~`, which no id contains."""
    return lane.partition("~")[0]


def lane_name(lane: str, taken: Collection[str]) -> str:
    """A name that is not taken for a lane whose session had the same id as another's."""
    name, number = lane, 1
    while name in taken:
        number += 1
        name = f"{recorded_id(lane)}~{number}"
    return name

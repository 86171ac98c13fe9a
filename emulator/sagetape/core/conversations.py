"""A deck's dealings with stateful sessions: admission before a call, the recorded lane at replay, headers afterwards.

The rules are in `sessions.py` (live sessions), `lanes.py` (recorded ones) and `session_default.py` (sessions that the
emulator keeps for a model without its own); this module says in which order they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from . import session_default
from .decisions import Case
from .errors import CallerError
from .lanes import Astray, Followed, Lanes, recorded_id
from .platform import VARIANT_HEADER
from .relabel import relabel_script
from .routes import Route
from .sessions import Place, Sessions, Settled
from .wire import Call, Head, Script, SessionMark, head_of


@dataclass(slots=True)
class Conversations:
    """The sessions of one deck, live and recorded."""

    position_of: Callable[[int], str]
    """The position stored with a recorded interaction, by its number."""
    key_of: Callable[[Call], bytes]
    """The match key of a call, scrubbed on the way."""
    recorded: Callable[[], Iterable[tuple[int, bytes, SessionMark]]]
    """All recorded interactions that stand in a session: number, key, mark. Asked when a session is first used."""
    sessions: Sessions = field(init=False)
    _lanes: Lanes | None = None

    def __post_init__(self) -> None:
        self.sessions = Sessions(is_lane_taken=lambda name: self.lanes.has(name))

    @property
    def lanes(self) -> Lanes:
        """The recorded sessions."""
        if self._lanes is None:
            self._lanes = Lanes(self.position_of, self.key_of)
            for number, key, mark in self.recorded():
                self._lanes.add(number, key, mark=mark)
        return self._lanes

    def reset(self) -> None:
        """Forget all sessions, and which recorded steps were played."""
        self.sessions.reset()
        if self._lanes is not None:
            self._lanes.unvisit()

    def unvisited(self) -> dict[str, tuple[int, ...]]:
        """Recorded steps that were never played, by lane."""
        return dict(self.lanes.unvisited())

    # --- before the answer ---

    def admit(self, call: Call, *, now: float, is_strict: bool) -> Place | None:
        """Where the call stands. Raises CallerError for an id that is not accepted."""
        try:
            return self.sessions.admit(call, now=now, is_strict=is_strict)
        except CallerError:
            session_id = call.members.get("SessionId", "")
            lane = self.lanes.joined(session_id)
            if lane is None or self.sessions.has(call.endpoint, session_id):
                raise
            self.sessions.join(call, session_id, now=now, lane=lane)
            return self.sessions.admit(call, now=now, is_strict=is_strict)

    def follow(self, case: Case) -> Followed | Astray | None:
        """The recorded step for a call of a replayed session; None for any other call."""
        place = case.place
        if place is None or place.session is None or not place.session.is_replayed:
            return None
        found = self.lanes.follow(place, case.call)
        if isinstance(found, Followed):
            self.sessions.advance(found.place, found.key, invocation_id=case.call.invocation_id)
        return found

    def advance(self, case: Case) -> None:
        """A call of a live session got its key."""
        if case.place is not None:
            self.sessions.advance(case.place, case.key, invocation_id=case.call.invocation_id)

    def default_answer(self, case: Case) -> Script | None:
        """The emulator's own answer to a bare opening or closing; None: the model is asked."""
        if case.place is None:
            return None
        return session_default.answer(
            case.call,
            case.place,
            sessions=self.sessions,
            chance=case.chance,
            now=case.now,
            variant=case.route.variant,
        )

    # --- after it ---

    def replayed_opening(self, case: Case, script: Script, *, mark: SessionMark) -> Script:
        """A recorded opening with a fresh id and a lifetime that begins now."""
        assert case.place is not None
        fresh = session_default.fresh_id(case.call, sessions=self.sessions, chance=case.chance)
        expires_at = None if mark.lifetime_s is None else case.now + mark.lifetime_s
        script = relabel_script(script, recorded_id(mark.lane), new=fresh, expires_at=expires_at)
        self.lanes.visit(mark.lane, mark.step)
        self._settle(case, script, case.key, lane=mark.lane)
        return script

    def replayed_step(self, case: Case, script: Script, *, followed: Followed) -> Script:
        """A recorded step with the live session's id."""
        assert case.place is not None
        assert case.place.session is not None
        script = relabel_script(script, recorded_id(followed.lane), new=case.place.session.id)
        self._settle(case, script, followed.key, lane=followed.lane)
        return script

    def settle(self, case: Case, script: Script, *, has_default: bool, now: float) -> tuple[Script, Settled | None]:
        """A live answer's session headers read. `has_default`: the endpoint's sessions are the emulator's."""
        head = head_of(script)
        if case.place is None or head is None:
            return script, None
        case.now = now
        if has_default and case.place.session is None:
            decorated = session_default.decorate(
                head, case.call, sessions=self.sessions, chance=case.chance, now=case.now
            )
            script = with_head(script, decorated)
        settled = self._settle(case, script, case.key)
        return with_head(script, settled.head), settled

    def _settle(self, case: Case, script: Script, key: bytes, *, lane: str | None = None) -> Settled:
        head = head_of(script)
        assert case.place is not None
        assert head is not None
        route = self._route(case, head)
        return self.sessions.settle(case.place, case.call, head=head, route=route, key=key, now=case.now, lane=lane)

    def _route(self, case: Case, head: Head) -> Route:
        """The route a session is bound to: of an endpoint that is not declared, the variant that answered."""
        variant = head.header(VARIANT_HEADER)
        return case.route if variant is None else replace(case.route, variant=variant)


def with_head(script: Script, head: Head) -> Script:
    """The script with another head."""
    return tuple(head if isinstance(step, Head) else step for step in script)


def is_over(case: Case, recorded: Script) -> bool:
    """The session has expired or was closed, and what was recorded of this step is not the refusal of just that."""
    if case.place is None or case.place.refusal is None:
        return False
    head = head_of(recorded)
    return head is None or head.status < 400


def described(call: Call) -> str:
    """A recorded call in a few words, for the text of a call that is out of step."""
    body = bytes(call.body[:80]).decode("utf-8", "backslashreplace")
    return f"{call.operation} with body {body!r}"

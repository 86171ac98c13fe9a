"""Live stateful sessions: who holds an id, until when, and where a call stands in its session.

Decides whether a SessionId is accepted, which instance is bound to it, and what a model's session headers mean. Refuses
to make sessions up: a model that answers NEW_SESSION without the header is stateless, and stays so (the built-in
sessions of an endpoint that declares them are in `core/session_default.py`).
Source: SageMaker developer guide, "Stateful sessions with Amazon SageMaker models"; botocore sagemaker-runtime
2017-05-13, shapes SessionIdHeader and NewSessionResponseHeader. AWS's texts for ids that it does not accept are not
public. A past `Expires` is a session that has expired at once; a malformed one is no session, its header is dropped.

Positions. `core/lanes.py` says what `Call.position` is and why recording and replay agree about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from . import refusals
from .errors import CallerError
from .platform import CLOSED_SESSION_ID, NEW_SESSION_ID, SESSION_HEADER_MAX, is_session_value
from .routes import Route, Sticky
from .values import valueclass
from .wire import INSTANT_MAX, Call, Head, SessionMark

NEW_SESSION = "NEW_SESSION"  # botocore, shape SessionIdOrNewSessionConstantHeader
ENDED_MAX = 10_000  # closed and expired sessions that are remembered, to tell the caller which of the two it was
SWEEP_AT = 1_000  # live sessions; from here on the expired are looked for whenever one opens
OPENING_POSITION = "/0"
JOINED_POSITION = "joined/0"
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class Session:
    """One session as the platform knows it."""

    id: str
    endpoint: str
    variant: str
    instance: int
    opened_at: float
    expires_at: float
    """Unix time in seconds."""
    lane: str
    """Its name in a cassette: the one it is recorded under, or the one it replays."""
    is_replayed: bool = False
    """Opened by a recording: no real endpoint knows the id."""
    ended: str = ""
    """Empty, `closed` or `expired`."""
    step: int = 1
    """The number of the next step."""
    history: bytes = b""
    """Key of the last request; with the position in it, of all before."""
    position: str = OPENING_POSITION
    """Of the last request."""
    invocation_id: str | None = None
    """Of the last request: an SDK's further attempts are the same step."""
    attempt: int = 0


@valueclass(frozen=True, slots=True)
class Place:
    """Where one call stands in a session."""

    position: str
    step: int = 0
    session: Session | None = None
    """None: the call opens one."""
    attempt: int = 0
    """0 for the first, 1, 2, ... for an SDK's further attempts at the same step."""
    refusal: CallerError | None = None
    """The id is over, but a recording may know more (AWS's own words of refusal); else this is the answer."""

    @property
    def sticky(self) -> Sticky | None:
        """What the router is bound to; None for an opening and a session whose place is not known."""
        one = self.session
        return Sticky(one.id, one.variant, one.instance) if one is not None and one.variant else None


@valueclass(frozen=True, slots=True)
class Settled:
    """An answer's head after the platform has read the session headers."""

    head: Head
    mark: SessionMark | None = None
    """For the cassette; None when the call stands in no session."""
    session: Session | None = None
    """The session that was opened, if one was."""
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Sessions:
    """The live sessions of one deck."""

    is_lane_taken: Callable[[str], bool] = field(default=lambda _name: False)
    """Whether a cassette already has a lane of this name."""
    _live: dict[tuple[str, str], Session] = field(default_factory=dict)
    _ended: dict[tuple[str, str], Session] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def left_open(self, *, now: float) -> tuple[str, ...]:
        """Ids of live sessions that were neither closed nor have expired; replayed ones end as recorded."""
        live = (one for one in self._live.values() if not one.ended and not one.is_replayed)
        return tuple(one.id for one in live if now < one.expires_at)

    # --- before the answer ---

    def admit(self, call: Call, *, now: float, is_strict: bool = True) -> Place | None:
        """Where the call stands; None outside of any session. Raises CallerError for an id that is not accepted.

        `is_strict` false: somebody else decides (the real service), and an id never seen is joined where it is.
        """
        wanted = call.members.get("SessionId")
        if not wanted:
            return None
        if wanted == NEW_SESSION:
            if call.is_stream:
                raise refusals.session_not_opened_by_stream()
            return Place(OPENING_POSITION)
        session = self._find(call, wanted, now=now)
        if session is None:
            if is_strict:
                raise self._unknown(call, wanted)
            session = self._join(call, wanted, now=now)
        refusal = refusal_of(session) if is_strict else None
        if refusal is not None and not session.is_replayed:
            raise refusal
        if call.invocation_id is not None and call.invocation_id == session.invocation_id:
            return Place(session.position, session.step - 1, session, attempt=session.attempt + 1, refusal=refusal)
        return Place(position_after(session), session.step, session, refusal=refusal)

    def advance(self, place: Place, key: bytes, *, invocation_id: str | None) -> None:
        """The call's key is known: the session moves on to its next step, unless this was one more attempt."""
        session = place.session
        if session is None:
            return
        session.attempt = place.attempt
        if place.attempt == 0:
            session.position = place.position
            session.step = place.step + 1
            session.history = key
            session.invocation_id = invocation_id

    # --- after it ---

    def settle(
        self, place: Place, call: Call, *, head: Head, route: Route, key: bytes, now: float, lane: str | None = None
    ) -> Settled:
        """Read the session headers of an answer. `lane` names the recorded lane when the answer is a recording's."""
        head, warnings = self._judge(call, head)
        mark = None
        if place.session is not None:
            mark = SessionMark(place.session.lane, place.step)
        opened = None
        value = head.header(NEW_SESSION_ID)
        if value is not None:
            opened = self._open(call, value, route=route, key=key, now=now, lane=lane)
            if place.session is None:
                mark = SessionMark(opened.lane, 0, lifetime_s=opened.expires_at - now)
        closed = closed_id(head)
        if closed is not None:
            self.end(call.endpoint, closed, how="closed")
            if mark is not None and place.session is not None and place.session.id == closed:
                mark = replace(mark, closes=True)
        return Settled(head, mark, opened, warnings)

    def end(self, endpoint: str, session_id: str, *, how: str = "closed") -> bool:
        """Close a session; False when there is none of that id."""
        session = self._live.pop((endpoint, session_id), None)
        if session is None:
            return False
        session.ended = how
        self._ended[endpoint, session_id] = session
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]
        return True

    def live(self, *, now: float) -> tuple[Session, ...]:
        """Sessions that are neither closed nor expired."""
        self._sweep(now)
        return tuple(self._live.values())

    def has(self, endpoint: str, session_id: str) -> bool:
        """Whether the id is, or was lately, a session's."""
        return (endpoint, session_id) in self._live or (endpoint, session_id) in self._ended

    def reset(self) -> None:
        """Forget all sessions."""
        self._live.clear()
        self._ended.clear()

    def join(self, call: Call, session_id: str, *, now: float, lane: str) -> Session:
        """Take up a session that began before the recording of `lane` did."""
        session = self._join(call, session_id, now=now)
        session.lane, session.is_replayed = lane, True
        return session

    # --- inside ---

    def _find(self, call: Call, session_id: str, *, now: float) -> Session | None:
        key = (call.endpoint, session_id)
        session = self._live.get(key)
        if session is not None and now >= session.expires_at:
            self.end(*key, how="expired")
        return session or self._ended.get(key)

    def _unknown(self, call: Call, session_id: str) -> CallerError:
        for endpoint in sorted({one for one, _ in (*self._live, *self._ended)}):
            if self.has(endpoint, session_id):
                return refusals.session_unknown(session_id, reason=f"the session belongs to endpoint {endpoint}")
        return refusals.session_unknown(session_id)

    def _join(self, call: Call, session_id: str, *, now: float) -> Session:
        lane = self._lane_name(session_id)
        session = Session(session_id, call.endpoint, "", 0, now, float("inf"), lane, step=0, position=JOINED_POSITION)
        self._live[call.endpoint, session_id] = session
        return session

    def _judge(self, call: Call, head: Head) -> tuple[Head, tuple[str, ...]]:
        """Drop an opening header that opens nothing."""
        value = head.header(NEW_SESSION_ID)
        if value is None:
            return head, ()
        if call.is_stream:
            why = "a stream cannot open a session; open it with InvokeEndpoint"
        elif not is_session_value(value):
            why = "it is not '<id>; Expires=yyyy-mm-ddThh:mm:ssZ'; no session was opened"
        else:
            return head, ()
        kept = tuple(one for one in head.headers if one[0].lower() != NEW_SESSION_ID.lower())
        return Head(head.status, kept), (f"{NEW_SESSION_ID} {value[:SESSION_HEADER_MAX]!r} was dropped: {why}",)

    def _open(self, call: Call, value: str, *, route: Route, key: bytes, now: float, lane: str | None) -> Session:
        session_id, expires_at = parse_new_session(value)
        session = Session(
            session_id,
            call.endpoint,
            route.variant,
            route.instance,
            opened_at=now,
            expires_at=expires_at,
            lane=self._lane_name(session_id) if lane is None else lane,
            is_replayed=lane is not None,
            history=key,
        )
        if len(self._live) >= SWEEP_AT:
            self._sweep(now)
        self._ended.pop((call.endpoint, session_id), None)
        self._live[call.endpoint, session_id] = session
        return session

    def _sweep(self, now: float) -> None:
        for endpoint, session_id in [key for key, one in self._live.items() if now >= one.expires_at]:
            self.end(endpoint, session_id, how="expired")

    def _lane_name(self, session_id: str) -> str:
        """The id, or, where a container gave it twice, the id and a number after `~`, which no id contains."""
        name, number = session_id, 1
        while name in self._names or self.is_lane_taken(name):
            number += 1
            name = f"{session_id}~{number}"
        self._names.add(name)
        return name


def refusal_of(session: Session) -> CallerError | None:
    """The platform's error for a session that is over; None while it lives."""
    if session.ended == "closed":
        return refusals.session_closed(session.id)
    if session.ended == "expired":
        return refusals.session_expired(session.id, expired_at=instant(session.expires_at))
    return None


def position_after(session: Session) -> str:
    """The position of the request that follows the session's last one."""
    if session.step == 0:
        return JOINED_POSITION
    return f"{session.history[:8].hex()}/{session.step}"


def parse_new_session(value: str) -> tuple[str, float]:
    """Id and Unix time of a well-formed opening header."""
    session_id, _, expires = value.partition(";")
    return session_id, datetime.strptime(expires.strip()[len("Expires=") :], _FORMAT).replace(tzinfo=UTC).timestamp()


def new_session(session_id: str, expires_at: float) -> str:
    """An opening header's value."""
    return f"{session_id}; Expires={instant(expires_at)}"


def instant(at: float) -> str:
    """A Unix time to the second, in UTC, as the session headers write it: within the four digits of its year."""
    return datetime.fromtimestamp(round(min(max(at, 0.0), INSTANT_MAX)), UTC).strftime(_FORMAT)


def closed_id(head: Head) -> str | None:
    """The id that an answer closes. AWS's sample code, too, reads it up to a semicolon."""
    value = head.header(CLOSED_SESSION_ID)
    return None if value is None else value.partition(";")[0].strip()

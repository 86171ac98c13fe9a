"""Live sessions: which ids are accepted, where they lead, and what session headers mean."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from sagetape.core.chance import Chances
from sagetape.core.errors import CallerError
from sagetape.core.routes import Route
from sagetape.core.session_default import LIFETIME_S, answer, decorate, request_type
from sagetape.core.sessions import Place, Session, Sessions, instant, new_session, parse_new_session
from sagetape.core.wire import Call, Head, body_of, head_of

NOW = 1_768_478_400.0  # 2026-01-15T12:00:00Z
ROUTE = Route("chat", "blue", 1)


def call(session_id: str | None = None, *, endpoint: str = "chat", body: bytes = b"{}", **changes: object) -> Call:
    members = {} if session_id is None else {"SessionId": session_id}
    made = Call("InvokeEndpoint", endpoint, members, body, sha256(body).digest())
    return replace(made, **changes)  # type: ignore[arg-type]


def opened(sessions: Sessions, session_id: str = "s-1", *, lifetime_s: float = 1200, endpoint: str = "chat") -> Session:
    asked = call("NEW_SESSION", endpoint=endpoint)
    place = sessions.admit(asked, now=NOW)
    assert place is not None
    head = Head(200, (("X-Amzn-SageMaker-New-Session-Id", new_session(session_id, NOW + lifetime_s)),))
    settled = sessions.settle(place, asked, head=head, route=replace(ROUTE, endpoint=endpoint), key=b"k" * 16, now=NOW)
    assert settled.session is not None
    return settled.session


def inside(sessions: Sessions, session_id: str = "s-1", *, now: float = NOW, **changes: object) -> Place:
    place = sessions.admit(call(session_id, **changes), now=now)
    assert place is not None
    return place


def refused(sessions: Sessions, asked: Call, *, now: float = NOW) -> CallerError:
    with pytest.raises(CallerError) as caught:
        sessions.admit(asked, now=now)
    assert (caught.value.status, caught.value.code) == (400, "ValidationError")
    return caught.value


def test_call_without_session_stands_nowhere():
    """A call that names no session has no place in one."""
    assert Sessions().admit(call(), now=NOW) is None


def test_opening_stands_first():
    """NEW_SESSION has the opening's position and is bound to nothing."""
    place = Sessions().admit(call("NEW_SESSION"), now=NOW)
    assert place == Place("/0")
    assert place.sticky is None


def test_session_is_bound_to_its_instance():
    """A later call is led to the variant and instance that opened the session."""
    sessions = Sessions()
    opened(sessions)
    sticky = inside(sessions).sticky
    assert sticky is not None
    assert (sticky.session_id, sticky.variant, sticky.instance) == ("s-1", "blue", 1)


def test_opening_is_marked_with_its_lifetime():
    """The cassette learns the lane, step 0 and the seconds left."""
    sessions = Sessions()
    asked = call("NEW_SESSION")
    head = Head(200, (("x-amzn-sagemaker-new-session-id", new_session("s-1", NOW + 90)),))
    mark = sessions.settle(Place("/0"), asked, head=head, route=ROUTE, key=b"", now=NOW).mark
    assert mark is not None
    assert (mark.lane, mark.step, mark.lifetime_s, mark.closes) == ("s-1", 0, 90.0, False)


def test_stateless_model_gets_no_session():
    """An answer to NEW_SESSION without the header opens nothing and passes unchanged."""
    sessions = Sessions()
    head = Head(200, (("Content-Type", "application/json"),))
    settled = sessions.settle(Place("/0"), call("NEW_SESSION"), head=head, route=ROUTE, key=b"", now=NOW)
    assert (settled.head, settled.mark, settled.session, sessions.live(now=NOW)) == (head, None, None, ())


def test_unknown_session_is_refused():
    """An id that nobody opened is an error of the caller."""
    assert b"s-404 does not exist" in refused(Sessions(), call("s-404")).body


def test_session_of_another_endpoint_is_refused():
    """An id is good on its own endpoint only; the reason names the other one."""
    sessions = Sessions()
    opened(sessions, endpoint="other")
    error = refused(sessions, call("s-1"))
    assert b"does not exist" in error.body
    assert "endpoint other" in error.reason


def test_equal_ids_on_two_endpoints_are_two_sessions():
    """Containers that number their sessions do not disturb one another."""
    sessions = Sessions()
    opened(sessions, "1")
    opened(sessions, "1", endpoint="other")
    sessions.end("other", "1")
    assert inside(sessions, "1").session is not None


def test_expired_session_is_refused_at_its_instant():
    """A session lives up to, not including, its Expires."""
    sessions = Sessions()
    opened(sessions, lifetime_s=1200)
    inside(sessions, now=NOW + 1199.9)
    assert b"expired at 2026-01-15T12:20:00Z" in refused(sessions, call("s-1"), now=NOW + 1200).body


def test_session_born_expired_is_refused():
    """An Expires in the past is a session that is over at once."""
    sessions = Sessions()
    opened(sessions, lifetime_s=-1)
    assert b"expired" in refused(sessions, call("s-1")).body


def test_closed_session_is_refused():
    """The closing header passes, marks the step, and ends the session."""
    sessions = Sessions()
    opened(sessions)
    place = inside(sessions)
    head = Head(200, (("X-Amzn-SageMaker-Closed-Session-Id", "s-1"),))
    settled = sessions.settle(place, call("s-1"), head=head, route=ROUTE, key=b"", now=NOW)
    assert settled.head == head
    assert settled.mark is not None
    assert (settled.mark.step, settled.mark.closes) == (1, True)
    assert b"is closed" in refused(sessions, call("s-1")).body


def test_closing_another_id_drops_that_one():
    """The platform drops the mapping of the id that is named, whoever names it."""
    sessions = Sessions()
    opened(sessions, "s-1")
    opened(sessions, "s-2")
    head = Head(200, (("X-Amzn-SageMaker-Closed-Session-Id", "s-2; Path=/"),))
    settled = sessions.settle(inside(sessions), call("s-1"), head=head, route=ROUTE, key=b"", now=NOW)
    assert settled.mark is not None
    assert not settled.mark.closes
    assert [one.id for one in sessions.live(now=NOW)] == ["s-1"]


@pytest.mark.parametrize(
    "value", ["s-1", "s-1; Expires=soon", "s-1; Expires=2026-02-30T00:00:00Z", "s 1; Expires=2026-01-15T13:00:00Z"]
)
def test_malformed_opening_header_is_dropped(value: str):
    """The rest of the answer passes, the header does not, and the log is told."""
    head = Head(200, (("X-Amzn-SageMaker-New-Session-Id", value), ("Content-Type", "text/plain")))
    settled = Sessions().settle(Place("/0"), call("NEW_SESSION"), head=head, route=ROUTE, key=b"", now=NOW)
    assert settled.head.headers == (("Content-Type", "text/plain"),)
    assert settled.session is None
    assert "dropped" in settled.warnings[0]


def test_stream_continues_but_does_not_open():
    """A stream may use a session; NEW_SESSION on it breaks the operation's pattern, an opening header is dropped."""
    sessions = Sessions()
    opened(sessions)
    stream = "InvokeEndpointWithResponseStream"
    place = inside(sessions, operation=stream)
    assert b"regular expression" in refused(sessions, call("NEW_SESSION", operation=stream)).body
    head = Head(200, (("X-Amzn-SageMaker-New-Session-Id", new_session("s-2", NOW + 9)),))
    asked = call("s-1", operation=stream)
    settled = sessions.settle(place, asked, head=head, route=ROUTE, key=b"", now=NOW)
    assert settled.head.headers == ()
    assert "InvokeEndpoint" in settled.warnings[0]


def test_position_is_made_of_the_requests_before():
    """The position names the key of the previous request and the step."""
    sessions = Sessions()
    opened(sessions)
    first = inside(sessions)
    assert first.position == "6b6b6b6b6b6b6b6b/1"
    sessions.advance(first, bytes(range(16)), invocation_id=None)
    assert inside(sessions).position == "0001020304050607/2"


def test_sdk_attempt_is_the_same_step():
    """A repeated attempt has the position of the first; the next call goes on from there."""
    sessions = Sessions()
    opened(sessions)
    first = inside(sessions, invocation_id="i-1")
    sessions.advance(first, b"x" * 16, invocation_id="i-1")
    again = inside(sessions, invocation_id="i-1")
    assert (again.position, again.step, again.attempt) == (first.position, 1, 1)
    sessions.advance(again, b"x" * 16, invocation_id="i-1")
    assert inside(sessions, invocation_id="i-1").attempt == 2
    assert inside(sessions, invocation_id="i-2").step == 2


def test_unknown_session_is_joined_where_another_decides():
    """In front of the real service an id never seen passes, and counts from where it was met."""
    sessions = Sessions()
    place = sessions.admit(call("from-before"), now=NOW, is_strict=False)
    assert place is not None
    assert (place.position, place.step, place.sticky) == ("joined/0", 0, None)
    sessions.advance(place, b"j" * 16, invocation_id=None)
    assert inside(sessions, "from-before").position == "6a6a6a6a6a6a6a6a/1"


def test_replayed_session_leaves_the_refusal_to_the_recording():
    """A replayed session that is over is not refused before the recording was asked."""
    sessions = Sessions()
    session = opened(sessions, lifetime_s=10)
    session.is_replayed = True
    place = inside(sessions, now=NOW + 10)
    assert place.refusal is not None
    assert b"expired" in place.refusal.body


def test_id_given_twice_is_recorded_under_two_lanes():
    """A container that starts counting again does not mix two recorded sessions."""
    sessions = Sessions(is_lane_taken={"1"}.__contains__)
    assert opened(sessions, "1").lane == "1~2"
    sessions.end("chat", "1")
    assert opened(sessions, "1").lane == "1~3"


def test_ended_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """The memory of sessions that are over does not grow without end."""
    monkeypatch.setattr("sagetape.core.sessions.ENDED_MAX", 3)
    sessions = Sessions()
    for number in range(5):
        opened(sessions, f"s-{number}")
        sessions.end("chat", f"s-{number}")
    assert [sessions.has("chat", f"s-{n}") for n in range(5)] == [False, False, True, True, True]


def test_expired_sessions_are_swept(monkeypatch: pytest.MonkeyPatch):
    """Sessions that nobody asks for again leave the table as well."""
    monkeypatch.setattr("sagetape.core.sessions.ENDED_MAX", 1)
    sessions = Sessions()
    for number in range(4):
        opened(sessions, f"s-{number}", lifetime_s=10)
    assert sessions.live(now=NOW + 11) == ()
    assert sum(sessions.has("chat", f"s-{n}") for n in range(4)) == 1


def test_session_header_goes_there_and_back():
    """Id and instant survive the header's form."""
    assert parse_new_session(new_session("a-1", NOW + 0.4)) == ("a-1", NOW)
    assert instant(NOW) == "2026-01-15T12:00:00Z"


# --- built-in sessions ---


def said(asked: Call, place: Place, *, sessions: Sessions, seed: int = 7) -> tuple[Head, bytes]:
    script = answer(asked, place, sessions=sessions, chance=Chances(seed).of(asked), now=NOW, variant="AllTraffic")
    assert script is not None
    head = head_of(script)
    assert head is not None
    return head, body_of(script)


def test_default_session_opens_and_closes():
    """The built-in session has a UUID of the seed, lasts 1,200 s and closes on request."""
    sessions = Sessions()
    asked = call("NEW_SESSION", body=b'{"requestType":"NEW_SESSION"}')
    head, body = said(asked, Place("/0"), sessions=sessions)
    settled = sessions.settle(Place("/0"), asked, head=head, route=ROUTE, key=b"", now=NOW)
    assert settled.session is not None
    session_id = settled.session.id
    assert session_id == "788be091-0ee8-4e0c-9c70-8366b5f8ec3e"
    assert body == f"Session {session_id} created".encode()
    assert settled.session.expires_at == NOW + LIFETIME_S
    closing = call(session_id, body=b'{ "requestType": "CLOSE" }')
    place = inside(sessions, session_id)
    head, body = said(closing, place, sessions=sessions)
    assert (head.header("X-Amzn-SageMaker-Closed-Session-Id"), body) == (
        session_id,
        f"Session {session_id} closed".encode(),
    )


def test_default_session_comes_with_the_models_answer():
    """Any other body is the model's to answer, and the session rides on its head, unless it failed or has its own."""
    asked = call("NEW_SESSION", body=b'{"text":"hello"}')
    sessions = Sessions()
    chance = Chances(7).of(asked)
    assert answer(asked, Place("/0"), sessions=sessions, chance=chance, now=NOW, variant="v") is None
    given = decorate(Head(200), asked, sessions=sessions, chance=chance, now=NOW)
    assert given.header("X-Amzn-SageMaker-New-Session-Id") is not None
    for head in (Head(424), given):
        assert decorate(head, asked, sessions=sessions, chance=chance, now=NOW) is head


def test_default_session_never_gives_an_id_twice():
    """Two equal openings are two sessions, even when the count of the seed starts over."""
    sessions = Sessions()
    asked = call("NEW_SESSION", body=b'{"requestType":"NEW_SESSION"}')
    ids = set()
    for _ in range(3):
        head, _body = said(asked, Place("/0"), sessions=sessions)
        settled = sessions.settle(Place("/0"), asked, head=head, route=ROUTE, key=b"", now=NOW)
        assert settled.session is not None
        ids.add(settled.session.id)
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"requestType":"CLOSE"}', "CLOSE"),
        (b'{"requestType":"CLOSE","more":1}', None),
        (b'{"requestType":1}', None),
        (b'["requestType"]', None),
        (b'{"requestType":', None),
        (b'{"requestType":"CLOSE"}' + b" " * 300, None),
        (b"", None),
    ],
)
def test_session_request_has_one_member(body: bytes, found: str | None):
    """Only an object with nothing but requestType asks for a session, as in AWS's library."""
    assert request_type(body) == found

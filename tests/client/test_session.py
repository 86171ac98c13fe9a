"""A stateful session opens with NEW_SESSION, goes on with the id, and closes itself."""

from __future__ import annotations

from typing import Any

import pytest

from sagetape_client.errors import InvokeError, ServiceError, SessionExpired
from sagetape_client.invoker import Client
from tests.client.conftest import Waits
from tests.client.standin import Answer, Arrived, Standin, as_json, error, frame, stream

OPENED = Answer(200, {"X-Amzn-SageMaker-New-Session-Id": "id-1; Expires=2023-11-14T22:33:20Z"}, b"hello")
EXPIRES_S = 1_700_001_200.0


def stateful(arrived: Arrived) -> Answer:
    """A container with sessions, as AWS's documentation has it."""
    session = arrived.headers.get("x-amzn-sagemaker-session-id")
    if session == "NEW_SESSION":
        return OPENED
    if session != "id-1":
        return error(400, "ValidationError", f"Session {session} not found")
    if arrived.body == b'{"requestType":"CLOSE"}':
        return as_json({}, **{"X-Amzn-SageMaker-Closed-Session-Id": "id-1"})
    return stream([frame(b"part")]) if "stream" in arrived.path else as_json({"turn": arrived.body.decode()})


def sessions_of(service: Standin) -> list[tuple[str, bytes]]:
    return [(a.headers["x-amzn-sagemaker-session-id"], a.body) for a in service.arrived]


def test_session_opens_continues_streams_and_closes(client: Client, service: Standin) -> None:
    """The whole life, with AWS's documented bodies, the id bare after opening."""
    service.answer = stateful
    with client.session("e", target_variant="blue") as session:
        assert (session.id, session.expires_at) == ("id-1", EXPIRES_S)
        assert session.opened.body == b"hello"
        assert session.invoke(b"1").value() == {"turn": "1"}
        assert session.invoke_stream(b"2").read() == b"part"
    assert session.is_closed
    assert sessions_of(service) == [
        ("NEW_SESSION", b'{"requestType":"NEW_SESSION"}'),
        ("id-1", b"1"),
        ("id-1", b"2"),
        ("id-1", b'{"requestType":"CLOSE"}'),
    ]
    assert all(a.headers["x-amzn-sagemaker-target-variant"] == "blue" for a in service.arrived)


def test_session_tells_when_it_expires(light: Client, service: Standin, waits: Waits) -> None:
    """Expiry by this machine's clock is told, and never refuses a call by itself."""
    service.answer = stateful
    object.__setattr__(light, "chances", waits.chances())
    with light.session("e") as session:
        assert not session.is_expired
        assert session.remaining_s == 1200.0
        waits.sleep(1200)
        assert session.is_expired
        assert session.invoke(b"1").value() == {"turn": "1"}


def test_session_refused_id_is_expired(client: Client, service: Standin) -> None:
    """A refusal that names the session becomes SessionExpired; leaving the block is quiet then."""
    service.answer = stateful
    with client.session("e") as session:
        service.script(error(400, "ValidationError", "Session id-1 not found"))
        with pytest.raises(SessionExpired, match=r"id-1 is over.*Open a new session") as caught:
            session.invoke(b"1")
    assert caught.value.expires_at == EXPIRES_S
    assert session.is_closed


def test_session_other_errors_stay_what_they_are(client: Client, service: Standin) -> None:
    """A model's failure inside a session is not an expiry."""
    service.answer = stateful
    with client.session("e") as session:
        service.script(error(424, "ModelError", "out of memory", OriginalStatusCode=500))
        with pytest.raises(ServiceError, match="out of memory") as caught:
            session.invoke(b"1")
        service.answer = stateful
    assert not isinstance(caught.value, SessionExpired)


def test_session_closed_by_the_model_is_not_closed_twice(client: Client, service: Standin) -> None:
    """An answer that closes the session ends it; a later call says so."""
    service.answer = stateful
    with client.session("e") as session:
        session.invoke(b'{"requestType":"CLOSE"}')
        with pytest.raises(InvokeError, match="closed"):
            session.invoke(b"x")
    assert len(service.arrived) == 2


def test_session_failed_close_does_not_hide_the_error(client: Client, service: Standin) -> None:
    """The block's own error comes out, with a note about the close."""

    def leave(session: Any) -> None:
        with session:
            service.script(error(424, "ModelError", "no"))
            raise RuntimeError("mine")

    service.answer = stateful
    with pytest.raises(RuntimeError, match="mine") as caught:
        leave(client.session("e"))
    assert "could not be closed" in caught.value.__notes__[0]


def test_session_that_does_not_open_is_named(client: Client, service: Standin) -> None:
    """An answer without a session id is an error, not a session."""
    with pytest.raises(InvokeError, match="opened no session"), client.session("e"):
        pass
    assert len(service.arrived) == 1


def test_session_not_open_is_named(light: Client) -> None:
    """A call before `with` says what to do."""
    with pytest.raises(InvokeError, match="not open"):
        light.session("e").invoke(b"x")


def test_session_own_grammar(client: Client, service: Standin) -> None:
    """Bodies and content type are the container's own."""
    service.answer = lambda a: OPENED if a.headers["x-amzn-sagemaker-session-id"] == "NEW_SESSION" else as_json({})
    with client.session("e", open_body="start", close_body="stop", content_type="text/plain"):
        pass
    assert sessions_of(service) == [("NEW_SESSION", b"start"), ("id-1", b"stop")]
    assert {"text/plain"} == {a.headers["content-type"] for a in service.arrived}

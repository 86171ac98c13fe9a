"""Sessions for a model that has none of its own: an endpoint declared with `sessions = true`.

Decides id, lifetime and the answers to opening and closing, in the form of AWS's own library for containers
(aws/model-hosting-container-standards: `{"requestType":"NEW_SESSION"}`, `{"requestType":"CLOSE"}`, 1,200 s, "Session
<id> created"). An opening with any other body is the model's to answer; the session comes with its answer. A session
that the model opens itself takes precedence. An endpoint that is not declared so has nothing invented for it.
"""

from __future__ import annotations

import json

from .chance import Chance
from .platform import CLOSED_SESSION_ID, NEW_SESSION_ID, VARIANT_HEADER
from .sessions import NEW_SESSION, Place, Sessions, new_session
from .wire import Call, Head, Headers, Script, whole

LIFETIME_S = 1200.0  # aws/model-hosting-container-standards, SAGEMAKER_SESSIONS_EXPIRATION
_REQUEST_MAX_BYTES = 256  # a longer body is no mere session request


def answer(call: Call, place: Place, *, sessions: Sessions, chance: Chance, now: float, variant: str) -> Script | None:
    """The answer to a body that asks for nothing but opening or closing; None: the model is asked."""
    asked = request_type(call.body)
    if place.session is None and asked == NEW_SESSION:
        fresh = fresh_id(call, sessions=sessions, chance=chance)
        header = (NEW_SESSION_ID, new_session(fresh, now + LIFETIME_S))
        return _said(header, variant=variant, text=f"Session {fresh} created")
    if place.session is not None and asked == "CLOSE" and not call.is_stream:
        session_id = place.session.id
        return _said((CLOSED_SESSION_ID, session_id), variant=variant, text=f"Session {session_id} closed")
    return None


def decorate(head: Head, call: Call, *, sessions: Sessions, chance: Chance, now: float) -> Head:
    """The head of a model's answer to an opening call, with a session unless it failed or brings its own."""
    if head.status != 200 or head.header(NEW_SESSION_ID) is not None:
        return head
    fresh = fresh_id(call, sessions=sessions, chance=chance)
    return Head(head.status, ((NEW_SESSION_ID, new_session(fresh, now + LIFETIME_S)), *head.headers))


def fresh_id(call: Call, *, sessions: Sessions, chance: Chance) -> str:
    """An id from the seed that no session of the endpoint has or had lately."""
    nth = 0
    while sessions.has(call.endpoint, found := chance.uuid("session", nth=nth)):
        nth += 1
    return found


def request_type(body: bytes) -> str | None:
    """`requestType` of a JSON object that has no other member; None for any other body."""
    if len(body) > _REQUEST_MAX_BYTES or b"requestType" not in body:
        return None
    try:
        value = json.loads(body)
    except ValueError:  # not JSON: the model's business
        return None
    found = value.get("requestType") if isinstance(value, dict) and len(value) == 1 else None
    return found if isinstance(found, str) else None


def _said(header: tuple[str, str], *, variant: str, text: str) -> Script:
    headers: Headers = (header, (VARIANT_HEADER, variant), ("Content-Type", "application/json"))
    return whole(200, headers, text.encode())

"""Interactions of every shape, for the tests of documents, merging and exchange."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import strategies as st

from sagetape.core.eventstream import encode, exception, payload_part
from sagetape.core.wire import (
    EVENT_STREAM,
    Abort,
    Call,
    Chunk,
    End,
    Head,
    Interaction,
    Pause,
    Provenance,
    Script,
    SessionMark,
    whole,
)

JSON = (("Content-Type", "application/json"),)
ORIGIN = Provenance(1_700_000_000.5, "aws", "0.1.0")
MEMBERS = {"ContentType": "application/json", "Accept": "application/json"}


def call_of(body: bytes = b'{"inputs":[1,2]}', *, endpoint: str = "churn", **members: str) -> Call:
    """A call as a cassette holds it."""
    return Call("InvokeEndpoint", endpoint, {**MEMBERS, **members}, body, hashlib.sha256(body).digest())


def interaction(body: bytes = b'{"inputs":[1,2]}', answer: bytes = b'{"label":"stays"}', **options: Any) -> Interaction:
    """A whole answer to a JSON call. Options are fields of `Interaction`, or of the call."""
    own = {name: options.pop(name) for name in ("session", "notes") if name in options}
    script: Script = options.pop("script", whole(200, JSON, answer))
    origin = options.pop("origin", ORIGIN)
    return Interaction(call_of(body, **options), script, origin, **own)


def stream(*parts: bytes, end: Any = None) -> Script:
    """An event stream of these parts."""
    head = Head(200, (("Content-Type", EVENT_STREAM), ("X-Amzn-SageMaker-Content-Type", "text/plain")))
    return (head, *(Chunk(payload_part(part)) for part in parts), End() if end is None else end)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"", b"{}", b'{"a":1}', b'{ "a": 1.0 }', b'{"a": NaN}', b'"\\ud800"', b"[" * 5000, b"\xff\xfe"]),
)
SECONDS = st.floats(0, 1e6, allow_nan=False)
FRAMES = st.one_of(
    BODIES.map(payload_part),
    st.tuples(TEXTS, BODIES).map(lambda pair: encode(((":event-type", pair[0]),), pair[1])),
    st.just(exception("ModelStreamError", "broken", error_code="StreamBroken")),
    st.just(payload_part(b"damaged")[:-1] + b"?"),
)
HEADS = st.builds(
    Head,
    st.integers(200, 599),
    st.lists(
        st.tuples(
            st.text("abcXYZ019-_!~", min_size=1, max_size=8),
            TEXTS.map(lambda text: text.translate(dict.fromkeys(map(ord, "\r\n\0")))),
        ),
        max_size=2,
    ).map(tuple),
)
SCRIPTS: st.SearchStrategy[Script] = st.one_of(
    st.tuples(HEADS, BODIES.map(Chunk), st.just(End())),
    st.tuples(SECONDS.map(Pause), TEXTS.map(Abort)),
    st.lists(FRAMES.map(Chunk), max_size=3).map(
        lambda chunks: (Head(200, (("Content-Type", EVENT_STREAM),)), *chunks, End())
    ),
)


@st.composite
def interactions(draw: st.DrawFn) -> Interaction:
    """Anything that a cassette may hold."""
    body = draw(BODIES)
    call = Call(
        operation=draw(st.sampled_from(["InvokeEndpoint", "InvokeEndpointWithResponseStream"])),
        endpoint=draw(TEXTS),
        members=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
        body=body,
        body_sha256=draw(st.sampled_from([hashlib.sha256(body).digest(), bytes(32)])),
        auth=draw(st.sampled_from(["valid", "ExpiredTokenException"])),
        position=draw(st.sampled_from(["", "/0", "0011223344556677/3"])),
        region=draw(st.sampled_from(["us-east-1", "eu-west-1"])),
        account=draw(st.sampled_from(["123456789012", "000000000000"])),
    )
    mark = st.builds(SessionMark, TEXTS, st.integers(0, 9), st.none() | SECONDS, st.booleans())
    return Interaction(
        call=call,
        script=draw(SCRIPTS),
        origin=Provenance(draw(SECONDS), draw(TEXTS), draw(TEXTS), draw(st.booleans())),
        session=draw(st.none() | mark),
        notes=draw(st.dictionaries(TEXTS, TEXTS, max_size=2)),
    )

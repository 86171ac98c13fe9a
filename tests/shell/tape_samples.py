"""Interactions and cassettes for the tests of the store."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

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
    Step,
    whole,
)
from sagetape.shell.store import Cassette, CassetteSettings

JSON = (("Content-Type", "application/json"),)
STREAM = (("Content-Type", EVENT_STREAM),)
ORIGIN = Provenance(1_700_000_000.5, "aws", "0.1.0")
SETTINGS = CassetteSettings(match={"body": "json", "headers": ["Accept"]}, scrub={"account": True}, seed=7)


def key_of(name: object) -> bytes:
    return hashlib.blake2b(repr(name).encode(), digest_size=16).digest()


def call_of(body: bytes, *, endpoint: str = "churn", operation: str = "InvokeEndpoint", **members: str) -> Call:
    return Call(operation, endpoint, members, body, hashlib.sha256(body).digest())


def interaction(
    body: bytes = b"question", answer: bytes = b"answer", *, endpoint: str = "churn", at: float = 1.0, **options: Any
) -> Interaction:
    origin = Provenance(at, "aws", "0.1.0")
    return Interaction(call_of(body, endpoint=endpoint), whole(200, JSON, answer), origin, **options)


END = End()


def streamed(body: bytes, *parts: bytes, last: Step = END) -> Interaction:
    """An answer in parts, the first of them after a quarter of a second."""
    return Interaction(call_of(body), (Head(200, STREAM), Pause(0.25), *map(Chunk, parts), last), ORIGIN)


def write_sample(path: Path) -> list[tuple[bytes, Interaction]]:
    """A cassette of a few kilobytes, with an amendment; the interactions in it, with their keys."""
    pixels = bytes(range(256)) + b"!"
    kept = [
        (key_of("small"), interaction()),
        (key_of("large"), interaction(b'{"inputs": "' + b"ab" * 130 + b'"}', pixels)),
        (key_of("again"), interaction(b"other", pixels, notes={"fault": "none"})),
        (key_of("session"), interaction(b"open", b"{}", session=SessionMark("lane-1", 0, 1200.0))),
        (key_of("small"), interaction(answer=b"second take")),
    ]
    with Cassette.open(path, writable=True, settings=SETTINGS) as cassette:
        for key, one in kept:
            cassette.append(one, key)
        cassette.allow(["fingerprint"])
        stream = streamed(b"tell", b"once upon", b"a time" * 45)
        cassette.append(stream, key_of("stream"))
    return [*kept, (key_of("stream"), stream)]


# --- for hypothesis ---------------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.dictionaries(texts, texts, max_size=3)
bodies = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda seed, times: seed * times, st.binary(min_size=1, max_size=9), st.integers(0, 900)),
    st.builds(lambda one, other: one + b"\xc1TAP" + other, st.binary(max_size=5), st.binary(max_size=300)),
)
seconds = st.floats(0, 1e6)
steps = st.one_of(st.builds(Chunk, bodies), st.builds(Pause, seconds))
header_names = st.text("abcXYZ019-_!~", min_size=1, max_size=12)
header_values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
headers = st.lists(st.tuples(header_names, header_values), max_size=3).map(tuple)
heads = st.builds(Head, st.integers(200, 599), headers)
aborts = st.builds(Abort, reason=texts)


def _script(waits: list[Pause], head: Head, middle: list[Any], last: Any) -> Script:
    return (*waits, head, *middle, last)


waits = st.lists(st.builds(Pause, seconds), max_size=1)
scripts = st.builds(_script, waits, heads, st.lists(steps, max_size=4), st.builds(End) | aborts) | st.builds(
    lambda waited, abort: (*waited, abort), waits, aborts
)
calls = st.builds(
    Call,
    operation=st.sampled_from(["InvokeEndpoint", "InvokeEndpointWithResponseStream", "InvokeEndpointAsync"]),
    endpoint=texts,
    members=names,
    body=bodies,
    body_sha256=st.binary(min_size=32, max_size=32),
    auth=texts,
    position=texts,
    region=texts,
    account=texts,
)
origins = st.builds(Provenance, recorded_at=seconds, source=texts, version=texts, synthetic=st.booleans())
marks = st.builds(
    SessionMark, lane=texts, step=st.integers(0, 2**32 - 1), lifetime_s=st.none() | seconds, closes=st.booleans()
)
interactions = st.builds(
    Interaction, call=calls, script=scripts, origin=origins, session=st.none() | marks, notes=names
)
keys = st.sampled_from([key_of(n) for n in range(4)])
recordings = st.lists(st.tuples(keys, interactions), max_size=4)

"""Waits that are steps meet the platform's limit."""

from __future__ import annotations

import json

import pytest

from sagetape.core.eventstream import decode, payload_part
from sagetape.core.limits import Limit, within_limit
from sagetape.core.platform import Ask
from sagetape.core.wire import Call, Chunk, End, Head, Pause, Script, body_of, head_of, whole

PLAIN = Ask(Call("InvokeEndpoint", "churn", {}, b"", bytes(32)), timeout_s=60)
STREAM = Ask(Call("InvokeEndpointWithResponseStream", "churn", {}, b"", bytes(32)), timeout_s=480)
EVENTS = Head(200, (("Content-Type", "application/vnd.amazon.eventstream"),))
ANSWER = whole(200, (), b"{}")


def part(text: bytes) -> Chunk:
    return Chunk(payload_part(text))


def test_answer_without_waits_is_the_same():
    """A script that never waits is not even copied."""
    assert within_limit(ANSWER, PLAIN) is ANSWER


@pytest.mark.parametrize("wait_s", [0.5, 59.9])
def test_answer_in_time_passes(wait_s: float):
    """Under the limit nothing changes."""
    script = (Pause(wait_s), *ANSWER)
    assert within_limit(script, PLAIN) == script


@pytest.mark.parametrize(
    "script",
    [
        (Pause(60), *ANSWER),
        (Pause(3600), *ANSWER),
        (Pause(30), ANSWER[0], Pause(30), *ANSWER[1:]),
    ],
)
def test_late_answer_is_a_model_error(script: Script):
    """A minute of waiting, wherever it stands, is the 424 at the limit."""
    limited = within_limit(script, PLAIN)
    head = head_of(limited)
    assert limited[0] == Pause(60)
    assert head is not None
    assert head.status == 424
    assert "timed out while waiting for a response from container primary" in json.loads(body_of(limited))["Message"]


def test_stream_that_began_ends_with_a_frame():
    """After eight minutes a stream ends with ModelStreamError ModelInvocationTimeExceeded."""
    script = (Pause(100), EVENTS, part(b"a"), Pause(100), part(b"b"), Pause(300), part(b"c"), End())
    limited = within_limit(script, STREAM)
    assert limited[:6] == (*script[:5], Pause(280))
    last = limited[6]
    assert isinstance(last, Chunk)
    frame = decode(last.data)
    assert frame.header(":exception-type") == "ModelStreamError"
    assert json.loads(frame.payload)["ErrorCode"] == "ModelInvocationTimeExceeded"
    assert limited[7:] == (End(),)


def test_stream_that_never_began_is_a_model_error():
    """Before the first byte a stream fails like any answer."""
    head = head_of(within_limit((Pause(480), EVENTS, End()), STREAM))
    assert head is not None
    assert head.status == 424


def test_stream_in_time_passes():
    """Under the limit a stream is unchanged, fed step by step."""
    script = (EVENTS, Pause(479.9), part(b"a"), End())
    limit = Limit(STREAM)
    assert tuple(after for step in script for after in limit.feed(step)) == script
    assert not limit.is_met

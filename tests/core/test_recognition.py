"""Recognition remembers only what follows from the call alone, and never answers with another call's key."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.recognition import Recognition
from sagetape.core.rules import ScrubRules
from sagetape.core.scrub import Scrubber
from sagetape.core.wire import Call

BODY = b'{"a": 1}'


def call(body: bytes = BODY, **members: str) -> Call:
    named = {"ContentType": "application/json", **members}
    return Call("InvokeEndpoint", "churn", named, body, sha256(body).digest())


def recognition(matcher: Matcher | None = None) -> Recognition:
    return Recognition(matcher or Matcher(MatchRules()), Scrubber(ScrubRules(), account="111122223333"))


CALLS = {
    "plain": call(),
    "another body": call(b'{"a": 2}'),
    "another endpoint": replace(call(), endpoint="other"),
    "another operation": replace(call(), operation="InvokeEndpointWithResponseStream"),
    "another position": replace(call(), position="abc/1"),
    "another outcome of authentication": replace(call(), auth="InvalidSignatureException"),
    "a target model": call(TargetModel="a"),
    "a target variant of the same name": call(TargetVariant="a"),
    "a member and its value changed over": call(a="TargetModel"),
    "an account in the body": call(b'{"a": "arn:aws:iam::444455556666:role/x"}'),
    "an account of this run": replace(call(), account="111122223333"),
    "not JSON": call(b'{"a": 1'),
}


@pytest.mark.parametrize("name", CALLS)
def test_recognition_gives_the_matchers_key_every_time(name: str) -> None:
    """First and later looks are equal, and equal to scrubbing and keying by hand, with all other calls in between."""
    matcher, scrubber = Matcher(MatchRules()), Scrubber(ScrubRules(), account="111122223333")
    recognised = Recognition(matcher, scrubber)
    for other in CALLS.values():
        recognised.of(other)
    asked = CALLS[name]
    expected, removed = Scrubber(ScrubRules(), account="111122223333").redact(asked)
    for _ in range(3):
        scrubbed, found, key = recognised.of(asked)
        assert (scrubbed, key) == (expected, Matcher(MatchRules()).key(expected))
        assert bool(found) == bool(removed)


def test_recognition_asks_a_custom_projection_for_each_call() -> None:
    """A user's function may look at anything, so its value is never remembered."""
    asked: list[Call] = []

    def project(seen: Call) -> str:
        asked.append(seen)
        return "x"

    recognised = recognition(Matcher(MatchRules(custom=("m:f",)), custom=[project]))
    recognised.of(call())
    recognised.of(call())
    assert len(asked) == 2


def test_recognition_forgets_by_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many bodies come, at most two generations stay, and a forgotten one is read again."""
    monkeypatch.setattr(Recognition, "GENERATION", 3)
    recognised = recognition()
    keys = {number: recognised.of(call(b"%d" % number))[2] for number in range(20)}
    held = [recognised._new, recognised._old]
    assert sum(len(keys) for generation in held for keys in generation.values()) <= 6
    assert {number: recognised.of(call(b"%d" % number))[2] for number in range(20)} == keys


def test_unread_is_the_long_part_of_a_key() -> None:
    """What was read beforehand is not read again; bytes need no reading."""
    recognised = recognition()
    read = recognised.unread(call())
    assert read is not None
    read()
    assert recognised.unread(call()) is None
    assert recognised.of(call())[2] == Matcher(MatchRules()).key(call())
    assert recognised.unread(call(ContentType="application/octet-stream")) is None
    assert recognised.unread(call(ContentType="multipart/form-data; boundary=x")) is None

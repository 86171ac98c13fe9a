"""While recording: other requests with other answers under one key are told, with the rule that tells them apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.test_guard import Take, call, takes

from sagetape.core.matching import DEFAULT_MEMBERS, Matcher, MatchRules
from sagetape.core.unlike import EARLIER_MAX, told_by_nothing
from sagetape.core.wire import Call, SessionMark

DEFAULT = MatchRules()
MEMBERS = ", ".join(f'"{name}"' for name in DEFAULT_MEMBERS)
UNLIKE = {
    "custom attributes": (
        DEFAULT,
        call(CustomAttributes="accept_eula=true"),
        call(CustomAttributes="accept_eula=false"),
        'X-Amzn-SageMaker-Custom-Attributes: recorded "accept_eula=true", then "accept_eula=false"',
        f'members = [{MEMBERS}, "CustomAttributes"]',
    ),
    "number as a float": (
        DEFAULT,
        call(b'{"a":{"n":[2,1]}}'),
        call(b'{"a":{"n":[2,1.0]}}'),
        "body, $.a.n[1]: recorded 1, then 1.0 (equal numbers)",
        'body = "bytes"',
    ),
    "negative zero": (
        DEFAULT,
        call(b"[0.0]"),
        call(b"[-0.0]"),
        "body, $[0]: recorded 0.0, then -0.0",
        'body = "bytes"',
    ),
    "order of keys": (DEFAULT, call(b'{"a":1,"b":2}'), call(b'{"b":2,"a":1}'), "body, its bytes", 'body = "bytes"'),
    "ignored path": (
        MatchRules(ignore_paths=("id", "q")),
        call(b'{"id":1,"q":"rain"}'),
        call(b'{"id":1,"q":"snow"}'),
        'body, $.q: recorded "rain", then "snow"',
        'ignore_paths without "q"',
    ),
    "rounded": (MatchRules(round_digits=1), call(b"[0.11]"), call(b"[0.12]"), "body, $[0]", "a larger round_digits"),
    "preset": (
        MatchRules(presets=("triton",)),
        call(b'{"id":1}'),
        call(b'{"id":2}'),
        "$.id",
        'presets without "triton"',
    ),
    "body": (MatchRules(body="ignore"), call(b"[1]"), call(b"[2]"), "body, $[0]", 'body = "meaning"'),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_unlike_requests_with_unlike_answers_are_told_with_their_rule(name: str) -> None:
    """The difference by name, and what to write so that the two have two keys."""
    rules, one, other, place, rule = UNLIKE[name]
    matcher = Matcher(rules)
    assert matcher.key(one) == matcher.key(other)
    found = told_by_nothing(takes((one, b"1"), (other, b"2")), matcher=matcher)
    assert found is not None
    assert found.numbers == (1, 2)
    assert place in found.text
    assert f"Tell them apart under [match]: {rule}" in found.text
    assert told_by_nothing(takes((one, b"1"), (other, b"1")), matcher=matcher) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (call(), call()),
        (call(InferenceId="1"), call(InferenceId="2")),
        (
            call(b"--a\r\n\r\n1\r\n--a--", ContentType="multipart/form-data; boundary=a"),
            call(b"--b\r\n\r\n1\r\n--b--", ContentType="multipart/form-data; boundary=b"),
        ),
    ],
)
def test_equal_requests_with_unlike_answers_are_not_told(one: Call, other: Call) -> None:
    """A model may draw lots; an id or a boundary that is new in each call is no difference."""
    assert told_by_nothing(takes((one, b"1"), (other, b"2")), matcher=Matcher(DEFAULT)) is None


def test_attempts_and_sessions_are_chosen_otherwise() -> None:
    """A further attempt of one call, and a step of a recorded session, are not told."""
    pair = ((call(CustomAttributes="a"), b"1"), (call(CustomAttributes="b"), b"2"))
    assert told_by_nothing(takes(*pair, notes={"attempt": "again"}), matcher=Matcher(DEFAULT)) is None
    first, second = takes(*pair)
    marked = Take(2, replace(second.interaction, session=SessionMark("s", 0)))
    assert told_by_nothing([first, marked], matcher=Matcher(DEFAULT)) is None
    assert EARLIER_MAX > 0

"""The wrong-answer guard finds what may be right only by luck, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from sagetape.core.guard import DISTINCT_MAX, inspect_takes, left_out, order_alone
from sagetape.core.matching import DEFAULT_MEMBERS, Matcher, MatchRules
from sagetape.core.wire import Call, Interaction, Provenance, Script, whole

DEFAULT = MatchRules()


@dataclass(frozen=True)
class Take:
    """A recording as the guard sees it."""

    number: int
    interaction: Interaction
    cassette: str = "churn.tape"
    notes: Mapping[str, str] = field(default_factory=dict)


def call(body: bytes = b'{"a":1}', **members: str) -> Call:
    """A JSON call with members."""
    return Call(
        "InvokeEndpoint", "churn", {"ContentType": "application/json"} | members, body, hashlib.sha256(body).digest()
    )


def answer(body: bytes) -> Script:
    """A JSON answer."""
    return whole(200, (("Content-Type", "application/json"),), body)


def takes(*pairs: tuple[Call, bytes], notes: Mapping[str, str] | None = None) -> list[Take]:
    """Takes of these calls and answers; `notes` are the last one's."""
    origin = Provenance(0.0, "aws", "1")
    made = [Interaction(asked, answer(body), origin) for asked, body in pairs]
    if notes:
        made[-1] = Interaction(made[-1].call, made[-1].script, origin, notes=notes)
    return [Take(number, one) for number, one in enumerate(made, 1)]


LEFT_OUT = {
    "custom-attributes": (
        DEFAULT,
        call(CustomAttributes="lang=de"),
        call(CustomAttributes="lang=fr"),
        'X-Amzn-SageMaker-Custom-Attributes: recorded "lang=de", then "lang=fr"',
    ),
    "attribute-absent": (DEFAULT, call(PrefixAwareId="p"), call(), 'Prefix-Aware-Id: recorded "p", then absent'),
    "model-not-in-rules": (
        MatchRules(members=tuple(name for name in DEFAULT_MEMBERS if name != "TargetModel")),
        call(TargetModel="a"),
        call(TargetModel="b"),
        'X-Amzn-SageMaker-Target-Model: recorded "a", then "b"',
    ),
    "ignored-path": (
        MatchRules(ignore_paths=("q",)),
        call(b'{"q":"rain"}'),
        call(b'{"q":"snow"}'),
        'body, $.q: recorded "rain", then "snow"',
    ),
    "rounded": (MatchRules(round_digits=1), call(b"[0.11]"), call(b"[0.12]"), "body, $[0]: recorded 0.11, then 0.12"),
    "preset": (MatchRules(presets=("triton",)), call(b'{"id":1}'), call(b'{"id":2}'), "body, $.id: recorded 1, then 2"),
    "body": (MatchRules(body="ignore"), call(b"[1]"), call(b"[2]"), "body, $[0]: recorded 1, then 2"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_guard_finds_what_the_key_leaves_out(name: str) -> None:
    """Two recordings of one key that differ in what the key does not see are named, with the difference."""
    rules, one, other, text = LEFT_OUT[name]
    matcher = Matcher(rules)
    assert matcher.key(one) == matcher.key(other)
    found = left_out(takes((one, b"1"), (other, b"2")), matcher=matcher)
    assert found is not None
    assert (found.kind, found.numbers) == ("left-out", (1, 2))
    assert text in found.text
    assert "interaction 1 in churn.tape and interaction 2 in churn.tape" in found.text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (call(), call()),
        (call(b'{"a":1,"b":2}'), call(b'{ "b":2.0, "a":1 }')),
        (call(InferenceId="1"), call(InferenceId="2")),
        (call(SessionId="x"), call(SessionId="y")),
    ],
)
def test_guard_silent_where_nothing_is_left_out(one: Call, other: Call) -> None:
    """Spacing, and ids that are new in each call, are no reason for a warning."""
    assert left_out(takes((one, b"1"), (other, b"2")), matcher=Matcher(DEFAULT)) is None


def test_guard_finds_order_alone() -> None:
    """Different answers to one request: only the order of the calls chooses."""
    found = order_alone(takes((call(), b'{"y":1}'), (call(), b'{"y":2}'), (call(), b'{"y":1}')))
    assert found is not None
    assert (found.kind, found.numbers) == ("order", (1, 2))
    assert "2 different answers are recorded for one request (InvokeEndpoint churn)" in found.text
    assert "$.y: recorded 1, then 2" in found.text


@pytest.mark.parametrize(
    "recorded",
    [
        takes((call(), b'{"y":1}')),
        takes((call(), b'{"y":1}'), (call(), b'{ "y" : 1.0 }')),
        takes((call(), b'{"y":1}'), (call(), b'{"y":2}'), notes={"attempt": "again"}),
    ],
)
def test_guard_silent_where_order_does_not_matter(recorded: list[Take]) -> None:
    """One take, equal answers, and the attempts of one SDK call leave nothing to the order."""
    assert order_alone(recorded) is None


def test_guard_tells_a_bounded_number_of_answers_apart() -> None:
    """A thousand different takes of one key cost no thousand times thousand comparisons."""
    found = order_alone(takes(*[(call(), b"%d" % number) for number in range(300)]))
    assert found is not None
    assert len(found.numbers) == DISTINCT_MAX
    assert found.text.startswith(f"At least {DISTINCT_MAX} different answers")


def test_guard_inspects_both_ways() -> None:
    """Takes that differ in what is left out and in their answers give both findings; a single take gives none."""
    both = takes((call(CustomAttributes="a"), b"1"), (call(CustomAttributes="b"), b"2"))
    assert [finding.kind for finding in inspect_takes(both, matcher=Matcher(DEFAULT))] == ["left-out", "order"]
    assert inspect_takes(both[:1], matcher=Matcher(DEFAULT)) == []

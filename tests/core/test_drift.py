"""What counts as drift, and which requests can be asked again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exchange_samples import call_of, interaction

from sagetape.core.drift import Limits, Outcome, asked_again, by_endpoint, judge
from sagetape.core.originals import Originals
from sagetape.core.wire import Call, Pause

TIMED = interaction(script=(Pause(0.2), *interaction().script))


@pytest.mark.parametrize(
    ("live_s", "factor", "verdict"),
    [(0.5, None, "same"), (0.39, 2.0, "same"), (0.41, 2.0, "drifted"), (30.0, None, "same")],
)
def test_latency_drifts_beyond_its_factor(live_s: float, factor: float | None, verdict: str) -> None:
    """Only when a factor is given, and then by the recorded seconds."""
    outcome = judge(0, TIMED, [], TIMED.script, live_s=live_s, limits=Limits(latency_factor=factor))
    assert outcome.verdict == verdict
    assert [one.place for one in outcome.differences] == (["latency"] if verdict == "drifted" else [])


def test_quick_answers_are_never_slow() -> None:
    """A recording without waits has 0 s; a tenth of a second is the network's."""
    one = interaction()
    assert judge(0, one, [], one.script, live_s=0.09, limits=Limits(latency_factor=1.0)).verdict == "same"
    assert judge(0, one, [], one.script, live_s=0.11, limits=Limits(latency_factor=1.0)).verdict == "drifted"


@pytest.mark.parametrize(
    ("call", "is_asked"),
    [
        (call_of(), True),
        (call_of(b'{"phone":"1000000123456789"}'), True),
        (call_of(b"principal-12"), True),
        (call_of(b"arn:aws:iam::000000000000:role/x"), False),
        (call_of(b"role/principal-0a1b2c3d"), False),
        (call_of(CustomAttributes="scrubbed"), False),
        (replace(call_of(), auth="ExpiredTokenException"), False),
    ],
)
def test_scrubbed_requests_are_not_asked(call: Call, is_asked: bool) -> None:
    """What was taken out cannot be sent; asking something else would tell nothing."""
    assert (asked_again(call, Originals((), ()))[1] == "") is is_asked


def test_verdict_of_an_endpoint_is_its_worst() -> None:
    """Drift before failure before sameness; nothing asked is said as such."""
    outcomes = [Outcome(n, e, v) for n, (e, v) in enumerate([("a", "same"), ("a", "drifted"), ("a", "failed")])]
    outcomes += [
        Outcome(3, "b", "same"),
        Outcome(4, "b", "failed"),
        Outcome(5, "c", "not asked"),
        Outcome(6, "d", "same"),
    ]
    assert {one.endpoint: one.verdict for one in by_endpoint(outcomes)} == {
        "a": "drifted",
        "b": "failed",
        "c": "not asked",
        "d": "same",
    }

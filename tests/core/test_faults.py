"""Every fault, over scripts and over streams, step by step."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from hashlib import sha256
from statistics import median

import pytest

from sagetape.core.chance import Chances
from sagetape.core.eventstream import FrameError, decode, payload_part
from sagetape.core.faults import KINDS, Level
from sagetape.core.faults.kind import part_of
from sagetape.core.faults.parsing import SELECTORS, parse_rule, parse_text, written
from sagetape.core.faults.selection import Faults, Struck
from sagetape.core.platform import Ask
from sagetape.core.routes import Route
from sagetape.core.wire import (
    Abort,
    Call,
    Chunk,
    End,
    Head,
    Pause,
    Script,
    body_of,
    head_of,
    is_complete,
    whole,
)

EVENTS = Head(200, (("Content-Type", "application/vnd.amazon.eventstream"),))
JSON_ANSWER = whole(200, (("Content-Type", "application/json"),), b'{"label": "stays", "score": 0.5}')


def call(body: bytes = b"1,2", **members: str) -> Call:
    return Call("InvokeEndpoint", "churn", members, body, sha256(body).digest())


def strike(text: str, asked: Call | None = None, *, seed: int = 7, timeout_s: float = 60) -> Struck:
    faults = Faults()
    faults.add(parse_text(text))
    asked = asked or call()
    found = faults.strike(Ask(asked, timeout_s=timeout_s), Route("churn"), chance=Chances(seed).of(asked))
    assert found is not None
    return found


def stream(*parts: bytes) -> Script:
    return (EVENTS, *(Chunk(payload_part(part)) for part in parts), End())


def payloads(script: Script) -> list[bytes]:
    parts = [part_of(step) for step in script if isinstance(step, Chunk)]
    return [part for part in parts if part is not None]


# --- faults that answer ---


@pytest.mark.parametrize(
    ("text", "status", "code", "body"),
    [
        ("throttle", 400, "ThrottlingException", {"message": None}),
        ('throttle:text="Rate exceeded"', 400, "ThrottlingException", {"message": "Rate exceeded"}),
        ("not-ready:text=soon", 429, "ModelNotReadyException", {"Message": "soon"}),
        ("internal:text=oh", 500, "InternalFailure", {"Message": "oh"}),
        ("dependency:text=oh", 530, "InternalDependencyException", {"Message": "oh"}),
        ("unavailable:text=oh", 503, "ServiceUnavailable", {"Message": "oh"}),
    ],
)
def test_refusing_fault_has_the_services_form(text: str, status: int, code: str, body: dict[str, object]):
    """Status, error type and body are those of the service's own error."""
    script = strike(text).answer()
    assert script is not None
    head = head_of(script)
    assert head is not None
    assert (head.status, head.header("x-amzn-ErrorType")) == (status, code)
    assert json.loads(body_of(script)) == body


@pytest.mark.parametrize("name", ["not-ready", "internal", "dependency", "unavailable"])
def test_refusing_fault_has_a_text_of_its_own(name: str):
    """Without a text the message is the usual one."""
    script = strike(name).answer()
    assert script is not None
    assert json.loads(body_of(script))["Message"]


def test_model_error_is_worded_by_the_platform():
    """The container's answer stands in the 424."""
    script = strike('model-error:status=503,text="out of memory, again"').answer()
    assert script is not None
    body = json.loads(body_of(script))
    assert (body["OriginalStatusCode"], body["OriginalMessage"]) == (503, "out of memory, again")
    assert 'Received server error (503) from primary with message "out of memory, again"' in body["Message"]


@pytest.mark.parametrize(("text", "wait_s"), [("model-timeout", 480.0), ("model-timeout:after_s=5", 5.0)])
def test_model_timeout_waits_and_fails(text: str, wait_s: float):
    """The caller waits as long as the endpoint's limit, or as told, and gets the platform's text."""
    script = strike(text, timeout_s=480).answer()
    assert script is not None
    assert script[0] == Pause(wait_s)
    head = head_of(script)
    assert head is not None
    assert head.status == 424
    assert b"timed out while waiting" in body_of(script)


def test_first_answering_fault_wins():
    """Of two faults that answer, the rule that was made first does."""
    faults = Faults()
    for text in ("internal", "throttle"):
        faults.add(parse_text(text))
    asked = call()
    struck = faults.strike(Ask(asked), Route("churn"), chance=Chances(1).of(asked))
    assert struck is not None
    assert struck.names == ("internal", "throttle")
    script = struck.answer()
    assert script is not None
    head = head_of(script)
    assert head is not None
    assert head.status == 500


def test_editing_fault_answers_nothing():
    """A fault that edits leaves the answer to the model."""
    assert strike("latency").answer() is None


# --- latency and bandwidth ---


def test_latency_waits_before_the_answer():
    """A constant latency is one wait before the head."""
    script = strike("latency:seconds=2.5").edit(stream(b"a", b"b"))
    assert [step for step in script if isinstance(step, Pause)] == [Pause(2.5)]
    assert script[0] == Pause(2.5)


def test_latency_waits_before_each_part():
    """With `before=part` every part waits, and the head does not."""
    script = strike("latency:seconds=1,before=part").edit(stream(b"a", b"b"))
    assert [type(step) for step in script] == [Head, Pause, Chunk, Pause, Chunk, End]


def waits(text: str, count: int = 400) -> list[float]:
    chances, rule = Chances(7), parse_text(text)
    faults = Faults()
    faults.add(rule)
    found = []
    for _ in range(count):
        asked = call()
        struck = faults.strike(Ask(asked), Route("churn"), chance=chances.of(asked))
        assert struck is not None
        script = struck.edit(JSON_ANSWER, waits_s=[0.25, 0.5, 4.0])
        found.append(sum(step.seconds for step in script if isinstance(step, Pause)))
    assert found[:20] == waits(text, 20) if count > 20 else True
    return found


def test_uniform_latency_stays_in_its_range():
    """Uniform waits fill their range, whichever end is named first, and repeat with the seed."""
    found = waits("latency:distribution=uniform,low=3,high=1")
    assert min(found) >= 1
    assert max(found) <= 3
    assert (min(found) < 1.05, max(found) > 2.95) == (True, True)


def test_lognormal_latency_has_its_median():
    """Half of the lognormal waits are below the median, and a few are much longer."""
    found = waits("latency:distribution=lognormal,seconds=2,sigma=0.5")
    assert 1.8 < median(found) < 2.2
    assert max(found) > 4


def test_learned_latency_draws_recorded_waits():
    """Learned waits are those of recordings; from no recordings there is no wait."""
    assert set(waits("latency:distribution=learned")) == {0.25, 0.5, 4.0}
    assert strike("latency:distribution=learned").edit(JSON_ANSWER) == JSON_ANSWER


@pytest.mark.parametrize("text", ["latency:seconds=0", "latency:distribution=lognormal,seconds=0"])
def test_latency_of_nothing_changes_nothing(text: str):
    """A wait of no seconds is no step."""
    assert strike(text).edit(JSON_ANSWER) == JSON_ANSWER


def test_bandwidth_takes_its_time_for_every_byte():
    """The body takes length over rate in seconds, in small pieces, and keeps its bytes."""
    script = strike("bandwidth:bytes_per_s=100").edit(whole(200, (), bytes(250)))
    assert sum(step.seconds for step in script if isinstance(step, Pause)) == pytest.approx(2.5)
    assert max(len(step.data) for step in script if isinstance(step, Chunk)) == 10
    assert body_of(script) == bytes(250)


def test_bandwidth_keeps_frames_whole():
    """A frame of an event stream is not cut."""
    before = stream(b"a" * 100, b"b")
    script = strike("bandwidth:bytes_per_s=10").edit(before)
    assert payloads(script) == [b"a" * 100, b"b"]
    assert sum(step.seconds for step in script if isinstance(step, Pause)) == pytest.approx(len(body_of(before)) / 10)


# --- breaks ---


def test_reset_comes_before_the_status_line():
    """Without a number nothing of the answer comes."""
    assert strike("reset").edit(JSON_ANSWER) == (Abort("reset"),)


def test_reset_in_the_body_does_not_look_whole():
    """The head announces the whole length, of which only so many bytes come."""
    script = strike("reset:after_bytes=5").edit(JSON_ANSWER)
    head = head_of(script)
    assert head is not None
    assert head.header("Content-Length") == str(len(body_of(JSON_ANSWER)))
    assert script[1:] == (Chunk(b'{"lab'), Abort("reset"))


@pytest.mark.parametrize(("after", "length"), [(1000, 1001), (32, 33)])
def test_cut_beyond_the_end_breaks_all_the_same(after: int, length: int):
    """An answer shorter than the cut breaks at its end, and announces more than there is."""
    assert len(body_of(JSON_ANSWER)) == 32
    script = strike(f"truncation:after_bytes={after}").edit(JSON_ANSWER)
    head = head_of(script)
    assert head is not None
    assert head.header("Content-Length") == str(length)
    assert body_of(script) == body_of(JSON_ANSWER)
    assert script[-1] == Abort("truncated")


def test_truncation_is_half_of_a_known_body():
    """Without a number half of the body comes."""
    script = strike("truncation").edit(JSON_ANSWER)
    assert body_of(script) == body_of(JSON_ANSWER)[:16]
    assert not is_complete(script)


def test_truncation_cuts_inside_a_frame():
    """A stream ends in the middle of a frame, without a Content-Length."""
    script = strike("truncation:after_bytes=120").edit(stream(b"one", b"two"))
    first = len(payload_part(b"one"))
    assert [len(step.data) for step in script if isinstance(step, Chunk)] == [first, 120 - first]
    head = head_of(script)
    assert head is not None
    assert head.header("Content-Length") is None


def test_truncation_of_nothing_leaves_the_head():
    """After no bytes only the head comes."""
    script = strike("truncation:after_bytes=0").edit(JSON_ANSWER)
    assert [type(step) for step in script] == [Head, Abort]


# --- event streams ---


@pytest.mark.parametrize(
    ("text", "parts", "headers", "body"),
    [
        (
            "stream-error:text=t",
            1,
            {":exception-type": "ModelStreamError"},
            {"ErrorCode": "StreamBroken", "Message": "t"},
        ),
        ("stream-error:after_parts=0,text=t", 0, {":exception-type": "ModelStreamError"}, None),
        (
            "stream-error:after_parts=2,type=InternalStreamFailure,text=t",
            2,
            {":exception-type": "InternalStreamFailure", ":message-type": "exception"},
            {"Message": "t"},
        ),
        (
            "stream-error:code=ModelInvocationTimeExceeded,text=t",
            1,
            {":exception-type": "ModelStreamError"},
            {"ErrorCode": "ModelInvocationTimeExceeded", "Message": "t"},
        ),
        ("stream-error:after_parts=99,text=t", 3, {":message-type": "exception"}, None),
    ],
)
def test_stream_error_ends_the_stream(text: str, parts: int, headers: dict[str, str], body: dict[str, str] | None):
    """After so many parts comes the exception frame, and then the end."""
    script = strike(text).edit(stream(b"a", b"b", b"c"))
    chunks = [step for step in script if isinstance(step, Chunk)]
    assert payloads(script) == [b"a", b"b", b"c"][:parts]
    assert len(chunks) == parts + 1
    last = decode(chunks[-1].data)
    assert {name: last.header(name) for name in headers} == headers
    assert body is None or json.loads(last.payload) == body
    assert script[-1] == End()


def test_stream_error_may_be_unmodelled():
    """The third type is a frame of the format's own, with its code and text in headers."""
    script = strike("stream-error:type=error,code=Oops,text=why").edit(stream(b"a", b"b"))
    last = [step for step in script if isinstance(step, Chunk)][-1]
    frame = decode(last.data)
    assert (
        frame.header(":message-type"),
        frame.header(":error-code"),
        frame.header(":error-message"),
        frame.payload,
    ) == (
        "error",
        "Oops",
        "why",
        b"",
    )


@pytest.mark.parametrize("text", ["stream-error", "stream-error:after_parts=0", "checksum"])
def test_stream_fault_leaves_other_answers_alone(text: str):
    """An answer that is no event stream passes unchanged."""
    assert strike(text).edit(JSON_ANSWER) == JSON_ANSWER


@pytest.mark.parametrize(
    ("text", "index", "which"), [("checksum", 0, "message"), ("checksum:part=1,which=prelude", 1, "prelude")]
)
def test_checksum_is_wrong_in_one_frame(text: str, index: int, which: str):
    """One frame does not decode for the reason asked for; the others do."""
    script = strike(text).edit(stream(b"a", b"b"))
    chunks = [step for step in script if isinstance(step, Chunk)]
    with pytest.raises(FrameError, match=f"{which} checksum"):
        decode(chunks[index].data)
    decode(chunks[1 - index].data)


TEXT = "naïve café\nzwölf 雪\n😀 end".encode()


@pytest.mark.parametrize("cut", ["character", "line", "byte", "anywhere"])
@pytest.mark.parametrize("is_events", [True, False])
def test_rechunk_keeps_the_bytes(cut: str, is_events: bool):
    """Whatever the cuts, what is joined is what was there, and there are more parts."""
    before = stream(TEXT, TEXT) if is_events else (Head(200), Chunk(TEXT), Chunk(TEXT), End())
    script = strike(f"rechunk:cut={cut},part_bytes=5").edit(before)
    parts = payloads(script) if is_events else [bytes(s.data) for s in script if isinstance(s, Chunk)]
    assert b"".join(parts) == TEXT * 2
    assert len(parts) > 2
    assert is_complete(script)


def test_rechunk_cuts_inside_characters():
    """Every character of several bytes is cut after its first."""
    parts = payloads(strike("rechunk:cut=character").edit(stream("aé雪b".encode(), b"plain")))
    assert parts == [b"a\xc3", b"\xa9\xe9", b"\x9b\xaab", b"plain"]


def test_rechunk_cuts_inside_lines():
    """Every line of two bytes or more is cut in its middle."""
    assert payloads(strike("rechunk:cut=line").edit(stream(b"abcd\nx\n\nyz"))) == [b"ab", b"cd\nx", b"\n\ny", b"z"]


def test_rechunk_makes_single_bytes():
    """One byte each; an empty part stays a part."""
    assert payloads(strike("rechunk:cut=byte").edit(stream(b"abc", b""))) == [b"a", b"b", b"c", b""]


def test_rechunk_anywhere_depends_on_the_seed_alone():
    """The same seed cuts the same places, however the bytes came; another seed other places."""
    cuts = [payloads(strike("rechunk", seed=seed).edit(stream(TEXT, TEXT))) for seed in (7, 7, 8)]
    assert cuts[0] == cuts[1] != cuts[2]
    assert payloads(strike("rechunk", seed=7).edit(stream(TEXT[:3], TEXT[3:] + TEXT))) == cuts[0]


def test_rechunk_keeps_exceptions_in_their_place():
    """What was held back comes before an exception frame, and a pause stays between."""
    error = Chunk(b"not a frame at all")
    script = strike("rechunk:part_bytes=1000").edit((EVENTS, Chunk(payload_part(b"abc")), Pause(1), error, Abort("x")))
    assert script == (EVENTS, Pause(1), Chunk(payload_part(b"abc")), error, Abort("x"))


# --- several at once, live and stored ---


def test_faults_are_applied_in_order():
    """The second rule edits what the first left."""
    faults = Faults()
    for text in ("rechunk:cut=byte", "stream-error:after_parts=2"):
        faults.add(parse_text(text))
    asked = call()
    struck = faults.strike(Ask(asked), Route("churn"), chance=Chances(1).of(asked))
    assert struck is not None
    assert payloads(struck.edit(stream(b"abcd"))) == [b"a", b"b"]


def test_live_stream_is_edited_like_a_stored_one():
    """Feeding steps one by one gives what editing the script gives, and nothing comes after the end."""
    before = stream(b"ab", b"cd", b"ef")
    line = strike("stream-error:after_parts=2").line()
    fed = [after for step in before for after in line.feed(step)]
    assert tuple(fed) == strike("stream-error:after_parts=2").edit(before)
    assert line.is_over
    assert line.feed(Chunk(b"late")) == ()


def test_waits_of_faults_meet_a_streams_limit():
    """A live stream whose faults add eight minutes of waits ends with the frame that says so."""
    asked = replace(call(), operation="InvokeEndpointWithResponseStream")
    line = strike("latency:seconds=200,before=part", asked, timeout_s=480).line()
    fed = [after for step in stream(b"a", b"b", b"c") for after in line.feed(step)]
    assert [step.seconds for step in fed if isinstance(step, Pause)] == [200, 200, 80]
    assert isinstance(fed[-2], Chunk)
    assert json.loads(decode(fed[-2].data).payload)["ErrorCode"] == "ModelInvocationTimeExceeded"
    assert line.is_over


@pytest.mark.parametrize("name", list(KINDS))
def test_every_fault_is_documented_and_round_trips(name: str):
    """Each kind has a text, documented parameters that no selector shadows, and a written form."""
    kind = KINDS[name]
    assert kind.name == name
    assert kind.doc.endswith(".")
    assert (kind.answer is None) != (kind.edit is None)
    assert (kind.answer is None) == (kind.level in (Level.STEP, Level.FRAME))
    assert [row.name for row in kind.table()] == [one.name for one in fields(kind.parameters)]
    for row in kind.table():
        assert row.doc.endswith(".")
        assert row.name not in {one.name for one in SELECTORS}
    rule = Faults().add(parse_rule({"fault": name, "endpoint": "churn", "every": 3}))
    assert written(rule) == {"id": f"{name}-1", "fault": name, "endpoint": "churn", "every": 3}
    assert parse_rule(written(rule)) == rule


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("before", [JSON_ANSWER, stream(b"one", b"two"), (Head(200), Abort("cut")), (Abort("gone"),)])
def test_every_fault_survives_every_script(name: str, before: Script):
    """No script, whole, streamed or broken, makes a fault raise, and the result ends exactly once."""
    struck = strike(name)
    script = struck.edit(struck.answer() or before)
    ends = [step for step in script if isinstance(step, End | Abort)]
    assert len(ends) == 1
    assert script[-1] is ends[0]
    if any(isinstance(step, Abort) for step in before) and struck.answer() is None and name != "stream-error":
        assert not is_complete(script)


def test_rule_keeps_its_id():
    """An id that is given stays; others are numbered."""
    faults = Faults()
    rule = parse_text("throttle")
    assert [faults.add(rule).id, faults.add(replace(rule, id="mine")).id, faults.add(rule).id] == [
        "throttle-1",
        "mine",
        "throttle-3",
    ]

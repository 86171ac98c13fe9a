"""Recordings of other tools: what is read, what is left out and why, and what cannot happen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exchange_samples import ORIGIN, call_of, interaction, interactions, stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagetape.core.editing import document_of
from sagetape.core.eventstream import payload_part
from sagetape.core.exchange import FORMATS, Adopter, Choices, Found, Skipped, format_of, har_of
from sagetape.core.exchange.har import read_har
from sagetape.core.exchange.http_pairs import Pair, found_in
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.rules import ScrubRules
from sagetape.core.scrub import Scrubber
from sagetape.core.wire import EVENT_STREAM, Abort, Chunk, Head, Interaction, Pause, body_of, is_complete
from sagetape.shell.foreign_files import read_document
from sagetape.shell.model import load_service

GOLDEN = Path(__file__).parent.parent / "golden" / "exchange"
SERVICE = load_service()
CHOICES = Choices(SERVICE, endpoint="churn")


def read(name: str, **choices: Any) -> list[Found | Skipped]:
    document = read_document(GOLDEN / name)
    found = format_of(document)
    assert found is not None
    return list(found.read(document, replace(CHOICES, **choices)))


def adopter(**rules: Any) -> Adopter:
    scrubber = Scrubber(ScrubRules(**rules), account=None)
    return Adopter(Matcher(MatchRules()), scrubber, CHOICES, "import:test", "0.1.0", lambda: 7.0)


def test_vcr_yaml_is_read_as_boto3_leaves_it() -> None:
    """Header values are bytes, bodies text or binary, anchors repeat a request; other services are left out."""
    first, second, third, other = read("vcr_boto3.yaml")
    assert isinstance(first, Found)
    assert (first.call.endpoint, first.call.region, first.call.body) == ("churn", "eu-west-1", b'{"inputs":[1]}')
    assert first.call.members == {
        "Accept": "application/json",
        "ContentType": "application/json",
        "TargetModel": "de.tar.gz",
    }
    assert body_of(first.script) == b'{"label":"stays"}'
    assert first.at == 1_768_478_400.0
    assert isinstance(second, Found)
    assert (second.call.body, body_of(second.script)) == (b"\x93NUMPY\x01\xff", b"\x93NUMPY\x00\xff")
    assert isinstance(third, Found)
    assert third.script[0] == Head(
        400, (("Content-Type", "application/json"), ("x-amzn-ErrorType", "ThrottlingException"))
    )
    assert other == Skipped("interaction 3", "not a call of SageMaker Runtime")


def test_vcr_json_is_read_with_its_older_shapes() -> None:
    """A body as `base64_string`, and the shape of the httpx stub."""
    first, second = read("vcr.json")
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert body_of(first.script) == b"\x93NUMPY\x00\xff"
    assert (second.call.body, body_of(second.script)) == (b'{"inputs":[3]}', b"0.5\n")


def test_har_is_read_with_waits_and_failures() -> None:
    """Bodies are decoded there, so the encoding is dropped; a failed request is a break; a body that was not saved is
    no empty body."""
    first, failed, unsaved, other = read("browser.har")
    assert isinstance(first, Found)
    assert first.script[:2] == (Pause(0.035), Head(200, (("content-type", "text/csv"),)))
    assert (first.call.members, first.call.region) == ({"ContentType": "text/csv"}, "us-west-2")
    assert body_of(first.script) == b"0.5\n"
    assert isinstance(failed, Found)
    assert failed.script == (Abort("net::ERR_CONNECTION_RESET"),)
    assert "400 bytes was not saved" in str(unsaved)
    assert "not a call of SageMaker Runtime" in str(other)


def test_data_capture_names_endpoint_and_variant_by_its_folders() -> None:
    """Encodings are undone; what was captured on one side only is left out. The path is looked at, never opened."""
    first, second, half = read("capture.jsonl", endpoint="", path="/x/churn/blue/2022/02/14/17/25-49-1-u.jsonl")
    assert isinstance(first, Found)
    assert (first.call.endpoint, first.call.body, first.at) == ("churn", b"42,1", 1_644_859_549.0)
    assert ("x-Amzn-Invoked-Production-Variant", "blue") in first.script[0].headers  # type: ignore[union-attr]
    assert isinstance(second, Found)
    assert second.call.body == b"\x93NUMPY\x01\xff"
    assert second.call.members["InferenceId"] == "order-7"
    assert second.call.members["CustomAttributes"] == "a=1"
    assert "only one of input and output" in str(half)
    assert "Name it: --endpoint" in str(read("capture.jsonl", endpoint="", path="/x/y.jsonl")[0])


def test_moto_results_become_takes_of_one_key() -> None:
    """A queue knows no requests: every call of the endpoint gets the next result; async results are left out."""
    first, second, async_one = read("moto.json")
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert first.synthetic
    assert body_of(second.script) == b"second body"
    assert "not emulated" in str(async_one)
    rules = FORMATS["moto"].rules
    assert rules is not None
    matcher = Matcher(rules)
    assert matcher.key(first.call) == matcher.key(call_of(b"anything", Accept="text/csv"))
    assert "Name it: --endpoint" in str(read("moto.json", endpoint="")[0])


def test_every_format_is_told_from_the_others() -> None:
    """What a file is, is found out from what is in it."""
    names = {"vcr_boto3.yaml": "vcr", "vcr.json": "vcr", "browser.har": "har", "capture.jsonl": "capture"}
    for file, name in {**names, "moto.json": "moto"}.items():
        document = read_document(GOLDEN / file)
        assert [row.name for row in FORMATS.values() if row.is_such(document)] == [name]
    assert format_of({"results": 1}) is None
    assert format_of([]) is None


# --- taken in ---------------------------------------------------------------------------------------------------------


def test_import_is_scrubbed_and_marked() -> None:
    """Nothing of a signature, token or cookie is kept; provenance says where it came from."""
    found = read("vcr_boto3.yaml")[0]
    assert isinstance(found, Found)
    kept = adopter().adopt(found, "x")
    assert not isinstance(kept, Skipped)
    text = json.dumps(document_of(kept[0]))
    for secret in ("Signature", "IQoJ", "session=secret", "AKID"):
        assert secret not in text
    assert kept[0].origin.source == "import:test"
    assert kept[0].origin.recorded_at == 1_768_478_400.0
    assert kept[0].origin.synthetic is False


def test_import_leaves_out_errors_about_the_recorder() -> None:
    """An expired token of whoever recorded is no answer to a good call."""
    head = Head(403, (("x-amzn-ErrorType", "ExpiredTokenException"),))
    kept = adopter().adopt(Found(call_of(), (head, Chunk(b"{}"), *stream()[-1:])), "entry 3")
    assert kept == Skipped("entry 3", "an error about the recorder's own credentials (ExpiredTokenException)")


def test_import_refuses_requests_that_scrub_to_one() -> None:
    """Two different requests that the rules make equal would swap answers at replay."""
    work = adopter(json_paths=("user",))
    first, second = (
        work.adopt(Found(call_of(b'{"user":"%s"}' % name), interaction().script), "x") for name in (b"anna", b"otto")
    )
    assert not isinstance(first, Skipped)
    assert "differs from a recorded one only in what scrubbing removes" in str(second)


def test_import_keeps_sessions_together() -> None:
    """An opening and its steps become a lane, as in a recording."""
    opened = Head(200, (("X-Amzn-SageMaker-New-Session-Id", "abcdefgh-1; Expires=2026-01-15T13:00:00Z"),))
    work = adopter()
    one = work.adopt(Found(call_of(SessionId="NEW_SESSION"), (opened, *stream()[-1:]), 1_768_478_400.0), "a")
    two = work.adopt(Found(call_of(b"{}", SessionId="abcdefgh-1"), interaction().script, 1_768_478_401.0), "b")
    assert not isinstance(one, Skipped)
    assert not isinstance(two, Skipped)
    assert [kept[0].session and kept[0].session.step for kept in (one, two)] == [0, 1]
    assert one[0].session.lane == two[0].session.lane == "abcdefgh-1"  # type: ignore[union-attr]


def test_stream_that_ends_inside_a_frame_is_a_break() -> None:
    """A cut recording never replays as whole."""
    headers = (("Content-Type", EVENT_STREAM),)
    body = payload_part(b"one") + payload_part(b"two")[:-3]
    url = "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/churn/invocations-response-stream"
    found = found_in(Pair("POST", url, (), b"{}", 200, headers, body), SERVICE)
    assert found.script[1] == Chunk(payload_part(b"one"))
    assert not is_complete(found.script)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "https://x/endpoints/../invocations"}, "the service would refuse"),
        ({"url": "https://x/endpoints/%2e%2e%2fetc/invocations"}, "the service would refuse"),
        ({"url": "https://x/endpoints/churn/async-invocations"}, "not emulated"),
        ({"url": "http://[::1/endpoints/churn/invocations"}, "URL cannot be read"),
        ({"url": "https://x/endpoints/" + "a" * 9000 + "/invocations"}, "more than 8192"),
        ({"method": "GET"}, "not a call"),
        ({"status": 7}, "no HTTP status"),
        ({"headers": ((b"X-Amzn-SageMaker-Target-Variant", b"no spaces allowed"),)}, "the service would refuse"),
        ({"body": b"x" * (64 * 2**20 + 1)}, "more than 67108864 bytes"),
    ],
)
def test_hostile_request_is_left_out_with_a_reason(change: dict[str, Any], said: str) -> None:
    """A name out of a file is a name: judged by the service model, never a path."""
    good = Pair("POST", "https://x/endpoints/churn/invocations", (), b"{}", 200, (), b"{}")
    with pytest.raises(ValueError, match=said):
        found_in(replace(good, **change), SERVICE)


NAMES = (
    "request",
    "response",
    "headers",
    "body",
    "status",
    "code",
    "string",
    "uri",
    "url",
    "method",
    "text",
    "results",
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "request",
                    "response",
                    "headers",
                    "body",
                    "status",
                    "code",
                    "string",
                    "uri",
                    "url",
                    "method",
                    "log",
                    "entries",
                    "captureData",
                    "endpointInput",
                    "endpointOutput",
                    "results",
                    "Body",
                    "content",
                    "text",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON_VALUES, max_size=3))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_readers_skip_whatever_an_entry_is(entries: list[Any]) -> None:
    """No shape of a hostile file is more than a reason."""
    wholes: list[tuple[str, Any]] = [
        ("vcr", {"interactions": entries}),
        ("har", {"log": {"entries": entries}}),
        ("capture", entries),
        ("moto", {"results": entries}),
        ("jsonl", entries),
    ]
    for name, document in wholes:
        for found in FORMATS[name].read(document, CHOICES):
            assert isinstance(found, Found | Skipped)


# --- out --------------------------------------------------------------------------------------------------------------


def test_har_round_trip_keeps_what_a_har_can_hold() -> None:
    """Request, answer, time and wait; a stream's bytes; a break stays a break."""
    kept = [
        interaction(b"\xff\x00binary", script=(Pause(0.25), *interaction().script)),
        interaction(script=stream(b"one", b"two"), origin=replace(ORIGIN, recorded_at=1.0)),
        interaction(script=(Head(200), Chunk(b"half"), Abort("reset by peer"))),
    ]
    document = json.loads(json.dumps(har_of(kept, service=SERVICE, version="0.1.0")))
    found = list(read_har(document, CHOICES))
    for one, back in zip(kept, found, strict=True):
        assert isinstance(back, Found)
        assert (back.call.endpoint, back.call.members, back.call.body) == (
            one.call.endpoint,
            one.call.members,
            one.call.body,
        )
        assert body_of(back.script) == body_of(one.script)
        assert is_complete(back.script) == is_complete(one.script)
        assert back.at == pytest.approx(one.origin.recorded_at)
    assert found[0].script[0] == Pause(0.25)  # type: ignore[union-attr]
    assert found[2].script[-1] == Abort("reset by peer")  # type: ignore[union-attr]


@given(interactions())
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_har_can_be_written_of_anything(one: Interaction) -> None:
    """No interaction that a cassette may hold stops an export, and what is not whole says so."""
    entry = json.loads(json.dumps(har_of([one], service=SERVICE, version="0.1.0")))["log"]["entries"][0]
    assert entry["_sagetape"]["is_complete"] == is_complete(one.script)
    assert ("_error" in entry["response"]) != is_complete(one.script)


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: str(path.name))
def test_format_counts_the_entries_it_reads(path: Path) -> None:
    """Whoever shows progress knows how many will come."""
    document = read_document(path)
    kind = format_of(document)
    assert kind is not None
    assert kind.count(document) == len(list(kind.read(document, CHOICES))) > 0

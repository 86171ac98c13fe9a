"""Faults as boto3 meets them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EventStreamError,
    IncompleteReadError,
    ResponseStreamingError,
)
from tests.models.words import WORDS

from sagetape import Emulator

TEXT = "".join(WORDS).encode()
ENDPOINTS = {"words": {"upstream": "function:tests.models.words:words"}}
ONCE = Config(retries={"total_max_attempts": 1})


def whole(client: Any) -> bytes:
    found: bytes = client.invoke_endpoint(EndpointName="words", Body=b"x")["Body"].read()
    return found


def parts(client: Any) -> list[bytes]:
    found = client.invoke_endpoint_with_response_stream(EndpointName="words", Body=b"x")
    with closing(found["Body"]) as body:
        return [event["PayloadPart"]["Bytes"] for event in body]


def emulator(*faults: dict[str, object]) -> Emulator:
    return Emulator(endpoints=ENDPOINTS, faults=list(faults), clock="virtual", seed=7)


REFUSED = [
    ({"fault": "throttle"}, "ThrottlingException", 400),
    ({"fault": "model-error", "status": 503, "text": "busy"}, "ModelError", 424),
    ({"fault": "model-timeout"}, "ModelError", 424),
    ({"fault": "latency", "seconds": 60}, "ModelError", 424),
    ({"fault": "not-ready"}, "ModelNotReadyException", 429),
    ({"fault": "internal"}, "InternalFailure", 500),
    ({"fault": "dependency"}, "InternalDependencyException", 530),
    ({"fault": "unavailable"}, "ServiceUnavailable", 503),
]


@pytest.mark.parametrize(
    ("fault", "code", "status", "ask"),
    [(*row, ask) for row in REFUSED for ask in (whole, parts) if row[0]["fault"] != "latency" or ask is whole],
)
def test_refusal_is_the_services_own(
    fault: dict[str, object], code: str, status: int, ask: Callable[[Any], object]
) -> None:
    """Code and status are AWS's, for a whole answer and a stream, and no real time passes."""
    with emulator(fault) as server:
        client = server.client(config=ONCE)
        began = time.monotonic()
        with pytest.raises(ClientError) as caught:
            ask(client)
        assert time.monotonic() - began < 20
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_throttled_call_is_tried_again() -> None:
    """botocore tries a throttled call again, and gets the answer."""
    with emulator({"fault": "throttle", "count": 1}) as server:
        found = server.client().invoke_endpoint(EndpointName="words", Body=b"x")
        assert found["Body"].read() == TEXT
        assert found["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"fault": "reset"}, ConnectionClosedError),
        ({"fault": "reset", "after_bytes": 3}, (ResponseStreamingError, IncompleteReadError, ConnectionClosedError)),
        ({"fault": "truncation"}, (IncompleteReadError, ResponseStreamingError)),
        ({"fault": "truncation", "after_bytes": 0}, (IncompleteReadError, ResponseStreamingError)),
        ({"fault": "truncation", "after_bytes": 999}, (IncompleteReadError, ResponseStreamingError)),
    ],
)
def test_broken_answer_is_noticed(fault: dict[str, object], error: type[Exception]) -> None:
    """A connection that breaks never gives an answer that looks whole."""
    with emulator(fault) as server, pytest.raises(error):
        whole(server.client(config=ONCE))


def test_broken_stream_is_noticed() -> None:
    """A stream that ends inside a frame, without the end of its chunked body, raises."""
    with emulator({"fault": "truncation", "after_bytes": 150}) as server:
        found = server.client(config=ONCE).invoke_endpoint_with_response_stream(EndpointName="words", Body=b"x")
        with closing(found["Body"]) as body:
            events = iter(body)
            next(events)
            with pytest.raises(Exception, match=r"(?i)broken|incomplete|prematurely"):
                next(events)


def test_late_stream_ends_with_a_frame() -> None:
    """Eight minutes of declared latency between the parts of a stream end it, and no real time passes."""
    with emulator({"fault": "latency", "seconds": 200, "before": "part"}) as server:
        found = server.client(config=ONCE).invoke_endpoint_with_response_stream(EndpointName="words", Body=b"x")
        with closing(found["Body"]) as body:
            events = iter(body)
            assert [next(events)["PayloadPart"]["Bytes"] for _ in range(2)] == [word.encode() for word in WORDS[:2]]
            with pytest.raises(EventStreamError, match="ModelStreamError"):
                next(events)


def test_stream_error_is_raised_after_its_parts() -> None:
    """Two parts come, then botocore's EventStreamError with code and text."""
    with emulator({"fault": "stream-error", "after_parts": 2, "text": "why"}) as server:
        found = server.client().invoke_endpoint_with_response_stream(EndpointName="words", Body=b"x")
        with closing(found["Body"]) as body:
            events = iter(body)
            seen = [next(events)["PayloadPart"]["Bytes"] for _ in range(2)]
            with pytest.raises(EventStreamError, match=r"\(ModelStreamError\).*why"):
                next(events)
    assert b"".join(seen) == "".join(WORDS[:2]).encode()


@pytest.mark.parametrize("which", ["message", "prelude"])
def test_wrong_checksum_is_noticed(which: str) -> None:
    """botocore checks both checksums."""
    with emulator({"fault": "checksum", "which": which}) as server, pytest.raises(ChecksumMismatch):
        parts(server.client())


@pytest.mark.parametrize("cut", ["character", "line", "byte", "anywhere"])
def test_rechunked_stream_has_the_same_bytes(cut: str) -> None:
    """Other parts, the same bytes."""
    with emulator({"fault": "rechunk", "cut": cut, "part_bytes": 4}) as server:
        found = parts(server.client())
    assert b"".join(found) == TEXT
    assert found != [word.encode() for word in WORDS]


def test_slow_line_keeps_its_bytes() -> None:
    """Bandwidth and latency take virtual time and change no byte."""
    faults = ({"fault": "bandwidth", "bytes_per_s": 10}, {"fault": "latency", "distribution": "uniform", "high": 5})
    with emulator(*faults) as server:
        assert whole(server.client()) == TEXT
        assert b"".join(parts(server.client())) == TEXT

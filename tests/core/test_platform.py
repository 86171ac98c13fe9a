"""What the platform sends to a container and makes of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sagetape.core import platform
from sagetape.core.eventstream import decode
from sagetape.core.platform import Ask
from sagetape.core.wire import Call, Chunk, End, Head, Script, body_of

URL = (
    "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
    "#logEventViewer:group=/aws/sagemaker/Endpoints/churn"
)
TAIL = f". See {URL} in account 123456789012 for more information."
INVOKE, STREAM = "InvokeEndpoint", "InvokeEndpointWithResponseStream"


def ask_of(operation: str = INVOKE, *, members: Mapping[str, str] | None = None, **more: Any) -> Ask:
    """A routed call."""
    call = Call(operation, "churn", members or {}, b"{}", bytes(32), request_id="request-1")
    return Ask(call, **more)


def error_of(script: Script) -> dict[str, Any]:
    """The body of a 424."""
    head = script[0]
    assert isinstance(head, Head)
    assert (head.status, head.header("x-amzn-ErrorType"), script[-1]) == (424, "ModelError", End())
    parsed: dict[str, Any] = json.loads(body_of(script))
    return parsed


# --- towards the container --------------------------------------------------------------------------------------


def test_container_receives_the_members_that_are_forwarded() -> None:
    """Exactly these headers, under these names."""
    members = {
        "ContentType": "text/csv",
        "Accept": "application/json",
        "CustomAttributes": "a=1",
        "TargetModel": "de.tar.gz",
        "SessionId": "NEW_SESSION",
        "InferenceId": "mine",
        "TargetVariant": "blue",
        "TargetContainerHostname": "second",
        "PrefixAwareId": "p",
        "EnableExplanations": "`true`",
        "InferenceComponentName": "chat",
    }
    assert platform.to_container(ask_of(members=members)) == (
        ("Content-Type", "text/csv"),
        ("Accept", "application/json"),
        ("X-Amzn-SageMaker-Custom-Attributes", "a=1"),
        ("X-Amzn-SageMaker-Target-Model", "de.tar.gz"),
        ("X-Amzn-SageMaker-Session-Id", "NEW_SESSION"),
        ("X-Amzn-SageMaker-Inference-Id", "mine"),
        ("X-Amzn-SageMaker-Forwarded-Api", "InvokeEndpoint"),
    )


@pytest.mark.parametrize(
    ("operation", "forwarded"), [(INVOKE, INVOKE), (STREAM, STREAM), ("InvokeEndpointAsync", INVOKE)]
)
def test_container_always_receives_an_inference_id_and_the_api(operation: str, forwarded: str) -> None:
    """A client that sent none gets its request id used; an asynchronous call cannot be told from a plain one."""
    assert platform.to_container(ask_of(operation)) == (
        ("X-Amzn-SageMaker-Inference-Id", "request-1"),
        ("X-Amzn-SageMaker-Forwarded-Api", forwarded),
    )


def test_extra_headers_replace_those_of_the_same_name() -> None:
    """Adapter headers of the platform win over the client's members, whatever the case."""
    extra = (("x-amzn-sagemaker-target-model", "x"), ("X-Amzn-SageMaker-Adapter-Alias", "y"))
    sent = platform.to_container(ask_of(members={"TargetModel": "theirs"}, extra_headers=extra))
    assert [value for name, value in sent if name.lower() == "x-amzn-sagemaker-target-model"] == ["x"]
    assert ("X-Amzn-SageMaker-Adapter-Alias", "y") in sent


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "\x1b[2J", "\x7f", "\udcff"])
def test_values_that_would_split_a_header_never_travel(value: str) -> None:
    """Neither to the container nor back from it."""
    assert dict(platform.to_container(ask_of(members={"CustomAttributes": value}))).keys() == {
        "X-Amzn-SageMaker-Inference-Id",
        "X-Amzn-SageMaker-Forwarded-Api",
    }
    passed = platform.pass_head(ask_of(), (("X-Amzn-SageMaker-Custom-Attributes", value),))
    assert passed.head.header("X-Amzn-SageMaker-Custom-Attributes") is None
    assert "control character" in passed.warnings[0]


# --- towards the client -----------------------------------------------------------------------------------------


def test_only_the_headers_of_the_contract_survive() -> None:
    """Content type and custom attributes pass, the variant is added, everything else is dropped."""
    headers = (
        ("content-type", "text/csv; charset=utf-8"),
        ("x-amzn-sagemaker-custom-attributes", "k=v"),
        ("Retry-After", "3"),
        ("Server", "uvicorn"),
        ("Set-Cookie", "a=b"),
        ("X-Amzn-SageMaker-Inference-Id", "i"),
    )
    assert platform.pass_head(ask_of(variant="blue"), headers).head == Head(
        200,
        (
            ("x-Amzn-Invoked-Production-Variant", "blue"),
            ("X-Amzn-SageMaker-Custom-Attributes", "k=v"),
            ("Content-Type", "text/csv; charset=utf-8"),
        ),
    )


def test_stream_head_moves_the_content_type() -> None:
    """A stream's own type is the event stream's; the container's travels beside it."""
    assert platform.pass_head(ask_of(STREAM), (("Content-Type", "application/jsonlines"),)).head.headers == (
        ("x-Amzn-Invoked-Production-Variant", "AllTraffic"),
        ("X-Amzn-SageMaker-Content-Type", "application/jsonlines"),
        ("Content-Type", "application/vnd.amazon.eventstream"),
    )


@pytest.mark.parametrize(("operation", "name"), [(INVOKE, "Content-Type"), (STREAM, "X-Amzn-SageMaker-Content-Type")])
@pytest.mark.parametrize("headers", [(), (("Content-Type", ""),)])
def test_missing_content_type_is_json(operation: str, name: str, headers: Any) -> None:
    """As a client of AWS saw it when the container sent none."""
    assert platform.pass_head(ask_of(operation), headers).head.header(name) == "application/json"


SESSION = "0b1f-22; Expires=2026-01-31T12:00:00Z"


@pytest.mark.parametrize("spelling", ["X-Amzn-SageMaker-Session-Id", "X-Amzn-SageMaker-New-Session-Id"])
def test_both_spellings_of_a_new_session_reach_the_client_as_one(spelling: str) -> None:
    """The platform renames the documented header; the library's passes."""
    passed = platform.pass_head(ask_of(), ((spelling, SESSION),))
    assert passed.head.header("X-Amzn-SageMaker-New-Session-Id") == SESSION
    assert passed.head.header("X-Amzn-SageMaker-Session-Id") is None
    assert passed.warnings == ()


@pytest.mark.parametrize(
    "value",
    [
        "0b1f",
        "0b1f; Expires=2026-02-31T12:00:00Z",
        "0b1f; Expires=2026-01-31T25:00:00Z",
        "0b1f; Expires=2026-01-31 12:00:00",
        "0b1f;Expires=2026-01-31T12:00:00Z",
        "-0b1f; Expires=2026-01-31T12:00:00Z",
        "0b_1f; Expires=2026-01-31T12:00:00Z",
        "0b1f; Expires=2026-01-31T12:00:00Z; x",
        "a" * 250 + "; Expires=2026-01-31T12:00:00Z",
        "a" + "-" * 100_000 + "; Expires=2026-01-31T12:00:00Z",
        "",
    ],
)
def test_malformed_session_header_is_dropped_and_told(value: str) -> None:
    """The rest of the answer passes; no session is opened on a guess."""
    headers = (("X-Amzn-SageMaker-Session-Id", value), ("Content-Type", "text/plain"))
    passed = platform.pass_head(ask_of(), headers)
    assert passed.head.header("X-Amzn-SageMaker-New-Session-Id") is None
    assert passed.head.header("Content-Type") == "text/plain"
    assert len(passed.warnings) == 1
    assert "no session was opened" in passed.warnings[0]


def test_past_expiry_passes() -> None:
    """It is well-formed; that it expires at once is the session's affair."""
    value = "a; Expires=1999-01-01T00:00:00Z"
    passed = platform.pass_head(ask_of(), (("X-Amzn-SageMaker-Session-Id", value),))
    assert passed.head.header("X-Amzn-SageMaker-New-Session-Id") == value


@pytest.mark.parametrize("operation", [INVOKE, STREAM])
def test_closing_header_passes(operation: str) -> None:
    """As it is, also on a stream, which may be a session's last step."""
    passed = platform.pass_head(ask_of(operation), (("x-amzn-sagemaker-closed-session-id", "0b1f"),))
    assert passed.head.headers[0] == ("X-Amzn-SageMaker-Closed-Session-Id", "0b1f")


def test_stream_opens_no_session() -> None:
    """The operation cannot create one."""
    passed = platform.pass_head(ask_of(STREAM), (("X-Amzn-SageMaker-Session-Id", SESSION),))
    assert passed.head.header("X-Amzn-SageMaker-New-Session-Id") is None


# --- failures ---------------------------------------------------------------------------------------------------


def test_failure_is_the_body_that_was_seen_on_the_wire() -> None:
    """Key for key: compact, alphabetical, with the unmodelled ErrorCode."""
    body = body_of(platform.failed(ask_of(), 404, b'{"detail": "no"}'))
    assert body == (
        b'{"ErrorCode":"CLIENT_ERROR_FROM_MODEL",'
        b'"LogStreamArn":"arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/churn",'
        b'"Message":"Received client error (404) from primary with message \\"{\\"detail\\": \\"no\\"}\\"'
        + TAIL.encode()
        + b'","OriginalMessage":"{\\"detail\\": \\"no\\"}","OriginalStatusCode":404}'
    )


@pytest.mark.parametrize(
    ("status", "side", "code"),
    [
        (101, "client", "CLIENT_ERROR_FROM_MODEL"),
        (302, "client", "CLIENT_ERROR_FROM_MODEL"),
        (400, "client", "CLIENT_ERROR_FROM_MODEL"),
        (429, "client", "CLIENT_ERROR_FROM_MODEL"),
        (499, "client", "CLIENT_ERROR_FROM_MODEL"),
        (500, "server", "INTERNAL_FAILURE_FROM_MODEL"),
        (503, "server", "INTERNAL_FAILURE_FROM_MODEL"),
    ],
)
def test_template_a_names_side_status_and_container(status: int, side: str, code: str) -> None:
    """Every status that is not 2xx becomes a 424 with the body pasted verbatim."""
    error = error_of(platform.failed(ask_of(hostname="second"), status, b'line "1"\nline 2'))
    assert error["Message"] == f'Received {side} error ({status}) from second with message "line "1"\nline 2"{TAIL}'
    assert (error["OriginalMessage"], error["OriginalStatusCode"]) == ('line "1"\nline 2', status)
    assert error["ErrorCode"] == code


def test_empty_body_prints_empty_quotes() -> None:
    """As in public traces of a container that answers nothing."""
    error = error_of(platform.failed(ask_of(), 500, b""))
    assert error["Message"] == f'Received server error (500) from primary with message ""{TAIL}'


@pytest.mark.parametrize(("body", "is_whole"), [(b"\xff\xfe", True), (b"half", False)])
@pytest.mark.parametrize(
    ("status", "lead"), [(500, "server error (500)"), (413, "client error (413)"), (200, "server error (0)")]
)
def test_template_b_for_a_body_that_cannot_be_used(status: int, lead: str, body: bytes, is_whole: bool) -> None:
    """Not text, or not whole: no quotation and no OriginalMessage."""
    error = error_of(platform.failed(ask_of(), status, body, is_whole=is_whole))
    assert error["Message"] == f"Received {lead} from primary and could not load the entire response body{TAIL}"
    assert error["OriginalMessage"] == ""


def test_template_c_for_a_model_that_is_too_slow() -> None:
    """Status 424 outside, 0 inside."""
    error = error_of(platform.timed_out(ask_of()))
    text = (
        "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
        "each container in Amazon CloudWatch, resolve the issue, and try again."
    )
    assert error["Message"] == f'Received server error (0) from primary with message "{text}"{TAIL}'
    assert error["OriginalStatusCode"] == 0


@pytest.mark.parametrize(("hostname", "who"), [("", "model"), ("second", "second"), ("primary", "primary")])
def test_template_d_for_a_container_that_is_gone(hostname: str, who: str) -> None:
    """It names the endpoint; a single container is `model` here, one of several has its name."""
    error = error_of(platform.dead(ask_of(hostname=hostname)))
    text = (
        "Amazon SageMaker could not get a response from the churn endpoint. This can occur when CPU or memory "
        "utilization is high. To check your utilization, see Amazon CloudWatch. To fix this problem, use an instance "
        "type with more CPU capacity or memory."
    )
    assert error["Message"] == f'Received server error (0) from {who} with message "{text}"{TAIL}'


@pytest.mark.parametrize("length", [1500, 2048, 2049, 100_000])
def test_long_bodies_are_cut_to_what_a_message_holds(length: int) -> None:
    """2,048 characters each; Message keeps its tail, which names the logs."""
    error = error_of(platform.failed(ask_of(), 500, "é".encode() * length))
    assert error["OriginalMessage"] == "é" * min(length, 2048)
    assert len(error["Message"]) <= 2048
    assert error["Message"].endswith(f'é"{TAIL}')
    assert len(error["Message"]) == 2048 or length == 1500


def test_log_group_of_an_inference_component_is_named() -> None:
    """In the console's address and in the ARN."""
    error = error_of(platform.dead(ask_of(log_group="/aws/sagemaker/InferenceComponents/chat")))
    assert "group=/aws/sagemaker/InferenceComponents/chat in account" in error["Message"]
    assert error["LogStreamArn"].endswith(":log-group:/aws/sagemaker/InferenceComponents/chat")


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_arn_is_of_the_regions_partition(region: str, partition: str) -> None:
    """ARNs carry the request's region and its partition."""
    call = Call(INVOKE, "churn", {}, b"", bytes(32), region=region)
    error = error_of(platform.dead(Ask(call)))
    assert error["LogStreamArn"].startswith(f"arn:{partition}:logs:{region}:")


@pytest.mark.parametrize(
    ("chunk", "code"),
    [
        (platform.stream_broken(ask_of(STREAM)), "StreamBroken"),
        (platform.stream_timed_out(ask_of(STREAM, timeout_s=480.0)), "ModelInvocationTimeExceeded"),
    ],
)
def test_stream_failures_are_exception_frames(chunk: Chunk, code: str) -> None:
    """ModelStreamError with the modelled code."""
    frame = decode(chunk.data)
    assert frame.header(":exception-type") == "ModelStreamError"
    assert json.loads(frame.payload)["ErrorCode"] == code

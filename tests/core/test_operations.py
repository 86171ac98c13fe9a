"""Request lines and members, judged against botocore's installed model."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagetape.core.errors import CallerError
from sagetape.core.operations import read_service, translate_pattern, unsupported_async
from sagetape.shell.model import load_model, load_service

SERVICE = load_service()
INVOKE, _ = SERVICE.resolve("POST", b"/endpoints/e/invocations")
STREAM, _ = SERVICE.resolve("POST", b"/endpoints/e/invocations-response-stream")


def message(error: CallerError) -> str:
    return str(json.loads(error.body)["Message"])


@pytest.mark.parametrize(
    ("path", "operation", "endpoint"),
    [
        (b"/endpoints/churn/invocations", "InvokeEndpoint", "churn"),
        (b"/endpoints/churn/invocations-response-stream", "InvokeEndpointWithResponseStream", "churn"),
        (b"/endpoints/churn/async-invocations", "InvokeEndpointAsync", "churn"),
        (b"/endpoints/a%20b/invocations", "InvokeEndpoint", "a b"),
        (b"/endpoints/%2e%2e%2fadmin/invocations", "InvokeEndpoint", "../admin"),
        (b"/endpoints//invocations", "InvokeEndpoint", ""),
        (b"/endpoints/%ff/invocations", "InvokeEndpoint", "�"),
    ],
)
def test_resolve_reads_the_raw_path(path: bytes, operation: str, endpoint: str) -> None:
    """Each operation by its suffix; the name is decoded once."""
    found, name = SERVICE.resolve("POST", path)
    assert (operation, endpoint) == (found.name, name)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", b"/endpoints/churn/invocations"),
        ("PUT", b"/endpoints/churn/invocations"),
        ("POST", b"/"),
        ("POST", b""),
        ("POST", b"/endpoints/churn"),
        ("POST", b"/endpoints/churn/invocations/"),
        ("POST", b"/endpoints/churn/invocations/more"),
        ("POST", b"//endpoints/churn/invocations"),
        ("POST", b"/Endpoints/churn/invocations"),
        ("POST", b"/endpoints/churn/Invocations"),
        ("POST", b"/endpoints/churn/invocations-bidirectional-stream"),
    ],
)
def test_resolve_answers_404_for_anything_else(method: str, path: bytes) -> None:
    """29 bytes of XML, as this front-end family answers an unknown path or method."""
    with pytest.raises(CallerError) as caught:
        SERVICE.resolve(method, path)
    assert (
        caught.value.status,
        caught.value.body,
        caught.value.content_type,
    ) == (404, b"<UnknownOperationException/>\n", None)


def test_members_are_read_whatever_the_case_of_headers() -> None:
    """Go and JavaScript write header names in other cases than botocore; the value is the client's."""
    headers = ((b"content-TYPE", b"text/csv"), (b"x-amzn-sagemaker-TARGET-model", b"a/b.tar.gz"), (b"Cookie", b"c"))
    assert SERVICE.members(INVOKE, "e", headers) == {"ContentType": "text/csv", "TargetModel": "a/b.tar.gz"}


def test_members_of_a_stream_take_accept_from_amazons_header() -> None:
    """The stream carries the model's Accept in a header of its own; the plain one is the HTTP library's."""
    headers = ((b"Accept", b"*/*"), (b"X-Amzn-SageMaker-Accept", b"text/plain"))
    assert SERVICE.members(STREAM, "e", headers) == {"Accept": "text/plain"}


def test_members_sent_twice_are_joined() -> None:
    """rest-json joins duplicates with a comma, in order."""
    headers = ((b"X-Amzn-SageMaker-Custom-Attributes", b"a"), (b"x-amzn-sagemaker-custom-attributes", b"b"))
    assert SERVICE.members(INVOKE, "e", headers) == {"CustomAttributes": "a,b"}


def test_members_sent_empty_are_no_error() -> None:
    """Ruby and haystack send empty headers for what was not given; TargetModel has a minimum length of 1."""
    headers = ((b"X-Amzn-SageMaker-Target-Model", b""), (b"Content-Type", b""))
    assert SERVICE.members(INVOKE, "e", headers) == {"TargetModel": "", "ContentType": ""}


@pytest.mark.parametrize(
    ("endpoint", "headers", "expected"),
    [
        (
            "bad_name",
            (),
            "Value 'bad_name' at 'endpointName' failed to satisfy constraint: Member must satisfy regular",
        ),
        (
            "a" * 64,
            (),
            "at 'endpointName' failed to satisfy constraint: Member must have length less than or equal to 63",
        ),
        ("-a", (), "at 'endpointName'"),
        ("a-", (), "at 'endpointName'"),
        ("", (), "Value '' at 'endpointName'"),
        ("../admin", (), "Value '../admin' at 'endpointName'"),
        ("e", ((b"x-amzn-sagemaker-target-variant", b"a_b"),), "Value 'a_b' at 'targetVariant'"),
        ("e", ((b"x-amzn-sagemaker-session-id", b"a b"),), "Value 'a b' at 'sessionId'"),
        ("e", ((b"x-amzn-sagemaker-inference-id", b" x"),), "at 'inferenceId'"),
        ("e", ((b"x-amzn-sagemaker-inference-id", b"x" * 65),), "less than or equal to 64"),
        (
            "e",
            ((b"x-amzn-sagemaker-custom-attributes", b"\xc3\xa9"),),
            "1 validation error detected: Value at 'customAttr",
        ),
        ("e", ((b"content-type", b"x" * 1025),), "at 'contentType'"),
        ("e\x00\x1b[31m", (), "Value 'e\\x00\\x1b[31m' at 'endpointName'"),
    ],
)
def test_members_that_break_the_model_are_refused(
    endpoint: str, headers: tuple[tuple[bytes, bytes], ...], expected: str
) -> None:
    """Patterns and lengths that no SDK checks are checked here; sensitive values are not repeated."""
    with pytest.raises(CallerError) as caught:
        SERVICE.members(INVOKE, endpoint, headers)
    assert (caught.value.status, caught.value.code) == (400, "ValidationError")
    assert expected in message(caught.value)


def test_members_that_break_two_rules_are_both_named() -> None:
    """AWS counts them and lists them all."""
    with pytest.raises(CallerError) as caught:
        SERVICE.members(INVOKE, "bad_name", ((b"x-amzn-sagemaker-target-variant", b"a_b"),))
    assert message(caught.value).startswith("2 validation errors detected: ")


def test_members_refused_once_are_refused_again() -> None:
    """What is remembered is what was fine, never what was not."""
    for _ in range(2):
        with pytest.raises(CallerError):
            SERVICE.members(INVOKE, "bad_name", ())


def test_a_stream_cannot_open_a_session() -> None:
    """NEW_SESSION is no session id in the stream operation's pattern."""
    headers = ((b"x-amzn-sagemaker-session-id", b"NEW_SESSION"),)
    assert SERVICE.members(INVOKE, "e", headers)
    with pytest.raises(CallerError, match="ValidationError"):
        SERVICE.members(STREAM, "e", headers)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_members_raise_nothing_but_refusals(name: bytes, value: bytes) -> None:
    """Whatever bytes arrive as a path label and as a header."""
    try:
        operation, endpoint = SERVICE.resolve("POST", b"/endpoints/" + name + b"/invocations")
        SERVICE.members(operation, endpoint, ((b"x-amzn-sagemaker-target-model", value), (b"accept", value)))
    except CallerError as error:
        assert error.status in (400, 404)  # noqa: PT017 - most bytes are refused, some are served


def test_a_member_added_to_the_model_is_added_here() -> None:
    """Nothing about members is written down in this project: a newer botocore brings them."""
    model = load_model()
    shapes = {**model["shapes"]}
    shapes["InvokeEndpointInput"] = {
        **shapes["InvokeEndpointInput"],
        "members": {
            **shapes["InvokeEndpointInput"]["members"],
            "Fresh": {"shape": "InferenceId", "location": "header", "locationName": "X-Amzn-SageMaker-Fresh"},
        },
    }
    service = read_service({**model, "shapes": shapes})
    operation, _ = service.resolve("POST", b"/endpoints/e/invocations")
    assert service.members(operation, "e", ((b"x-amzn-sagemaker-fresh", b"new"),)) == {"Fresh": "new"}


def test_limits_are_the_models() -> None:
    """6,291,456 bytes of body, 63 characters of name: read, not repeated."""
    assert INVOKE.body_max_bytes == 6_291_456
    assert INVOKE.label.max_chars == 63


def test_patterns_of_java_are_translated() -> None:
    """`\\p{ASCII}`, `\\p{Print}` and `\\z` are not Python's."""
    assert translate_pattern("\\A\\S[\\p{Print}]*\\z").fullmatch("a b~")
    assert not translate_pattern("\\A\\S[\\p{Print}]*\\z").fullmatch("a\tb")
    assert translate_pattern("\\p{ASCII}*").fullmatch("a\n")
    assert not translate_pattern("\\p{ASCII}*").fullmatch("é")


def test_async_answers_a_code_of_ours() -> None:
    """InvokeEndpointAsync is resolved, and says clearly that it is not emulated."""
    error = unsupported_async()
    assert (error.status, error.code) == (400, "SagetapeUnsupported")
    assert "InvokeEndpointAsync" in message(error)

"""InvokeEndpoint over both transports: what arrives at the service, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

import sagetape_client
from sagetape_client.errors import (
    ConnectError,
    ContentError,
    InvokeError,
    ModelError,
    ParameterError,
    ServiceError,
    Throttled,
    ValidationFailed,
)
from sagetape_client.invoker import Client
from sagetape_client.parameters import ASYNC, INVOKE, STREAM, TABLE
from tests.client.conftest import Waits, make_client
from tests.client.standin import ENVIRON, Answer, Standin, as_json, error, frame, stream

VALUES = {"RequestTTLSeconds": 60, "InvocationTimeoutSeconds": 3600, "InputLocation": "s3://b/k"}
CARRIED = [(p, operation) for p in TABLE for operation in (p.headers or {})]


@pytest.mark.parametrize(("parameter", "operation"), CARRIED, ids=lambda v: getattr(v, "name", v))
def test_every_member_arrives_in_its_header(client: Client, service: Standin, parameter: Any, operation: str) -> None:
    """For every member and operation, the header of the service model holds the value, signed."""
    value = VALUES.get(parameter.name, "a b")
    body = None if parameter.name == "InputLocation" else b"x"
    service.answer = lambda arrived: stream([frame(b"")]) if "stream" in arrived.path else as_json({}, 200)
    call = {INVOKE: client.invoke, STREAM: client.invoke_stream, ASYNC: client.invoke_async}[operation]
    result = call("e", body, **{parameter.python: value})
    if operation == STREAM:
        result.read()
    (arrived,) = service.arrived
    assert str(value) == arrived.headers[parameter.headers[operation].lower()]
    assert service.bad_signatures == []


@pytest.mark.parametrize("endpoint", ["churn", "bad name/é", "a.b~c_d-e"])
def test_endpoint_name_is_encoded_once(client: Client, service: Standin, endpoint: str) -> None:
    """The name is percent-encoded in the path and the signature still verifies."""
    from urllib.parse import quote

    client.invoke(endpoint, b"x")
    assert f"/endpoints/{quote(endpoint, safe='-._~')}/invocations" == service.arrived[0].path
    assert service.bad_signatures == []


def test_request_has_no_header_that_was_not_asked_for(client: Client, service: Standin) -> None:
    """No default content type, no Accept; length, ids and signature as botocore sends them."""
    client.invoke("e", b"\x00\xff")
    (arrived,) = service.arrived
    assert arrived.body == b"\x00\xff"
    assert {
        "host",
        "accept-encoding",
        "user-agent",
        "x-amz-date",
        "authorization",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "content-length",
    } == set(arrived.headers)
    assert arrived.headers["accept-encoding"] == "identity"


def test_custom_attributes_beyond_ascii_arrive_as_utf8(client: Client, service: Standin) -> None:
    """No SDK refuses them; UTF-8 bytes travel, as botocore's."""
    client.invoke("e", b"x", custom_attributes="naïve")
    assert service.arrived[0].headers["x-amzn-sagemaker-custom-attributes"] == "naïve"


def test_result_is_typed(client: Client, service: Standin) -> None:
    """Every member, the request id, status, retries and timing."""
    headers = {
        "Content-Type": "application/json",
        "x-Amzn-Invoked-Production-Variant": "blue",
        "X-Amzn-SageMaker-Custom-Attributes": "k=v",
        "X-Amzn-SageMaker-New-Session-Id": "abc; Expires=2026-01-01T00:00:00Z",
        "X-Amzn-SageMaker-Closed-Session-Id": "old",
    }
    service.script(Answer(200, headers, b'{"a": [1]}'))
    result = client.invoke("e", b"x")
    assert (result.body, result.value(), result.text) == (b'{"a": [1]}', {"a": [1]}, '{"a": [1]}')
    assert (
        result.content_type,
        result.invoked_production_variant,
        result.custom_attributes,
    ) == ("application/json", "blue", "k=v")
    assert (result.new_session_id, result.closed_session_id) == ("abc; Expires=2026-01-01T00:00:00Z", "old")
    assert (result.request_id, result.status, result.retries) == ("request-1", 200, 0)
    assert result.timing.total_s >= result.timing.first_byte_s >= 0


def test_result_absent_headers_are_none(client: Client, service: Standin) -> None:
    """What was not sent is None, and an empty body is empty."""
    service.script(Answer(200))
    result = client.invoke("e", b"x")
    assert (result.body, result.content_type) == (b"", None)
    assert (result.custom_attributes, result.new_session_id) == (None, None)


def test_result_as_array(client: Client, service: Standin) -> None:
    """A numeric answer as a numpy array."""
    service.script(as_json([[1, 2], [3, 4]]))
    assert client.invoke("e", b"x").array().shape == (2, 2)


def test_result_that_is_not_its_type_is_named(client: Client, service: Standin) -> None:
    """The text names type, place and remedy, and the bytes stay readable."""
    service.script(Answer(200, {"Content-Type": "application/json"}, b"<html>"))
    result = client.invoke("e", b"x")
    with pytest.raises(ContentError, match=r"application/json.*line 1, column 1"):
        result.value()
    assert result.body == b"<html>"


MODEL_BODY = {
    "ErrorCode": "SERVER_ERROR_FROM_MODEL",
    "LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/e",
    "Message": "Received server error (500) from primary",
    "OriginalMessage": "boom",
    "OriginalStatusCode": 500,
}


def test_model_error_keeps_every_member(client: Client, service: Standin) -> None:
    """Status, original status, message, log, and the ErrorCode that botocore drops."""
    service.script(as_json(MODEL_BODY, 424, **{"x-amzn-ErrorType": "ModelError"}))
    with pytest.raises(ModelError, match="Received server error") as caught:
        client.invoke("e", b"x")
    e = caught.value
    assert (e.status, e.original_status_code, e.original_message) == (424, 500, "boom")
    assert e.log_stream_arn == MODEL_BODY["LogStreamArn"]
    assert e.members["ErrorCode"] == "SERVER_ERROR_FROM_MODEL"
    assert (e.request_id, e.code, e.attempts) == ("request-1", "ModelError", 1)


@pytest.mark.parametrize(
    ("answer", "code", "text", "kind"),
    [
        (error(400, "ValidationError", "no"), "ValidationError", "no", ValidationFailed),
        (error(400, "ns#ValidationError:http://x/", "no"), "ValidationError", "no", ValidationFailed),
        (as_json({"message": "a", "Message": "b"}, 403), "403", "a", ServiceError),
        (as_json({"__type": "ns#Odd", "Message": "b"}, 400), "Odd", "b", ServiceError),
        (as_json({"code": "Odd"}, 400), "Odd", "no message", ServiceError),
        (as_json([1], 404), "404", "[1]", ServiceError),
        (Answer(404, {}, b"<UnknownOperationException/>\n"), "404", "<UnknownOperationException/>", ServiceError),
        (Answer(413, {}, b""), "413", "", ServiceError),
        (
            as_json({"message": None}, 400, **{"x-amzn-ErrorType": "ThrottlingException"}),
            "ThrottlingException",
            "no message",
            Throttled,
        ),
        (error(400, "SagetapeMiss", "nearest: ..."), "SagetapeMiss", "nearest: ...", ServiceError),
    ],
)
def test_error_is_read_wherever_it_is_said(
    client: Client, service: Standin, answer: Answer, code: str, text: str, kind: type[ServiceError]
) -> None:
    """Header, `code`, `__type` or status; `message` before `Message`; text that is no JSON."""
    service.script(answer)
    with pytest.raises(kind) as caught:
        client.invoke("e", b"x")
    assert code == caught.value.code
    assert text in caught.value.text


def test_miss_has_its_own_exit_code(light: Client, service: Standin) -> None:
    """A replay's miss ends a command with 3, any other error of the service with 4."""
    service.script(error(400, "SagetapeMiss"))
    with pytest.raises(ServiceError) as caught:
        light.invoke("e", b"x")
    assert caught.value.exit_code == 3


def test_wrong_key_is_the_services_refusal(service: Standin, waits: Waits) -> None:
    """A signature that does not verify comes back as AWS words it."""
    client = Client(environ=service.environ(AWS_SECRET_ACCESS_KEY="wrong" * 8), chances=waits.chances())
    with pytest.raises(ServiceError, match="signature") as caught:
        client.invoke("e", b"x")
    assert (caught.value.code, caught.value.status) == ("InvalidSignatureException", 403)
    client.close()


def test_session_token_is_sent_and_signed(service: Standin, waits: Waits) -> None:
    """A token from the environment travels, and the signature covers it."""
    with Client(environ=service.environ(AWS_SESSION_TOKEN="token+/="), chances=waits.chances()) as client:
        client.invoke("e", b"x")
    assert service.arrived[0].headers["x-amz-security-token"] == "token+/="
    assert service.bad_signatures == []


def test_region_is_signed_whatever_the_url(service: Standin, waits: Waits) -> None:
    """EndpointUrl keeps the region for signing."""
    with Client(environ=service.environ(), region="eu-west-3", endpoint_url=service.url + "/deck/x") as client:
        client.invoke("e", b"x")
    (arrived,) = service.arrived
    assert "/eu-west-3/sagemaker/" in arrived.headers["authorization"]
    assert arrived.path == "/deck/x/endpoints/e/invocations"
    assert service.bad_signatures == []


def test_connection_is_kept_and_a_dropped_one_replaced(light: Client, service: Standin) -> None:
    """Calls share a connection; one that the server closed is not used, and no attempt is lost to it."""
    service.script(as_json({}), Answer(200, {"Connection": "close"}, b""), as_json({"a": 1}))
    for _ in range(3):
        result = light.invoke("e", b"x")
    assert (result.value(), result.retries) == ({"a": 1}, 0)


def test_cut_answer_is_an_error_when_it_stays_cut(client: Client, service: Standin) -> None:
    """Half an answer is never given."""
    service.script(Answer(200, {}, b"half", cuts=True))
    with pytest.raises(ConnectError):
        client.invoke("e", b"x")
    assert len(service.arrived) == 3


def test_pipeline_takes_names_and_mappings(client: Client, service: Standin) -> None:
    """Names by value, mappings by property name, defaults for both; answers in order."""
    inputs = ["one", {"EndpointName": "two", "customAttribute": "k"}, {"endpoint_name": "three", "Body": "own"}]
    results = list(client.invoke_each(inputs, body=b"common", content_type="text/plain"))
    assert len(results) == 3
    assert [(a.path.split("/")[2], a.body) for a in service.arrived] == [
        ("one", b"common"),
        ("two", b"common"),
        ("three", b"own"),
    ]
    assert service.arrived[1].headers["x-amzn-sagemaker-custom-attributes"] == "k"


def test_pipeline_selects(light: Client) -> None:
    """A selection applies to each."""
    assert list(light.invoke_each(["a", "b"], body=b"", select="^EndpointName")) == ["a", "b"]


def test_pipeline_input_of_another_kind_is_named(light: Client) -> None:
    """The input's number and type are said."""
    with pytest.raises(ParameterError, match="Input 2 of the pipeline is a int"):
        list(light.invoke_each(["a", 7], body=b""))


def test_history_is_off_until_switched_on(service: Standin, waits: Waits) -> None:
    """Nothing is kept by default; then the last five answers, redacted, without requests."""
    with make_client(service, waits) as client:
        client.invoke("e", b"secret")
        assert client.history.last_command is None
        client.history.start()
        for number in range(7):
            client.invoke(f"e{number}", b"secret", custom_attributes="hush")
        assert len(client.history) == 5
        entry = client.history.last_command
        assert entry is not None
        assert entry.command == "InvokeEndpoint"
        assert client.history.last_service_request is None
        response = client.history.last_service_response
    assert response is not None
    assert (response["Body"], response["RequestId"]) == ("<redacted>", "request-8")


def test_history_keeps_requests_and_errors_when_asked(service: Standin, waits: Waits) -> None:
    """Requests redacted, or whole; an error in its place; clear and stop."""
    with make_client(service, waits, history=True) as client:
        client.history.start(record_requests=True)
        service.script(error(424, "ModelError", "the body was: secret"), as_json({"a": 1}))
        with pytest.raises(ModelError):
            client.invoke("e", b"secret", custom_attributes="hush")
        entry = client.history.last_command
        assert entry is not None
        assert "secret" not in repr(entry)
        assert "hush" not in repr(entry)
        assert "ModelError" in str(entry.error)
        client.history.start(record_requests=True, include_sensitive=True)
        client.invoke("e", b"secret")
        assert client.history.last_service_request == {"EndpointName": "e", "Body": b"secret"}
        client.history.stop()
        client.invoke("e", b"x")
        assert len(list(client.history)) == 2
        client.history.clear()
        assert len(client.history) == 0


def test_one_call_function_takes_everything(service: Standin) -> None:
    """`sagetape_client.invoke` takes the client's parameters and the call's, in the cmdlet's spellings."""
    value = sagetape_client.invoke(
        EndpointName="e",
        Body="x",
        AccessKey=ENVIRON["AWS_ACCESS_KEY_ID"],
        SecretKey=ENVIRON["AWS_SECRET_ACCESS_KEY"],
        Region="us-east-1",
        EndpointUrl=service.url,
        Select="^endpointname",
    )
    assert value == "e"
    assert service.bad_signatures == []


def test_describe_sends_nothing_and_shows_no_secret(client: Client, service: Standin) -> None:
    """The request as it would be sent, the signature masked."""
    url, headers = client.describe(client.prepare(INVOKE, {"endpoint_name": "e", "body": b"x", "accept": "text/csv"}))
    assert f"{service.url}/endpoints/e/invocations" == url
    named = {name.lower(): value for name, value in headers}
    assert named["accept"] == "text/csv"
    assert named["authorization"].endswith("Signature=***")
    assert service.arrived == []


def test_every_error_is_an_invoke_error() -> None:
    """One class to catch them all, and each has an exit code."""
    from sagetape_client import errors

    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    assert all(issubclass(kind, InvokeError) and kind.exit_code in range(1, 131) for kind in kinds)

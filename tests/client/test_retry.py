"""What is asked again, how often, and after how long; measured on botocore's own modes."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagetape_client.errors import CallTimeout, ConnectError, ModelNotReady, ServiceError
from sagetape_client.invoker import Client
from sagetape_client.retry import Failure, RetryRules, wait_before_retry
from tests.client.conftest import Waits, make_client
from tests.client.standin import ACCESS_KEY, SECRET_KEY, Answer, Standin, as_json, error

ANSWERS = {
    "throttled": as_json({"message": None}, 400, **{"x-amzn-ErrorType": "ThrottlingException"}),
    "not ready": error(429, "ModelNotReadyException"),
    "429": Answer(429),
    "500": error(500, "InternalFailure"),
    "502": Answer(502),
    "503": error(503, "ServiceUnavailable"),
    "504": Answer(504),
    "530": error(530, "InternalDependencyException"),
    "424": error(424, "ModelError"),
    "400": error(400, "ValidationError"),
    "403": error(403, "AccessDeniedException"),
    "404": Answer(404),
    "413": Answer(413),
    "408": error(408, "RequestTimeoutException"),
}


@pytest.mark.parametrize("mode", ["standard", "adaptive", "legacy"])
def test_attempts_are_botocores(
    service: Standin, waits: Waits, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """For every answer and mode this client asks as often as the installed botocore does."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    stock = boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        endpoint_url=service.url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"mode": mode}),
    )
    theirs, ours = {}, {}
    with (
        contextlib.closing(stock),
        Client(environ=service.environ(AWS_RETRY_MODE=mode), chances=waits.chances()) as own,
    ):
        for name, answer in ANSWERS.items():
            if mode == "adaptive" and name in ("throttled", "429", "not ready"):
                continue  # botocore's rate limit would really wait; the row is standard's
            service.script(answer)
            service.arrived.clear()
            with pytest.raises(ClientError):
                stock.invoke_endpoint(EndpointName="e", Body=b"x")
            theirs[name] = len(service.arrived)
            service.arrived.clear()
            with pytest.raises(ServiceError) as caught:
                own.invoke("e", b"x")
            ours[name] = len(service.arrived)
            assert caught.value.attempts == ours[name]
    assert theirs == ours


def test_retries_are_one_call_to_the_server(client: Client, service: Standin, waits: Waits) -> None:
    """All attempts carry one invocation id and count themselves; the result tells the retries."""
    service.script(ANSWERS["503"], ANSWERS["503"], as_json({}))
    result = client.invoke("e", b"x")
    assert result.retries == 2
    assert len({a.headers["amz-sdk-invocation-id"] for a in service.arrived}) == 1
    assert [a.headers["amz-sdk-request"] for a in service.arrived] == [
        "attempt=1; max=3",
        "attempt=2; max=3",
        "attempt=3; max=3",
    ]
    assert waits.asked == [0.025, 0.05]


def test_throttling_waits_longer(client: Client, service: Standin, waits: Waits) -> None:
    """Half of 1 and 2 seconds, with chance at one half."""
    service.script(ANSWERS["throttled"])
    with pytest.raises(ServiceError, match="asked 3 times"):
        client.invoke("e", b"x")
    assert waits.asked == [0.5, 1.0]


def test_session_opening_is_never_repeated(client: Client, service: Standin) -> None:
    """NEW_SESSION is asked once, whatever comes back."""
    service.script(ANSWERS["503"])
    with pytest.raises(ServiceError):
        client.invoke("e", b"x", session_id="NEW_SESSION")
    assert len(service.arrived) == 1


def test_session_opening_is_never_repeated_by_botocore_either(service: Standin, waits: Waits, environ: Any) -> None:
    """`retries` hands repeating to botocore, but not of a call that opens a session."""
    client = make_client(service, waits, through="boto", retries={"mode": "standard", "total_max_attempts": 4})
    service.script(ANSWERS["503"])
    with pytest.raises(ServiceError):
        client.invoke("e", b"x", session_id="NEW_SESSION")
    assert len(service.arrived) == 1
    client.close()


def test_retries_restores_botocores_behaviour(
    service: Standin, waits: Waits, environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `retries` botocore repeats on its own, and its count is in the result."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    client = make_client(service, waits, through="boto", retries={"mode": "standard", "total_max_attempts": 4})
    service.script(ANSWERS["503"], ANSWERS["503"], ANSWERS["503"], as_json({"a": 1}))
    result = client.invoke("e", b"x")
    assert (result.value(), result.retries, len(service.arrived)) == ({"a": 1}, 3, 4)
    assert waits.asked == []
    client.close()


@pytest.mark.parametrize("through", ["light", "boto"])
def test_read_timeout_is_not_repeated(service: Standin, waits: Waits, environ: Any, through: str) -> None:
    """A model that is too slow is asked once; the error names the limit."""
    never = threading.Event()
    service.script(Answer(silent=never))
    client = make_client(service, waits, through=through, read_timeout_s=0.05)
    with pytest.raises(CallTimeout, match=r"0\.05 s.*not repeated"):
        client.invoke("e", b"x")
    never.set()
    assert len(service.arrived) == 1
    client.close()


def test_read_timeout_is_repeated_when_botocore_is_asked_to(
    service: Standin, waits: Waits, environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`retries` restores botocore's repeating of read time-outs."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    never = threading.Event()
    service.script(Answer(silent=never), Answer(silent=never), as_json({}))
    client = make_client(service, waits, through="boto", read_timeout_s=0.05, retries=3)
    assert client.invoke("e", b"x").retries == 2
    never.set()
    client.close()


@pytest.mark.parametrize("through", ["light", "boto"])
def test_refused_connection_is_repeated_and_named(waits: Waits, environ: Any, through: str) -> None:
    """Nobody there: three attempts, then an error that names the address."""
    gone = Standin()
    gone.close()
    with make_client(gone, waits, through=through) as client, pytest.raises(ConnectError, match=gone.url):
        client.invoke("e", b"x")
    assert len(waits.asked) == 2


def test_cut_answer_is_repeated(client: Client, service: Standin) -> None:
    """An answer that breaks before its end is asked for again, and only a whole one is given."""
    service.script(Answer(200, {}, b"half", cuts=True), as_json({"whole": True}))
    assert client.invoke("e", b"x").value() == {"whole": True}


def test_loading_model_is_waited_for_when_asked(service: Standin, waits: Waits, environ: Any) -> None:
    """`ready_timeout_s` asks again with growing waits until the model is there."""
    service.script(*[ANSWERS["not ready"]] * 5, as_json({"ready": True}))
    client = make_client(service, waits, ready_timeout_s=360)
    assert client.invoke("e", b"x").value() == {"ready": True}
    assert waits.asked == [0.75, 1.5, 3.0, 6.0, 12.0]
    client.close()


def test_loading_model_is_not_waited_for_forever(service: Standin, waits: Waits, environ: Any) -> None:
    """The waits add up to the time allowed, and the error is the service's."""
    service.script(ANSWERS["not ready"])
    client = make_client(service, waits, ready_timeout_s=10)
    with pytest.raises(ModelNotReady):
        client.invoke("e", b"x")
    assert sum(waits.asked) == 10
    client.close()


def test_waits_never_exceed_the_cap() -> None:
    """Twenty seconds at most, however often it failed."""
    failure = Failure(ServiceError("ThrottlingException", "", status=400), attempt=30)
    assert wait_before_retry(RetryRules(attempts=99), failure, chance=1.0) == 20.0

"""Asynchronous inference: submitted, waited for through S3, timed out, cancelled, failed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from sagetape_client.answers import Facts, Timing
from sagetape_client.errors import (
    AsyncCancelled,
    AsyncFailed,
    CallTimeout,
    ContentError,
    CredentialsError,
    InvokeError,
    ParameterError,
    ServiceError,
)
from sagetape_client.invoker import Client
from sagetape_client.outputs import PendingOutput, Submission, split_location
from tests.client.conftest import Waits, make_client
from tests.client.standin import ACCESS_KEY, SECRET_KEY, Answer, Standin, as_json

HEADERS = {
    "X-Amzn-SageMaker-OutputLocation": "s3://bucket/out/1.out",
    "X-Amzn-SageMaker-FailureLocation": "s3://bucket/fail/1-error.out",
}
ACCEPTED = Answer(202, {"Content-Type": "application/json", **HEADERS}, b'{"InferenceId":"i-1"}')


def test_submission_is_typed(client: Client, service: Standin) -> None:
    """202: the id from the body, the locations from the headers."""
    service.script(ACCEPTED)
    pending = client.invoke_async("e", input_location="s3://bucket/in.json", request_ttl_seconds=600)
    assert (pending.inference_id, pending.status) == ("i-1", 202)
    assert (HEADERS["X-Amzn-SageMaker-OutputLocation"], HEADERS["X-Amzn-SageMaker-FailureLocation"]) == (
        pending.output_location,
        pending.failure_location,
    )
    (arrived,) = service.arrived
    assert (arrived.path, arrived.body) == ("/endpoints/e/async-invocations", b"")
    assert arrived.headers["x-amzn-sagemaker-inputlocation"] == "s3://bucket/in.json"
    assert arrived.headers["x-amzn-sagemaker-requestttlseconds"] == "600"


def test_submission_inline_body_travels(client: Client, service: Standin) -> None:
    """A small input goes along, its type in the asynchronous operation's own header."""
    service.script(ACCEPTED)
    client.invoke_async("e", {"a": 1})
    (arrived,) = service.arrived
    assert (arrived.body, arrived.headers["x-amzn-sagemaker-content-type"]) == (b'{"a":1}', "application/json")
    assert "content-type" not in arrived.headers


@pytest.mark.parametrize("given", [{}, {"body": b"x", "input_location": "s3://b/k"}])
def test_submission_takes_exactly_one_input(light: Client, given: dict[str, Any]) -> None:
    """Neither and both are refused before anything is sent."""
    with pytest.raises(ParameterError, match="exactly one of Body and InputLocation"):
        light.invoke_async("e", **given)


def test_submission_selects(light: Client, service: Standin) -> None:
    """A property of the asynchronous answer."""
    service.script(ACCEPTED)
    assert light.invoke_async("e", b"x", select="inferenceid") == "i-1"


def test_submission_answer_that_is_not_json_is_named(light: Client, service: Standin) -> None:
    """A proxy's page is not an answer."""
    service.script(Answer(202, {}, b"<html>"))
    with pytest.raises(ContentError, match="not JSON"):
        light.invoke_async("e", b"x")


Found = tuple[bytes, str | None] | str


def a_pending(
    client: Client, *looks: dict[str, Found], failure: str | None = "fail", output: str | None = "out"
) -> PendingOutput:
    """A submission whose places show these objects, one look after the other; the last stays."""
    left = list(looks)
    seen: list[str] = []

    def fetch(location: str) -> Found:
        if location == output and seen and len(left) > 1:
            left.pop(0)
        seen.append(location)
        return left[0].get(location, "absent")

    facts = Facts(202, "r", {}, 0, Timing(0, 0))
    return PendingOutput(client, Submission("i-1", output, failure, facts), fetch=fetch)


@pytest.fixture
def waiting(service: Standin, waits: Waits) -> Iterator[Client]:
    """A client whose clock moves only by waiting."""
    with make_client(service, waits) as client:
        client.chances = waits.chances()
        yield client


def test_wait_gives_the_output_when_it_appears(waiting: Client, waits: Waits) -> None:
    """Polls with growing pauses until the object is there, and decodes it by its type."""
    pending = a_pending(waiting, {}, {}, {}, {"out": (b'{"a":1}', "application/json")})
    output = pending.wait(timeout_s=60)
    assert (output.value(), output.location) == ({"a": 1}, "out")
    assert waits.asked == [0.5, 0.75, 1.125]


def test_wait_raises_the_failure_object(waiting: Client) -> None:
    """The failure's bytes and place are in the error."""
    pending = a_pending(waiting, {}, {"fail": (b"Received server error (500)", None)})
    with pytest.raises(AsyncFailed, match=r"i-1 failed: Received server error") as caught:
        pending.wait()
    assert (
        caught.value.body,
        caught.value.location,
        caught.value.inference_id,
    ) == (b"Received server error (500)", "fail", "i-1")


@pytest.mark.parametrize(
    ("look", "failure", "words"),
    [
        ({}, "fail", "Wait longer"),
        ({}, None, "no S3FailurePath"),
        ({"out": "hidden"}, "fail", "s3:ListBucket"),
    ],
)
def test_wait_times_out_and_says_what_may_be_wrong(
    waiting: Client, waits: Waits, look: dict[str, Found], failure: str | None, words: str
) -> None:
    """The waits add up to the time allowed exactly."""
    with pytest.raises(CallTimeout, match=f"after 20 s.*{words}"):
        a_pending(waiting, look, failure=failure).wait(timeout_s=20)
    assert sum(waits.asked) == 20.0


def test_wait_can_be_cancelled(waiting: Client, waits: Waits) -> None:
    """From elsewhere, while it waits; looking once more still works."""
    pending = a_pending(waiting, {}, {}, {"out": (b"late", None)})
    slept: Callable[[float], None] = waiting.chances.sleep

    def sleep_and_cancel(seconds: float) -> None:
        slept(seconds)
        pending.cancel()

    object.__setattr__(waiting.chances, "sleep", sleep_and_cancel)
    with pytest.raises(AsyncCancelled, match="inference goes on"):
        pending.wait()
    assert pending.poll() is None
    output = pending.poll()
    assert output is not None
    assert output.body == b"late"


def test_wait_without_a_location_is_named(waiting: Client) -> None:
    """An endpoint that gives no place has nothing to wait for."""
    with pytest.raises(InvokeError, match="no OutputLocation"):
        a_pending(waiting, {}, output=None).wait()


@pytest.mark.parametrize(
    ("location", "bucket", "key"),
    [
        ("s3://bucket/a/b.out", "bucket", "a/b.out"),
        ("https://s3.eu-west-1.amazonaws.com/bucket/a/b.out", "bucket", "a/b.out"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a/b.out", "bucket", "a/b.out"),
    ],
)
def test_location_is_bucket_and_key(location: str, bucket: str, key: str) -> None:
    """S3 URIs, and URLs in path and in host style."""
    assert (bucket, key) == split_location(location)


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """A server that speaks S3."""
    server_module = pytest.importorskip("moto.server", reason="moto, flask and flask-cors speak S3 in this test")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_url: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of that server with one bucket; this process's S3 calls go there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with contextlib.closing(
        boto3.client("s3", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name="us-east-1")
    ) as made:
        made.create_bucket(Bucket="bucket")
        yield made
        for item in made.list_objects_v2(Bucket="bucket").get("Contents", []):
            made.delete_object(Bucket="bucket", Key=item["Key"])
        made.delete_bucket(Bucket="bucket")


def test_s3_output_is_waited_for(s3: Any, waiting: Client, service: Standin) -> None:
    """Against a server that speaks S3: absent at first, then the object with its type."""
    service.script(ACCEPTED)
    pending = waiting.invoke_async("e", b"x")
    assert pending.poll() is None
    s3.put_object(Bucket="bucket", Key="out/1.out", Body=b'{"a": 1}', ContentType="application/json")
    assert pending.wait(timeout_s=5).value() == {"a": 1}
    pending.close()


def test_s3_failure_is_raised(s3: Any, waiting: Client, service: Standin) -> None:
    """Against a server that speaks S3: the failure object ends the waiting."""
    service.script(ACCEPTED)
    s3.put_object(Bucket="bucket", Key="fail/1-error.out", Body=b"Received server error (500)")
    pending = waiting.invoke_async("e", b"x")
    with pytest.raises(AsyncFailed, match="server error"):
        pending.wait(timeout_s=5)
    pending.close()


def test_s3_bucket_that_is_not_there_is_an_error(s3: Any, waiting: Client, service: Standin) -> None:
    """A missing bucket is not "not yet"."""
    service.script(
        Answer(202, {"X-Amzn-SageMaker-OutputLocation": "s3://nobody/out"}, b"{}"), as_json({"never": "asked"})
    )
    pending = waiting.invoke_async("e", b"x")
    with pytest.raises((ServiceError, CredentialsError), match="NoSuchBucket"):
        pending.wait(timeout_s=5)
    pending.close()

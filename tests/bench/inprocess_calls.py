"""`python -m tests.bench.inprocess_calls CALLS`: calls per second of one client, answered four ways, as one JSON line.

One round of each: a `before-send` handler that returns a constant (the floor), `sagetape.attach`, Stubber, and moto's
decorator where moto is installed. All clients have the same credentials; their answers have the same bytes.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody
from botocore.stub import Stubber

import sagetape

BODY = b'{"label":"' + b"y" * 1012 + b'"}'


def model(invocation: sagetape.Invocation) -> bytes:
    """What is recorded for the cassette."""
    return BODY


class Constant(io.BytesIO):
    """The least that botocore reads a body from."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def make_client() -> Any:
    return boto3.Session("AKIDEXAMPLE", "nobody-keeps-this-secret", region_name="us-east-1").client("sagemaker-runtime")


def rate(client: Any, count: int) -> float:
    """Whole calls per second, bodies read."""
    start = time.perf_counter()
    for _ in range(count):
        client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=b'{"x":1}')["Body"].read()
    return count / (time.perf_counter() - start)


def floor(count: int) -> float:
    client = make_client()
    headers: Any = {"Content-Type": "application/json", "Content-Length": str(len(BODY))}

    def answer(request: Any, **_: Any) -> AWSResponse:
        raw: Any = Constant(BODY)
        return AWSResponse(request.url, 200, headers, raw)

    client.meta.events.register("before-send.sagemaker-runtime", answer)
    rate(client, 20)
    return rate(client, count)


def attached(count: int) -> float:
    client = make_client()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/churn.tape"
        with sagetape.attach(client, path, mode="once", upstream="function:tests.bench.inprocess_calls:model"):
            rate(client, 1)
        with sagetape.attach(client, path):
            rate(client, 20)
            return rate(client, count)


def stubbed(count: int) -> float:
    client = make_client()
    stubber = Stubber(client)
    for _ in range(count):
        raw: Any = io.BytesIO(BODY)
        answer = {"Body": StreamingBody(raw, len(BODY)), "ContentType": "application/json"}
        stubber.add_response("invoke_endpoint", answer)
    with stubber:
        return rate(client, count)


def mocked(count: int) -> float:
    from moto import mock_aws

    with mock_aws():
        client = make_client()
        rate(client, 20)
        return rate(client, max(count // 2, 20))


WAYS: dict[str, Callable[[int], float]] = {"floor": floor, "attach": attached, "Stubber": stubbed, "moto": mocked}


def main() -> None:
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    found: dict[str, float] = {}
    for name, measure in WAYS.items():
        try:
            found[name] = measure(int(sys.argv[1]))
        except ImportError:  # moto is not among this project's dependencies
            continue
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""Stock clients, unchanged, against `serve` and `replay`: boto3, the AWS CLI v1, the JavaScript SDK v3, .NET's form."""

from __future__ import annotations

import hashlib
import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError
from stock_clients import aws_cli, javascript, surroundings
from tests.models.chain import client, sagetape
from tests.shell.wire_cases import MODELS

NAMES = ("echo", "fails", "talks", "breaks")
JSON = {"ContentType": "application/json"}
BOTH = pytest.mark.parametrize("side", ["serve", "replay"])


def boto3_facts(asked: Any) -> dict[str, Any]:
    """What boto3 gets of every kind of answer."""
    answer = asked.invoke_endpoint(EndpointName="echo", Body=b'{"a":1}', **JSON)
    with pytest.raises(ClientError) as caught:
        asked.invoke_endpoint(EndpointName="fails", Body=b"400 no such column", **JSON)
    stream = asked.invoke_endpoint_with_response_stream(EndpointName="talks", Body=b"{}", **JSON)
    broken = asked.invoke_endpoint_with_response_stream(EndpointName="breaks", Body=b"{}", **JSON)
    parts = [event["PayloadPart"]["Bytes"] for event in stream["Body"]]
    with pytest.raises(EventStreamError, match="ModelStreamError"):
        list(broken["Body"])
    broken["Body"].close()
    error = caught.value.response
    return {
        "answer": answer["Body"].read(),
        "head": (answer["ContentType"], answer["InvokedProductionVariant"]),
        "error": (error["Error"]["Code"], error["OriginalStatusCode"], error["OriginalMessage"]),
        "parts": parts,
    }


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`serve` with function models, and `replay` of what was recorded of them; both with `--auth strict`."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "wire_models.py").write_text(MODELS)
    tables = [f'[endpoints.{name}]\nupstream = "function:wire_models:{name}"\n' for name in NAMES]
    config = folder / "sagetape.toml"
    config.write_text("\n".join(tables))
    cassette = folder / "recorded.tape"
    with sagetape("record", str(cassette), "--config", str(config)) as ready:
        record(ready["url"])
    with (
        sagetape("serve", "--config", str(config)) as serving,
        sagetape("replay", str(cassette), "--no-config") as replaying,
    ):
        yield {"serve": serving["url"], "replay": replaying["url"]}


def record(url: str) -> None:
    """Everything that the clients below will ask, in the forms in which they ask it."""
    with closing(client(url, "test", "test")) as asked:
        boto3_facts(asked)
        asked.invoke_endpoint(EndpointName="echo", Body=b"hello", ContentType="text/plain", Accept="application/json")


@BOTH
def test_boto3_gets_everything(side: str, urls: dict[str, str]) -> None:
    """Answer, headers, the model error's members, stream parts and the broken stream."""
    expected = {
        "answer": b'{"bytes":7}',
        "head": ("application/json", "AllTraffic"),
        "error": ("ModelError", 400, "no such column"),
        "parts": [b'{"a":1}\n', b"two"],
    }
    with closing(client(urls[side], "test", "test")) as asked:
        assert expected == boto3_facts(asked)


@BOTH
def test_aws_cli_v1_writes_the_answer(side: str, urls: dict[str, str], tmp_path: Path) -> None:
    """`aws sagemaker-runtime invoke-endpoint`, with nothing but the environment to point it here."""
    program, outfile = aws_cli(), tmp_path / "answer.json"
    arguments = ["--endpoint-name", "echo", "--body", "hello", "--content-type", "text/plain"]
    done = subprocess.run(
        [program, "sagemaker-runtime", "invoke-endpoint", *arguments, "--accept", "application/json", outfile],
        env=surroundings(urls[side]),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert outfile.read_bytes() == b'{"bytes":5}'
    assert json.loads(done.stdout) == {"ContentType": "application/json", "InvokedProductionVariant": "AllTraffic"}


@BOTH
def test_aws_cli_v1_tells_the_error(side: str, urls: dict[str, str], tmp_path: Path) -> None:
    """A model error reaches its standard error; no file is made."""
    outfile = tmp_path / "answer.json"
    arguments = ["--endpoint-name", "fails", "--body", "400 no such column", "--content-type", "application/json"]
    done = subprocess.run(
        [aws_cli(), "sagemaker-runtime", "invoke-endpoint", *arguments, outfile],
        env=surroundings(urls[side]),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 255
    assert "An error occurred (ModelError) when calling the InvokeEndpoint operation: Received client error (400)" in (
        done.stderr
    )
    assert not outfile.exists()


@BOTH
def test_javascript_sdk_v3_gets_everything(side: str, urls: dict[str, str]) -> None:
    """Answer, model error with its members, stream parts, and the code of a broken stream."""
    node, folder = javascript()
    script = folder / f"stock-{side}.mjs"
    script.write_text((Path(__file__).parent / "stock.mjs").read_text())
    done = subprocess.run([node, script], env=surroundings(urls[side]), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert len(found.pop("requestId")) == 36
    assert found == {
        "answer": '{"bytes":7}',
        "contentType": "application/json",
        "variant": "AllTraffic",
        "error": ["ModelError", 424, 400, "no such column"],
        "parts": ['{"a":1}\n', "two"],
        "broken": ["ModelStreamError", "StreamBroken"],
    }


def test_dotnet_form_verifies_and_replays(urls: dict[str, str]) -> None:
    """The request of AWS's .NET SDK, hence of the PowerShell cmdlet: other defaults, a signed body hash."""
    golden = json.loads((Path(__file__).parents[1] / "golden" / "wire" / "dotnet.json").read_text())
    host = urls["serve"].removeprefix("http://")
    body = golden["body"].encode()
    values = {"{host}": host, "{sha256}": hashlib.sha256(body).hexdigest(), "{length}": str(len(body))}
    headers = {name: values.get(value, value) for name, value in golden["headers"]}
    signed = {name: value for name, value in headers.items() if name not in golden["unsigned"]}
    request = AWSRequest(golden["method"], f"http://{host}{golden['path']}", headers=signed, data=body)
    SigV4Auth(Credentials("test", "test"), "sagemaker", "us-east-1").add_auth(request)
    assert "x-amz-content-sha256" in request.headers["Authorization"]
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request(golden["method"], golden["path"], body=body, headers={**headers, **dict(request.headers)})
    answer = connection.getresponse()
    assert (200, b'{"bytes":%d}' % len(body)) == (answer.status, answer.read())
    connection.close()

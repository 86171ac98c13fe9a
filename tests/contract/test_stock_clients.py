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
    assert ask_as_dotnet(url)[0] == 200


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


DOTNET = json.loads((Path(__file__).parents[1] / "golden" / "wire" / "dotnet.json").read_text())


def ask_as_dotnet(url: str, *, swapped: bytes | None = None) -> tuple[int, bytes, str | None]:
    """Status, body and reason of a request in the .NET SDK's form; `swapped` is sent instead of what was signed."""
    host, body = url.removeprefix("http://"), DOTNET["body"].encode()
    values = {"{host}": host, "{sha256}": hashlib.sha256(body).hexdigest(), "{length}": str(len(body))}
    headers = {name: values.get(value, value) for name, value in DOTNET["headers"]}
    signed = {name: value for name, value in headers.items() if name not in DOTNET["unsigned"]}
    request = AWSRequest(DOTNET["method"], f"{url}{DOTNET['path']}", headers=signed, data=body)
    SigV4Auth(Credentials("test", "test"), "sagemaker", "us-east-1").add_auth(request)
    assert "x-amz-content-sha256" in request.headers["Authorization"]
    sent = body if swapped is None else swapped
    with closing(http.client.HTTPConnection(host, timeout=30)) as connection:
        connection.request(DOTNET["method"], DOTNET["path"], body=sent, headers={**headers, **dict(request.headers)})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers["X-Sagetape-Reason"]


@BOTH
def test_dotnet_form_verifies_and_replays(side: str, urls: dict[str, str]) -> None:
    """The request of AWS's .NET SDK, hence of the PowerShell cmdlet: other defaults, a signed body hash."""
    assert ask_as_dotnet(urls[side]) == (200, b'{"bytes":10}', None)


@BOTH
def test_dotnet_form_with_another_body_is_refused(side: str, urls: dict[str, str]) -> None:
    """The signature fits the hash in the header, and the body that came does not."""
    swapped = DOTNET["body"].replace("2", "3").encode()
    assert len(swapped) == len(DOTNET["body"])
    status, body, reason = ask_as_dotnet(urls[side], swapped=swapped)
    assert status == 403
    assert b"The request signature we calculated does not match" in body
    assert reason is not None
    assert reason.startswith("the body is not the one that was signed: its SHA-256 is not x-amz-content-sha256")

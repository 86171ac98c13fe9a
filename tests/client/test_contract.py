"""The client against `sagetape serve`: every parameter arrives at a model, over both transports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from sagetape_client.errors import ModelError, ServiceError, SessionExpired, ValidationFailed
from sagetape_client.invoker import Client
from tests.client.standin import ENVIRON

ROOT = Path(__file__).parents[2]
KEYS = {"AWS_ACCESS_KEY_ID": "SAGETAPECONTRACT", "AWS_SECRET_ACCESS_KEY": "a secret of this test's own, made up"}
CONFIG = """
region = "us-east-1"
auth = "strict"
[[credentials]]
access_key_id = "SAGETAPECONTRACT"
secret_access_key = "a secret of this test's own, made up"
[endpoints.echo]
upstream = "function:models_for_contract:echo"
sessions = true
[endpoints.many]
multi_model = { upstream = "function:models_for_contract:echo", models = ["de.tar.gz"], load_s = 0 }
[endpoints.ab]
variants.blue  = { weight = 1, upstream = "function:models_for_contract:echo" }
variants.green = { weight = 0, upstream = "function:models_for_contract:echo" }
[endpoints.direct]
containers.first  = { upstream = "function:models_for_contract:echo" }
containers.second = { upstream = "function:models_for_contract:echo" }
container_mode = "direct"
[endpoints.llm]
components.chat = { upstream = "function:models_for_contract:echo", copies = 1 }
"""


def python_path(*more: str) -> dict[str, str]:
    """An environment in which both packages and nothing of this machine's AWS can be found."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "SAGETAPE_")) and "proxy" not in n.lower()}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT / "emulator"), str(ROOT / "client"), *more]), **ENVIRON}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a `sagetape serve` with one endpoint of each kind."""
    folder = tmp_path_factory.mktemp("contract")
    (folder / "sagetape.toml").write_text(CONFIG)
    (folder / "models_for_contract.py").write_text((Path(__file__).parent / "models_for_contract.py").read_text())
    command = [sys.executable, "-m", "sagetape", "serve", "--config", "sagetape.toml", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=python_path(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        ready = server.stdout.readline()
        yield dict(word.split("=", 1) for word in ready.split() if "=" in word)["url"]
        server.terminate()
        server.communicate(timeout=20)


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    """This process without its own AWS, while botocore is asked."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in ENVIRON.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module", params=["light", "boto"])
def contract(request: pytest.FixtureRequest, emulator: str, environment: None) -> Iterator[Client]:
    """A client of the emulator over each transport."""
    config = {"user_agent_appid": "test"} if request.param == "boto" else None
    with Client(
        endpoint_url=emulator,
        region="us-east-1",
        credential=(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]),
        client_config=config,
    ) as made:
        assert made.is_light == (request.param == "light")
        yield made


@pytest.mark.parametrize(
    ("endpoint", "given", "arrived"),
    [
        ("echo", {"ContentType": "text/plain"}, {"content_type": "text/plain"}),
        ("echo", {"Accept": "text/csv"}, {"accept": "text/csv"}),
        ("echo", {"CustomAttribute": "k=v"}, {"custom_attributes": "k=v"}),
        ("echo", {"custom_attributes": "k=w"}, {"custom_attributes": "k=w"}),
        ("echo", {"InferenceId": "own id"}, {"inference_id": "own id"}),
        ("echo", {"EnableExplanation": "`true`"}, {"enable_explanations": "`true`"}),
        ("echo", {"PrefixAwareId": "p-1"}, {"prefix_aware_id": "p-1"}),
        ("many", {"TargetModel": "de.tar.gz"}, {"target_model": "de.tar.gz"}),
        ("ab", {"TargetVariant": "green"}, {"variant": "green"}),
        ("direct", {"TargetContainerHostname": "second"}, {"target_container_hostname": "second"}),
        ("llm", {"InferenceComponentName": "chat"}, {"inference_component": "chat"}),
        ("echo", {"Body": ["a", "b"]}, {"body": f"a{os.linesep}b{os.linesep}"}),
        ("echo", {"Body": {"a": 1}}, {"body": '{"a":1}', "content_type": "application/json"}),
    ],
)
def test_parameter_reaches_the_model(contract: Client, endpoint: str, given: Any, arrived: dict[str, str]) -> None:
    """What is given is what the model of a strict emulator sees."""
    told = contract.invoke(endpoint, **({"Body": b"x"} | given)).value()
    assert arrived == {name: told.get(name) for name in arrived}


def test_result_comes_from_the_emulator(contract: Client) -> None:
    """Variant, custom attributes, request id and status as the platform sends them."""
    result = contract.invoke("ab", b"x", custom_attributes="k=v", target_variant="blue")
    assert (result.invoked_production_variant, result.custom_attributes, result.status) == ("blue", "k=v", 200)
    assert result.request_id


def test_stream_is_read(contract: Client) -> None:
    """Documents across the emulator's parts."""
    assert list(contract.invoke_stream("echo", b"x").documents()) == [{"a": 1}, {"b": 2}]


def test_session_lives_at_the_emulator(contract: Client) -> None:
    """Opened, used, streamed, closed; afterwards its id is refused as expired."""
    with contract.session("echo") as session:
        assert session.expires_at is not None
        assert not session.is_expired
        assert session.id == session.invoke(b"hi").value()["session_id"]
        assert list(session.invoke_stream(b"x").documents()) == [{"a": 1}, {"b": 2}]
    assert session.is_closed
    session.is_closed = False
    with pytest.raises(SessionExpired):
        session.invoke(b"again")


def test_errors_are_the_emulators(contract: Client) -> None:
    """A model's failure with its members, an endpoint that is not there, a parameter out of bounds."""
    with pytest.raises(ModelError, match="out of memory") as caught:
        contract.invoke("echo", b"fail")
    assert (caught.value.original_status_code, caught.value.original_message) == (500, "out of memory")
    with pytest.raises(ValidationFailed, match="Endpoint nobody of account 123456789012 not found"):
        contract.invoke("nobody", b"x")
    with pytest.raises(ServiceError):
        contract.invoke("echo", b"x", custom_attributes="x" * 1025)


def test_wrong_key_is_refused(emulator: str) -> None:
    """A strict emulator verifies the light transport's signature."""
    with (
        Client(
            endpoint_url=emulator, region="us-east-1", credential=(KEYS["AWS_ACCESS_KEY_ID"], "wrong" * 9)
        ) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.invoke("echo", b"x")
    assert caught.value.code == "InvalidSignatureException"


def test_command_asks_the_emulator(emulator: str) -> None:
    """`sagetape invoke` as a subcommand of `sagetape`, or as a module: raw bytes to a pipe."""
    environ = python_path() | KEYS | {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": emulator}
    command = [sys.executable, "-m", "sagetape_client", "echo", "-b", "hi", "-q", "Body.body"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, '"hi"\n', "")


def test_command_plays_a_cassette_without_a_server() -> None:
    """`--cassette` answers from a shipped recording; another body is a miss that names the first difference."""
    if not entry_points(group="sagetape.embedded"):
        pytest.skip("the package is not installed here, so that its entry points are not known")
    environ = {n: v for n, v in python_path().items() if not n.startswith("AWS_")}
    tape, row = str(ROOT / "cassettes" / "digits.tape"), f"@{ROOT / 'cassettes' / 'zero.csv'}"
    command = [sys.executable, "-m", "sagetape_client", "digits", "-c", "text/csv", "--cassette", tape]
    hit = subprocess.run([*command, "-b", row], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert hit.returncode == 0, hit.stderr
    assert json.loads(hit.stdout)["predictions"][0]["label"] == 0
    miss = subprocess.run([*command, "-b", "1"], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (miss.returncode, miss.stdout) == (3, "")
    assert "First difference: body" in miss.stderr

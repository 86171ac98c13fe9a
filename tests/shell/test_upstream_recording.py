"""Upstreams behind a whole server: what a boto3 client sees of them, and what a recording keeps of their failures."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.shell.server_wire import Wire, upstream
from tests.shell.test_server_life import OPTIONS, running

from sagetape.emulator import Emulator


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def error_of(emulator: Emulator) -> tuple[str, str]:
    """Code and text of the error that a call raises."""
    with pytest.raises(ClientError) as raised:
        emulator.client().invoke_endpoint(EndpointName="churn", Body=b"{}")
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks once, with keys of its own."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDUPSTREAM")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "upstream-secret-key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.usefixtures("no_retries")
def test_unreachable_service_is_told_and_never_recorded(tmp_path: Path) -> None:
    """The client reads why; the cassette holds no answer that no model gave."""
    tape = tmp_path / "churn.tape"
    upstream = (f"aws+http://127.0.0.1:{free_port()}",)
    with Emulator(record_to=tape, mode="new_episodes", upstream=upstream, auth="off") as emulator:
        code, text = error_of(emulator)
    assert code == "SagetapeUpstream"
    assert "could not reach its upstream" in text
    assert not tape.exists()


@pytest.mark.usefixtures("no_retries")
def test_unreachable_container_is_the_platforms_error() -> None:
    """Template D, as from AWS."""
    with Emulator(endpoints={"churn": {"upstream": f"http://127.0.0.1:{free_port()}"}}, auth="off") as emulator:
        code, text = error_of(emulator)
    assert code == "ModelError"
    assert "could not get a response from the churn endpoint" in text


@pytest.mark.usefixtures("no_retries")
def test_miss_of_another_sagetape_is_passed_on_and_never_recorded(tmp_path: Path) -> None:
    """A Sagetape that records from one that has nothing records nothing."""
    tape = tmp_path / "churn.tape"
    with Emulator(auth="off") as other:
        upstream = (f"aws+{other.url}",)
        with Emulator(record_to=tape, mode="new_episodes", upstream=upstream, auth="off") as emulator:
            assert error_of(emulator)[0] == "SagetapeMiss"
    assert not tape.exists()


def test_header_that_is_no_text_is_passed_on_and_told(tmp_path: Path) -> None:
    """The client has its answer; the verdict names the header, not a codec, and nothing was kept."""
    tape = tmp_path / "churn.tape"
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
        b"X-Amzn-SageMaker-Custom-Attributes: caf\xe9\r\n\r\nhi"
    )

    def behave(client: socket.socket, request: bytes) -> None:
        client.sendall(answer)

    keys = {"AWS_ACCESS_KEY_ID": "AKIDUPSTREAM", "AWS_SECRET_ACCESS_KEY": "upstream-secret-key"}
    with upstream(behave) as service:
        words = ("record", str(tape), "--upstream", f"aws+{service.url}", *OPTIONS)
        with running(tmp_path, *words, environ=keys) as server, Wire(server.url) as wire:
            wire.post(b"{}")
            found = wire.answer()
            assert server.end() == 6
            said = server.errors()
    assert (found.status, found.body) == (200, b"hi")
    assert (
        "this interaction cannot be stored (the header X-Amzn-SageMaker-Custom-Attributes of the answer holds bytes "
        "that are not UTF-8; have the upstream send text, or leave the header out). Nothing was written."
    ) in said
    assert "codec" not in said
    assert not tape.exists()

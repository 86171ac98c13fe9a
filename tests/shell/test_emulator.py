"""An emulator for a Python program: in a thread, in a process, from sync and async code."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.shell.server_wire import Wire

from sagetape import Emulator
from sagetape.core.errors import CassetteError, ConfigError
from sagetape.core.verdict import Prices
from sagetape.embedded import open_cassette
from sagetape.emulator import EmulatorFailed

ECHO = "function:tests.plugin.stand_models:echo"
SERVERS = ("thread", "process")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS set-up of the machine."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")


def ask(client: Any, body: bytes = b'{"x": 1}') -> bytes:
    answer = client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=body)
    return bytes(answer["Body"].read())


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cassette with one answer."""
    path = tmp_path_factory.mktemp("taped") / "churn.tape"
    with Emulator(record_to=path, mode="once", upstream=ECHO) as emulator:
        ask(emulator.client())
    return path


@pytest.mark.parametrize("server", SERVERS)
def test_emulator_tells_what_happened(taped: Path, server: str) -> None:
    """URL, journal, misses, verdict, faults and clock are the same of a thread and of a process, and stay readable."""
    with Emulator(taped, server=server, clock="2026-01-15T12:30:00+00:00", seed=7) as emulator:
        client = emulator.client(config=no_retries())
        assert ask(client) == b'{"echo":"{\\"x\\": 1}"}'
        with pytest.raises(ClientError, match="SagetapeMiss"):
            ask(client, b'{"x": 2}')
        rule = emulator.fault("throttle", count=1)
        with pytest.raises(ClientError, match="Throttling"):
            ask(client)
        emulator.fault("throttle")
        emulator.clear_faults()
        assert rule["fault"] == "throttle"
        assert emulator.advance(60) == 1768480260.0
        assert emulator.seed == 7
        assert emulator.verdict(Prices(default=2.0)).money_saved == 2.0
    assert [entry.source for entry in emulator.journal] == ["recorded", "miss", "fault"]
    assert [entry.code for entry in emulator.misses] == ["SagetapeMiss"]
    verdict = emulator.verdict()
    assert verdict.word == "miss"
    assert verdict.unplayed_count == 0


def no_retries() -> Any:
    from botocore.config import Config

    return Config(retries={"total_max_attempts": 1})


@pytest.mark.parametrize("server", SERVERS)
async def test_emulator_serves_asynchronous_code(taped: Path, server: str) -> None:
    """The asynchronous context manager holds up no loop."""
    import asyncio

    async with Emulator(taped, server=server) as emulator:
        assert await asyncio.to_thread(ask, emulator.client())
    assert emulator.verdict().counts == {"recorded": 1}


def test_decks_of_one_emulator_are_apart(taped: Path) -> None:
    """Another deck has a URL, a journal and faults of its own."""
    with Emulator(taped) as emulator:
        other = emulator.deck("other")
        other.fault("model-error")
        with pytest.raises(ClientError, match="ModelError"):
            ask(other.client())
        ask(emulator.client())
        assert other.url == f"{emulator.url}/deck/other"
        assert len(other.journal) == len(emulator.journal) == 1
        other.reset()
        assert other.journal == []
        assert other.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == other.url


@pytest.mark.parametrize("server", SERVERS)
def test_environ_leads_a_program_to_the_emulator(taped: Path, server: str) -> None:
    """A program started with `environ` is answered, without any other set-up."""
    code = (
        "import boto3; print(boto3.client('sagemaker-runtime').invoke_endpoint(EndpointName='churn',"
        "ContentType='application/json', Body=b'{\"x\": 1}')[\"Body\"].read().decode())"
    )
    with Emulator(taped, server=server) as emulator:
        done = subprocess.run(
            [sys.executable, "-c", code], env=emulator.environ, capture_output=True, text=True, timeout=60, check=True
        )
    assert json.loads(done.stdout) == {"echo": '{"x": 1}'}


@pytest.mark.parametrize("server", SERVERS)
def test_wrong_settings_are_said_on_entering(server: str) -> None:
    """What is wrong with the settings is raised where the emulator is made or entered, not at the first call."""
    with pytest.raises(ConfigError, match="did you mean"), Emulator(upstream="functoin:a:b", server=server):
        pass


@pytest.mark.parametrize("server", SERVERS)
def test_missing_cassette_is_said_on_entering(tmp_path: Path, server: str) -> None:
    """A cassette that is not there is named."""
    with pytest.raises(CassetteError, match=r"nothing\.tape"):
        Emulator(tmp_path / "nothing.tape", server=server).__enter__()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Emulator(server="fork"), 'server="thread"'),
        (lambda: Emulator(upstraem="aws"), "there is no 'upstraem'; did you mean 'upstream'"),
        (lambda: Emulator(sed=3), "did you mean 'seed'"),
        (lambda: Emulator(server="process", endpoints={"a": {"upstream": print}}), "function"),
    ],
)
def test_wrong_keywords_are_said(make: Callable[[], Emulator], message: str) -> None:
    """A keyword that is none, or a value that cannot be, is said with what can."""
    with pytest.raises(ConfigError, match=message):
        make().__enter__()


def test_real_clock_cannot_be_moved(taped: Path) -> None:
    """Moving a real clock says how to get one that moves."""
    with Emulator(taped) as emulator, pytest.raises(ConfigError, match='clock="virtual"'):
        emulator.advance(1)


def test_failure_inside_surfaces_on_leaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that could not be recorded, for a secret in it, raises where the emulator is left; not over another."""
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)

    def leak() -> Emulator:
        return Emulator(record_to=tmp_path / "leak.tape", mode="once", upstream=ECHO)

    with pytest.raises(EmulatorFailed, match="fingerprint"), leak() as emulator:
        ask(emulator.client(), json.dumps({"key": secret}).encode())
    left = leak()
    with pytest.raises(ZeroDivisionError, match="mine"):
        leave_with_an_error(left, json.dumps({"key": secret}).encode())


def test_defect_surfaces_also_when_the_client_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there to be answered; whoever leaves the emulator hears of it."""
    arrived, go = threading.Event(), threading.Event()

    async def broken(*_: object) -> None:
        arrived.set()
        await asyncio.to_thread(go.wait, 30)
        raise KeyError("a defect")

    monkeypatch.setattr("sagetape.shell.app.live_answer", broken)
    with pytest.raises(EmulatorFailed, match="a defect"), Emulator(upstream=ECHO, auth="off") as emulator:
        leave_while_asked(emulator, arrived, go)


def leave_while_asked(emulator: Emulator, arrived: threading.Event, go: threading.Event) -> None:
    """A client that leaves when its call has arrived; the call goes on when the server knows that."""
    with Wire(emulator.url) as wire:
        wire.post(b"{}")
        assert arrived.wait(30)
        wire.reset()
    with Wire(emulator.url) as other:
        other.send(f"GET /ping HTTP/1.1\r\nHost: {other.host}\r\n\r\n".encode())
        assert other.answer().status == 200
    go.set()


def leave_with_an_error(emulator: Emulator, body: bytes) -> None:
    """The test's own exception is on its way when the emulator is left."""
    with emulator:
        ask(emulator.client(), body)
        raise ZeroDivisionError("mine")


def test_process_ends_with_its_emulator(taped: Path) -> None:
    """No process is left, and closing twice does no harm."""
    emulator = Emulator(taped, server="process")
    with emulator:
        pid = emulator._server.pid  # type: ignore[union-attr]
        os.kill(pid, 0)
    emulator.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_process_remembers_its_requests(taped: Path) -> None:
    """A separate process keeps the bodies for the test; a thread says that it does not."""
    with Emulator(taped, server="process") as emulator:
        ask(emulator.client())
        assert [request.json() for request in emulator.requests] == [{"x": 1}]
    with Emulator(taped) as emulator, pytest.raises(ConfigError, match="process"):
        _ = emulator.requests


def test_embedded_cassette_serves_a_program_that_knows_http_alone(taped: Path, tmp_path: Path) -> None:
    """The entry point gives a URL and the variables to reach it; a cassette that is not there is named."""
    import boto3

    with open_cassette(taped) as embedded:
        keys = {name.lower(): embedded.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        region = embedded.environ["AWS_REGION"]
        session = boto3.Session(region_name=region, **keys)
        assert ask(session.client("sagemaker-runtime", endpoint_url=embedded.url))
    with pytest.raises(CassetteError, match=r"nothing\.tape"), open_cassette(tmp_path / "nothing.tape"):
        pass


def test_entry_points_name_what_is_there() -> None:
    """The client finds the embedded emulator, and pytest the plugin, by the installed entry points."""
    from importlib.metadata import entry_points

    (found,) = entry_points(group="sagetape.embedded", name="cassette")
    assert found.load() is open_cassette
    (plugin,) = entry_points(group="pytest11", name="sagetape")
    assert plugin.value == "sagetape.testing"

"""What goes wrong, on purpose and by itself: models that misbehave, limits, time, faults over the wire, bad files.

Every kind of fault against boto3 is in `tests/contract/test_fault_replies.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import e2e_models
import pytest
from admin_calls import TOKEN, AdminCalls
from botocore.exceptions import ClientError, EventStreamError
from e2e_clients import client_of, closed_clients, invoke, stream  # noqa: F401 - a fixture

from sagetape import Emulator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODELS = (
    "raises",
    "exits",
    "nonsense",
    "not_a_number",
    "bad_stream",
    "too_slow",
    "just_in_time",
    "long_stream",
    "gated",
)
ENDPOINTS: dict[str, Any] = {
    **{name.replace("_", "-"): {"upstream": f"function:e2e_models:{name}"} for name in MODELS},
    "echo": {"upstream": "function:e2e_models:echo"},
}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("SAGETAPE_TOKEN", TOKEN)
    with Emulator(endpoints=ENDPOINTS, python_path=HERE, clock="virtual", seed=7) as opened:
        yield opened


@pytest.fixture
def client(emulator: Emulator) -> Any:
    return client_of(emulator)


def failed(client: Any, endpoint: str, body: bytes = b"{}") -> dict[str, Any]:
    """The whole answer of a 424."""
    with pytest.raises(ClientError) as caught:
        invoke(client, endpoint, body)
    answer: dict[str, Any] = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    return answer


# --- models that misbehave ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "status", "said"),
    [
        ("raises", 500, "ZeroDivisionError: nothing to divide by"),
        ("exits", 0, "could not get a response"),
        ("nonsense", 500, "JSON cannot carry"),
        ("not-a-number", 500, "JSON cannot carry"),
        ("bad-stream", 500, "gave a int"),
        ("too-slow", 0, "invocation timed out"),
    ],
)
def test_model_that_fails_costs_its_own_call(
    emulator: Emulator, client: Any, endpoint: str, status: int, said: str
) -> None:
    """A 424 in the platform's words, and the server serves on; no virtual minute takes a real one."""
    started = time.monotonic()
    answer = failed(client, endpoint)
    assert answer["OriginalStatusCode"] == status
    assert said in answer["Error"]["Message"]
    assert invoke(client, "echo")["InvokedProductionVariant"] == "AllTraffic"
    assert time.monotonic() - started < 50


def test_model_just_in_time_is_answered(client: Any) -> None:
    """Half a second before the limit, in virtual time; and nobody else's time has moved."""
    assert invoke(client, "just-in-time")["Body"] == b"{}"


def test_hanging_models_hold_up_nobody(client: Any) -> None:
    """Sixteen calls block in plain functions; others are answered meanwhile."""
    gate = e2e_models.GATES["hang"] = e2e_models.Gate()
    with ThreadPoolExecutor(16) as pool:
        hanging = [pool.submit(invoke, client, "gated", b"hang") for _ in range(16)]
        gate.await_arrivals(16)
        for number in range(20):
            invoke(client, "echo", b"%d" % number)
        assert not any(one.done() for one in hanging)
        gate.opened.set()
        assert all(one.result()["Body"] for one in hanging)
    del e2e_models.GATES["hang"]


def test_real_limit_is_met_in_real_time_once() -> None:
    """A function that blocks for good is cut at its declared limit, on a real clock and on a virtual one."""
    endpoints = {"hung": {"upstream": "function:e2e_models:gated", "timeout_s": 0.2}, "echo": ENDPOINTS["echo"]}
    gate = e2e_models.GATES["for good"] = e2e_models.Gate()
    for clock in ("real", "virtual"):
        with Emulator(endpoints=endpoints, python_path=HERE, clock=clock) as emulator:
            client, started = client_of(emulator), time.monotonic()
            answer = failed(client, "hung", b"for good")
            took_s = time.monotonic() - started
            assert "invocation timed out" in answer["Error"]["Message"]
            assert 0.2 <= took_s < 10
            invoke(client, "echo")
            client.close()
            gate.opened.set()  # or the server's end would wait for its thread
        gate.opened.clear()
    gate.opened.set()
    del e2e_models.GATES["for good"]


def test_declared_wait_passes_once_on_a_real_clock(tmp_path: Path) -> None:
    """Recorded with its wait, a model's answer waits as long again at speed 1, and not at all at speed 0."""
    (tmp_path / "waiting_models.py").write_text(
        "async def slow(invocation):\n    await invocation.clock.sleep(0.3)\n    return {}\n"
    )
    cassette, endpoints = tmp_path / "a.tape", {"slow": {"upstream": "function:waiting_models:slow"}}
    with Emulator(record_to=cassette, mode="all", endpoints=endpoints, python_path=tmp_path) as emulator:
        client, started = client_of(emulator), time.monotonic()
        invoke(client, "slow")
        live_s = time.monotonic() - started
        client.close()
    assert live_s >= 0.3
    with Emulator(cassette, is_replay=True, speed=1.0) as emulator:
        client, started = client_of(emulator), time.monotonic()
        invoke(client, "slow")
        assert time.monotonic() - started >= 0.3
        assert emulator.journal[0].seconds_saved == pytest.approx(0.3, abs=0.25)
        client.close()
    with Emulator(cassette, is_replay=True, speed=600.0, clock="virtual") as emulator:
        # Five hundred times slower is over the platform's minute, and costs no real one.
        client = client_of(emulator)
        assert "invocation timed out" in failed(client, "slow")["Error"]["Message"]


def test_stream_is_cut_at_eight_minutes(client: Any) -> None:
    """Eight parts of ten come, then ModelStreamError; its ErrorCode is in the golden file of the wire."""
    with closing(client.invoke_endpoint_with_response_stream(EndpointName="long-stream", Body=b"")["Body"]) as body:
        events = iter(body)
        parts = [next(events)["PayloadPart"]["Bytes"] for _ in range(8)]
        with pytest.raises(EventStreamError, match=r"\(ModelStreamError\).*480 seconds"):
            next(events)
    assert parts == [b"%d" % minute for minute in range(8)]


# --- faults over the wire -------------------------------------------------------------------------------------------


def test_fault_of_a_deck_strikes_by_place_and_count(emulator: Emulator, client: Any) -> None:
    """Every third, after the first two, at most twice: the 5th and the 8th."""
    wish = {"fault": "model-error", "endpoint": "echo", "every": 3, "after": 2, "count": 2}
    AdminCalls(emulator.base_url).post("/decks/default/faults", wish)
    found = []
    for number in range(12):
        try:
            invoke(client, "echo", b"%d" % number)
        except ClientError:
            found.append(number + 1)
    assert found == [5, 8]


def test_latency_is_learned_from_the_cassette(tmp_path: Path) -> None:
    """The waits that were recorded are those that a fault makes calls wait, on the deck's clock."""
    (tmp_path / "learning_models.py").write_text(
        "async def slow(invocation):\n    await invocation.clock.sleep(50)\n    return {}\n"
    )
    cassette, endpoints = tmp_path / "a.tape", {"slow": {"upstream": "function:learning_models:slow"}}
    settings: dict[str, Any] = {"endpoints": endpoints, "python_path": tmp_path, "clock": "virtual"}
    with Emulator(record_to=cassette, mode="all", **settings) as emulator:
        client = client_of(emulator)
        invoke(client, "slow")
        client.close()
    endpoints["slow"]["timeout_s"] = 45
    faults = ["latency:distribution=learned,endpoint=slow"]
    with Emulator(cassette, faults=faults, **settings) as emulator:
        client = client_of(emulator)
        assert "invocation timed out" in failed(client, "slow")["Error"]["Message"]
        client.close()


# --- what is wrong at start -----------------------------------------------------------------------------------------

CONTRADICTIONS = """\
clock = "virtual"

[endpoints.ab]
variants.blue = { weight = 0 }
variants.green = { weight = 0 }

[endpoints.pipe]
sessions = true
containers.one = { upstream = "http://127.0.0.1:9" }
containers.two = { upstream = "http://127.0.0.1:9" }

[endpoints.llm]
components.chat = { upstream = "http://127.0.0.1:9" }
components.tuned = { adapter_of = "chap" }

[endpoints.many]
multi_model = { upstream = "http://127.0.0.1:9", models = ["a.tar.gz", "/a.tar.gz"], capacity = 0 }

[endpoints.direct]
container_mode = "direct"
containers.one = { upstream = "http://127.0.0.1:9" }

[[faults]]
fault = "throttle"
endpoint = "many"
model = "b.tar.gz"
"""


def test_contradictions_are_listed_at_start_with_their_lines(tmp_path: Path) -> None:
    """All at once, exit code 8, and nothing was served."""
    (tmp_path / "sagetape.toml").write_text(CONTRADICTIONS)
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))}
    done = subprocess.run(
        [sys.executable, "-m", "sagetape", "serve", "--port", "0"],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 8
    assert done.stdout == ""
    for said in (
        "all variants have the weight 0",
        "no container of the pipeline opens one",
        "Did you mean 'chat'?",
        "'a.tar.gz' is there twice",
        "capacity = 0 holds no model",
        "1 containers",
        "has no model 'b.tar.gz'",
    ):
        assert said in done.stderr
    assert done.stderr.count("sagetape.toml:") >= 7


def test_hostname_twice_is_told_by_the_file_itself(tmp_path: Path) -> None:
    """TOML has no two tables of one name: the reader says where."""
    (tmp_path / "sagetape.toml").write_text(
        '[endpoints.direct.containers.one]\nupstream = "aws"\n[endpoints.direct.containers.one]\nupstream = "aws"\n'
    )
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))}
    command = [sys.executable, "-m", "sagetape", "serve", "--port", "0"]
    done = subprocess.run(
        command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 8
    assert "sagetape.toml" in done.stderr


def test_function_without_a_gate_is_plain(client: Any) -> None:
    """The gated model answers at once where nobody holds it."""
    assert stream(client, "gated", b"free")

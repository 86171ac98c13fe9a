"""A client that is answered inside the process gives up when a client on a socket would."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3.exceptions
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from sagetape import Emulator, attach

ECHO = "function:tests.plugin.stand_models:echo"
WORDS = "function:tests.plugin.stand_models:words"
SLOW = "function:tests.plugin.stand_models:slow"
HALTING = "function:tests.plugin.stand_models:halting"
EACH = "latency:seconds=5,before=part"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS set-up of the machine."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


def config_of(limit_s: float | None = 2, *, attempts: int = 1) -> Config:
    return Config(read_timeout=limit_s, retries={"total_max_attempts": attempts, "mode": "standard"})


def client_of(limit_s: float | None = 2, *, attempts: int = 1) -> Any:
    config = config_of(limit_s, attempts=attempts)
    return boto3.Session(region_name="us-east-1").client("sagemaker-runtime", config=config)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's waits between attempts are not those that are looked at."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def ask(client: Any) -> bytes:
    return bytes(client.invoke_endpoint(EndpointName="churn", ContentType="text/plain", Body=b"x")["Body"].read())


def stream(client: Any) -> Any:
    return client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two three")["Body"]


def read_until_it_breaks(body: Any, seen: list[bytes]) -> None:
    for event in body:
        seen.append(event["PayloadPart"]["Bytes"])


def test_late_answer_is_a_read_timeout_at_once() -> None:
    """Five virtual seconds before the answer are too long for a client of two, and no time passes."""
    client = client_of(2)
    with attach(client, upstream=ECHO, faults=["latency:seconds=5"], clock="2026-01-15T12:00:00Z") as attached:
        with pytest.raises(ReadTimeoutError, match=r'Read timeout on endpoint URL: "https://runtime\.sagemaker'):
            ask(client)
        assert attached.advance(0) == attached.journal[0].at


@pytest.mark.parametrize("limit_s", [5, 5.5, None])
def test_wait_within_the_limit_is_borne(limit_s: float | None) -> None:
    """A wait as long as the limit, a shorter one, and any wait without a limit."""
    client = client_of(limit_s)
    with attach(client, upstream=ECHO, faults=["latency:seconds=5"]):
        assert ask(client) == b'{"echo":"x"}'


def test_model_as_slow_as_the_client_is_the_platforms_error() -> None:
    """botocore's own limit is the platform's 60 seconds: the 424 comes first."""
    client = client_of(60)
    with attach(client, upstream=ECHO, faults=["latency:seconds=90"]), pytest.raises(ClientError, match="ModelError"):
        ask(client)


@pytest.mark.parametrize(("attempts", "late", "calls"), [(1, 9, 1), (3, 9, 3), (3, 1, 2)])
def test_read_timeout_is_repeated_as_botocore_repeats_it(attempts: int, late: int, calls: int) -> None:
    """`max_attempts` counts the attempts; the answer to one that is in time is the answer."""
    client = client_of(attempts=attempts)
    with attach(client, upstream=ECHO, faults=[f"latency:seconds=5,count={late}"]) as attached:
        if late > attempts:
            with pytest.raises(ReadTimeoutError):
                ask(client)
        else:
            answer = client.invoke_endpoint(EndpointName="churn", Body=b"x")
            assert answer["ResponseMetadata"]["RetryAttempts"] == calls - 1
        assert len(attached.journal) == calls


def test_sessions_clients_have_their_own_limits() -> None:
    """Of two clients that an attached session makes, the hasty one gives up."""
    session = boto3.Session(region_name="us-east-1")
    with attach(session, upstream=ECHO, faults=["latency:seconds=5"]):
        hasty = session.client("sagemaker-runtime", config=config_of(2))
        patient = session.client("sagemaker-runtime", config=config_of(9))
        assert ask(patient)
        with pytest.raises(ReadTimeoutError):
            ask(hasty)
        assert ask(patient)


def test_stream_that_stops_is_a_read_timeout_while_it_is_iterated(tmp_path: Path) -> None:
    """The parts before the wait are the client's; then comes urllib3's error, which botocore does not translate."""
    client, seen = client_of(2), list[bytes]()
    tape = tmp_path / "halting.tape"
    with attach(client, tape, mode="once", upstream=HALTING) as attached:
        with pytest.raises(urllib3.exceptions.ReadTimeoutError, match="Read timed out"):
            read_until_it_breaks(stream(client), seen)
        assert seen == [b"one "]
    assert attached.verdict().kept == 1

    for limit_s, speed, parts in ((2, 1, 1), (2, 0, 3), (5, 1, 3)):
        client, seen = client_of(limit_s), []
        with attach(client, tape, speed=speed) as attached:
            if parts < 3:
                with pytest.raises(urllib3.exceptions.ReadTimeoutError):
                    read_until_it_breaks(stream(client), seen)
            else:
                read_until_it_breaks(stream(client), seen)
            assert seen == [b"one ", b"two ", b"three "][:parts]


def test_every_part_gives_the_client_new_patience() -> None:
    """Three waits of five seconds are fifteen in all, and none of them too long for six."""
    client, seen = client_of(6), list[bytes]()
    with attach(client, upstream=WORDS, faults=[EACH]):
        read_until_it_breaks(stream(client), seen)
    assert seen == [b"one ", b"two ", b"three "]


def test_body_that_stops_is_botocores_read_timeout() -> None:
    """A whole answer whose body does not come: its reader gets botocore's error."""
    client = client_of(2)
    with attach(client, upstream=ECHO, faults=[EACH]):
        answer = client.invoke_endpoint(EndpointName="churn", Body=b"x")
        with pytest.raises(ReadTimeoutError):
            answer["Body"].read()


def test_answer_that_is_not_waited_for_is_kept(tmp_path: Path) -> None:
    """A model that is slower than its client was paid for: its answer is in the cassette."""
    client, tape = client_of(2), tmp_path / "slow.tape"
    with attach(client, tape, mode="once", upstream=SLOW) as attached, pytest.raises(ReadTimeoutError):
        ask(client)
    assert attached.verdict().kept == 1
    with attach(client, tape):
        assert ask(client) == b'{"slow":true}'


# --- the same on a socket ---------------------------------------------------------------------------------------------


def in_process(fault: str, act: Callable[[Any], object]) -> BaseException:
    client = client_of(0.1)
    with attach(client, upstream=WORDS, clock="real", faults=[fault]), pytest.raises(Exception) as caught:
        act(client)
    return caught.value


def on_a_socket(fault: str, act: Callable[[Any], object]) -> BaseException:
    with Emulator(upstream=WORDS, clock="real", faults=[fault]) as emulator:
        client = emulator.client(config=config_of(0.1))
        with pytest.raises(Exception) as caught:
            act(client)
        client.close()
    return caught.value


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("act", [ask, lambda client: list(stream(client))], ids=["whole", "stream"])
@pytest.mark.parametrize("before", ["answer", "part"])
def test_errors_are_those_of_a_socket(act: Callable[[Any], object], before: str) -> None:
    """On a real clock both ways raise the same class with the same words; only the address differs."""
    fault = f"latency:seconds=0.5,before={before}"
    ours, theirs = in_process(fault, act), on_a_socket(fault, act)
    assert type(ours) is type(theirs)
    assert plain(ours) == plain(theirs)


def plain(error: BaseException) -> str:
    """An error's words without the address."""
    text = re.sub(r"https?://[^\"]*", "URL", str(error))
    return re.sub(r"AWSHTTPS?ConnectionPool\(host='[^']*', port=\d+\)", "POOL", text)

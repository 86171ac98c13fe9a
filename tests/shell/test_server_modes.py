"""Modes, takes, retries and misses, end to end with boto3 against a server that counts what it is asked."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.shell.server_wire import Upstream, Wire, client, kept, plain, recorder, upstream

from sagetape import Emulator
from sagetape.core.wire import body_of
from sagetape.shell.assembly import Assembly


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the recorder."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHERECORDER000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-recorders-own-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # an SDK's wait before it repeats


@pytest.fixture
def counting() -> Iterator[Upstream]:
    """Answers 1, 2, 3, ... ."""
    numbers = itertools.count(1)

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(plain(b"%d" % next(numbers)))

    with upstream(behave) as running:
        yield running


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shaped like AWS counts as another machine, wherever it listens."""
    monkeypatch.setattr(Assembly, "is_remote", lambda self, spec: spec.startswith("aws"))


def ask(asked: Any, body: bytes = b"{}", endpoint: str = "churn") -> bytes:
    answer: bytes = asked.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body)[
        "Body"
    ].read()
    return answer


def error_of(asked: Any, body: bytes = b"{}", endpoint: str = "churn") -> ClientError:
    with pytest.raises(ClientError) as raised:
        ask(asked, body, endpoint)
    return raised.value


def run(tape: Path, running: Upstream, mode: str, *bodies: bytes, **settings: Any) -> list[bytes | str]:
    """What one run in a mode answers to these requests: bytes, or the code of an error."""
    found: list[bytes | str] = []
    with recorder(tape, f"aws+{running.url}", mode=mode, **settings) as emulator:
        asked = client(emulator)
        for body in bodies:
            try:
                found.append(ask(asked, body))
            except ClientError as error:
                found.append(error.response["Error"]["Code"])
    return found


def bodies_in(tape: Path) -> list[bytes]:
    return [body_of(interaction.script) for interaction in kept(tape)]


# --- modes


@pytest.mark.usefixtures("far")
def test_none_never_asks_and_never_writes(counting: Upstream, tmp_path: Path) -> None:
    """An upstream elsewhere is not asked; what is recorded plays."""
    tape = tmp_path / "churn.tape"
    assert run(tape, counting, "new_episodes", b"[1]") == [b"1"]
    assert run(tape, counting, "none", b"[1]", b"[2]", b"[1]") == [b"1", "SagetapeMiss", b"1"]
    assert len(counting.requests) == 1
    assert bodies_in(tape) == [b"1"]


def test_once_records_into_a_fresh_cassette(counting: Upstream, tmp_path: Path) -> None:
    """Everything is forwarded and kept, an equal request as the next take."""
    tape = tmp_path / "churn.tape"
    assert run(tape, counting, "once", b"[1]", b"[2]", b"[1]") == [b"1", b"2", b"3"]
    assert bodies_in(tape) == [b"1", b"2", b"3"]


@pytest.mark.usefixtures("far")
def test_once_plays_a_cassette_that_holds_something(counting: Upstream, tmp_path: Path) -> None:
    """And refuses what is not in it, as vcrpy does."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "once", b"[1]")
    assert run(tape, counting, "once", b"[1]", b"[2]") == [b"1", "SagetapeMiss"]
    assert len(counting.requests) == 1
    assert bodies_in(tape) == [b"1"]


def test_new_episodes_plays_the_known_once_and_keeps_the_rest(counting: Upstream, tmp_path: Path) -> None:
    """A known take plays once per run; an equal request after it is asked anew and kept as the next take."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b"[1]")
    assert run(tape, counting, "new_episodes", b"[1]", b"[2]", b"[1]", b"[1]") == [b"1", b"2", b"3", b"4"]
    assert bodies_in(tape) == [b"1", b"2", b"3", b"4"]
    with Emulator(tape, auth="off") as emulator:
        asked = client(emulator)
        assert [ask(asked, b"[1]") for _ in range(4)] == [b"1", b"3", b"4", b"4"]


def test_all_asks_always(counting: Upstream, tmp_path: Path) -> None:
    """Nothing recorded plays; everything is kept beside it."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "all", b"[1]")
    assert run(tape, counting, "all", b"[1]", b"[1]") == [b"2", b"3"]
    assert bodies_in(tape) == [b"1", b"2", b"3"]


def test_rewrite_replaces_what_was_recorded(counting: Upstream, tmp_path: Path) -> None:
    """Nothing recorded plays, and only what this run heard is in the file after it."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b"[1]", b"[2]")
    assert run(tape, counting, "rewrite", b"[1]") == [b"3"]
    assert bodies_in(tape) == [b"3"]


# --- miss policies

POLICY_MODEL = """
def churn(invocation):
    return b"made"
"""


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize(("policy", "answer"), [("fail", "SagetapeMiss"), ("forward", b"2"), ("function", b"made")])
def test_miss_policy_says_who_answers(policy: str, answer: bytes | str, counting: Upstream, tmp_path: Path) -> None:
    """Nobody, the upstream, or a function; none of it is kept in mode none."""
    (tmp_path / "policy_models.py").write_text(POLICY_MODEL)
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b"[1]")
    settings = {"miss_policy": policy, "python_path": tmp_path}
    if policy == "function":
        settings["miss_function"] = "policy_models:churn"
    assert run(tape, counting, "none", b"[1]", b"[2]", **settings) == [b"1", answer]
    assert bodies_in(tape) == [b"1"]


# --- takes


@pytest.mark.parametrize(
    ("exhausted", "answers"),
    [
        ("last", [b"1", b"2", b"2", b"2", b"2"]),
        ("cycle", [b"1", b"2", b"1", b"2", b"1"]),
        ("miss", [b"1", b"2", "SagetapeMiss", "SagetapeMiss", "SagetapeMiss"]),
    ],
)
def test_exhausted_takes_go_on_as_told(exhausted: str, answers: list[Any], counting: Upstream, tmp_path: Path) -> None:
    """The last again, from the first again, or a miss whose text says that they are used up."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b"[1]", b"[1]")
    assert run(tape, counting, "none", *[b"[1]"] * 5, exhausted=exhausted) == answers
    if exhausted == "miss":
        with Emulator(tape, auth="off", exhausted="miss") as emulator:
            asked = client(emulator)
            assert [ask(asked, b"[1]") for _ in range(2)] == [b"1", b"2"]
            assert "All recorded takes" in str(error_of(asked, b"[1]"))


def test_take_that_is_served_again_is_told_with_the_call(counting: Upstream, tmp_path: Path) -> None:
    """From the second time on, with what to do about it: the caller may have meant another answer."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b"[1]")
    with Emulator(tape, auth="off", exhausted="last") as emulator:
        asked = client(emulator)
        assert [ask(asked, b"[1]") for _ in range(2)] == [b"1", b"1"]
        assert [len(entry.warnings) for entry in emulator.journal] == [0, 1]
        (told,) = emulator.verdict().warnings
    assert told.startswith("take 1 of a request to churn was served again after the last one; record as many takes")


# --- retries


@pytest.fixture
def flaky(tmp_path: Path) -> Path:
    """Recorded: for each of eight bodies a 503 and, for the SDK's second attempt, a 200."""
    failed: set[bytes] = set()
    lock = threading.Lock()

    def behave(connection: socket.socket, request: bytes) -> None:
        body = request.rpartition(b"\r\n\r\n")[2]
        with lock:
            is_first = body not in failed
            failed.add(body)
        if is_first:
            connection.sendall(
                plain(b'{"Message":"m"}', "503 Service Unavailable", "x-amzn-ErrorType: ServiceUnavailable")
            )
        else:
            connection.sendall(plain(b"answer to " + body))

    tape = tmp_path / "flaky.tape"
    with upstream(behave) as running, recorder(tape, f"aws+{running.url}") as emulator:
        asked = client(emulator, attempts=3)
        for number in range(8):
            assert ask(asked, b"[%d]" % number) == b"answer to [%d]" % number
        assert [entry.status for entry in emulator.journal] == [503, 200] * 8
    return tape


def test_retry_replays_as_it_was_recorded(flaky: Path) -> None:
    """A 503 and then a 200 within one call of boto3, as often as it is called."""
    with Emulator(flaky, auth="off") as emulator:
        asked = client(emulator, attempts=3)
        assert ask(asked, b"[3]") == b"answer to [3]"
        assert [entry.status for entry in emulator.journal] == [503, 200]


def test_retries_of_many_clients_do_not_mix(flaky: Path) -> None:
    """Eight at once, each with its own pair."""
    with Emulator(flaky, auth="off") as emulator, ThreadPoolExecutor(8) as pool:
        clients = [client(emulator, attempts=3) for _ in range(8)]
        found = list(pool.map(lambda n: ask(clients[n], b"[%d]" % n), range(8)))
        assert found == [b"answer to [%d]" % number for number in range(8)]
        assert sorted(entry.status for entry in emulator.journal) == [200] * 8 + [503] * 8


def test_repeated_attempt_gets_the_same_take(counting: Upstream, tmp_path: Path) -> None:
    """An attempt is known by `amz-sdk-invocation-id`: it takes no further take away."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b"[1]", b"[1]")
    with Emulator(tape, auth="off") as emulator, Wire(emulator.url) as wire:
        found = []
        for invocation in ("a", "a", "b", "a"):
            wire.post(b"[1]", f"amz-sdk-invocation-id: {invocation}", "Content-Type: application/json")
            found.append(wire.answer().body)
    assert found == [b"1", b"1", b"2", b"1"]


# --- misses


def test_miss_names_the_nearest_and_the_first_difference(counting: Upstream, tmp_path: Path) -> None:
    """In the text of boto3's exception; asked once, because an SDK does not repeat it."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b'{"age": 41, "plan": "gold"}')
    with Emulator(tape, auth="off") as emulator:
        error = error_of(client(emulator, attempts=5), b'{"age": 42, "plan": "gold"}')
        assert len(emulator.journal) == 1
        whole = emulator.misses[0].detail
    assert error.response["Error"]["Code"] == "SagetapeMiss"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    for words in ("churn", "age", "41", "42"):
        assert words in str(error)
    assert error.response["Error"]["Message"][:200] in whole
    assert len(json.dumps(error.response["Error"]["Message"])) <= 2100


def test_miss_of_an_unknown_endpoint_names_the_known_one(counting: Upstream, tmp_path: Path) -> None:
    """A typo in the endpoint's name is the difference."""
    tape = tmp_path / "churn.tape"
    run(tape, counting, "new_episodes", b"{}")
    with Emulator(tape, auth="off") as emulator:
        error = error_of(client(emulator), endpoint="chrun")
    assert error.response["Error"]["Code"] == "SagetapeMiss"
    assert "churn" in str(error)


# --- where an answer came from


def test_source_is_said_with_explain_only(counting: Upstream, tmp_path: Path) -> None:
    """`X-Sagetape-Source`: upstream, cassette, fault or emulator; AWS sends no such header."""
    tape = tmp_path / "churn.tape"

    def source(emulator: Emulator, body: bytes) -> str | None:
        with Wire(emulator.url) as wire:
            wire.post(body, "Content-Type: application/json")
            return wire.answer().headers.get("x-sagetape-source")

    with recorder(tape, f"aws+{counting.url}", explain=True) as emulator:
        assert source(emulator, b"[1]") == "upstream"
    with Emulator(tape, auth="off", explain=True) as emulator:
        assert source(emulator, b"[1]") == "cassette"
        assert source(emulator, b"[2]") == "emulator"
        emulator.fault("throttle")
        assert source(emulator, b"[1]") == "fault"
    with Emulator(tape, explain=True) as emulator:
        assert source(emulator, b"[1]") == "emulator"  # unsigned, so refused
    with Emulator(tape, auth="off") as emulator:
        assert source(emulator, b"[1]") is None

"""A stateful session with boto3: against a real container, recorded, and replayed fifty times at once."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.models.running import running

from sagetape import Emulator

SAID = ("When in the course", "of human events", "it becomes necessary")
SPLIT_CALLS = 640


def invoke(client: Any, session_id: str, body: str) -> Any:
    return client.invoke_endpoint(
        EndpointName="chat", SessionId=session_id, ContentType="application/json", Body=body.encode()
    )


def open_session(client: Any) -> str:
    """The id of a new session."""
    value: str = invoke(client, "NEW_SESSION", '{"requestType":"NEW_SESSION"}')["NewSessionId"]
    session_id, expires = value.split("; ")
    assert expires.startswith("Expires=")
    return session_id


def say(client: Any, session_id: str, text: str) -> str:
    answer: bytes = invoke(client, session_id, json.dumps({"text": text}))["Body"].read()
    return answer.decode()


def stream(client: Any, session_id: str, text: str) -> bytes:
    found = client.invoke_endpoint_with_response_stream(
        EndpointName="chat",
        SessionId=session_id,
        ContentType="application/json",
        Body=json.dumps({"text": text}).encode(),
    )
    return b"".join(event["PayloadPart"]["Bytes"] for event in found["Body"])


def close(client: Any, session_id: str) -> str:
    closed: str = invoke(client, session_id, '{"requestType":"CLOSE"}')["ClosedSessionId"]
    return closed


def live(client: Any) -> tuple[str, list[str], bytes]:
    """One conversation from beginning to end."""
    session_id = open_session(client)
    said = [say(client, session_id, text) for text in SAID]
    streamed = stream(client, session_id, "and so")
    assert close(client, session_id) == session_id
    with pytest.raises(ClientError, match="is closed"):
        say(client, session_id, "more")
    return session_id, said, streamed


@pytest.fixture(scope="module", params=["session", "new"])
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[str, list[str], bytes]]:
    """A cassette of one conversation, with either of the container's spellings, and what was said in it."""
    cassette = tmp_path_factory.mktemp("sessions") / "chat.tape"
    with (
        running("stateful", "--spelling", request.param) as container,
        Emulator(record_to=cassette, mode="all", upstream=container) as emulator,
    ):
        found = live(emulator.client())
    return cassette, found


@pytest.fixture
def replaying(recorded: tuple[Path, tuple[str, list[str], bytes]]) -> Iterator[Emulator]:
    with Emulator(recorded[0], clock="virtual", seed=7) as emulator:
        yield emulator


def test_fifty_sessions_replay_at_once(
    recorded: tuple[Path, tuple[str, list[str], bytes]], replaying: Emulator
) -> None:
    """Each has an id of its own, and every answer is the recorded one with that id in it."""
    recorded_id, said, streamed = recorded[1]
    with ThreadPoolExecutor(10) as pool:
        clients = [replaying.client() for _ in range(10)]
        found = list(pool.map(lambda number: live(clients[number % 10]), range(50)))
    assert len({session_id for session_id, _, _ in found} | {recorded_id}) == 51
    for session_id, again, parts in found:
        assert again == [text.replace(recorded_id, session_id) for text in said]
        assert parts == streamed.replace(recorded_id.encode(), session_id.encode())
    assert replaying.misses == []


def test_replayed_session_expires_when_told(replaying: Emulator) -> None:
    """A session lives until the clock passes its Expires."""
    client = replaying.client()
    session_id = open_session(client)
    say(client, session_id, SAID[0])
    replaying.advance(24 * 3600)
    with pytest.raises(ClientError, match="expired at"):
        say(client, session_id, SAID[1])


def test_step_out_of_order_says_what_was_expected(replaying: Emulator) -> None:
    """The miss is in boto3's exception text, and the session goes on afterwards."""
    client = replaying.client()
    session_id = open_session(client)
    with pytest.raises(ClientError, match=r"step 2 of its recorded session.*was expected.*When in the course"):
        say(client, session_id, SAID[1])
    assert say(client, session_id, SAID[0])


def test_unknown_session_is_refused(replaying: Emulator) -> None:
    """An id that nobody opened reaches no recording."""
    with pytest.raises(ClientError, match="does not exist on this endpoint"):
        say(replaying.client(), "never-opened", SAID[0])


def split(order: list[int]) -> dict[int, Counter[str]]:
    """Which variants answered each of sixteen requests, asked by 64 threads in some order."""
    endpoints = {
        "ab": {
            "variants": {
                name: {"weight": weight, "upstream": f"function:tests.models.variants:{name}"}
                for name, weight in (("blue", 9), ("green", 1))
            }
        }
    }
    with Emulator(endpoints=endpoints, seed=7) as emulator, ThreadPoolExecutor(64) as pool:
        clients = [emulator.client() for _ in range(8)]

        def ask(number: int) -> tuple[int, str]:
            body = str(number % 16).encode()
            answer = clients[number % 8].invoke_endpoint(EndpointName="ab", Body=body)
            return number % 16, answer["InvokedProductionVariant"]

        found: dict[int, Counter[str]] = {request: Counter() for request in range(16)}
        for request, variant in pool.map(ask, order):
            found[request][variant] += 1
    return found


def test_variants_do_not_depend_on_the_order_of_threads() -> None:
    """Sixty-four threads in two orders: each request meets each variant as often as in the other."""
    order = list(range(SPLIT_CALLS))
    first = split(order)
    random.Random(5).shuffle(order)
    assert split(order) == first
    assert 0 < sum(counted["green"] for counted in first.values()) < SPLIT_CALLS // 4

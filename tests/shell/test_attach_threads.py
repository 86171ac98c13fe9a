"""Many threads on one client whose calls botocore makes and the deck records."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.client.standin import ACCESS_KEY, SECRET_KEY, Answer, Arrived, Standin, as_json, frame, stream

from sagetape import attach

THREADS, CALLS, STREAMS, PROMPTS = 64, 128, 64, 4


@pytest.fixture
def service() -> Iterator[Standin]:
    """Answers each call with a number of its own, and each stream with its prompt and a number."""
    standin, lock, numbers = Standin(), threading.Lock(), iter(range(10_000))

    def answer(arrived: Arrived) -> Answer:
        with lock:
            number = next(numbers)
        if "response-stream" not in arrived.path:
            return as_json({"number": number})
        return stream([frame(b"%s/%d/%d" % (arrived.body, number, part)) for part in range(3)])

    standin.answer = answer
    yield standin
    standin.close()


def call(client: Any) -> bytes:
    return bytes(client.invoke_endpoint(EndpointName="churn", Body=b"{}")["Body"].read())


def listen(client: Any, prompt: bytes) -> tuple[bytes, ...]:
    answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=prompt)
    return tuple(event["PayloadPart"]["Bytes"] for event in answer["Body"])


def ask_all(client: Any) -> tuple[list[bytes], list[tuple[bytes, ...]]]:
    """All calls and streams at once, from all threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(call, client) for _ in range(CALLS)]
        streams = [pool.submit(listen, client, b"%d" % (number % PROMPTS)) for number in range(STREAMS)]
        return [one.result() for one in calls], [one.result() for one in streams]


def test_threads_record_what_botocore_asks_and_lose_nothing(service: Standin, tmp_path: Path) -> None:
    """Each answer goes to one caller, whole and with its own prompt, is kept once, and is played once."""
    path = tmp_path / "threads.tape"
    client = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1").client(
        "sagemaker-runtime", endpoint_url=service.url, config=Config(max_pool_connections=THREADS)
    )
    with attach(client, path, mode="once") as recording:
        calls, streams = ask_all(client)
    assert len(set(calls)) == CALLS
    assert len(set(streams)) == STREAMS
    assert service.bad_signatures == []
    for number, parts in enumerate(streams):
        assert {part.partition(b"/")[0] for part in parts} == {b"%d" % (number % PROMPTS)}
        assert [part.rpartition(b"/")[2] for part in parts] == [b"0", b"1", b"2"]
        assert len({part.split(b"/")[1] for part in parts}) == 1
    verdict = recording.verdict()
    assert (verdict.counts, verdict.kept, recording.failures) == ({"live": CALLS + STREAMS}, CALLS + STREAMS, [])
    with attach(client, path, exhausted="miss") as playing:
        played_calls, played_streams = ask_all(client)
    assert Counter(played_calls) == Counter(calls)
    assert Counter(played_streams) == Counter(streams)
    assert playing.verdict().counts == {"recorded": CALLS + STREAMS}
    assert len(service.arrived) == CALLS + STREAMS

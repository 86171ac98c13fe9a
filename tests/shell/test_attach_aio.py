"""aiobotocore's clients answered inside the process."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.standin import ACCESS_KEY, SECRET_KEY, Answer, Standin, as_json, frame, stream

from sagetape import attach

REASON = "aiobotocore is not installed; it pins botocore, so it has an environment apart"
pytest.importorskip("aiobotocore", reason=REASON)

COUNT = "function:tests.plugin.stand_models:count"
WORDS = "function:tests.plugin.stand_models:words"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials anywhere."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")


UNCLOSED = pytest.mark.filterwarnings(
    "ignore:Unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # aiohttp's word for a stream that its client leaves open


def client_of(**options: Any) -> Any:
    from aiobotocore.session import get_session

    return get_session().create_client("sagemaker-runtime", region_name="us-east-1", **options)


async def ask(client: Any, body: bytes = b"{}") -> bytes:
    answer = await client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=body)
    return bytes(await answer["Body"].read())


async def parts(client: Any) -> list[bytes]:
    answer = await client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two")
    return [event["PayloadPart"]["Bytes"] async for event in answer["Body"]]


async def test_async_client_records_and_plays(tmp_path: Path) -> None:
    """Whole answers and streams, without credentials, from a function and then from the cassette alone."""
    path = tmp_path / "aio.tape"
    async with client_of() as client:
        async with attach(client, path, mode="once", upstream=WORDS):
            assert await parts(client) == [b"one ", b"two "]
        async with attach(client, path) as attached:
            assert await parts(client) == [b"one ", b"two "]
            assert attached.verdict().unread == ()


async def test_async_tasks_get_each_take_once(tmp_path: Path) -> None:
    """64 tasks on one client lose nothing and get each take once."""
    path = tmp_path / "takes.tape"
    async with client_of() as client:
        with attach(client, path, mode="once", upstream=COUNT):
            recorded = await asyncio.gather(*(ask(client) for _ in range(64)))
        with attach(client, path, exhausted="miss") as attached:
            played = await asyncio.gather(*(ask(client) for _ in range(64)))
    assert Counter(played) == Counter(recorded)
    assert attached.verdict().counts == {"recorded": 64}


async def test_async_miss_and_refusal_are_client_errors(tmp_path: Path) -> None:
    """A miss, and what AWS refuses, are raised as botocore raises them."""
    from botocore.exceptions import ClientError

    async with client_of() as client:
        with attach(client) as attached:
            with pytest.raises(ClientError, match="SagetapeMiss"):
                await ask(client)
            with pytest.raises(ClientError, match="ValidationError"):
                await client.invoke_endpoint(EndpointName="no_name!", Body=b"{}")
    assert [entry.source for entry in attached.journal] == ["miss", "refused"]


async def test_async_recording_is_made_by_the_client_itself(tmp_path: Path) -> None:
    """The client signs and sends; a whole answer and a stream are kept on their way back."""
    service = Standin()
    path = tmp_path / "real.tape"
    try:
        async with client_of(
            endpoint_url=service.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
        ) as client:
            with attach(client, path, mode="once"):
                service.script(as_json({"label": "stays"}))
                assert await ask(client) == b'{"label": "stays"}'
                service.script(stream([frame(b"a"), frame(b"b")]))
                assert await parts(client) == [b"a", b"b"]
            assert service.bad_signatures == []
            with attach(client, path):
                assert await ask(client) == b'{"label": "stays"}'
                assert await parts(client) == [b"a", b"b"]
            assert len(service.arrived) == 2
    finally:
        service.close()


async def test_async_client_gives_up_as_on_a_socket(tmp_path: Path) -> None:
    """Before the head, inside a stream, and with botocore's retries; what was not waited for is kept."""
    from aiobotocore.config import AioConfig
    from botocore.exceptions import ReadTimeoutError

    config = AioConfig(read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
    halting = "function:tests.plugin.stand_models:halting"
    async with client_of(config=config) as client:
        async with attach(client, upstream=COUNT, faults=["latency:seconds=5,count=1"]) as attached:
            assert await ask(client)
            assert len(attached.journal) == 2
        async with attach(client, upstream=COUNT, faults=["latency:seconds=5"]):
            with pytest.raises(ReadTimeoutError):
                await ask(client)
        async with attach(client, tmp_path / "aio.tape", mode="once", upstream=halting) as attached:
            answer = await client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"x")
            events = aiter(answer["Body"])
            assert (await anext(events))["PayloadPart"]["Bytes"] == b"one "
            with pytest.raises(asyncio.TimeoutError):
                await anext(events)
        assert attached.verdict().kept == 1


@pytest.fixture
def service() -> Iterator[Standin]:
    standin = Standin()
    standin.script(stream([frame(b"one "), frame(b"two ")]))
    yield standin
    standin.close()


def real_client(service: Standin) -> Any:
    return client_of(endpoint_url=service.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)


async def leave_after_one(client: Any) -> None:
    answer = await client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two")
    async for _ in answer["Body"]:
        break


@pytest.mark.parametrize("upstream", ["", WORDS])
async def test_async_stream_that_is_left_is_kept(service: Standin, tmp_path: Path, upstream: str) -> None:
    """Left without a word, it is read out at the end of the block, and counts."""
    path = tmp_path / "left.tape"
    more = {"upstream": upstream} if upstream else {}
    async with real_client(service) as client:
        async with attach(client, path, mode="once", **more) as attached:
            await leave_after_one(client)
        assert attached.verdict().counts == {"local" if upstream else "live": 1}
        assert attached.failures == []
        async with attach(client, path):
            assert await parts(client) == [b"one ", b"two "]


async def test_async_stream_is_read_as_it_comes(service: Standin, tmp_path: Path) -> None:
    """It is in the file although its client reads one part and no more."""
    async with real_client(service) as client, attach(client, tmp_path / "t.tape", mode="once") as attached:
        answer = await client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two")
        await anext(aiter(answer["Body"]))
        async with asyncio.timeout(20):
            while not attached.verdict().kept:
                await asyncio.sleep(0)
        assert attached.verdict().counts == {"live": 1}


@UNCLOSED
def test_async_stream_is_read_out_by_a_loop_that_ends(service: Standin, tmp_path: Path) -> None:
    """A loop whose program has ended waits for what is recorded on it."""
    path = tmp_path / "t.tape"
    goes_on = threading.Event()
    service.script(halting_stream(goes_on))
    clients: list[Any] = []

    async def program() -> None:
        client = await real_client(service).__aenter__()
        clients.append((client, attach(client, path, mode="once")))
        await leave_after_one(client)
        asyncio.get_running_loop().call_later(0.2, goes_on.set)  # after the program's end

    asyncio.run(program())
    _, attached = clients.pop()
    attached.detach()
    del _
    gc.collect()
    assert attached.failures == []
    assert attached.verdict().kept == 1


async def test_async_stream_that_cannot_be_read_out_is_told(service: Standin, tmp_path: Path) -> None:
    """The end of a plain `with` holds up the loop that would have to read: not recorded, and said so."""
    goes_on = threading.Event()
    service.script(halting_stream(goes_on))
    async with real_client(service) as client:
        with attach(client, tmp_path / "t.tape", mode="once") as attached:
            await leave_after_one(client)
        goes_on.set()
    assert attached.verdict().counts == {"live": 1}
    assert attached.verdict().kept == 0
    assert "is not recorded" in attached.failures[0]


@UNCLOSED
async def test_async_client_that_closes_first_breaks_no_recording(service: Standin, tmp_path: Path) -> None:
    """What the client's own end cuts off is no break of the service: not recorded, and said so."""
    goes_on = threading.Event()
    service.script(halting_stream(goes_on))
    async with real_client(service) as client:
        attached = attach(client, tmp_path / "t.tape", mode="once")
        await leave_after_one(client)
    goes_on.set()
    attached.detach()
    gc.collect()
    assert attached.verdict().kept == 0
    assert "is not recorded" in attached.failures[0]


def halting_stream(goes_on: threading.Event) -> Answer:
    """Two parts, the second when it is told."""

    def halting() -> Iterator[bytes]:
        yield frame(b"one ")
        goes_on.wait(30)
        yield frame(b"two ")

    return dataclasses.replace(stream([]), parts=halting())

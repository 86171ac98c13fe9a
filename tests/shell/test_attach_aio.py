"""aiobotocore's clients answered inside the process."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.client.standin import ACCESS_KEY, SECRET_KEY, Standin, as_json, frame, stream

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

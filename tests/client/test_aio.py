"""The asyncio face has the same names and the same behaviour."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sagetape_client.aio import AsyncClient, AsyncPendingOutput, AsyncSession, AsyncStreamResult
from sagetape_client.errors import AsyncCancelled, ModelError, StreamBroken
from sagetape_client.invoker import Client
from sagetape_client.outputs import PendingOutput
from sagetape_client.parameters import INVOKE
from sagetape_client.session import Session
from sagetape_client.stream import StreamResult
from tests.client.standin import Answer, Standin, as_json, error, frame, stream
from tests.client.test_session import stateful

PAIRS = [
    (Client, AsyncClient),
    (StreamResult, AsyncStreamResult),
    (PendingOutput, AsyncPendingOutput),
    (Session, AsyncSession),
]


@pytest.fixture
async def aclient(service: Standin) -> AsyncIterator[AsyncClient]:
    """A client for `await`, of four connections."""
    async with AsyncClient(environ=service.environ(), connections=4) as client:
        yield client


@pytest.mark.parametrize(("sync_face", "async_face"), PAIRS)
def test_faces_have_the_same_names(sync_face: type, async_face: type) -> None:
    """Whatever waits in the one can be awaited in the other, under the same name."""
    waiting = {
        Client: {n for n, v in vars(Client).items() if inspect.isfunction(v) and n[0] != "_"} | {"describe", "close"},
        StreamResult: {"parts", "text", "lines", "documents", "events", "split", "read", "close"},
        PendingOutput: {"poll", "wait", "close"},
        Session: {"open", "invoke", "invoke_stream", "close"},
    }[sync_face]
    assert all(hasattr(sync_face, name) for name in waiting)
    assert set() == waiting - set(vars(async_face))
    assert all(inspect.isfunction(vars(async_face)[name]) for name in waiting)


async def test_request_is_prepared_described_and_answered(aclient: AsyncClient, service: Standin) -> None:
    """What the one face can look at before it is sent, the other can."""
    outgoing = aclient.prepare(INVOKE, {"EndpointName": "e", "Body": b"x"})
    url, headers = await aclient.describe(outgoing)
    assert url == f"{service.url}/endpoints/e/invocations"
    assert "Signature=***" in dict(headers)["Authorization"]
    assert (service.arrived, aclient.is_light) == ([], True)
    assert (await aclient.answer(outgoing, invocation_id="i")).json() == {"ok": True}
    assert service.arrived[0].headers["amz-sdk-invocation-id"] == "i"


async def test_calls_run_at_once(aclient: AsyncClient, service: Standin) -> None:
    """As many calls are on their way as there are connections: each waits for the others here."""
    together = threading.Barrier(4, timeout=5)

    def answer(arrived: Any) -> Answer:
        together.wait()
        return as_json({"got": arrived.body.decode()})

    service.answer = answer
    results = await asyncio.gather(*(aclient.invoke("e", str(i)) for i in range(4)))
    assert [{"got": str(i)} for i in range(4)] == [result.value() for result in results]


async def test_errors_come_through(aclient: AsyncClient, service: Standin) -> None:
    """The same classes."""
    service.script(error(424, "ModelError"))
    with pytest.raises(ModelError):
        await aclient.invoke("e", b"x")


async def test_stream_readings(aclient: AsyncClient, service: Standin) -> None:
    """Parts, text, lines, documents, events, everything."""
    payload = 'data: {"é": 1}\n\n'.encode()
    raw = [frame(payload[i : i + 1]) for i in range(len(payload))]
    service.answer = lambda arrived: stream(raw)
    assert payload == await (await aclient.invoke_stream("e", b"x")).read()
    assert payload == b"".join([part async for part in await aclient.invoke_stream("e", b"x")])
    assert payload.decode() == "".join([t async for t in (await aclient.invoke_stream("e", b"x")).text()])
    assert [line async for line in (await aclient.invoke_stream("e", b"x")).lines()] == ['data: {"é": 1}', ""]
    async with await aclient.invoke_stream("e", b"x") as result:
        assert [event.json() async for event in result.events()] == [{"é": 1}]
    assert result.is_whole
    assert result.content_type == "application/json"
    service.answer = lambda arrived: stream([frame(b"{}[1]")])
    assert [document async for document in (await aclient.invoke_stream("e", b"x")).documents()] == [{}, [1]]


async def test_stream_that_breaks(aclient: AsyncClient, service: Standin) -> None:
    """One named error with what arrived."""
    service.script(stream([frame(b"one")], cuts=True))
    with pytest.raises(StreamBroken) as caught:
        await (await aclient.invoke_stream("e", b"x")).read()
    assert caught.value.received == b"one"


async def test_session_is_a_context(aclient: AsyncClient, service: Standin) -> None:
    """Opens, continues, streams, closes."""
    service.answer = stateful
    async with aclient.session("e") as session:
        assert session.id == "id-1"
        assert (await session.invoke(b"1")).value() == {"turn": "1"}
        assert await (await session.invoke_stream(b"2")).read() == b"part"
    assert session.is_closed


async def test_pipeline_takes_both_kinds_of_iterables(aclient: AsyncClient, service: Standin) -> None:
    """Names and mappings from an iterable or an asynchronous one."""

    async def names() -> AsyncIterator[Any]:
        yield "a"
        yield {"EndpointName": "b"}

    assert [v async for v in aclient.invoke_each(names(), body=b"", select="^EndpointName")] == ["a", "b"]
    assert [v async for v in aclient.invoke_each(["c"], body=b"", select="^EndpointName")] == ["c"]


async def test_waiting_for_an_output(aclient: AsyncClient, service: Standin) -> None:
    """The output object, once it is there; a cancelled one stops."""
    service.script(Answer(202, {"X-Amzn-SageMaker-OutputLocation": "s3://b/k"}, b'{"InferenceId":"i"}'))
    pending = await aclient.invoke_async("e", b"x")
    pending._pending._fetch = lambda location: (b"done", None)
    assert (await pending.wait(timeout_s=5)).body == b"done"
    pending.cancel()
    with pytest.raises(AsyncCancelled):
        await pending.wait()


async def test_history_is_shared(aclient: AsyncClient) -> None:
    """The same history."""
    aclient.history.start()
    await aclient.invoke("e", b"x")
    assert len(aclient.history) == 1

"""The asyncio face: the same names, over threads.

A thread per call in flight, from a pool of the client's own. *Alternative:* aiohttp, with a second signer's use, a
second retry loop, a second credentials chain beside botocore's, which has no asyncio face. *Why not:* two
implementations drift, and a model's answer takes milliseconds to minutes, beside which a thread costs nothing. One
client drives as many calls at once as it has `connections`; a cancelled task stops waiting at once, while its call
ends in its thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from .answers import InvokeResult
from .body import BodyInput
from .history import History
from .invoker import Client
from .outputs import WAIT_TIMEOUT_S, Output, PendingOutput
from .parameters import canonical
from .request import Outgoing, pipeline_parameters
from .session import Session
from .splitters import Characters, Documents, ServerEvent, ServerEvents, Splitter, TextLines
from .stream import StreamResult

T = TypeVar("T")


class AsyncClient:
    """As `Client`, with `await`, `async for` and `async with`. Takes the same arguments."""

    def __init__(self, *, connections: int = 10, **options: Any) -> None:
        self._client = Client(connections=connections, **options)
        self._pool = ThreadPoolExecutor(max_workers=connections, thread_name_prefix="sagetape-client")

    @property
    def history(self) -> History:
        """The last calls."""
        return self._client.history

    @property
    def is_light(self) -> bool:
        """Whether calls go without botocore."""
        return self._client.is_light

    def prepare(self, operation: str, given: Mapping[str, object]) -> Outgoing:
        """The request that a call would send. It waits for nothing, and so is not awaited."""
        return self._client.prepare(operation, given)

    async def describe(self, outgoing: Outgoing) -> tuple[str, list[tuple[str, str]]]:
        """URL and headers of a request, signature and token masked; nothing is sent."""
        return await self.run(self._client.describe, outgoing)

    async def answer(self, outgoing: Outgoing, *, invocation_id: str | None = None) -> InvokeResult:
        """Send a prepared InvokeEndpoint."""
        return await self.run(self._client.answer, outgoing, invocation_id=invocation_id)

    async def run(self, call: Callable[..., T], *given: Any, **named: Any) -> T:
        """One blocking call in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *given, **named))

    async def invoke(self, endpoint_name: str | None = None, body: BodyInput = None, **members: Any) -> Any:
        """InvokeEndpoint: an InvokeResult, or what `select` names of it."""
        return await self.run(self._client.invoke, endpoint_name, body, **members)

    async def invoke_stream(self, endpoint_name: str | None = None, body: BodyInput = None, **members: Any) -> Any:
        """InvokeEndpointWithResponseStream: an AsyncStreamResult."""
        result = await self.run(self._client.invoke_stream, endpoint_name, body, **members)
        return AsyncStreamResult(self, result) if isinstance(result, StreamResult) else result

    async def invoke_async(self, endpoint_name: str | None = None, body: BodyInput = None, **members: Any) -> Any:
        """InvokeEndpointAsync: an AsyncPendingOutput."""
        result = await self.run(self._client.invoke_async, endpoint_name, body, **members)
        return AsyncPendingOutput(self, result) if isinstance(result, PendingOutput) else result

    async def invoke_each(
        self, inputs: Iterable[Any] | AsyncIterable[Any], *, select: str | None = None, **defaults: Any
    ) -> AsyncIterator[Any]:
        """Pipeline input, one call each, in order."""
        given: dict[str, Any] = canonical(defaults)
        number = 0
        async for item in _each(inputs):
            number += 1
            yield await self.invoke(select=select, **(given | pipeline_parameters(item, number)))

    def session(self, endpoint_name: str, **options: Any) -> AsyncSession:
        """A stateful session for `async with`."""
        return AsyncSession(self, Session(self._client, endpoint_name, **options))

    async def close(self) -> None:
        """Close the connections and end the threads."""
        await self.run(self._client.close)
        self._pool.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


async def _each(inputs: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(inputs, AsyncIterable):
        async for item in inputs:
            yield item
    else:
        for item in inputs:
            yield item


class AsyncStreamResult:
    """As StreamResult: one reading per stream, `async for`."""

    def __init__(self, client: AsyncClient, stream: StreamResult) -> None:
        self._client, self._stream = client, stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)  # content_type, facts, request_id, received, is_whole ...

    async def parts(self) -> AsyncIterator[bytes]:
        """Payload parts as the service cut them."""
        while (part := await self._client.run(self._stream.next_part)) is not None:
            yield part

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.parts()

    def text(self, encoding: str = "utf-8") -> AsyncIterator[str]:
        """Text, never half a character."""
        return self.split(Characters(encoding))

    def lines(self, encoding: str = "utf-8") -> AsyncIterator[str]:
        """Lines without their ends."""
        return self.split(TextLines(encoding))

    def documents(self) -> AsyncIterator[Any]:
        """JSON documents, decoded."""
        return self.split(Documents())

    def events(self) -> AsyncIterator[ServerEvent]:
        """Server-sent events."""
        return self.split(ServerEvents())

    async def split(self, splitter: Splitter[Any]) -> AsyncIterator[Any]:
        """What a splitter of your own makes of the parts."""
        try:
            async for part in self.parts():
                for item in splitter.feed(part):
                    yield item
            for item in splitter.finish():
                yield item
        except Exception:
            await self.close()  # the reading is over: what follows cannot be understood
            raise

    async def read(self) -> bytes:
        """Everything; StreamBroken when the stream breaks."""
        return await self._client.run(self._stream.read)

    async def close(self) -> None:
        """Give the connection up."""
        await self._client.run(self._stream.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class AsyncPendingOutput:
    """As PendingOutput. Cancelling the task that waits stops the waiting."""

    def __init__(self, client: AsyncClient, pending: PendingOutput) -> None:
        self._client, self._pending = client, pending

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pending, name)  # inference_id, output_location, cancel ...

    async def close(self) -> None:
        """Close the connections to S3."""
        await self._client.run(self._pending.close)

    async def poll(self) -> Output | None:
        """One look."""
        return await self._client.run(self._pending.poll)

    async def wait(self, *, timeout_s: float = WAIT_TIMEOUT_S) -> Output:
        """The output, once it is there."""
        try:
            return await self._client.run(self._pending.wait, timeout_s=timeout_s)
        except asyncio.CancelledError:
            self._pending.cancel()  # the thread ends at its next poll
            raise


class AsyncSession:
    """As Session, for `async with`."""

    def __init__(self, client: AsyncClient, session: Session) -> None:
        self._client, self._session = client, session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)  # id, expires_at, is_expired, is_closed ...

    async def open(self) -> Self:
        """Ask for a session."""
        await self._client.run(self._session.open)
        return self

    async def invoke(self, body: BodyInput = None, **members: Any) -> Any:
        """InvokeEndpoint in this session."""
        return await self._client.run(self._session.invoke, body, **members)

    async def invoke_stream(self, body: BodyInput = None, **members: Any) -> AsyncStreamResult:
        """InvokeEndpointWithResponseStream in this session."""
        return AsyncStreamResult(self._client, await self._client.run(self._session.invoke_stream, body, **members))

    async def close(self) -> None:
        """Close the session at the service."""
        await self._client.run(self._session.close)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.run(self._session.__exit__, kind, error, at)

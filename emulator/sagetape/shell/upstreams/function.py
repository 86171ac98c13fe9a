"""A Python function as a model: `function:<module>:<name>`, sync or async.

Gives the function an `Invocation` and makes of what it returns what the platform would make of a container's answer:
a value becomes JSON, an iterator of bytes a stream, an exception a 424. The function runs in a thread of its own
(`workers.py`); nothing that it does or fails to do reaches another call.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ...core import platform
from ...core.eventstream import payload_part
from ...core.platform import Ask
from ...core.values import valueclass
from ...core.wire import Chunk, End, Headers, Script, Step, whole
from ...functions import NOT_MINE, Answer, Invocation, ModelFailure
from .invocations import WorkerClock, invocation_of
from .modules import Loaded
from .upstream import Clock, Countdown, NothingHere, log
from .workers import NoWorker, Raised, Worker, Workers

PART_MAX_BYTES = 1024 * 1024  # as a container's
END = object()


class Function:
    """A user's function. `answer_max_bytes` bounds a whole answer, as a container's."""

    is_remote = False
    is_synthetic = True

    def __init__(self, loaded: Loaded, *, source: str, answer_max_bytes: int = platform.ANSWER_MAX_BYTES) -> None:
        self.source = source
        self._loaded = loaded
        self._answer_max_bytes = answer_max_bytes
        self._workers = Workers()

    async def ask(self, ask: Ask, *, clock: Clock) -> AsyncIterator[Step]:
        """The platform's answer, made of what the function returns."""
        left = Countdown(clock, ask.timeout_s)
        try:
            worker = self._workers.take()
        except NoWorker as error:
            log.error("%s: %s", self.source, error)
            for step in platform.dead(ask):
                yield step
            return
        turn = Turn(self, ask, worker=worker, clock=clock, left=left)
        try:
            async for step in turn.steps():
                yield step
        finally:
            self._workers.give_back(worker, left_over=turn.items)

    def call(self, invocation: Invocation, worker: Worker) -> Returned | None:
        """Run the function and turn what it returns into bytes; in a worker's thread."""
        result = self._loaded.current()(invocation)
        if inspect.isawaitable(result):
            result = worker.finish(result)
        return rendered(result)

    @property
    def most_bytes(self) -> int:
        return self._answer_max_bytes

    async def close(self) -> None:
        """End the idle threads."""
        self._workers.close()


class Turn:
    """One call of the function."""

    def __init__(self, function: Function, ask: Ask, *, worker: Worker, clock: Clock, left: Countdown) -> None:
        self.items: Any = None
        self._function = function
        self._ask = ask
        self._worker = worker
        self._clock = clock
        self._left = left

    async def steps(self) -> AsyncIterator[Step]:
        """The answer. What is raised before the first part is a 424; afterwards it breaks the stream."""
        invocation = invocation_of(self._ask, WorkerClock(self._clock))
        first: Any = END
        try:
            returned = await self._run(lambda worker: self._function.call(invocation, worker))
            if returned is None:
                raise NothingHere(f"{self._function.source} returned NOT_MINE")
            if returned.items is not None:
                self.items = returned.items
                first = await self._next()
        except TimeoutError:
            log.warning("%s did not return within %g s", self._function.source, self._ask.timeout_s)
            steps: AsyncIterator[Step] = played(platform.timed_out(self._ask))
        except Refused as error:
            steps = played(self._failed(error.cause))
        else:
            steps = self._answered(returned, first)
        async for step in steps:
            yield step

    async def _run(self, work: Any) -> Any:
        async with self._clock.limit(self._left.left_s()):
            outcome = await self._worker.run(work)
        if isinstance(outcome, Raised):
            raise Refused(outcome.error)
        return outcome

    async def _next(self) -> Any:
        """The next part as bytes, or END."""
        return await self._run(lambda worker: next_part(self.items, worker))

    async def _answered(self, returned: Returned, first: Any) -> AsyncIterator[Step]:
        passed = platform.pass_head(self._ask, returned.headers)
        for warning in passed.warnings:
            log.warning("%s: %s", self._function.source, warning)
        if not self._ask.call.is_stream:
            script = await self._whole(passed.head.headers, returned, first)
            for step in script:
                yield step
            return
        yield passed.head
        if returned.items is None:
            for frame in chunks(returned.body):
                yield frame
        else:
            async for chunk in self._parts(first):
                yield chunk
        yield End()

    async def _whole(self, headers: Headers, returned: Returned, first: Any) -> Script:
        """A stream that nobody asked for as a stream is one body."""
        body = bytearray(returned.body)
        try:
            while first is not END and len(body) <= self._function.most_bytes:
                body += first
                first = await self._next()
        except TimeoutError:
            return platform.timed_out(self._ask)
        except Refused as error:
            return self._failed(error.cause)
        if len(body) > self._function.most_bytes:
            log.error("%s returned more than %d bytes", self._function.source, self._function.most_bytes)
            return platform.failed(self._ask, 200, b"", is_whole=False)
        return whole(200, headers, bytes(body))

    async def _parts(self, part: Any) -> AsyncIterator[Step]:
        try:
            while part is not END:
                for frame in chunks(part):
                    yield frame
                part = await self._next()
        except TimeoutError:
            yield platform.stream_timed_out(self._ask)
        except Refused as error:
            log.error("%s broke its stream", self._function.source, exc_info=error.cause)
            yield platform.stream_broken(self._ask)

    def _failed(self, error: BaseException) -> Script:
        if isinstance(error, ModelFailure):
            return platform.failed(self._ask, failure_status(error.status), error.body)
        log.error("%s failed", self._function.source, exc_info=error)
        if isinstance(error, Exception):
            return platform.failed(self._ask, 500, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        return platform.dead(self._ask)  # SystemExit and its like end a container


class Refused(Exception):
    """The function raised `cause`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


async def played(script: Script) -> AsyncIterator[Step]:
    for step in script:
        yield step


def failure_status(status: int) -> int:
    """A failure's status as a container could have sent it: anything that is not an error status counts as 500."""
    return status if isinstance(status, int) and 300 <= status <= 599 else 500


def chunks(data: bytes) -> Iterator[Chunk]:
    """One part as frames, in pieces where it is larger than a frame should be; none when it is empty."""
    for start in range(0, len(data), PART_MAX_BYTES):
        yield Chunk(payload_part(data[start : start + PART_MAX_BYTES]))


# --- what the function returns ----------------------------------------------------------------------------------


@valueclass(frozen=True, slots=True)
class Returned:
    """An answer as a container would give it: headers, and a body or an iterator of its parts."""

    headers: Headers
    body: bytes = b""
    items: Any = None


def rendered(result: Any) -> Returned | None:
    """What the function returned; None for `NOT_MINE`. Raises TypeError or ValueError for what is no answer."""
    if result is NOT_MINE:
        return None
    answer = result if isinstance(result, Answer) else Answer(result)
    value = answer.body
    if isinstance(value, (Iterator, AsyncIterator)):
        return Returned(headers_of(answer, "application/octet-stream"), items=value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Returned(headers_of(answer, "application/octet-stream"), bytes(value))
    if isinstance(value, str):
        return Returned(headers_of(answer, "text/plain; charset=utf-8"), value.encode())
    return Returned(headers_of(answer, "application/json"), json_of(value))


def headers_of(answer: Answer, content_type: str) -> Headers:
    """The headers of an answer as a container would send them."""
    found = (
        ("Content-Type", answer.content_type or content_type),
        (platform.CUSTOM_ATTRIBUTES, answer.custom_attributes),
        (platform.NEW_SESSION_ID, answer.new_session),
        (platform.CLOSED_SESSION_ID, answer.closed_session),
    )
    return tuple((name, str(value)) for name, value in found if value is not None)


def json_of(value: Any) -> bytes:
    """A value as compact JSON. Raises TypeError or ValueError saying what JSON cannot carry."""
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(value).__name__
        raise TypeError(
            f"the function returned a {kind} that JSON cannot carry ({error}); "
            "return dicts, lists, text, numbers, bytes, an Answer, or an iterator of bytes"
        ) from error
    return text.encode()


def next_part(items: Any, worker: Worker) -> Any:
    """The next part of a stream as bytes, or END; in a worker's thread."""
    if isinstance(items, AsyncIterator):
        part = worker.finish(anext(items, END))
    else:
        part = next(items, END)
    if part is END or isinstance(part, bytes):
        return part
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, (bytearray, memoryview)):
        return bytes(part)
    raise TypeError(f"the function's stream gave a {type(part).__name__}; a stream is made of bytes")

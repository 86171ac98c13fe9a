"""The same for aiobotocore's clients: its events are botocore's, awaited; its responses read from aiohttp.

What waits, waits without holding up the caller's loop. Names of aiohttp's response that aiobotocore uses: `read`,
`content.read`, `content.iter_chunks`, `content.at_eof`, `close`, `url`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.response import AioStreamingBody
from aiohttp import ClientPayloadError, SocketTimeoutError

from ..core.deck import Forward, Reply
from ..core.errors import CallerError
from ..core.journal import Entry
from ..core.wire import Abort, Chunk, Head, Pause, Script, Step, body_of, is_event_stream
from . import answering
from .answers import announced, closed, count_part, moment
from .calls import new_request_id
from .loops import pulled
from .opened import OpenDeck
from .patience import OutOfPatience, Patience
from .streams import OpenStream

if TYPE_CHECKING:
    from .attachment import Attachment
    from .recording import Pending


class AsyncBody:
    """A body performed while it is read, as aiohttp's response and its content in one."""

    def __init__(
        self,
        opened: OpenDeck,
        steps: AsyncIterator[Step],
        *,
        length: int | None,
        entry: Entry,
        patience: Patience,
    ) -> None:
        self._opened = opened
        self._patience = patience
        self._steps = steps
        self._missing = length
        self._entry = entry
        self._held = b""
        self._is_over = False
        self.url = ""

    @property
    def content(self) -> AsyncBody:
        """aiohttp's stream reader."""
        return self

    async def read(self, n: int = -1) -> bytes:
        """At most `n` bytes; all that is left without a number."""
        while n < 0 or len(self._held) < n:
            data = await self._next_part()
            if not data:
                break
            self._held += data
        cut = len(self._held) if n < 0 else n
        found, self._held = self._held[:cut], self._held[cut:]
        return found

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """The parts as they come."""
        while data := await self._next_part():
            yield data, True

    def at_eof(self) -> bool:
        """Whether everything was read."""
        return self._is_over and not self._held

    def close(self) -> None:
        """What was not read is not performed."""
        self._is_over = True

    async def _next_part(self) -> bytes:
        try:
            return await self._performed()
        except OutOfPatience:
            raise SocketTimeoutError("Timeout on reading data from socket") from None

    async def _performed(self) -> bytes:
        while not self._is_over:
            step = await anext(self._steps, None)
            if isinstance(step, Pause):
                await borne(self._opened, self._patience, step.seconds)
            elif isinstance(step, Chunk):
                self._patience.hear()
                count_part(self._entry)
                if self._missing is not None:
                    self._missing -= len(step.data)
                if len(step.data):
                    return bytes(step.data)
            elif isinstance(step, Abort):
                raise ClientPayloadError(f"Response payload is not completed: {step.reason or 'connection closed'}")
            elif step is None or not isinstance(step, Head):
                self._is_over = True
        if self._missing is not None and self._missing > 0:
            raise ClientPayloadError("Response payload is not completed: connection closed")
        return b""


class AsyncAnswering:
    """The handlers of an attachment to an asynchronous client."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._opened = attachment.opened
        self.handlers = {"before-send": self._before_send, "before-parse": self._before_parse}

    async def _before_send(self, request: Any, **_: Any) -> Any:
        attachment, opened = self._attachment, self._opened
        if not attachment.is_attached:
            return None
        attachment.pending.set(None)
        decided = answering.decide(opened, request, region=attachment.region)
        if isinstance(decided, CallerError):
            return await self._refused(decided, request.url)
        decision = decided[1]
        if isinstance(decision, Forward) and answering.is_for_botocore(opened, decision, request.url):
            attachment.let_pass(decision, request.url)
            return None
        patience = attachment.patience(request.url)
        try:
            return await self._answered(decision, patience)
        except OutOfPatience:
            raise patience.before_head() from None

    async def _refused(self, error: CallerError, url: str) -> Any:
        # The same line in the journal as for a synchronous client; its response is made anew.
        plain = answering.refuse(self._opened, error, url)
        entry = self._opened.journal[-1]
        patience = Patience(None, url=plain.url)
        return await self._performed(iterated(error.script()), new_request_id(), entry, patience=patience)

    async def _answered(self, decision: Reply | Forward, patience: Patience) -> Any:
        opened, entry = self._opened, decision.entry
        if isinstance(decision, Reply):
            script = answering.written(opened, decision)
        else:
            made = await asyncio.to_thread(opened.loop.run, answering.forwarded(opened, decision, patience=patience))
            if not isinstance(made, tuple):
                return await self._performed(self._pulled(made), entry.request_id, entry, patience=patience)
            script = made
        answering.count_parts(decision, script)
        return await self._performed(iterated(script), entry.request_id, entry, patience=patience)

    async def _performed(self, steps: AsyncIterator[Step], request_id: str, entry: Entry, *, patience: Patience) -> Any:
        """The response for steps; raises what botocore raises when they break before their head."""
        async for step in steps:
            if isinstance(step, Pause):
                await borne(self._opened, patience, step.seconds)
            elif isinstance(step, Head):
                return await self._opened_at(step, steps, request_id, entry, patience=patience)
            elif isinstance(step, Abort):
                raise closed(patience.url, step)
        raise closed(patience.url, Abort("the answer has no head"))

    async def _opened_at(
        self, head: Head, steps: AsyncIterator[Step], request_id: str, entry: Entry, *, patience: Patience
    ) -> Any:
        patience.hear()
        length = None if is_event_stream(head) else announced(head)
        if length is None and not is_event_stream(head):
            rest = tuple([step async for step in steps])
            length = len(body_of(rest))
            steps = iterated(rest)
        body = AsyncBody(self._opened, steps, length=length, entry=entry, patience=patience)
        return AioAWSResponse(patience.url, head.status, moment(head, request_id, length), body)

    async def _pulled(self, steps: AsyncIterator[Step]) -> AsyncIterator[Step]:
        """Steps that are made on the deck's own loop."""
        stream = OpenStream(pulled(steps, self._opened.loop), self._opened)
        while (step := await asyncio.to_thread(next, stream, None)) is not None:
            yield step

    async def _before_parse(self, response_dict: dict[str, Any], operation_model: Any, **_: Any) -> None:
        attachment = self._attachment
        pending = attachment.pending.get()
        if pending is None:
            return
        from . import recording

        attachment.pending.set(None)
        if recording.has_stream(response_dict, has_events=operation_model.has_event_stream_output):
            from .pumps import Pump

            recorder = recording.StreamRecorder(pending, response_dict)
            steps = Pump(recorder, response_dict["body"], self._opened)
            response_dict["body"] = AsyncBody(
                self._opened, steps, length=None, entry=recorder.entry, patience=pending.patience
            )
            return
        waited, body = pending.waited(), response_dict["body"]
        try:
            data = body if isinstance(body, bytes) else await body.read()
        except Exception as error:
            recording.keep_cut(pending, response_dict, waited, error)
            raise
        recording.settle_whole(pending, response_dict, data, waited=waited, wrap=self._wrapped)

    def _wrapped(self, pending: Pending, head: Head, rest: Script) -> Any:
        length = announced(head)
        whole_bytes = len(body_of(rest)) if length is None else length
        entry = Entry(0, 0.0, "", "")  # a whole answer has no parts to count
        body = AsyncBody(pending.opened, iterated(rest), length=whole_bytes, entry=entry, patience=pending.patience)
        return AioStreamingBody(body, whole_bytes)


async def iterated(script: Script) -> AsyncIterator[Step]:
    """A script as steps that come."""
    for step in script:
        yield step


async def borne(opened: OpenDeck, patience: Patience, seconds: float) -> None:
    """Waits without holding up the caller's loop. Raises OutOfPatience."""
    allowed = patience.allow(seconds)
    await opened.player.clock.sleep(allowed)
    if allowed < seconds:
        raise OutOfPatience

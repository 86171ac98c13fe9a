"""A model container over HTTP: `POST /invocations`, `GET /ping`, and the multi-model API.

Asks as the platform asks and gives the platform's answer; `core/platform.py` decides both. Every way in which a
server can fail to answer ends in one of the platform's texts, and never in a partial answer that looks whole.

Source: SageMaker Developer Guide, your-algorithms-inference-code and mms-container-apis.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import aiohttp
from yarl import URL

from ...core import platform
from ...core.eventstream import payload_part
from ...core.keeping import unanswered
from ...core.platform import Ask
from ...core.values import valueclass
from ...core.wire import Chunk, End, Head, Headers, Script, Step, whole
from . import connection
from .connection import TooLarge, described, read_body, read_parts, watch
from .upstream import Clock, Countdown, NothingHere, log, unreachable

PART_MAX_BYTES: Final = 1024 * 1024  # a larger chunk of a stream is passed on in pieces, so that none is held
CONTROL_MAX_BYTES: Final = 64 * 1024  # of an answer of the multi-model API
USER_AGENT: Final = "AHC/2.0"  # of the platform's agent, as containers' access logs show it

BROKEN: Final = (aiohttp.ClientError, OSError, ValueError)  # ValueError: a header that aiohttp cannot represent


@valueclass(frozen=True, slots=True)
class Reply:
    """A container's plain answer to a control call."""

    status: int
    body: bytes


class Container:
    """One server, by its base URL. `answer_max_bytes` bounds what is held of a whole answer."""

    is_synthetic = False

    def __init__(
        self, url: URL, *, answer_max_bytes: int = platform.ANSWER_MAX_BYTES, ca_file: str | None = None
    ) -> None:
        self.url = url
        self.source = str(url).rstrip("/")
        self.is_remote = not connection.is_loopback(url.host or "")
        self._answer_max_bytes = answer_max_bytes
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, ask: Ask, *, clock: Clock) -> AsyncIterator[Step]:
        """The platform's answer, made of the container's."""
        left = Countdown(clock, ask.timeout_s)
        async with AsyncExitStack() as stack:
            try:
                async with clock.limit(left.left_s()):
                    response = await stack.enter_async_context(self._send(ask))
            except connection.REFUSED as error:
                failure = connection.failure_text(self.source, error)
                if connection.is_our_own(error):
                    raise unreachable(failure) from error
                dead = unanswered(platform.dead(ask), failure)
                raise NothingHere(f"{self.source} cannot be reached: {error}", instead=dead) from error
            except TimeoutError:
                log.warning("%s did not answer %s within %g s", self.source, ask.path, ask.timeout_s)
                script: Script | None = platform.timed_out(ask)
            except BROKEN as error:
                log.info("%s gave no HTTP answer to %s: %s", self.source, ask.path, described(error))
                script = unanswered(platform.dead(ask), connection.failure_text(self.source, error))
            else:
                watch(response)
                script = None
                if not (ask.call.is_stream and 200 <= response.status < 300):
                    script = await self._gather(ask, response, clock=clock, left=left)
            if script is None:
                async for step in self._pass_on(ask, response, clock=clock, left=left):
                    yield step
            else:
                for step in script:
                    yield step

    def _send(self, ask: Ask) -> aiohttp.client._RequestContextManager:
        headers = {"User-Agent": USER_AGENT, **dict(platform.to_container(ask))}
        return self._open().post(
            self._at(ask.path), data=ask.call.body, headers=headers, allow_redirects=False, compress=False
        )

    async def _gather(self, ask: Ask, response: aiohttp.ClientResponse, *, clock: Clock, left: Countdown) -> Script:
        """A whole answer, or the failure that it is."""
        is_good = 200 <= response.status < 300
        try:
            async with clock.limit(left.left_s()):
                body = await read_body(response, most_bytes=self._answer_max_bytes)
        except TimeoutError:
            log.warning("%s did not finish its answer within %g s", self.source, ask.timeout_s)
            return platform.timed_out(ask)
        except (*BROKEN, TooLarge) as error:
            log.warning("%s: the body of its answer did not arrive whole: %s", self.source, described(error))
            return platform.failed(ask, response.status, b"", is_whole=False)
        if not is_good:
            return platform.failed(ask, response.status, body)
        return whole(200, self._head(ask, response).headers, body)

    async def _pass_on(
        self, ask: Ask, response: aiohttp.ClientResponse, *, clock: Clock, left: Countdown
    ) -> AsyncIterator[Step]:
        """A stream, part by part as the container sends it."""
        yield self._head(ask, response)
        parts = read_parts(response, most_bytes=PART_MAX_BYTES)
        while True:
            try:
                async with clock.limit(left.left_s()):
                    part = await anext(parts, None)
            except TimeoutError:
                yield platform.stream_timed_out(ask)
                break
            except BROKEN as error:
                log.warning("%s broke its stream: %s", self.source, described(error))
                yield platform.stream_broken(ask)
                break
            if part is None:
                break
            yield Chunk(payload_part(part))
        yield End()

    def _head(self, ask: Ask, response: aiohttp.ClientResponse) -> Head:
        passed = platform.pass_head(ask, header_pairs(response))
        for warning in passed.warnings:
            log.warning("%s: %s", self.source, warning)
        return passed.head

    def _at(self, path: str) -> URL:
        return URL(self.source + path, encoded=True)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = connection.open_session(ca_file=self._ca_file)
        return self._session

    # --- the multi-model API ----------------------------------------------------------------------------------------

    async def control(self, method: str, path: str, *, body: bytes, clock: Clock, timeout_s: float) -> Reply:
        """One call of the multi-model or adapter API, its body as JSON. Status 0: no answer.

        Raises TimeoutError when there is no answer after `timeout_s`.
        """
        headers = {"User-Agent": USER_AGENT, **({"Content-Type": "application/json"} if body else {})}
        try:
            async with (
                clock.limit(timeout_s),
                self._open().request(
                    method, self._at(path), data=body or None, headers=headers, allow_redirects=False
                ) as response,
            ):
                return Reply(response.status, await read_body(response, most_bytes=CONTROL_MAX_BYTES))
        except connection.REFUSED as error:  # a time-out among them: nothing was sent, nothing goes on
            log.warning("%s cannot be reached: %s", self.source, described(error))
            return Reply(0, b"")
        except (*BROKEN, TooLarge) as error:
            if isinstance(error, TimeoutError):
                raise
            log.warning("%s did not answer %s %s: %s", self.source, method, path, described(error))
            return Reply(0, b"")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def header_pairs(response: aiohttp.ClientResponse) -> Headers:
    """The headers of an answer in order."""
    return tuple((str(name), value) for name, value in response.headers.items())

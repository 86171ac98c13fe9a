"""aiohttp's connection handler with this project's answers: malformed requests, connection cap, refused parser.

aiohttp's own error page is text, HTTP/1.0, names the server and echoes the offending bytes; none of that is AWS's. Its
Python parser accepts requests that the C parser refuses, so only the C parser is used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiohttp import StreamReader, http_parser, web, web_protocol
from aiohttp.http_parser import RawRequestMessage

from ..core.errors import CallerError, ConfigError, compact_json
from .player import JOIN_BYTES, Dates, Prepared, WholeReply, fill

log = logging.getLogger("sagetape")

KEEP_ALIVE_S = 75.0  # also the limit for a request's head; aiohttp's own 3,630 s would keep silent peers for an hour
CUT_OFF_S = 0.05  # for a connection to notice that it is cut off
READ_BYTES = 32 * 1024  # read buffer of a connection: 1,000 uploads at once need half the memory of aiohttp's default
LINE_MAX_BYTES = 8190  # of a request line and of one header field, aiohttp's default
HEADERS_MAX = 128  # aiohttp's default since 3.13.4

# What answering at once needs of aiohttp's handler (3.14). A version without them serves every request its own way.
INTERNALS = ("_waiter", "_messages", "_paused", "_buffer_paused", "_parser", "_next_keepalive_close_time")
ANSWERS_AT_ONCE = all(hasattr(web_protocol.RequestHandler, name) for name in INTERNALS)

Begun: TypeAlias = "WholeReply | Callable[[web.BaseRequest], Awaitable[Any]] | Exception"
"""An answer, what is left to be waited for, or what went wrong."""


def _never(_deck: Any, _message: Any, _body: bytes) -> Begun:
    raise AssertionError("nothing is answered at once without a deck")


def malformed() -> CallerError:
    """What a request that is not HTTP/1.1 gets. Nothing of it is repeated."""
    text = "The request is not well-formed HTTP/1.1, so nothing was looked up. Send it with an HTTP client library."
    return CallerError(400, "SagetapeMalformedRequest", compact_json({"message": text}))


class Connection(web_protocol.RequestHandler):
    """One client's connection.

    A request that is complete, on a deck that waits for nobody, is answered where its bytes arrive: no task, no
    future, no turn of the loop, which together cost as much as everything that is decided. Whatever is not so plain
    goes aiohttp's own way, `begun` holding what was decided already.
    """

    __slots__ = ("begun", "unread")

    def __init__(self, manager: Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.begun: Begun | None = None
        self.unread: StreamReader | None = None
        """The body of the request that was handled last."""

    async def start(self) -> None:
        """aiohttp's loop over the requests of this connection. It outlives the connection while a call goes on."""
        server, task = self._manager, asyncio.current_task()
        if server is None or task is None:
            return  # the connection was refused, or lost, before its first turn
        assert isinstance(server, Server)
        server.tasks.add(task)
        try:
            await super().start()
        finally:
            server.tasks.discard(task)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends the reading of what nobody sends any more."""
        self.stop_lingering()
        super().connection_lost(exc)

    def stop_lingering(self) -> None:
        """Ends aiohttp's wait for the rest of a body that was refused, which is ten seconds even without a client."""
        body = self.unread
        if body is not None and self._current_request is None and not body.is_eof():
            body.set_exception(asyncio.CancelledError())

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and answers at once what can be."""
        waiter = self._waiter if ANSWERS_AT_ONCE else None
        if waiter is None or waiter.done() or self._messages or self._paused:
            super().data_received(data)
            return
        self._waiter = None  # aiohttp's loop sleeps on while the parser is fed
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        messages = self._messages
        while messages and not self._buffer_paused and self._is_answered(*messages[0]):
            messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
        if messages and not waiter.done():
            waiter.set_result(None)

    def _is_answered(self, message: Any, payload: StreamReader) -> bool:
        """Answers a request, if it can be answered here; what is begun and not finished waits in `begun`."""
        server, transport = self._manager, self.transport
        if type(message) is not RawRequestMessage or message.should_close or message.upgrade or not payload.is_eof():
            return False
        if transport is None or self._paused:
            return False
        assert isinstance(server, Server)
        deck = server.deck_at_once(message)
        if deck is None:
            return False
        try:
            begun = server.answer_at_once(deck, message, payload.read_nowait(-1))
        except Exception as error:  # aiohttp's own way logs it and answers for it
            self.begun = error
            return False
        if not isinstance(begun, WholeReply) or not begun.keep_alive or len(begun.body) > JOIN_BYTES:
            self.begun = begun
            return False
        transport.write(b"".join((begun.block, begun.body)))
        server.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A refused request, in AWS's shape. Everything after it on this connection is suspect: it is closed."""
        server = self._manager
        assert isinstance(server, Server)
        if status >= 500:
            log.error("internal error while answering %s: %r", request.method, exc, exc_info=exc)
            body = compact_json(
                {"Message": "An internal error of the emulator, not of SageMaker; its log has the traceback."}
            )
            error = CallerError(500, "SagetapeInternalError", body)
        else:
            error = malformed()
            server.malformed_count += 1
        prepared = Prepared(error.script())
        request_id = server.new_request_id()
        block = fill(prepared.template, request_id=request_id, date=server.dates.now(), keep_alive=False)
        return WholeReply(prepared, block=block, keep_alive=False)  # type: ignore[return-value]


class Server(web.Server):
    """Accepts connections up to a cap, and hands each request to one coroutine."""

    def __init__(
        self,
        handler: Any,
        *,
        dates: Dates,
        new_request_id: Any,
        connections_max: int,
        keep_alive_s: float = KEEP_ALIVE_S,
        deck_at_once: Callable[[Any], Any] = lambda _message: None,
        answer_at_once: Callable[[Any, Any, bytes], Begun] = _never,
    ) -> None:
        """`deck_at_once` says who can answer a message where it arrives, `answer_at_once` answers it so."""
        super().__init__(
            self._handle,
            keepalive_timeout=keep_alive_s,
            access_log=None,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            max_line_size=LINE_MAX_BYTES,
            max_field_size=LINE_MAX_BYTES,
            max_headers=HEADERS_MAX,
        )
        self._handler = handler
        self.deck_at_once = deck_at_once
        self.answer_at_once = answer_at_once
        self.dates = dates
        self.new_request_id = new_request_id
        self.connections_max = connections_max
        self.malformed_count = 0
        self.refused_count = 0
        self.tasks: set[asyncio.Task[None]] = set()
        """One for each connection, and for each call that goes on although its client has left."""

    async def finish(self) -> None:
        """Waits for every call in flight, those without a client too."""
        for connection in self.connections:
            assert isinstance(connection, Connection)
            connection.stop_lingering()
        await self.shutdown(timeout=None)
        while self.tasks:
            await asyncio.wait(self.tasks)

    async def cut_off(self) -> None:
        """Ends every call in flight where it is; on return none of them goes on."""
        await self.shutdown(timeout=CUT_OFF_S)
        tasks = tuple(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, request: web.BaseRequest) -> Any:
        connection = request.protocol
        assert isinstance(connection, Connection)
        begun, connection.begun = connection.begun, None
        connection.unread = request.content
        if begun is None:
            return await self._handler(request)
        if isinstance(begun, Exception):
            raise begun
        return begun if isinstance(begun, WholeReply) else await begun(request)

    def __call__(self) -> web_protocol.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web_protocol.RequestHandler, transport: asyncio.Transport) -> None:
        """Registers a connection, or closes it at once when there are too many for the file descriptors we have."""
        super().connection_made(handler, transport)
        if len(self._connections) > self.connections_max:
            self.refused_count += 1
            if self.refused_count & (self.refused_count - 1) == 0:  # the 1st, 2nd, 4th, 8th ...: no storm in the log
                log.warning(
                    "refused a connection: %d are open, the limit is %d", len(self._connections), self.connections_max
                )
            transport.abort()


def require_c_parser() -> None:
    """Raises ConfigError when aiohttp runs without its C parser: the Python one lets other requests through."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise ConfigError(
            "aiohttp runs with its Python HTTP parser, which accepts requests that the C parser refuses. "
            "Unset AIOHTTP_NO_EXTENSIONS, or install a wheel: pip install --force-reinstall --only-binary :all: aiohttp"
        )

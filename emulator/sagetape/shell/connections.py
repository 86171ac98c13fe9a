"""aiohttp's connection handler with this project's answers: malformed requests, connection cap, refused parser.

aiohttp's own error page is text, HTTP/1.0, names the server and echoes the offending bytes; none of that is AWS's. Its
Python parser accepts requests that the C parser refuses, so only the C parser is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from aiohttp import StreamReader, web, web_protocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage

from ..core.errors import CallerError, compact_json
from ..core.request_heads import RequestHead, is_begun, read_head
from .player import JOIN_BYTES, Dates, Prepared, WholeReply, fill
from .readers import Readers
from .uploads import Upload, without_body

log = logging.getLogger("sagetape")

KEEP_ALIVE_S = 75.0  # also the limit for a request's head; aiohttp's own 3,630 s would keep silent peers for an hour
CUT_OFF_S = 0.05  # for a connection to notice that it is cut off
READ_BYTES = 32 * 1024  # read buffer of a connection: 1,000 uploads at once need half the memory of aiohttp's default
LINE_MAX_BYTES = 8190  # of a request line and of one header field, aiohttp's default
HEADERS_MAX = 128  # aiohttp's default since 3.13.4
HELD_MAX_BYTES = 64 * 1024  # of a request whose last piece is waited for here
HELD_MAX_S = 1.0  # and how long, at most twice

# What answering at once needs of aiohttp's handler (3.14). A version without them serves every request its own way.
INTERNALS = ("_waiter", "_messages", "_paused", "_close", "_force_close", "_next_keepalive_close_time")
ANSWERS_AT_ONCE = all(hasattr(web_protocol.RequestHandler, name) for name in INTERNALS)

Begun: TypeAlias = "WholeReply | Callable[[web.BaseRequest], Awaitable[Any]] | Exception"
"""An answer, what is left to be waited for, or what went wrong."""


def _never(_deck: Any, _head: RequestHead, _body: bytes) -> Begun:
    raise AssertionError("nothing is answered at once without a deck")


def malformed() -> CallerError:
    """What a request that is not HTTP/1.1 gets. Nothing of it is repeated."""
    text = "The request is not well-formed HTTP/1.1, so nothing was looked up. Send it with an HTTP client library."
    return CallerError(400, "SagetapeMalformedRequest", compact_json({"message": text}))


class Connection(web_protocol.RequestHandler):
    """One client's connection.

    A plain request on a deck that waits for nobody is read and answered where its bytes arrive: no parser's objects,
    no task, no future, no turn of the loop, which together cost more than everything that is decided. All else goes
    aiohttp's own way, `begun` holding what was decided already. Bytes are fed to aiohttp's parser in whole requests
    as long as this side knows where one ends (`is_aligned`); where it does not, everything goes to that parser.
    """

    __slots__ = (
        *("arriving", "begun", "held", "held_at", "is_aligned", "is_between", "rest_bytes", "server", "unread"),
        "wanted_bytes",
    )

    def __init__(self, manager: Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.server = manager
        """Known also when the client has left, which aiohttp's `_manager` is not."""
        self.begun: Begun | None = None
        self.arriving: StreamReader | None = None
        """The body of the request that aiohttp's parser read last."""
        self.unread: StreamReader | None = None
        """The body of the request that was handled last."""
        self.is_aligned = ANSWERS_AT_ONCE
        self.is_between = True
        """Whether nothing was fed to aiohttp that it has not answered: its loop waits, or will without writing."""
        self.rest_bytes = 0
        """Of a body that aiohttp is reading."""
        self.held: list[bytes] = []
        """The first pieces of a plain request."""
        self.wanted_bytes = 0
        """How many bytes are still missing, as far as that is known."""
        self.held_at = 0.0

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Writes an answer. A fast client's next request is there before aiohttp's loop waits for it."""
        resp, reset = await super().finish_response(request, resp, start_time)
        self.is_between = not reset and bool(resp.keep_alive) and not self._messages
        return resp, reset

    async def start(self) -> None:
        """aiohttp's loop over the requests of this connection. It outlives the connection while a call goes on."""
        server, task = self._manager, asyncio.current_task()
        if server is None or task is None:
            return  # the connection was refused, or lost, before its first turn
        assert isinstance(server, Server)
        if server.is_ending and not self._messages:
            self.force_close()  # told to close before its first turn, when there was no wait to be ended
            return
        server.tasks.add(task)
        try:
            await super().start()
        finally:
            server.tasks.discard(task)

    def pause_writing(self) -> None:
        """The client is slower than its answer."""
        super().pause_writing()
        if self.transport is not None and isinstance(self._manager, Server):
            self._manager.readers.fell_behind(self.transport)

    def resume_writing(self) -> None:
        """The client reads on."""
        super().resume_writing()
        if self.transport is not None and isinstance(self._manager, Server):
            self._manager.readers.caught_up(self.transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends the reading of what nobody sends any more."""
        self.stop_lingering()
        if self._paused and self.transport is not None and isinstance(self._manager, Server):
            self._manager.readers.caught_up(self.transport)
        if self.held and isinstance(self._manager, Server):
            self._manager.holding.discard(self)
        super().connection_lost(exc)

    def stop_lingering(self) -> None:
        """Ends aiohttp's wait for the rest of a body that was refused, which is ten seconds even without a client."""
        body = self.unread
        if body is not None and self._current_request is None and not body.is_eof():
            body.set_exception(asyncio.CancelledError())

    # --- bytes, as they arrive ---

    def data_received(self, data: bytes) -> None:
        """Answers at once what can be, and feeds aiohttp's parser with everything else."""
        if not self.is_aligned or not data:
            self._feed(data)
            return
        if type(data) is not bytes:  # Windows' loop hands over its own buffer
            data = bytes(data)
        if self.rest_bytes:
            self.rest_bytes -= len(data)
            self.is_aligned = self.rest_bytes >= 0
            self._feed(data)
        elif self.held:
            self.held.append(data)
            self.wanted_bytes -= len(data)
            if self.wanted_bytes <= 0:
                self._read(self._let_go())
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """`data` begins where a request begins. What is not taken here is fed whole: aiohttp may stop in between."""
        while data:
            head = read_head(data)
            if head is None:
                if is_begun(data) and self._is_free():
                    self._hold(data, wanted_bytes=1)
                    return
                self.is_aligned = False
                break
            size_bytes = head.size_bytes + head.body_bytes
            missing_bytes = size_bytes - len(data)
            if missing_bytes > 0:
                if size_bytes <= HELD_MAX_BYTES and self._is_free():
                    self._hold(data, wanted_bytes=missing_bytes)
                    return
                if self._is_taken_over(head, data):
                    return
                self.rest_bytes = missing_bytes
                break
            if not self._is_free() or not self._is_answered(head, data[head.size_bytes : size_bytes]):
                self.is_aligned = not missing_bytes
                break
            data = data[size_bytes:]
        if data:
            self._feed(data)
            if self.begun is not None and not self._is_read():
                self.begun = None

    def _is_taken_over(self, head: RequestHead, data: bytes) -> bool:
        """Whether a large body is read past aiohttp, which is given a request without one."""
        server, transport = self._manager, self.transport
        if transport is None or not self._is_free():
            return False
        assert isinstance(server, Server)
        if not server.takes_upload(head):
            return False
        upload = Upload(self, transport, head, first=memoryview(data)[head.size_bytes :])
        self.begun = partial(server.handle, upload=upload)
        self._feed(without_body(data[: head.size_bytes]))
        if not self._is_read():
            self.begun = None
        return True

    def _feed(self, data: bytes) -> None:
        """Gives bytes to aiohttp's parser; without any, it goes on with what it has."""
        if data:
            self.is_between = False
        if ANSWERS_AT_ONCE and (self._close or self._force_close):
            self._feed_rest(data)
            return
        super().data_received(data)
        if self._messages:
            self.arriving = self._messages[-1][1]

    def _feed_rest(self, data: bytes) -> None:
        """The rest of a body whose call is still answered; aiohttp drops all that comes once it is about to close."""
        body, parser = self.arriving, self._parser
        if parser is None or body is None or body.is_eof():
            return
        with contextlib.suppress(HttpProcessingError):  # no body then, and its call waits no longer than for any other
            parser.feed_data(data)  # what stands behind the body is answered by nobody

    def _is_read(self) -> bool:
        """Whether aiohttp's parser read a request where we did; else what was begun would answer another one."""
        return bool(self._messages) and type(self._messages[0][0]) is RawRequestMessage

    def _is_free(self) -> bool:
        """Whether everything so far is answered, aiohttp's loop goes on to the next request, and the client reads."""
        if self._messages or self._paused:
            return False
        waiter = self._waiter
        if waiter is None:
            return self.is_between and not (self._close or self._force_close)
        return not waiter.done()

    def _hold(self, data: bytes, *, wanted_bytes: int) -> None:
        """Most clients send head and body in two pieces, a moment apart."""
        self.held, self.wanted_bytes, self.held_at = [data], wanted_bytes, self._loop.time()
        assert isinstance(self._manager, Server)
        self._manager.hold(self)

    def _let_go(self) -> bytes:
        data = b"".join(self.held)
        self.held = []
        if isinstance(self._manager, Server):
            self._manager.holding.discard(self)
        return data

    def release(self) -> None:
        """Feeds what is held to aiohttp, which has a limit for every wait and an answer for when it is met."""
        data = self._let_go()
        head = read_head(data)
        self.is_aligned = head is not None
        if head is not None:
            self.rest_bytes = head.size_bytes + head.body_bytes - len(data)
        self._feed(data)

    def _is_answered(self, head: RequestHead, body: bytes) -> bool:
        """Answers a request, if it can be answered here; what is begun and not finished waits in `begun`."""
        server, transport = self._manager, self.transport
        if transport is None:
            return False
        assert isinstance(server, Server)
        deck = server.deck_at_once(head.target)
        if deck is None:
            return False
        try:
            begun = server.answer_at_once(deck, head, body)
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
        server = self.server
        if self._manager is None and isinstance(exc, ConnectionError):
            raise exc  # the client left while its body was read: nobody is answered, and it is nobody's error
        if status >= 500:
            log.error("internal error while answering %s: %r", request.method, exc, exc_info=exc)
            server.on_defect(request.method, exc)  # a log may be switched off
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

    on_defect: Callable[[str, BaseException | None], None] = staticmethod(lambda _method, _error: None)

    def __init__(
        self,
        handler: Any,
        *,
        dates: Dates,
        new_request_id: Any,
        connections_max: int,
        keep_alive_s: float = KEEP_ALIVE_S,
        readers: Readers | None = None,
        deck_at_once: Callable[[str], Any] = lambda _target: None,
        answer_at_once: Callable[[Any, RequestHead, bytes], Begun] = _never,
        takes_upload: Callable[[RequestHead], bool] = lambda _head: False,
    ) -> None:
        """`deck_at_once` says who can answer a target where its request arrives, `answer_at_once` answers it so.

        A large body that `takes_upload` wants is read as `handler` asks its second argument, `upload`, for it.
        """
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
        self.handle = handler
        self.deck_at_once = deck_at_once
        self.answer_at_once = answer_at_once
        self.takes_upload = takes_upload
        self.dates = dates
        self.new_request_id = new_request_id
        self.connections_max = connections_max
        self.readers = readers or Readers()
        self.malformed_count = 0
        self.refused_count = 0
        self.is_ending = False
        """Whether no connection is waited for any more, but for what has begun on it."""
        self.tasks: set[asyncio.Task[None]] = set()
        """One for each connection, and for each call that goes on although its client has left."""
        self.holding: set[Connection] = set()
        """Connections on which the rest of a request is waited for."""
        self._sweep: asyncio.TimerHandle | None = None

    def hold(self, connection: Connection) -> None:
        """Remembers that a connection waits; one timer for all of them, because most wait for a moment only."""
        self.holding.add(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(HELD_MAX_S, self._release_late)

    def _release_late(self) -> None:
        self._sweep = None
        until = self._loop.time() - HELD_MAX_S
        for connection in [one for one in self.holding if one.held_at <= until]:
            connection.release()
        if self.holding:
            self._sweep = self._loop.call_later(HELD_MAX_S, self._release_late)

    def pre_shutdown(self) -> None:
        """Closes idle connections; one that waits for the rest of a request is not idle."""
        self.is_ending = True
        for connection in tuple(self.holding):
            connection.release()
        super().pre_shutdown()

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
            return await self.handle(request)
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

"""aiohttp's connection handler with this project's answers: malformed requests, connection cap, refused parser.

aiohttp's own error page is text, HTTP/1.0, names the server and echoes the offending bytes; none of that is AWS's. Its
Python parser accepts requests that the C parser refuses, so only the C parser is used.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import http_parser, web, web_protocol

from ..core.errors import CallerError, ConfigError, compact_json
from .player import Dates, Prepared, WholeReply, fill

log = logging.getLogger("sagetape")

KEEP_ALIVE_S = 75.0  # also the limit for a request's head; aiohttp's own 3,630 s would keep silent peers for an hour
READ_BYTES = 32 * 1024  # read buffer of a connection: 1,000 uploads at once need half the memory of aiohttp's default
LINE_MAX_BYTES = 8190  # of a request line and of one header field, aiohttp's default
HEADERS_MAX = 128  # aiohttp's default since 3.13.4


def malformed() -> CallerError:
    """What a request that is not HTTP/1.1 gets. Nothing of it is repeated."""
    text = "The request is not well-formed HTTP/1.1, so nothing was looked up. Send it with an HTTP client library."
    return CallerError(400, "SagetapeMalformedRequest", compact_json({"message": text}))


class Connection(web_protocol.RequestHandler):
    """One client's connection."""

    __slots__ = ()

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
    ) -> None:
        super().__init__(
            handler,
            keepalive_timeout=keep_alive_s,
            access_log=None,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            max_line_size=LINE_MAX_BYTES,
            max_field_size=LINE_MAX_BYTES,
            max_headers=HEADERS_MAX,
        )
        self.dates = dates
        self.new_request_id = new_request_id
        self.connections_max = connections_max
        self.malformed_count = 0
        self.refused_count = 0

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

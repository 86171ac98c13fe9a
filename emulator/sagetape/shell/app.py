"""One request from its head to its answer: the order of the checks, and nothing of their content.

Host, path, signature, body, members, deck, answer. What AWS refuses first is refused first: an unknown path before the
signature, the signature before the members (public traces of this front-end family).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, web

from ..core import operations
from ..core.deck import Forward, Reply
from ..core.errors import CallerError, compact_json
from ..core.hosts import HostRule
from ..core.operations import Service
from ..core.refusals import body_too_large
from ..core.sigv4 import Identity, Verifier
from ..core.wire import Call, Head, Script, Step
from .bodies import LARGE_BYTES, Budget, read_body
from .connections import malformed
from .decks import ADMIN_PREFIX, Decks, Player, split_deck
from .live import live_answer
from .player import Dates, Prepared, ScriptReply, WholeReply, fill, is_plain, replayed, script_length

log = logging.getLogger("sagetape")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # RFC 9110, 15.2.1

Response = WholeReply | ScriptReply


class RequestIds:
    """`x-amzn-RequestId`: a UUID of version 4 for each answer; random once per process, counted after that.

    One system call per answer would cost as much as the rest of a lookup.
    """

    def __init__(self) -> None:
        self._prefix = str(uuid.uuid4())[:24].encode()
        self._count = 0

    def __call__(self) -> bytes:
        self._count += 1
        return b"%b%012x" % (self._prefix, self._count)


@dataclass(slots=True)
class App:
    """What every request needs. One per server; state that differs between tests is in the decks."""

    service: Service
    verifier: Verifier
    hosts: HostRule
    decks: Decks
    region: str
    account: str
    body_max_bytes: int
    admin: Callable[[web.BaseRequest, str], object] | None = None
    wall: Callable[[], float] = time.time
    explain: bool = False
    dates: Dates = field(default_factory=Dates)
    new_request_id: RequestIds = field(default_factory=RequestIds)
    budget: Budget = field(default_factory=Budget)
    refused: dict[str, int] = field(default_factory=dict)
    """Refusals before a deck was reached, by error code."""

    async def handle(self, request: web.BaseRequest) -> Response:
        """The whole life of one request."""
        request_id = self.new_request_id()
        try:
            return await self._handle(request, request_id)
        except CallerError as error:
            self._count_refusal(error, request)
            # A body that was not read, or a connection whose framing is in doubt, is not gone on with.
            closes = not request.content.is_eof() or error.status == 421 or error.code == "SagetapeMalformedRequest"
            return self._whole(request, error.script(), request_id, closes=closes)

    async def _handle(self, request: web.BaseRequest, request_id: bytes) -> Response:
        target = request.raw_path.encode("utf-8", "surrogateescape")
        headers = request.raw_headers
        self._check_connection(request, target)
        path = path_of(target)
        if path.startswith(ADMIN_PREFIX) or path == b"/ping":
            return await self._administer(request, path, request_id)
        deck_name, aws_path = split_deck(path)
        operation, endpoint = self.service.resolve(request.method, aws_path)
        pending = self.verifier.begin(request.method, target, headers, self.wall())
        body, body_sha256 = await self._read(request, headers)
        identity = pending.finish(body_sha256.hex().encode())
        self._warn(identity)
        members = self.service.members(operation, endpoint, headers)
        if operation.name == operations.ASYNC:
            raise operations.unsupported_async()
        call = Call(
            operation=operation.name,
            endpoint=endpoint,
            members=members,
            body=body,
            body_sha256=body_sha256,
            invocation_id=_text(headers, b"amz-sdk-invocation-id"),
            region=identity.region or self.region,
            account=self.account,
            request_id=request_id.decode(),
        )
        return await self.answer(request, self.decks.get(deck_name), call)

    # --- before the deck ---

    def _check_connection(self, request: web.BaseRequest, target: bytes) -> None:
        headers = request.raw_headers
        if request.version != HttpVersion11:
            check_version(request.version, headers)
        hosts = [value for key, value in headers if len(key) == 4 and key.lower() == b"host"]
        if len(hosts) != 1 or not self.hosts.allows(hosts[0]) or not self._is_our_target(target):
            raise CallerError(421, "", b"", content_type=None, reason=_foreign_host(hosts))
        for key, value in headers:
            if len(key) == 7 and key.lower() == b"upgrade":
                raise upgrade_refused(value)

    def _is_our_target(self, target: bytes) -> bool:
        """An absolute-form target (aiobotocore over httpx always sends one) names a host too."""
        if target.startswith(b"/"):
            return True
        _, separator, rest = target.partition(b"://")
        return bool(separator) and self.hosts.allows(rest.partition(b"/")[0])

    async def _read(self, request: web.BaseRequest, headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, bytes]:
        content = request.content
        if content.is_eof():
            return await read_body(content, limit_bytes=self.body_max_bytes)
        announced = _text(headers, b"content-length")
        size_bytes = int(announced) if announced is not None and announced.isdecimal() else self.body_max_bytes
        if size_bytes > self.body_max_bytes:
            raise body_too_large(self.body_max_bytes)
        if (_text(headers, b"expect") or "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(CONTINUE)
        if size_bytes <= LARGE_BYTES:
            return await read_body(content, limit_bytes=self.body_max_bytes)
        await self.budget.acquire(size_bytes)
        try:
            return await read_body(content, limit_bytes=self.body_max_bytes)
        finally:
            self.budget.release(size_bytes)

    def _warn(self, identity: Identity) -> None:
        for warning in identity.warnings:
            # Once for each: a header that one signer always leaves out would fill the log.
            count = self.refused[warning] = self.refused.get(warning, 0) + 1
            if count == 1:
                log.warning("%s", warning)

    def _count_refusal(self, error: CallerError, request: web.BaseRequest) -> None:
        code = error.code or str(error.status)
        self.refused[code] = self.refused.get(code, 0) + 1
        if error.reason:
            log.warning("refused %s %s: %s %s", request.method, _printable(request.raw_path), code, error.reason)

    async def _administer(self, request: web.BaseRequest, path: bytes, request_id: bytes) -> Response:
        if path == b"/ping":  # known from SageMaker containers
            return self._whole(request, (Head(200),), request_id)
        if self.admin is None:
            raise CallerError(404, "SagetapeNotFound", compact_json({"Message": "This server has no admin API."}))
        script = await self.admin(request, path.decode("latin-1"))  # type: ignore[misc]
        return self._whole(request, script, request_id)

    # --- the answer ---

    async def answer(self, request: web.BaseRequest, player: Player, call: Call) -> Response:
        """Decides and performs one call on one deck."""
        player.in_flight += 1
        try:
            decision = player.deck.decide(call, now=player.clock.now())
            if isinstance(decision, Reply):
                return self._reply(request, player, call, decision)
            return await self._forward(request, player, call, decision)
        finally:
            player.in_flight -= 1

    def _reply(self, request: web.BaseRequest, player: Player, call: Call, reply: Reply) -> Response:
        if reply.kept is not None:
            player.write(reply.kept, reply.entry)
        take = reply.take
        if take is None:
            return self._script(request, player, call, reply.script)
        prepared = take.prepared
        if prepared is None:
            prepared = take.prepared = Prepared(take.script) if is_plain(take.script) else False
        if isinstance(prepared, Prepared):
            return self._prepared(request, prepared, call.request_id.encode())
        return self._script(request, player, call, reply.script)

    async def _forward(self, request: web.BaseRequest, player: Player, call: Call, forward: Forward) -> Response:
        # aiohttp runs each request in a task of its own: a stream's later parts are still this call's time.
        player.clock.begin_call()
        answer = await live_answer(player, forward)
        if isinstance(answer, tuple):
            return self._script(request, player, call, answer)
        return self._steps(request, player, call, answer, length_bytes=None)

    def _script(self, request: web.BaseRequest, player: Player, call: Call, script: Script) -> Response:
        if is_plain(script):
            return self._prepared(request, Prepared(script), call.request_id.encode())
        return self._steps(request, player, call, replayed(script), length_bytes=script_length(script))

    def _steps(
        self,
        request: web.BaseRequest,
        player: Player,
        call: Call,
        steps: AsyncIterator[Step],
        *,
        length_bytes: int | None,
    ) -> ScriptReply:
        keep_alive = request.keep_alive

        def fill_head(template: bytes) -> bytes:
            return fill(template, request_id=call.request_id.encode(), date=self.dates.now(), keep_alive=keep_alive)

        return ScriptReply(
            steps,
            fill_head=fill_head,
            clock=player.clock,
            keep_alive=keep_alive,
            length_bytes=length_bytes,
            abandoned=player.drain,
        )

    def _whole(
        self, request: web.BaseRequest, script: Script, request_id: bytes, *, closes: bool = False
    ) -> WholeReply:
        return self._prepared(request, Prepared(script), request_id, closes=closes)

    def _prepared(
        self, request: web.BaseRequest, prepared: Prepared, request_id: bytes, *, closes: bool = False
    ) -> WholeReply:
        keep_alive = request.keep_alive and not closes
        block = fill(prepared.template, request_id=request_id, date=self.dates.now(), keep_alive=keep_alive)
        return WholeReply(prepared, block=block, keep_alive=keep_alive)


# --- small readings of a request -----------------------------------------------------------------------------------


def path_of(target: bytes) -> bytes:
    """The raw path of a request target, without query and without the scheme and host of an absolute form."""
    if not target.startswith(b"/"):
        _, _, rest = target.partition(b"://")
        slash = rest.find(b"/")
        target = rest[slash:] if slash >= 0 else b"/"
    return target.partition(b"?")[0]


def _text(headers: tuple[tuple[bytes, bytes], ...], name: bytes) -> str | None:
    size = len(name)
    for key, value in headers:
        if len(key) == size and key.lower() == name:
            return value.decode("latin-1")
    return None


def _printable(text: str) -> str:
    return operations.printable(text, limit=200)


def _foreign_host(hosts: list[bytes]) -> str:
    if len(hosts) != 1:
        return f"the request has {len(hosts)} Host headers; one is needed."
    shown = operations.printable(hosts[0].decode("latin-1"), limit=80)
    return f"Host {shown} is not this server's. Call it by its loopback address, or start it with --allowed-host."


def check_version(version: HttpVersion, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Refuses what is neither HTTP/1.1 nor 1.0, and chunks in 1.0, which a proxy before us may read otherwise.

    RFC 9112, 6.1: a server treats such a message as one whose framing is faulty.
    """
    if version != HttpVersion10 or _text(headers, b"transfer-encoding") is not None:
        raise malformed()


def upgrade_refused(value: bytes) -> CallerError:
    """No path here upgrades: another protocol after a signed request is how smuggling begins."""
    text = "This server speaks HTTP/1.1 only and upgrades no connection. Send the request without Upgrade."
    return CallerError(400, "SagetapeMalformedRequest", compact_json({"message": text}))

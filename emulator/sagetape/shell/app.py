"""One request from its head to its answer: the order of the checks, and nothing of their content.

Host, path, signature, body, members, deck, answer. What AWS refuses first is refused first: an unknown path before the
signature, the signature before the members (public traces of this front-end family).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from aiohttp import HttpVersion, HttpVersion11, web

from ..core import operations
from ..core.canonical import fields_of
from ..core.deck import Forward, Reply
from ..core.errors import CallerError, compact_json
from ..core.hosts import HostRule
from ..core.journal import Entry
from ..core.operations import Operation, Service
from ..core.refusals import body_too_large
from ..core.request_heads import RequestHead
from ..core.sigv4 import Identity, Pending, Verifier
from ..core.wire import Call, Chunk, Head, HeaderPairs, Script, Step
from .bodies import LARGE_BYTES, PATIENCE, Budget, Patience
from .decks import ADMIN_PREFIX, DEFAULT, Decks, Player, split_deck
from .explanation import explained
from .gate import check_connection, path_of
from .live import live_answer
from .metrics import Histogram
from .player import Dates, Prepared, ScriptReply, WholeReply, fill, is_plain, replayed, script_length
from .request_ids import RequestIds
from .uploads import Upload, receive

log = logging.getLogger("sagetape")

TARGETS_MAX = 4096  # request lines whose meaning is remembered, of these many bytes at most
TARGET_MAX_BYTES = 512

Response: TypeAlias = WholeReply | ScriptReply
Later: TypeAlias = Callable[[web.BaseRequest], Awaitable[Response]]
"""What is left of a request that was decided where its bytes arrived."""


class Opened(NamedTuple):
    """A request whose head was accepted."""

    deck: str
    operation: Operation
    endpoint: str
    fields: dict[bytes, bytes]
    """Headers by lower-case name, duplicates joined."""
    pending: Pending


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
    admin: Callable[[web.BaseRequest, str], Awaitable[Script]] | None = None
    wall: Callable[[], float] = time.time
    explain: bool = False
    patience: Patience = PATIENCE
    dates: Dates = field(default_factory=Dates)
    new_request_id: RequestIds = field(default_factory=RequestIds)
    budget: Budget = field(default_factory=Budget)
    latency: Histogram = field(default_factory=Histogram)
    """Seconds from a call's decision to its answer's head."""
    refused: dict[str, int] = field(default_factory=dict)
    """Refusals before a deck was reached, by error code."""
    told: Callable[[App, CallerError, str, str], None] | None = None
    """Told of each of them, with method and path; it must not wait."""
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _targets: dict[tuple[str, bytes], tuple[str, Operation, str]] = field(default_factory=dict)

    # --- a request that is there in full, on a deck that waits for nobody ---

    def deck_at_once(self, target: str) -> Player | None:
        """The deck that can answer a request where its bytes arrive; None: it goes the usual way."""
        if target.startswith("/endpoints/"):
            player = self.decks.known(DEFAULT)
        elif target.startswith("/deck/"):
            player = self.decks.known(target.split("/", 3)[2])
        else:
            return None
        return player if player is not None and _asks_nobody(player) else None

    def answer_at_once(self, player: Player, head: RequestHead, body: bytes) -> WholeReply | Later:
        """The answer to a plain request that has arrived whole, or what is left to be waited for."""
        request_id = self.new_request_id()
        target, fields = head.target.encode(), head.fields
        try:
            # No name was sent twice, so the fields are the headers.
            opened = self._open("POST", target, fields.items(), version=HttpVersion11, fields=fields)
            if len(body) > self.body_max_bytes:
                raise body_too_large(self.body_max_bytes)
            call = self._call(opened, body, hashlib.sha256(body).digest(), request_id=request_id)
            started = time.perf_counter()
            decision = player.deck.decide(call, now=player.clock.now())
        except CallerError as error:
            self._count_refusal(error, "POST", head.target)
            closes = error.status == 421 or error.code == "SagetapeMalformedRequest"
            dates = self._dates_of(target)
            return self._prepared(Prepared(refused(error, "POST")), request_id, keep_alive=not closes, dates=dates)
        whole = self._whole_reply(player, decision, keep_alive=True) if isinstance(decision, Reply) else None
        if whole is None:
            return lambda request: self._perform_rest(request, player, decision)
        self.latency.observe(time.perf_counter() - started)
        return whole

    def takes_upload(self, head: RequestHead) -> bool:
        """Whether a large body is worth reading. What is refused before goes the usual way, where its rest is read."""
        if head.body_bytes > self.body_max_bytes:
            return False
        try:
            self._open("POST", head.target.encode(), head.fields.items(), version=HttpVersion11, fields=head.fields)
        except CallerError:
            return False  # refused again, and for the client, in the usual way
        return True

    # --- the usual way ---

    async def handle(self, request: web.BaseRequest, upload: Upload | None = None) -> Response:
        """The whole life of one request. With an `upload`, the head says that there is no body, and there is."""
        request_id = self.new_request_id()
        try:
            return await self._handle(request, request_id, upload)
        except CallerError as error:
            self._count_refusal(error, request.method, request.raw_path)
            # A body that was not read, or a connection whose framing is in doubt, is not gone on with.
            is_read = request.content.is_eof() if upload is None else upload.is_read
            closes = not is_read or error.status == 421 or error.code == "SagetapeMalformedRequest"
            dates = self._dates_of(request.raw_path.encode("utf-8", "surrogateescape"))
            return self._whole(request, refused(error, request.method), request_id, closes=closes, dates=dates)

    async def _handle(self, request: web.BaseRequest, request_id: bytes, upload: Upload | None) -> Response:
        target = request.raw_path.encode("utf-8", "surrogateescape")
        path = path_of(target)
        if path.startswith(ADMIN_PREFIX) or path == b"/ping":
            self._check_connection(request, target)
            return await self._administer(request, path, request_id)
        headers = request.raw_headers
        fields = fields_of(headers) if upload is None else upload.fields
        opened = self._open(request.method, target, headers, version=request.version, fields=fields)
        body, body_sha256 = await receive(
            request,
            fields,
            upload,
            limit_bytes=self.body_max_bytes,
            patience=self.patience,
            budget=self.budget,
        )
        call = self._call(opened, body, body_sha256, request_id=request_id)
        player = self.decks.get(opened.deck)
        if len(body) >= LARGE_BYTES:
            await self._understand(player, call)
        return await self.answer(request, player, call)

    async def _understand(self, player: Player, call: Call) -> None:
        """Reads a large body's meaning beside the loop, one body at a time: it takes up to half a second."""
        read = player.deck.recognition.unread(call)
        if read is not None:
            async with self._reading:
                await asyncio.to_thread(read)

    def _check_connection(self, request: web.BaseRequest, target: bytes) -> None:
        headers = request.raw_headers
        check_connection(request.version, target, headers=headers, fields=fields_of(headers), hosts=self.hosts)

    def _open(
        self,
        method: str,
        target: bytes,
        headers: HeaderPairs,
        *,
        version: HttpVersion,
        fields: dict[bytes, bytes],
    ) -> Opened:
        """Everything that is refused without the body."""
        check_connection(version, target, headers=headers, fields=fields, hosts=self.hosts)
        deck, operation, endpoint = self._targets.get((method, target)) or self._resolve(method, target)
        pending = self.verifier.begin(method, target, headers, self.wall() + self.decks.skew_s(deck), fields=fields)
        return Opened(deck, operation, endpoint, fields, pending)

    def _resolve(self, method: str, target: bytes) -> tuple[str, Operation, str]:
        """Deck, operation and endpoint of a request line; remembered."""
        deck, aws_path = split_deck(path_of(target))
        found = deck, *self.service.resolve(method, aws_path)
        if len(target) <= TARGET_MAX_BYTES:
            if len(self._targets) >= TARGETS_MAX:
                self._targets.clear()
            self._targets[method, target] = found
        return found

    def _call(self, opened: Opened, body: bytes, body_sha256: bytes, *, request_id: bytes) -> Call:
        """The call, its signature verified and its members judged."""
        operation, endpoint, fields = opened.operation, opened.endpoint, opened.fields
        identity = opened.pending.finish(body_sha256.hex().encode())
        if identity.warnings:
            self._warn(identity)
        members = self.service.members_in(operation, endpoint, fields)
        if operation.name == operations.ASYNC:
            raise operations.unsupported_async()
        invocation_id = fields.get(b"amz-sdk-invocation-id")
        return Call(
            operation=operation.name,
            endpoint=endpoint,
            members=members,
            body=body,
            body_sha256=body_sha256,
            invocation_id=None if invocation_id is None else invocation_id.decode("latin-1"),
            region=identity.region or self.region,
            account=self.account,
            request_id=request_id.decode(),
        )

    def _warn(self, identity: Identity) -> None:
        for warning in identity.warnings:
            # Once for each: a header that one signer always leaves out would fill the log.
            count = self.refused[warning] = self.refused.get(warning, 0) + 1
            if count == 1:
                log.warning("%s", warning)

    def _count_refusal(self, error: CallerError, method: str, raw_path: str) -> None:
        code = error.code or str(error.status)
        self.refused[code] = self.refused.get(code, 0) + 1
        if self.told is not None:
            self.told(self, error, method, raw_path)
        if error.reason:
            log.warning("refused %s %s: %s %s", method, operations.printable(raw_path, limit=200), code, error.reason)

    async def _administer(self, request: web.BaseRequest, path: bytes, request_id: bytes) -> Response:
        if path == b"/ping":  # known from SageMaker containers
            return self._whole(request, (Head(200),), request_id)
        if self.admin is None:
            raise CallerError(404, "SagetapeNotFound", compact_json({"Message": "This server has no admin API."}))
        script = await self.admin(request, path.decode("latin-1"))
        return self._whole(request, script, request_id)

    # --- the answer ---

    async def answer(self, request: web.BaseRequest, player: Player, call: Call) -> Response:
        """Decides and performs one call on one deck."""
        player.in_flight += 1
        started = time.perf_counter()
        try:
            response = await self._perform(request, player, player.deck.decide(call, now=player.clock.now()))
            self.latency.observe(time.perf_counter() - started)
            return response
        finally:
            player.in_flight -= 1

    async def _perform(self, request: web.BaseRequest, player: Player, decision: Reply | Forward) -> Response:
        if isinstance(decision, Reply):
            whole = self._whole_reply(player, decision, keep_alive=request.keep_alive)
            if whole is not None:
                return whole
        return await self._perform_rest(request, player, decision)

    async def _perform_rest(self, request: web.BaseRequest, player: Player, decision: Reply | Forward) -> Response:
        """What does not leave in one write."""
        if isinstance(decision, Forward):
            return await self._forward(request, player, decision)
        if decision.kept is not None:
            await player.committed(decision.entry)
        return self._script(request, player, decision.entry, decision.script)

    def _whole_reply(self, player: Player, reply: Reply, *, keep_alive: bool) -> WholeReply | None:
        """The answer when it leaves in one write; None for one that has to be performed."""
        if reply.kept is not None:
            player.write(reply.kept, reply.entry)
            if player.commit is not None:
                return None  # its sync is waited for
        take = reply.take
        if take is None:
            prepared: object = Prepared(reply.script) if is_plain(reply.script) else None
        else:
            prepared = take.prepared
            if prepared is None:
                prepared = take.prepared = Prepared(take.script) if is_plain(take.script) else False
        if not isinstance(prepared, Prepared):
            return None
        entry, dates = reply.entry, player.dates or self.dates
        return self._prepared(
            prepared, entry.request_id.encode(), keep_alive=keep_alive, dates=dates, source=entry.source
        )

    async def _forward(self, request: web.BaseRequest, player: Player, forward: Forward) -> Response:
        # aiohttp runs each request in a task of its own: a stream's later parts are still this call's time.
        player.clock.begin_call()
        answer = await live_answer(player, forward)
        if isinstance(answer, tuple):
            return self._script(request, player, forward.entry, answer)
        return self._steps(request, player, forward.entry, answer, length_bytes=None)

    def _script(self, request: web.BaseRequest, player: Player, entry: Entry, script: Script) -> Response:
        if is_plain(script):
            dates, keep_alive = player.dates or self.dates, request.keep_alive
            request_id = entry.request_id.encode()
            return self._prepared(Prepared(script), request_id, keep_alive=keep_alive, dates=dates, source=entry.source)
        if entry.status == 200 and entry.operation == operations.STREAM:
            entry.parts_total = sum(1 for step in script if isinstance(step, Chunk))
        return self._steps(request, player, entry, replayed(script), length_bytes=script_length(script))

    def _steps(
        self,
        request: web.BaseRequest,
        player: Player,
        entry: Entry,
        steps: AsyncIterator[Step],
        *,
        length_bytes: int | None,
    ) -> ScriptReply:
        keep_alive = request.keep_alive
        dates = player.dates or self.dates
        source = entry.source or "live"  # a live stream is settled at its end

        def fill_head(template: bytes) -> bytes:
            block = fill(template, request_id=entry.request_id.encode(), date=dates.now(), keep_alive=keep_alive)
            return explained(block, source) if self.explain else block

        def count_part() -> None:
            entry.parts_sent += 1

        return ScriptReply(
            in_flight(player, steps),
            fill_head=fill_head,
            clock=player.clock,
            keep_alive=keep_alive,
            length_bytes=length_bytes,
            on_part=count_part,
            abandoned=player.drain,
        )

    def _dates_of(self, target: bytes) -> Dates | None:
        """The Date of the deck that a refused request was for: a client corrects its clock by it."""
        player = self.decks.known(split_deck(path_of(target))[0])
        return None if player is None else player.dates

    def _whole(
        self,
        request: web.BaseRequest,
        script: Script,
        request_id: bytes,
        *,
        closes: bool = False,
        dates: Dates | None = None,
    ) -> WholeReply:
        keep_alive = request.keep_alive and not closes
        return self._prepared(Prepared(script), request_id, keep_alive=keep_alive, dates=dates)

    def _prepared(
        self,
        prepared: Prepared,
        request_id: bytes,
        *,
        keep_alive: bool,
        dates: Dates | None = None,
        source: str = "refused",
    ) -> WholeReply:
        date = (dates or self.dates).now()
        block = fill(prepared.template, request_id=request_id, date=date, keep_alive=keep_alive)
        if self.explain:
            block = explained(block, source)
        return WholeReply(prepared, block=block, keep_alive=keep_alive)


def refused(error: CallerError, method: str) -> Script:
    """A refusal as an answer. HEAD's has no body, whatever it says (RFC 9110, 9.3.2): it would be read as the next."""
    script = error.script()
    return tuple(step for step in script if not isinstance(step, Chunk)) if method == "HEAD" else script


async def in_flight(player: Player, steps: AsyncIterator[Step]) -> AsyncIterator[Step]:
    """The same steps; the call counts as being answered until the last of them, or until nobody wants more."""
    player.in_flight += 1
    try:
        async for step in steps:
            yield step
    finally:
        player.in_flight -= 1


def _asks_nobody(player: Player) -> bool:
    """Whether this deck knows of no upstream at all, so that none of its decisions waits for one."""
    deck = player.deck
    return not (deck.settings.upstream or deck.settings.miss_function or deck.router.has_endpoints)

"""The real service, or anything shaped like it: another Sagetape, a mock.

Builds the request anew from what the caller's call means, signs it with credentials that the caller never sees, and
sends exactly what was signed. Nothing else of the caller's travels: the new request holds `Host`, the headers of the
operation's members (Content-Type, Accept, X-Amzn-SageMaker-*), and the new signature. The answer passes as it came:
status, headers, body, an event stream frame by frame. Refuses redirects, plain HTTP to another machine unless
allowed, hosts that are not SageMaker Runtime's under plain `aws`, and link-local addresses.

Sources: sigv4 as in `core/signing.py`; hosts by botocore's endpoint rules for sagemaker-runtime.
"""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from ...core.eventstream import Framer
from ...core.operations import Service
from ...core.platform import ANSWER_MAX_BYTES, Ask
from ...core.signing import Key, sign
from ...core.wire import Abort, Call, Chunk, End, Head, Headers, RawHeaders, Script, Step, is_event_stream, whole
from ..model import load_service
from . import connection
from .connection import TooLarge, described, watch
from .container import BROKEN, header_pairs
from .credentials import Credentials
from .upstream import Clock, Countdown, NothingHere, log, unreachable

GRACE_S: Final = 10.0  # AWS advises a read time-out of 70 s for models that may take 60: it answers the 424 itself

# botocore sagemaker-runtime 2017-05-13 endpoint rules and `partitions.json`; the VPC form is the Developer Guide's.
SUFFIXES: Final = (
    r"amazonaws\.com(\.cn)?|api\.aws|api\.amazonwebservices\.(com\.cn|eu)|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|"
    r"api\.aws\.(ic\.gov|scloud)|cloud\.adc-e\.uk|api\.cloud-aws\.adc-e\.uk|csp\.hci\.ic\.gov|api\.aws\.hci\.ic\.gov"
)
AWS_HOST: Final = re.compile(
    rf"(runtime\.sagemaker|runtime-fips\.sagemaker|runtime\.sagemaker-fips)\.[a-z0-9-]+\.({SUFFIXES})"
    rf"|vpce-[a-z0-9-]+\.runtime\.sagemaker\.[a-z0-9-]+\.vpce\.({SUFFIXES})",
    re.ASCII,
)

# Headers of the moment and of the hop: the player adds its own. And Location: nobody is led past Sagetape.
DROPPED: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"),
        *("transfer-encoding", "content-length", "date", "x-amzn-requestid", "set-cookie", "server", "location"),
    )
)
MISS: Final = "SagetapeMiss"  # another Sagetape has nothing either


class Aws:
    """SageMaker Runtime, signed for. `url` None means the real one, in the region of each call.

    `proxies` gives the HTTP proxy of a URL or None; `wall` is the wall clock in Unix seconds, which signatures follow.
    """

    is_synthetic = False

    def __init__(
        self,
        url: URL | None,
        credentials: Credentials,
        *,
        source: str,
        ca_file: str | None = None,
        answer_max_bytes: int = ANSWER_MAX_BYTES,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self.source = source
        self.is_remote = url is None or not connection.is_loopback(url.host or "")
        self._credentials = credentials
        self._ca_file = ca_file
        self._answer_max_bytes = answer_max_bytes
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, ask: Ask, *, clock: Clock) -> AsyncIterator[Step]:
        """The service's answer as it comes; a connection that breaks is a break."""
        base, key = await self._prepare(ask.call)
        left = Countdown(clock, ask.timeout_s + GRACE_S)
        async with AsyncExitStack() as stack:
            try:
                async with clock.limit(left.left_s()):
                    response = await stack.enter_async_context(self._send(ask.call, base, key=key))
            except connection.REFUSED as error:
                failure = connection.failure_text(self.source, error)
                if connection.is_our_own(error):
                    raise unreachable(failure) from error
                raise unreachable(
                    f"Sagetape could not reach its upstream {self.source} at {base}: {error}. Nothing was sent. "
                    "Check the address and the network, or replay a cassette, which needs neither.",
                    failure=failure,
                ) from error
            except (*BROKEN, TimeoutError) as error:
                log.info("%s gave no answer: %s", self.source, described(error))
                yield Abort(connection.failure_text(self.source, error, limit_s=ask.timeout_s + GRACE_S))
                return
            watch(response)
            head = Head(response.status, passed_headers(response))
            if is_event_stream(head):
                steps = self._frames(head, response, clock=clock, left=left)
            else:
                steps = self._gather(head, response, clock=clock, left=left)
            async for step in steps:
                yield step

    async def _prepare(self, call: Call) -> tuple[URL, Key]:
        """Where to and with which key; asked anew each time, because temporary credentials change."""
        try:
            base = self.url
            if base is None:
                base = await asyncio.to_thread(self._credentials.endpoint, call.region)
            key = await asyncio.to_thread(self._credentials.key)
        except Exception as error:  # botocore's own errors (expired SSO login, no region, a bad profile) share no base
            text = f"Sagetape has no credentials for its upstream {self.source}: {described(error)}"
            raise unreachable(f"{text}. `aws sts get-caller-identity` should work first; nothing was sent.") from error
        if self.url is None and not is_aws_host(base):
            raise unreachable(
                f"{base.host} is not a SageMaker Runtime host; nothing was sent. To ask another server, name it: "
                f"--upstream aws+https://{base.host}"
            )
        return base, key

    def _send(self, call: Call, base: URL, *, key: Key) -> aiohttp.client._RequestContextManager:
        target = base.raw_path.rstrip("/").encode() + request_target(call, load_service())
        headers = request_headers(call, load_service(), host=host_header(base))
        signature = sign(
            "POST",
            target,
            headers=headers,
            body_sha256_hex=call.body_sha256.hex().encode(),
            key=key,
            region=call.region,
            now=self._wall(),
        )
        return self._open().post(
            URL(f"{base.scheme}://{host_header(base)}{target.decode()}", encoded=True),
            data=call.body,
            headers=[(name.decode(), value.decode()) for name, value in (*headers, *signature.headers)],
            allow_redirects=False,
            proxy=proxy_of(base) if self.is_remote else None,
        )

    async def _gather(
        self, head: Head, response: aiohttp.ClientResponse, *, clock: Clock, left: Countdown
    ) -> AsyncIterator[Step]:
        """A whole answer; what arrived and a break when it is not whole."""
        body = bytearray()
        try:
            async for data in limited(response.content.iter_any(), clock=clock, left=left):
                body += data
                if len(body) > self._answer_max_bytes:
                    raise TooLarge(f"more than {self._answer_max_bytes} bytes")
        except (*BROKEN, TimeoutError, TooLarge) as error:
            log.warning("%s: its answer did not arrive whole: %s", self.source, described(error))
            for step in cut(head, bytes(body), response.headers.get("Content-Length"), reason=described(error)):
                yield step
            return
        script = whole(head.status, head.headers, bytes(body))
        if head.header("x-amzn-ErrorType") == MISS:
            raise NothingHere(f"{self.source} has no recording of this call", instead=script)
        for step in script:
            yield step

    async def _frames(
        self, head: Head, response: aiohttp.ClientResponse, *, clock: Clock, left: Countdown
    ) -> AsyncIterator[Step]:
        """An event stream, one whole frame per chunk; a break where it is cut inside a frame."""
        yield head
        framer = Framer()
        try:
            async for data in limited(response.content.iter_any(), clock=clock, left=left):
                for frame in framer.feed(data):
                    yield Chunk(frame)
        except (*BROKEN, TimeoutError) as error:
            log.warning("%s broke its stream: %s", self.source, described(error))
            yield Abort(f"the upstream broke its stream: {described(error)}")
            return
        if framer.damage is not None:
            log.warning("%s sent a damaged frame, passed on as it came: %s", self.source, framer.damage)
        if framer.pending_bytes or framer.is_lost:
            yield Abort("the upstream ended its stream inside a frame")
        else:
            yield End()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = connection.open_session(ca_file=self._ca_file)
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


# --- the request ------------------------------------------------------------------------------------------------


def request_target(call: Call, service: Service) -> bytes:
    """The path that botocore would send for this call; the caller's own may carry a deck prefix or a query."""
    suffix = next(op.suffix for op in service.operations.values() if op.name == call.operation)
    return f"/endpoints/{quote(call.endpoint, safe='~-._')}/{suffix}".encode()


def request_headers(call: Call, service: Service, *, host: str) -> RawHeaders:
    """The headers that are signed: the members that travel in headers, in the model's order, and nothing else."""
    operation = next(op for op in service.operations.values() if op.name == call.operation)
    headers = [(b"Host", host.encode()), (b"Accept-Encoding", b"identity")]
    for member in operation.members.values():
        value = call.members.get(member.name)
        if value is not None and member.header is not None:
            headers.append((member.header.encode(), value.encode("utf-8", "surrogateescape")))
    return tuple(headers)


def host_header(url: URL) -> str:
    """Host as it is signed and sent: with the port unless it is the scheme's own."""
    host = url.host or ""
    host = f"[{host}]" if ":" in host else host
    return host if url.is_default_port() else f"{host}:{url.port}"


def is_aws_host(url: URL) -> bool:
    """Whether credentials of the real service may be used towards this address."""
    return url.scheme == "https" and AWS_HOST.fullmatch(url.host or "") is not None and url.is_default_port()


def proxy_of(url: URL) -> str | None:
    """The proxy that the environment names for a remote upstream (HTTPS_PROXY, NO_PROXY)."""
    proxies = urllib.request.getproxies_environment()
    if urllib.request.proxy_bypass(url.host or ""):
        return None
    return proxies.get(url.scheme)


# --- the answer -------------------------------------------------------------------------------------------------


def passed_headers(response: aiohttp.ClientResponse) -> Headers:
    """The service's headers without those of the moment.

    `Date` stays on a 403: a client that is told of skew corrects its clock by it, and shall not do so by ours.
    """
    kept = DROPPED - {"date"} if response.status == 403 else DROPPED
    return tuple((name, value) for name, value in header_pairs(response) if name.lower() not in kept)


def cut(head: Head, body: bytes, length: str | None, *, reason: str) -> Script:
    """An answer that broke off: it announces what the service announced, so that no client takes it for whole."""
    announced = (("Content-Length", length),) if length and length.isdecimal() and int(length) > len(body) else ()
    opened = Head(head.status, (*head.headers, *announced))
    broken = Abort(f"the upstream's answer did not arrive whole: {reason}")
    # Without an announced length the end of the body cannot be told from the break: then nothing of it is passed on.
    if not announced:
        return (broken,)
    return (opened, Chunk(body), broken) if body else (opened, broken)


async def limited(parts: AsyncIterator[bytes], *, clock: Clock, left: Countdown) -> AsyncIterator[bytes]:
    """The parts of a body as they come; raises TimeoutError when the limit passes before the next."""
    iterator = aiter(parts)
    while True:
        async with clock.limit(left.left_s()):
            part = await anext(iterator, None)
        if part is None:
            return
        yield part

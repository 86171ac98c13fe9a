"""HTTP connections to upstreams: one client session, with every convenience that would change an answer switched off.

Refuses to follow redirects, to decompress, to keep cookies, to read proxies or passwords from the environment, and to
connect to link-local and metadata addresses: names are resolved first, and the connection goes to the very addresses
that were checked. An answer belongs to the call before it on its connection, so a connection serves one call, or
several where a new one is expensive (TLS) and nothing came in between.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import ssl
from collections.abc import AsyncIterator
from functools import partial
from socket import AddressFamily
from typing import Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection

# IMDS, ECS and EKS credentials have link-local addresses; these are their IPv6 forms (AWS EC2 User Guide, IMDS).
METADATA: Final = ipaddress.ip_network("fd00:ec2::/32")
CONNECT_TIMEOUT_S: Final = 5.0
READ_BYTES: Final = 65536
# Shorter than the idle time of any server we know of (gunicorn 2 s, uvicorn 5 s): a call must not be lost to a
# connection that the other side is just closing. The platform repeats no call.
KEEPALIVE_S: Final = 1.0

REFUSED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Raised before a byte was sent."""


def described(error: Exception) -> str:
    """An exception in a line of the log, with its class, because many of aiohttp's have no text."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


OUR_OWN: Final = frozenset((errno.EMFILE, errno.ENFILE))
"""This process, or this machine, has no descriptor left: that is not the upstream's failure."""


def is_our_own(error: Exception) -> bool:
    """Whether a connection was not made for a reason of this machine's."""
    if not isinstance(error, aiohttp.ClientConnectorError):
        return False
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return error.os_error.errno in OUR_OWN or lacks_descriptors()
    return error.os_error.errno in OUR_OWN


def lacks_descriptors() -> bool:
    """Whether no file can be opened now: the resolver needs one, and says without one that there is no such name."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in OUR_OWN
    return False


def failure_text(source: str, error: Exception, *, limit_s: float | None = None) -> str:
    """A sentence for people on an upstream that gave no answer, within `limit_s` where it had that long, and what to
    look at."""
    if is_our_own(error):  # looking up a name takes one, too
        return (
            f"{source} could not be asked: this process has no file descriptor left. "
            "Raise the limit (ulimit -n), or lower --connections-max"
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{source}: the name leads nowhere ({error.os_error}); is it spelled right?"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"{source}: no TLS connection ({error}); --upstream-ca names other authorities"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"{source} took no connection within {CONNECT_TIMEOUT_S:g} s; is the address right?"
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionRefusedError):
            return f"{source} refused the connection; is the container running?"
        return f"{source} cannot be reached ({error.os_error}); is the address right?"
    if isinstance(error, TimeoutError) and limit_s is not None:
        return f"{source} took the call and did not answer within {limit_s:g} s; its own log may say why"
    return f"{source} took the call and gave no HTTP answer ({described(error)}); its own log may say why"


class ForbiddenAddress(OSError):
    """The name leads to an address that no upstream may have."""


def is_forbidden(address: str) -> bool:
    """Whether an address is link-local or a metadata service, in whatever notation."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_link_local or (ip.version == 6 and ip in METADATA)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone: nothing is resolved."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class CheckedResolver(AbstractResolver):
    """Resolves as the system does and refuses forbidden addresses; what it returns is what is connected to."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of the host that may be connected to; raises ForbiddenAddress when one may not."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            if is_forbidden(result["host"]):
                raise ForbiddenAddress(f"{host} resolves to {result['host']}, a link-local or metadata address")
        return found

    async def close(self) -> None:
        await self._inner.close()


class Listener(ResponseHandler):
    """aiohttp's protocol, which takes a connection's end for the end of an answer that announced no length, however the
    connection ended. One that broke has not sent the whole."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The other side, or the network, ended it."""
        body = self._payload
        if exc is not None and body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError(f"the connection broke inside the body: {exc}"))
        super().connection_lost(exc)


class Connector(aiohttp.TCPConnector):
    """One call for each connection, without saying so to the other side: what it sends unasked would be the answer to
    the next call. With TLS a connection is used again when nothing has come on it since its last answer.

    Overrides two methods and a factory of aiohttp's (3.14) that are not public; tests hold them to what is said here.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(Listener, loop=self._loop))

    async def _get(self, key: ConnectionKey, traces: list[Any]) -> Connection | None:
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close or not key.is_ssl)


def open_session(*, ca_file: str | None = None, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A session for one upstream. `ca_file` is a PEM file that replaces the system's authorities."""
    connector = Connector(
        limit=0,
        resolver=CheckedResolver(resolver),
        keepalive_timeout=KEEPALIVE_S,
        ssl=ssl.create_default_context(cafile=ca_file) if ca_file else True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=READ_BYTES,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


def watch(response: aiohttp.ClientResponse) -> None:
    """End the reading of a body when its connection ends.

    aiohttp (3.14.5) closes the connection on a malformed chunk that arrives after the head, and tells the body nothing:
    its reader would wait for the platform's limit.
    """
    if response.connection is None or response.connection.protocol is None:
        return  # the whole body is there

    def ended(closed: asyncio.Future[None]) -> None:
        if not closed.cancelled():
            closed.exception()  # the body's reader hears of it below; asyncio would report it as forgotten
        content = response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection ended inside the body"))

    closed = response.connection.protocol.closed
    if closed is not None:
        closed.add_done_callback(ended)


class TooLarge(Exception):
    """A body is longer than its reader wants to hold."""


async def read_body(response: aiohttp.ClientResponse, *, most_bytes: int) -> bytes:
    """The whole body. Raises TooLarge, or aiohttp's error when it did not arrive whole."""
    parts = bytearray()
    async for data in response.content.iter_any():
        parts += data
        if len(parts) > most_bytes:
            raise TooLarge(f"more than {most_bytes} bytes")
    return bytes(parts)


async def read_parts(response: aiohttp.ClientResponse, *, most_bytes: int) -> AsyncIterator[bytes]:
    """The body in the parts in which it was sent: HTTP chunks where there are, else what each read brings.

    A chunk longer than `most_bytes` is given in pieces.
    """
    is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    part = bytearray()
    async for data, is_end in response.content.iter_chunks():
        part += data
        while len(part) >= most_bytes:
            yield bytes(part[:most_bytes])
            del part[:most_bytes]
        if part and (is_end or not is_chunked):
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)

"""Connections to upstreams: one call each, or several over TLS, and an end that is no end of an answer."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import resource
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.shell.upstream_servers import read_request

from sagetape.shell.upstreams.connection import Connector, failure_text, is_our_own, open_session


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that vouches for itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "one.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form, plain)
    )
    return path


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@asynccontextmanager
async def talkative(authority: Path | None, unasked: Callable[[int], bytes]) -> AsyncIterator[tuple[str, list[int]]]:
    """The URL of a server that answers with the request's number, and then says what `unasked` gives for it; and the
    numbers of requests on each of its connections."""
    served: list[int] = []
    numbers = iter(range(1, 100))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(served)
        served.append(0)
        try:
            while request := await read_request(reader):
                assert request.startswith(b"POST ")
                served[place] += 1
                number = next(numbers)
                writer.write(answer(b"%d" % number))
                await writer.drain()
                writer.write(unasked(number))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side ended it
        finally:
            writer.close()

    context = None
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority)
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/", served
    finally:
        server.close()


async def ask(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.post(url, data=b"{}") as response:
        return await response.read()


def pooled(session: aiohttp.ClientSession) -> list[bool]:
    """Of each connection that is kept: whether something came on it since its last answer."""
    connector = session.connector
    assert isinstance(connector, Connector)
    return [bool(protocol.should_close) for kept in connector._conns.values() for protocol, _ in kept]


async def test_plain_connection_serves_one_call() -> None:
    """The other side is not told so: it sees the platform's headers and a connection that ends."""
    async with talkative(None, lambda _: b"") as (url, served), open_session() as session:
        assert [await ask(session, url) for _ in range(3)] == [b"1", b"2", b"3"]
        assert not pooled(session)
    assert served == [1, 1, 1]


async def test_tls_connection_serves_several_calls(authority: Path) -> None:
    """A handshake with a service far away costs as much as its answer."""
    async with talkative(authority, lambda _: b"") as (url, served), open_session(ca_file=str(authority)) as session:
        assert [await ask(session, url) for _ in range(3)] == [b"1", b"2", b"3"]
    assert served == [3]


async def test_tls_connection_on_which_something_came_unasked_is_left(authority: Path) -> None:
    """It would be read as the answer to the next call."""
    unasked = {1: answer(b"one too many"), 2: b""}
    async with (
        talkative(authority, unasked.__getitem__) as (url, served),
        open_session(ca_file=str(authority)) as session,
    ):
        assert await ask(session, url) == b"1"
        while pooled(session) == [False]:
            await asyncio.sleep(0)  # until it has arrived
        assert await ask(session, url) == b"2"
    assert served == [1, 1]


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """What this process may open, taken away."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_name_that_no_descriptor_is_left_for_is_not_called_wrong() -> None:
    """The resolver says of every name then that there is none; `localhost` is spelled right."""
    async with open_session() as session:
        with no_descriptor_left():
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.post("http://localhost:9/")
            assert is_our_own(caught.value)
            assert "ulimit -n" in failure_text("model", caught.value)

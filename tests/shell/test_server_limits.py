"""Sizes, forms and paces of requests: what is served, what is refused, and that nobody waits for a slow peer."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import StreamReader
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.shell.server_wire import PATH, Wire, kept, recorder

from sagetape import Emulator
from sagetape.core.errors import CallerError
from sagetape.shell.bodies import Budget, Patience, read_body

MODEL_MAX, STRICT_MAX = 26_214_400, 6_291_456
MODELS = """
import hashlib
import itertools
from sagetape import Answer

def churn(invocation):
    return hashlib.sha256(invocation.body).hexdigest()

def attributes(invocation):
    return Answer(b"1", custom_attributes=invocation.custom_attributes)

def large(invocation):
    return b"x" * 20_000_000
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "limit_models.py").write_text(MODELS)
    return folder


def serving(models: Path, **settings: Any) -> Emulator:
    endpoints = {name: {"upstream": f"function:limit_models:{name}"} for name in ("churn", "attributes", "large")}
    return Emulator(endpoints=endpoints, python_path=models, **{"auth": "off", **settings})


@pytest.fixture(scope="module")
def emulator(models: Path) -> Iterator[Emulator]:
    with serving(models) as running:
        yield running


@pytest.fixture
def wire(emulator: Emulator) -> Iterator[Wire]:
    with Wire(emulator.url) as opened:
        yield opened


def ping(wire: Wire) -> int:
    wire.send(f"GET /ping HTTP/1.1\r\nHost: {wire.host}\r\n\r\n".encode())
    return wire.answer().status


# --- bodies


@pytest.mark.parametrize("size", [0, 1, STRICT_MAX, STRICT_MAX + 1, MODEL_MAX - 1, MODEL_MAX])
def test_body_arrives_whole(size: int, wire: Wire) -> None:
    """Every size up to 25 MiB, byte for byte."""
    body = b"x" * size
    wire.post(body)
    answer = wire.answer()
    assert (answer.status, answer.body.decode()) == (200, hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize(("limit", "size"), [(MODEL_MAX, MODEL_MAX + 1), (STRICT_MAX, STRICT_MAX + 1)])
def test_body_over_the_limit_is_refused_unread(limit: int, size: int, models: Path) -> None:
    """By its announced length: 413 while the client still has all of it."""
    with serving(models, body_bytes_max=limit) as emulator, Wire(emulator.url) as wire:
        wire.post(length=size)
        answer = wire.answer()
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert not emulator.journal


def test_body_of_exactly_the_limit_is_served(models: Path) -> None:
    """`--strict-limits` is the service model's 6,291,456 bytes."""
    with serving(models, body_bytes_max=STRICT_MAX) as emulator, Wire(emulator.url) as wire:
        wire.post(b"x" * STRICT_MAX)
        assert wire.answer().status == 200


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_body_in_chunks_is_measured_as_it_comes(models: Path) -> None:
    """No length is announced: the limit holds all the same, to the byte."""
    with serving(models, body_bytes_max=1000) as emulator:
        for size, status in ((1000, 200), (1001, 413)):
            with Wire(emulator.url) as wire:
                wire.post(chunked(b"x" * 500, b"x" * (size - 500)), "Transfer-Encoding: chunked")
                assert wire.answer().status == status


def test_body_in_chunks_is_the_same_request(emulator: Emulator, wire: Wire) -> None:
    """One of 25 MiB without a length."""
    body = b"y" * MODEL_MAX
    wire.post(chunked(*(body[at : at + 2**20] for at in range(0, len(body), 2**20))), "Transfer-Encoding: chunked")
    assert wire.answer().body.decode() == hashlib.sha256(body).hexdigest()


def test_compressed_body_is_kept_as_sent(models: Path, tmp_path: Path) -> None:
    """Nothing is unpacked: the model and the cassette get the client's bytes."""
    body = gzip.compress(b"[1]" * 1000, mtime=0)
    tape = tmp_path / "churn.tape"
    with recorder(tape, "function:limit_models:churn", python_path=models) as emulator, Wire(emulator.url) as wire:
        wire.post(body, "Content-Encoding: gzip")
        assert wire.answer().body.decode() == hashlib.sha256(body).hexdigest()
    assert [interaction.call.body for interaction in kept(tape)] == [body]


# --- headers


def test_headers_up_to_the_limit_are_served(wire: Wire) -> None:
    """128 of them, and one of 8,190 bytes."""
    wire.post(b"", *[f"X-{number}: v" for number in range(126)])
    assert wire.answer().status == 200
    wire.post(b"", "X-Long: " + "v" * (8190 - len("X-Long: ")))
    assert wire.answer().status == 200


@pytest.mark.parametrize("headers", [[f"X-{n}: v" for n in range(127)], ["X-Long: " + "v" * 8300]])
def test_headers_over_the_limit_are_refused(headers: list[str], wire: Wire, emulator: Emulator) -> None:
    """A 400 in AWS's shape, the end of the connection, and nothing of it repeated."""
    wire.post(b"", *headers)
    answer = wire.answer()
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "SagetapeMalformedRequest"
    assert b"vvv" not in answer.body
    assert wire.rest() == b""


@pytest.mark.parametrize(("size", "status"), [(1024, 200), (1025, 400)])
def test_custom_attributes_have_a_length(size: int, status: int, wire: Wire) -> None:
    """1,024 characters, as the service model says, both ways."""
    wire.post(b"", f"X-Amzn-SageMaker-Custom-Attributes: {'a' * size}", path="/endpoints/attributes/invocations")
    answer = wire.answer()
    assert answer.status == status
    if status == 200:
        assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "a" * size


# --- Expect: 100-continue


def test_expectation_is_met_before_the_body(wire: Wire) -> None:
    """100 first, then the answer."""
    wire.post(b"", "Expect: 100-continue", length=3)
    assert wire.head().status == 100
    wire.send(b"[1]")
    assert wire.answer().body.decode() == hashlib.sha256(b"[1]").hexdigest()


def test_expectation_is_refused_before_the_body(models: Path) -> None:
    """413 for the announced length, 403 for a signature that is not there: no byte of the body is asked for."""
    with serving(models) as emulator, Wire(emulator.url) as wire:
        wire.post(b"", "Expect: 100-continue", length=MODEL_MAX + 1)
        assert wire.answer().status == 413
    with serving(models, auth="strict") as emulator, Wire(emulator.url) as wire:
        wire.post(b"", "Expect: 100-continue", length=3)
        assert wire.answer().status == 403


# --- connections


def test_client_of_http_1_0_gets_a_whole_answer_and_the_end(emulator: Emulator) -> None:
    """No chunks, no kept connection; a stream ends with it."""
    for path in (PATH, PATH + "-response-stream"):
        with Wire(emulator.url) as wire:
            wire.send(f"POST {path} HTTP/1.0\r\nHost: {wire.host}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            answer = wire.head()
            assert answer.status == 200
            assert "transfer-encoding" not in answer.headers
            assert hashlib.sha256(b"{}").hexdigest().encode() in wire.rest()


def test_connection_outlives_an_error(wire: Wire) -> None:
    """Refusals of a request that was read whole end no connection."""
    for _ in range(3):
        wire.post(b"{}", path="/endpoints/nobody-declared-this/invocations")
        assert wire.answer().status == 400
        wire.post(b"{}", path="/nowhere")
        assert wire.answer().status == 404
    assert ping(wire) == 200


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    """Fifty written at once."""
    bodies = [b"%d" % number for number in range(50)]
    head = f"POST {PATH} HTTP/1.1\r\nHost: {wire.host}\r\nContent-Length: "
    wire.send(b"".join(f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies))
    assert [wire.answer().body.decode() for _ in bodies] == [hashlib.sha256(body).hexdigest() for body in bodies]


def test_absolute_target_is_served_when_it_is_ours(wire: Wire) -> None:
    """Some clients always send one; with another host in it, it is not for us."""
    wire.post(b"{}", path=f"http://{wire.host}{PATH}")
    assert wire.answer().status == 200
    wire.post(b"{}", path=f"http://evil.example{PATH}")
    assert wire.answer().status == 421


def test_server_listens_on_both_loopbacks(emulator: Emulator) -> None:
    """The same port on ::1, named in brackets."""
    port = int(emulator.url.rpartition(":")[2])
    try:
        opened = Wire(f"http://[::1]:{port}")
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with opened as wire:
        wire.post(b"{}")
        assert wire.answer().status == 200


def test_presigned_query_is_verified(models: Path) -> None:
    """Signature Version 4 in the query, as botocore writes it; a changed one is refused."""
    with serving(models, auth="strict") as emulator, Wire(emulator.url) as wire:
        # botocore moves the body of a request that it presigns into the query: what it signs is an empty one.
        request = AWSRequest("POST", emulator.url + PATH, headers={"Host": wire.host})
        SigV4QueryAuth(Credentials("test", "test"), "sagemaker", "us-east-1").add_auth(request)
        target = request.url.removeprefix(emulator.url)
        changed = target[:-1] + ("0" if target[-1] != "0" else "1")
        for path, body, status in ((target, b"", 200), (target, b"{}", 403), (changed, b"", 403)):
            wire.post(body, path=path)
            assert wire.answer().status == status


# --- hosts and origins


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil@localhost", "localhost:1"])
def test_foreign_host_is_refused_with_no_body(host: str, emulator: Emulator) -> None:
    """A page whose name was rebound to this machine names itself."""
    with Wire(emulator.url) as wire:
        wire.host = host
        wire.post(b"{}", "Origin: http://evil.example")
        answer = wire.answer()
    assert (answer.status, answer.body) == (421, b"")


def test_no_answer_lets_a_web_page_read_it(emulator: Emulator, wire: Wire) -> None:
    """No CORS header, whatever the origin says, and no preflight succeeds."""
    for method in ("POST", "OPTIONS"):
        wire.send(
            f"{method} {PATH} HTTP/1.1\r\nHost: {wire.host}\r\nOrigin: http://evil.example\r\n"
            "Access-Control-Request-Method: POST\r\nContent-Length: 0\r\n\r\n".encode()
        )
        answer = wire.answer()
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert (answer.status == 200) == (method == "POST")


# --- pace


def test_body_that_stops_gets_408(models: Path) -> None:
    """After `body_idle_s`, here a twentieth of a second; nothing is asked."""
    with serving(models, body_idle_s=0.05) as emulator:
        with Wire(emulator.url) as wire:
            wire.post(b"half", length=1000)
            answer = wire.answer()
        assert answer.status == 408
        assert answer.headers["x-amzn-errortype"] == "RequestTimeoutException"
        assert b"0.05 seconds" in answer.body
        assert not emulator.journal


class Drip:
    """A body whose pieces of one byte never end."""

    def is_eof(self) -> bool:
        return False

    def read_nowait(self, size: int) -> bytes:
        return b"x"

    async def readany(self) -> bytes:
        return b"x"


async def test_body_that_drips_gets_408() -> None:
    """Every piece comes in time, but the whole is too slow: less than 128 bytes a second after the first limit."""
    seconds = itertools.count(0, 30)
    patience = Patience(idle_s=60, now=lambda: next(seconds))
    with pytest.raises(CallerError) as raised:
        await read_body(cast(StreamReader, Drip()), limit_bytes=1000, patience=patience)
    assert raised.value.status == 408
    assert b"3 bytes in 90 seconds" in raised.value.body


async def test_large_body_has_ten_minutes() -> None:
    """25 MiB at 20 kB a second would hold its memory for 20 minutes, while others wait for it."""
    now_s = [0.0]
    patience = Patience(idle_s=60, now=lambda: now_s[0])
    for elapsed_s, arrived, announced, is_borne in (
        (60, 0, MODEL_MAX, True),  # the idle limit speaks first
        (61, 61 * 43_691, MODEL_MAX, True),
        (61, 61 * 43_690, MODEL_MAX, False),
        (61, 61 * 128, 0, True),
        (61, 61 * 128 - 1, 0, False),
        (601, MODEL_MAX - 1, MODEL_MAX, False),
    ):
        now_s[0] = elapsed_s
        with contextlib.nullcontext() if is_borne else pytest.raises(CallerError):
            patience.check(started=0.0, size_bytes=arrived, announced_bytes=announced)


async def test_body_that_finds_no_room_gets_503() -> None:
    """After the idle limit; it takes nobody's turn, and those behind it have theirs."""
    budget = Budget(100)
    await budget.acquire(60, within_s=1)
    with pytest.raises(CallerError) as raised:
        await budget.acquire(50, within_s=0)
    assert (raised.value.status, raised.value.code) == (503, "SagetapeBusy")
    too_large = asyncio.ensure_future(budget.acquire(50, within_s=3600))
    fitting = asyncio.ensure_future(budget.acquire(40, within_s=3600))
    await asyncio.sleep(0)
    assert not fitting.done()  # first come, first served
    too_large.cancel()
    await fitting
    budget.release(60)
    budget.release(40)
    await budget.acquire(100, within_s=0)


@pytest.mark.parametrize("begun", [b"", b"POST /endpoints/churn/invo", b"POST /x HTTP/1.1\r\nHost: a\r\nX-Drip: "])
def test_head_that_does_not_come_ends_the_connection(begun: bytes, models: Path) -> None:
    """After `keep_alive_s`; so does an idle connection."""
    with serving(models, keep_alive_s=0.05) as emulator, Wire(emulator.url) as wire:
        wire.send(begun)
        assert wire.rest() in (b"", b"(reset)")


def test_idle_connection_ends(models: Path) -> None:
    """After an answer, too."""
    with serving(models, keep_alive_s=0.05) as emulator, Wire(emulator.url) as wire:
        assert ping(wire) == 200
        assert wire.rest() == b""


def test_connections_over_the_cap_are_refused_with_few_lines(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Those within it go on being served; a hundred refusals are seven lines."""
    with serving(models, connections_max=3) as emulator:
        held = [Wire(emulator.url) for _ in range(3)]
        assert [ping(wire) for wire in held] == [200] * 3
        with caplog.at_level(logging.WARNING, "sagetape"):
            for _ in range(100):
                with Wire(emulator.url) as wire:
                    assert wire.rest() in (b"", b"(reset)")
        assert len(caplog.records) == 7
        assert all("refused a connection" in record.message for record in caplog.records)
        assert [ping(wire) for wire in held] == [200] * 3
        held[0].reset()
        for wire in held[1:]:
            wire.close()


def test_slow_reader_holds_a_piece_and_nobody_up(models: Path) -> None:
    """Of an answer of 20 MB a client that reads nothing keeps less than 1 MiB in the server's buffers."""
    with serving(models) as emulator, Wire(emulator.url) as slow, Wire(emulator.url) as other:
        slow.post(b"{}", path="/endpoints/large/invocations")
        assert slow.head().status == 200
        assert [ping(other) for _ in range(20)] == [200] * 20
        connections = emulator.thread.running.server.connections
        waiting = emulator.on_loop(lambda: max(c.transport.get_write_buffer_size() for c in connections))
        assert 0 < waiting < 2**20
        assert len(slow.file.read(20_000_000)) == 20_000_000


def test_refused_body_holds_nothing_up(models: Path) -> None:
    """The rest of it is neither waited for when its client has left, nor when the server stops."""
    with serving(models, drain_s=3600) as emulator:
        wires = [Wire(emulator.url) for _ in range(2)]
        for wire in wires:
            wire.post(length=MODEL_MAX + 1)
            assert wire.answer().status == 413
        wires[0].close()
    assert wires[1].rest() == b""
    wires[1].close()

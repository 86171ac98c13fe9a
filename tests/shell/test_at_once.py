"""Requests answered where their bytes arrive get the bytes that the usual way gives them.

A replay without upstreams answers a request that has arrived whole at once. Here the same cassette is served by two
emulators, one of which has that way taken from it, and whatever is sent to both must be answered alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from botocore.exceptions import ClientError
from malformed_cases import CASES

from sagetape import Emulator
from sagetape.core.eventstream import payload_part
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.request_heads import read_head
from sagetape.core.signing import sign
from sagetape.core.wire import EVENT_STREAM, Abort, Call, Chunk, End, Head, Interaction, Provenance, Script, whole
from sagetape.shell import connections
from sagetape.shell.app import App, Response
from sagetape.shell.store import Cassette, CassetteSettings
from sagetape.shell.uploads import Upload

ORIGIN = Provenance(1_768_478_400.0, "aws", "0.1.0")
JSON = (("Content-Type", "application/json"),)
LARGE = b'{"numbers": [' + b",".join(b"%d" % n for n in range(60_000)) + b"]}"

# name: operation, request body, recorded answer
RECORDED: dict[str, tuple[str, bytes, Script]] = {
    "json": ("invocations", b'{"a": 1}', whole(200, JSON, b'{"label": "stays"}')),
    "empty": ("invocations", b"", whole(200, JSON, b"")),
    "error": ("invocations", b'{"a": 2}', whole(424, JSON, b'{"Message": "no"}')),
    "large answer": ("invocations", b'{"a": 3}', whole(200, JSON, b"x" * 300_000)),
    "large request": ("invocations", LARGE, whole(200, JSON, b"1")),
    "stream": (
        "invocations-response-stream",
        b'{"a": 4}',
        (Head(200, (("Content-Type", EVENT_STREAM),)), Chunk(payload_part(b"one")), Chunk(payload_part(b"two")), End()),
    ),
    "broken": ("invocations", b'{"a": 5}', (Head(200, JSON), Chunk(b"half"), Abort("reset by the upstream"))),
}
OPERATIONS = {"invocations": "InvokeEndpoint", "invocations-response-stream": "InvokeEndpointWithResponseStream"}


@pytest.fixture(scope="module")
def cassette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tapes") / "recorded.tape"
    matcher = Matcher(MatchRules())
    with Cassette.open(path, writable=True, settings=CassetteSettings(match=MatchRules().as_dict())) as tape:
        for operation, body, script in RECORDED.values():
            digest = hashlib.sha256(body).digest()
            call = Call(OPERATIONS[operation], "echo", {"ContentType": "application/json"}, body, digest)
            tape.append(Interaction(call, script, ORIGIN), matcher.key(call))
    return path


@pytest.fixture(scope="module")
def both(cassette: Path) -> Iterator[tuple[Emulator, Emulator]]:
    """An emulator as it is, and one that answers nothing at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "deck_at_once", lambda _self, _target: None)
        usual = Emulator(cassette, seed=7)
        usual.__enter__()
    with Emulator(cassette, seed=7) as at_once:
        yield at_once, usual
    usual.close()


def port_of(emulator: Emulator) -> int:
    return int(emulator.base_url.rpartition(":")[2])


def request(emulator: Emulator, operation: str, body: bytes, *lines: bytes, secret: str = "") -> bytes:
    """A signed request; `lines` are further headers, unsigned."""
    key = emulator.key if not secret else type(emulator.key)(emulator.key.access_key_id, secret)
    target = b"/endpoints/echo/" + operation.encode()
    headers = ((b"Host", b"127.0.0.1:%d" % port_of(emulator)), (b"Content-Type", b"application/json"))
    digest = hashlib.sha256(body).hexdigest().encode()
    made = sign(
        "POST", target, headers=headers, body_sha256_hex=digest, key=key, region=emulator.region, now=time.time()
    )
    block = b"".join(b"%b: %b\r\n" % pair for pair in (*headers, *made.headers))
    more = b"".join(line + b"\r\n" for line in lines)
    return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (target, block, more, len(body), body)


def exchange(emulator: Emulator, *pieces: bytes) -> bytes:
    """All that comes back on one connection, which a ping ends; what differs from run to run is replaced."""
    ping = b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port_of(emulator)
    answer = b""
    with socket.create_connection(("127.0.0.1", port_of(emulator)), timeout=30) as sock:
        for piece in (*pieces[:-1], pieces[-1] + ping):
            sock.sendall(piece)
        try:
            while data := sock.recv(65536):
                answer += data
                if re.match(rb"HTTP/1.1 4(?s:.*)\r\nConnection: close\r\n", answer):
                    sock.shutdown(socket.SHUT_WR)  # the server would wait for the rest of a body that it refused
        except ConnectionError:
            answer += b"<reset>"
    answer = re.sub(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", b"<uuid>", answer)
    answer = re.sub(rb"Date: [^\r]*", b"Date: <date>", answer)
    return re.sub(rb"[0-9]{8}T[0-9]{6}Z|[0-9a-f]{64}|127\.0\.0\.1:[0-9]+", b"<moment>", answer)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_answer_is_the_same_both_ways(name: str, both: tuple[Emulator, Emulator]) -> None:
    """Header block and body, byte for byte, of whole answers, streams and breaks."""
    operation, body, _ = RECORDED[name]
    found, expected = (exchange(emulator, request(emulator, operation, body)) for emulator in both)
    assert found == expected
    assert found.startswith(b"HTTP/1.1 424" if name == "error" else b"HTTP/1.1 200")


REFUSED: dict[str, tuple[bytes, ...]] = {
    "expects a go-ahead": (b"Expect: 100-continue",),
    "a second host": (b"Host: evil.example",),
    "an upgrade": (b"Upgrade: h2c", b"Connection: Upgrade"),
    "a member against its pattern": (b"X-Amzn-SageMaker-Target-Variant: a_b",),
    "ends the connection": (b"Connection: close",),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unusual_head_is_answered_the_same_both_ways(name: str, both: tuple[Emulator, Emulator]) -> None:
    """Headers that make a request special, with what becomes of the connection behind it."""
    found, expected = (exchange(emulator, request(emulator, "invocations", b"{}", *REFUSED[name])) for emulator in both)
    assert found == expected


def test_wrong_signature_and_miss_are_answered_the_same_both_ways(both: tuple[Emulator, Emulator]) -> None:
    """A refusal by the verifier, a miss, an unknown operation, each with a good request behind it."""
    answers = []
    for emulator in both:
        good = request(emulator, "invocations", b'{"a": 1}')
        wrong = request(emulator, "invocations", b'{"a": 1}', secret="x" * 40)
        miss = request(emulator, "invocations", b'{"a": 77}')
        unknown = request(emulator, "nothing", b"")
        answers.append(exchange(emulator, wrong + miss + unknown + good))
    assert answers[0] == answers[1]
    assert [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", answers[0])] == [403, 400, 404, 200, 200]


def test_pipelined_and_divided_requests_are_answered_in_order(both: tuple[Emulator, Emulator]) -> None:
    """Many requests in one segment, a stream and a late body among them; and one request byte after byte."""
    answers = []
    for emulator in both:
        every = [request(emulator, operation, body) for operation, body, _ in list(RECORDED.values())[:6]]
        whole_line = b"".join(every * 3)
        cut = len(whole_line) - 5
        answers.append(exchange(emulator, whole_line[:cut], whole_line[cut:]))
        answers.append(exchange(emulator, *(bytes([byte]) for byte in every[0])))
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert len(re.findall(rb"HTTP/1.1 \d+", answers[0])) == 19


def test_journals_are_the_same_both_ways(cassette: Path) -> None:
    """What happened is written down alike, whichever way it happened."""
    journals = []
    for way in ("at once", "usual"):
        with pytest.MonkeyPatch.context() as patch:
            if way == "usual":
                patch.setattr(App, "deck_at_once", lambda _self, _target: None)
            with Emulator(cassette, seed=7) as emulator:
                exchange(emulator, request(emulator, "invocations", b'{"a": 1}') * 2)
                exchange(emulator, request(emulator, "invocations", b'{"a": 99}'))
                rows = [(e.number, e.source, e.status, e.take, e.request_id, e.warnings) for e in emulator.journal]
                journals.append(json.dumps(rows))
    assert journals[0] == journals[1]
    assert '"recorded"' in journals[0]
    assert '"miss"' in journals[0]


@pytest.mark.parametrize("name", CASES)
def test_malformed_request_is_answered_the_same_both_ways(name: str, both: tuple[Emulator, Emulator]) -> None:
    """What parsers disagree about never depends on how the bytes arrived."""
    found, expected = (
        exchange(emulator, CASES[name].replace(b"{host}", b"127.0.0.1:%d" % port_of(emulator))) for emulator in both
    )
    assert found == expected


def test_aiohttp_without_those_internals_serves_all_the_same(cassette: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An aiohttp whose handler is built otherwise is not answered past: requests go its own way."""
    assert connections.ANSWERS_AT_ONCE, "this aiohttp has them; without, what the other tests compare is one way twice"
    monkeypatch.setattr(connections, "ANSWERS_AT_ONCE", False)
    monkeypatch.setattr(App, "answer_at_once", lambda *_: pytest.fail("answered past aiohttp's handler"))
    with Emulator(cassette, seed=7) as emulator:
        client = emulator.client()
        with pytest.raises(ClientError, match="SagetapeMiss"):
            client.invoke_endpoint(EndpointName="nobody", Body=b"")
        client.close()


# --- requests in pieces ---


@contextlib.contextmanager
def past_aiohttp(cassette: Path) -> Iterator[Emulator]:
    """An emulator that fails what is handed to aiohttp, except for pings."""
    usual = App.handle

    async def handle(self: App, made: web.BaseRequest) -> Response:
        if made.path != "/ping":
            raise AssertionError(f"{made.path} went aiohttp's way")
        return await usual(self, made)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "handle", handle)
        with Emulator(cassette, seed=7) as emulator:
            yield emulator


def test_request_in_two_pieces_is_answered_at_once(cassette: Path) -> None:
    """boto3 sends head and body apart; neither that nor a ping before it leads the long way."""
    with past_aiohttp(cassette) as emulator, socket.create_connection(("127.0.0.1", port_of(emulator))) as sock:
        sock.settimeout(30)
        for cut in (3, 30, -8, -1):
            data = request(emulator, "invocations", b'{"a": 1}')
            sock.sendall(data[:cut])
            exchange(emulator, b"")  # by then the server has seen the first piece
            sock.sendall(data[cut:])
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_boto3_is_answered_at_once(cassette: Path) -> None:
    """The client most people use sends plain requests."""
    with past_aiohttp(cassette) as emulator:
        client = emulator.client()
        for _ in range(3):
            made = client.invoke_endpoint(EndpointName="echo", Body=b'{"a": 1}', ContentType="application/json")
            assert made["Body"].read() == b'{"label": "stays"}'
        client.close()


def test_plain_request_behind_a_large_one_is_answered_at_once(cassette: Path) -> None:
    """The large body goes past aiohttp; where it ends is known, so the way is open again."""
    handled = []
    usual = App.handle

    async def handle(self: App, made: web.BaseRequest, upload: Upload | None = None) -> Response:
        handled.append(made.content_length if upload is None else upload.size_bytes)
        return await usual(self, made, upload)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "handle", handle)
        with Emulator(cassette, seed=7) as emulator:
            client = emulator.client()
            for body in (LARGE, b'{"a": 1}', LARGE, b'{"a": 1}'):
                client.invoke_endpoint(EndpointName="echo", Body=body, ContentType="application/json")["Body"].read()
            client.close()
    assert handled == [len(LARGE)] * 2


@pytest.mark.parametrize("cut", [5, 40, -3])
def test_piece_that_is_waited_for_too_long_goes_the_usual_way(
    cut: int, cassette: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp has limits for silent clients; a held piece is given to it, and the request is answered all the same."""
    monkeypatch.setattr(connections, "HELD_MAX_S", 0.01)
    released = threading.Event()
    usual = connections.Connection.release

    def release(self: connections.Connection) -> None:
        usual(self)
        released.set()

    monkeypatch.setattr(connections.Connection, "release", release)
    with (
        Emulator(cassette, seed=7) as emulator,
        socket.create_connection(("127.0.0.1", port_of(emulator)), timeout=30) as sock,
    ):
        data = request(emulator, "invocations", b'{"a": 1}')
        sock.sendall(data[:cut])
        assert released.wait(30)
        sock.sendall(data[cut:])
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        sock.sendall(data)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_client_that_leaves_in_the_middle_is_forgotten(cassette: Path) -> None:
    """Nothing is held for it, and nothing of it is in the journal."""
    servers = []
    usual = connections.Server.hold

    def hold(self: connections.Server, connection: connections.Connection) -> None:
        usual(self, connection)
        servers.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections.Server, "hold", hold)
        with Emulator(cassette, seed=7) as emulator:
            data = request(emulator, "invocations", b'{"a": 1}')
            with socket.create_connection(("127.0.0.1", port_of(emulator))) as sock:
                sock.sendall(data[:-2])
                exchange(emulator, b"")
            exchange(emulator, b"")
            assert servers
            assert not servers[0].holding
            assert not list(emulator.journal)


def test_parser_that_reads_otherwise_gets_no_answer_of_ours(cassette: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the two ever disagree, the answer begun for one request is not given to the next."""
    stream = b"invocations-response-stream"
    with Emulator(cassette, seed=7) as emulator:
        monkeypatch.setattr(connections, "read_head", lambda data: read_head(data.replace(b"HTTP/1.9", b"HTTP/1.1")))
        odd = request(emulator, stream.decode(), b'{"a": 4}').replace(b"HTTP/1.1", b"HTTP/1.9")
        assert exchange(emulator, odd).startswith(b"HTTP/1.1 400")

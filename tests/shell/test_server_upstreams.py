"""Upstreams that fail while they are recorded: what the client gets, what is kept, and that both are the same."""

from __future__ import annotations

import gzip
import re
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.shell.server_wire import (
    PATH,
    STREAM_PATH,
    Answer,
    Behave,
    Wire,
    kept,
    plain,
    recorder,
    says,
    upstream,
)

from sagetape import Emulator
from sagetape.core.eventstream import payload_part
from sagetape.core.wire import Abort, is_complete
from sagetape.shell.store import Cassette
from sagetape.shell.upstreams import aws

JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
FRAMES = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n"
ACCOUNT = re.compile(rb"[0-9]{12}")
ONE = payload_part(b"one")
FLIPPED = ONE[:-6] + b"X" + ONE[-5:]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the recorder."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHERECORDER000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-recorders-own-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def then(data: bytes, *, is_reset: bool = False) -> Behave:
    """Some bytes, then the end of the connection."""

    def behave(client: socket.socket, _: bytes) -> None:
        client.sendall(data)
        if is_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    return behave


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def error(status: str, code: str) -> bytes:
    return plain(b'{"message":"m"}', status, f"x-amzn-ErrorType: {code}")


BROKEN: dict[str, Behave] = {
    "nothing": then(b""),
    "reset before the head": then(b"", is_reset=True),
    "reset inside the head": then(b"HTTP/1.1 200 OK\r\nContent-Ty", is_reset=True),
    "garbage": then(b"\x00\x01 not http at all\r\n\r\n"),
    "no status": then(b"HTTP/1.1 abc\r\n\r\n"),
    "length too long": then(b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 10\r\n\r\n[1]"),
    "reset inside the body": then(b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 10\r\n\r\n[1]", is_reset=True),
    "reset without a length": then(b"HTTP/1.1 200 OK\r\n" + JSON + b"Connection: close\r\n\r\n[1", is_reset=True),
    "chunks without an end": then(CHUNKED + chunk(b"[1]")),
    "half a chunk": then(CHUNKED + b"10\r\n[1]"),
    "chunk size of letters": then(CHUNKED + b"zz\r\n[1]\r\n0\r\n\r\n"),
    "two lengths": then(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n[1] "),
    "negative length": then(b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n[1]"),
}
STREAMS: dict[str, Behave] = {
    "closed between frames": then(FRAMES + chunk(ONE)),
    "reset between frames": then(FRAMES + chunk(ONE), is_reset=True),
    "ended inside a frame": then(FRAMES + chunk(ONE + ONE[:9]) + b"0\r\n\r\n"),
    "closed inside a frame": then(FRAMES + chunk(ONE + ONE[:9])),
    "frame of absurd length": then(FRAMES + chunk(b"\xff" * 40) + b"0\r\n\r\n"),
    "flipped bit in a frame": then(FRAMES + chunk(FLIPPED) + b"0\r\n\r\n"),
}
RECORDERS_OWN = (
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
)
CALLERS = {
    "throttled": error("400 Bad Request", "ThrottlingException"),
    "validation": error("400 Bad Request", "ValidationError"),
    "internal": error("500 Internal Server Error", "InternalFailure"),
    "unavailable": error("503 Service Unavailable", "ServiceUnavailable"),
    "model error": plain(
        b'{"Message":"m","OriginalStatusCode":500}', "424 Failed Dependency", "x-amzn-ErrorType: ModelError"
    ),
    "denied": error("403 Forbidden", "AccessDeniedException"),
}


def asked(url: str, path: str) -> bytes:
    """The whole of what a client gets, as bytes, but for the id and the date."""
    with Wire(url) as wire:
        wire.post(b"{}", "Connection: close", path=path)
        lines = wire.rest().split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith((b"x-amzn-requestid", b"date:")))


def recorded(behave: Behave, tape: Path, *, kind: str, path: str, **settings: Any) -> bytes:
    """What the client of a recorder gets of such an upstream."""
    with upstream(behave) as running:
        spec = f"aws+{running.url}" if kind == "aws" else running.url
        with recorder(tape, spec, **settings) as emulator:
            return asked(emulator.url, path)


def replayed(tape: Path, path: str) -> bytes:
    with Emulator(tape, auth="off") as emulator:
        return asked(emulator.url, path)


def parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), headers, body)


BROKEN_INSIDE = {"length too long", "reset inside the body"}
"""Those that announce how long they are: the client sees them break itself."""


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answer_of_the_service_is_told(name: str, tmp_path: Path) -> None:
    """A 502 that names the upstream and what happened; one whose length is known breaks for the client, too."""
    tape = tmp_path / "churn.tape"
    live = parsed(recorded(BROKEN[name], tape, kind="aws", path=PATH))
    if name in BROKEN_INSIDE and live.status == 200:
        assert int(live.headers["content-length"]) > len(live.body)
        assert not any(is_complete(interaction.script) for interaction in kept(tape))
        return
    assert (live.status, live.headers["x-amzn-errortype"]) == (502, "SagetapeUpstream")
    assert b"upstream aws+http://127.0.0.1:" in live.body
    assert not kept(tape)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answer_of_the_service_replays_as_broken(name: str, tmp_path: Path) -> None:
    """Where failures of the transport are asked for, the client's connection breaks, live as replayed."""
    tape = tmp_path / "churn.tape"
    live = recorded(BROKEN[name], tape, kind="aws", path=PATH, record_errors=True)
    (found,) = kept(tape)
    assert not is_complete(found.script)
    if live and live != b"(reset)":
        answer = parsed(live)
        assert int(answer.headers["content-length"]) > len(answer.body)
    assert replayed(tape, PATH) == live


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("path", [PATH, STREAM_PATH])
def test_broken_answer_of_a_container_is_the_platforms_error(name: str, path: str, tmp_path: Path) -> None:
    """As from AWS: a 424, or in a stream that has begun an exception frame; and it replays as it was.

    One that breaks before a status is kept only where failures of the transport are asked for.
    """
    tape = tmp_path / "churn.tape"
    live = recorded(BROKEN[name], tape, kind="container", path=path, record_errors=True)
    if b"eventstream" in live:
        assert b"ModelStreamError" in live
    else:
        assert parsed(live).status == 424
    assert len(kept(tape)) == 1
    assert ACCOUNT.sub(b"", replayed(tape, path)) == ACCOUNT.sub(b"", live)  # a cassette names no account


@pytest.mark.parametrize("name", STREAMS)
def test_broken_stream_of_the_service_replays_as_broken(name: str, tmp_path: Path) -> None:
    """The same bytes and the same break."""
    tape = tmp_path / "churn.tape"
    live = recorded(STREAMS[name], tape, kind="aws", path=STREAM_PATH)
    (interaction,) = kept(tape)
    assert is_complete(interaction.script) == live.endswith(b"0\r\n\r\n")
    assert (name == "flipped bit in a frame") == is_complete(interaction.script)
    assert replayed(tape, STREAM_PATH) == live


@pytest.mark.parametrize("code", RECORDERS_OWN)
def test_refusal_of_the_recorders_credentials_is_passed_on_and_not_kept(code: str, tmp_path: Path) -> None:
    """It says something about who records, and would replay as the answer to a good request."""
    tape = tmp_path / "churn.tape"
    live = recorded(says(error("403 Forbidden", code)), tape, kind="aws", path=PATH)
    assert parsed(live).status == 403
    assert parsed(live).headers["x-amzn-errortype"] == code
    assert not kept(tape)


@pytest.mark.parametrize("name", CALLERS)
def test_error_of_the_service_is_kept_and_replays(name: str, tmp_path: Path) -> None:
    """It is what this call is answered: status, type and body."""
    tape = tmp_path / "churn.tape"
    live = recorded(says(CALLERS[name]), tape, kind="aws", path=PATH)
    assert len(kept(tape)) == 1
    assert replayed(tape, PATH) == live


@pytest.mark.parametrize(("record_errors", "count"), [(False, 0), (True, 1)])
def test_failure_of_the_transport_is_kept_on_request_only(record_errors: bool, count: int, tmp_path: Path) -> None:
    """A reset before any byte: it is told, or with the setting the client's connection breaks, and so at replay."""
    tape = tmp_path / "churn.tape"
    live = recorded(BROKEN["reset before the head"], tape, kind="aws", path=PATH, record_errors=record_errors)
    assert len(kept(tape)) == count
    if record_errors:
        assert live in (b"", b"(reset)")
        assert replayed(tape, PATH) == live
    else:
        assert parsed(live).status == 502


@pytest.mark.parametrize("kind", ["aws", "container"])
def test_compressed_answer_is_kept_as_sent(kind: str, tmp_path: Path) -> None:
    """The bytes, and the header that says what they are; nothing is unpacked on the way."""
    body = gzip.compress(b"[1]" * 1000, mtime=0)
    tape = tmp_path / "churn.tape"
    behave = says(plain(body, "200 OK", "Content-Encoding: gzip"))
    live = recorded(behave, tape, kind=kind, path=PATH)
    assert parsed(live).body == body
    assert replayed(tape, PATH) == live


def test_failure_of_one_call_leaves_the_server_well(tmp_path: Path) -> None:
    """After every kind of broken answer the same server records a good one."""
    answers = iter([*BROKEN.values(), says(plain(b"[1]"))])

    def behave(client: socket.socket, request: bytes) -> None:
        next(answers)(client, request)

    tape = tmp_path / "churn.tape"
    with upstream(behave) as running, recorder(tape, f"aws+{running.url}") as emulator:
        for _ in BROKEN:
            asked(emulator.url, PATH)
        assert parsed(asked(emulator.url, PATH)).body == b"[1]"
    assert [is_complete(interaction.script) for interaction in kept(tape)].count(True) == 1


@pytest.mark.parametrize("kind", ["aws", "container"])
def test_answer_that_nobody_asked_for_is_nobodys(kind: str, tmp_path: Path) -> None:
    """An upstream that sends one answer too many, a moment later: the next call has its own, live as replayed."""
    served: list[socket.socket] = []
    sent = threading.Event()

    def behave(client: socket.socket, request: bytes) -> None:
        body = request.rpartition(b"\r\n\r\n")[2]
        client.sendall(plain(b"[" + body + b"]"))
        served.append(client)
        if body == b'"first"':
            try:
                client.sendall(plain(b"one too many"))
            except OSError:
                pass  # the other side is gone already, which is what it is for
            sent.set()

    tape = tmp_path / "churn.tape"
    with upstream(behave) as running:
        spec = f"aws+{running.url}" if kind == "aws" else running.url
        with recorder(tape, spec) as emulator, Wire(emulator.url) as wire:
            for body in (b'"first"', b'"second"'):
                wire.post(body)
                assert wire.answer().body == b"[" + body + b"]"
                assert sent.wait(30)
    with Emulator(tape, auth="off") as emulator, Wire(emulator.url) as wire:
        for body in (b'"first"', b'"second"'):
            wire.post(body)
            assert wire.answer().body == b"[" + body + b"]"
    assert len({id(client) for client in served}) == 2


def test_service_that_hangs_is_told_with_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's limit and the grace that AWS itself is given, here a fifth of a second; nothing is kept."""
    monkeypatch.setattr(aws, "GRACE_S", 0.1)
    tape, over = tmp_path / "churn.tape", threading.Event()

    def behave(_client: socket.socket, _request: bytes) -> None:
        assert over.wait(30)

    with upstream(behave) as running:
        endpoints = {"churn": {"upstream": f"aws+{running.url}", "timeout_s": 0.1}}
        with Emulator(endpoints=endpoints, record_to=tape, mode="new_episodes", auth="off") as emulator:
            live = parsed(asked(emulator.url, PATH))
        over.set()
    assert live.status == 502
    assert b"did not answer within 0.2 s" in live.body
    assert not kept(tape)


@pytest.mark.parametrize("path", [PATH, STREAM_PATH])
@pytest.mark.parametrize("begun", [b"", CHUNKED + chunk(b"[1]")])
def test_container_that_hangs_meets_the_limit(path: str, begun: bytes, tmp_path: Path) -> None:
    """The platform's time-out, here a fifth of a second: a 424, or in a stream an exception frame; it replays so."""
    tape, over = tmp_path / "churn.tape", threading.Event()

    def behave(client: socket.socket, _: bytes) -> None:
        client.sendall(begun)
        assert over.wait(30)

    with upstream(behave) as running:
        endpoints = {"churn": {"upstream": running.url, "timeout_s": 0.2}}
        with Emulator(endpoints=endpoints, record_to=tape, mode="new_episodes", auth="off") as emulator:
            live = asked(emulator.url, path)
        over.set()
    if begun and path == STREAM_PATH:
        assert b"ModelStreamError" in live
    else:
        assert parsed(live).status == 424
    assert len(kept(tape)) == 1
    assert ACCOUNT.sub(b"", replayed(tape, path)) == ACCOUNT.sub(b"", live)


def test_broken_recording_without_a_length_is_not_replayed_as_whole(tmp_path: Path) -> None:
    """Whoever wrote it so: the client sees a body that does not end."""
    tape = tmp_path / "churn.tape"
    recorded(says(plain(b"[1]")), tape, kind="container", path=PATH)
    (interaction,) = kept(tape)
    with Cassette.open(tape) as cassette:
        (number,) = cassette.numbers()
        key = cassette.key(number)
    other = tmp_path / "other.tape"
    with Cassette.open(other, writable=True) as cassette:
        cassette.append(replace(interaction, script=(*interaction.script[:-1], Abort("cut"))), key)
    answer = replayed(other, PATH)
    assert b"[1]" in answer
    assert parsed(answer).headers["transfer-encoding"] == "chunked"
    assert not answer.endswith(b"0\r\n\r\n")

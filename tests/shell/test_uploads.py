"""Large bodies that go past aiohttp's parser: whole, in step with what follows, and ended for a client that leaves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.shell.server_wire import PATH, Wire

from sagetape import Emulator
from sagetape.core.request_heads import read_head
from sagetape.shell import uploads
from sagetape.shell.connections import HELD_MAX_BYTES, Connection
from sagetape.shell.memory import unwritten
from sagetape.shell.uploads import Upload, without_body

MODELS = """
import hashlib

def churn(invocation):
    return hashlib.sha256(invocation.body).hexdigest()
"""
BODY = bytes(range(251)) * 2000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "upload_models.py").write_text(MODELS)
    return folder


def serving(models: Path, **settings: Any) -> Emulator:
    endpoints = {"churn": {"upstream": "function:upload_models:churn"}}
    return Emulator(endpoints=endpoints, python_path=models, auth="off", **settings)


@pytest.fixture(scope="module")
def emulator(models: Path) -> Iterator[Emulator]:
    with serving(models) as running:
        yield running


@pytest.fixture
def wire(emulator: Emulator) -> Iterator[Wire]:
    with Wire(emulator.url) as opened:
        opened.send(head_of(opened, 2) + b"{}")
        assert opened.answer().status == 200  # the connection is ready for its next request
        yield opened


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the bodies that went past the parser."""
    sizes: list[int] = []
    usual = Upload.read

    async def read(self: Upload, *given: Any) -> tuple[bytes, bytes]:
        sizes.append(self.size_bytes)
        return await usual(self, *given)

    monkeypatch.setattr(Upload, "read", read)
    return sizes


def head_of(wire: Wire, size: int) -> bytes:
    return f"POST {PATH} HTTP/1.1\r\nHost: {wire.host}\r\nContent-Length: {size}\r\n\r\n".encode()


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("first", [0, 1, 1000, len(BODY) - 1])
@pytest.mark.parametrize("step", [1 << 20, 1000])
def test_large_body_arrives_whole_past_the_parser(
    first: int, step: int, wire: Wire, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of it came with the head, and in whatever steps it is read."""
    monkeypatch.setattr(uploads, "STEP_BYTES", step)
    for body in (BODY, BODY[::-1]):
        wire.send(head_of(wire, len(body)) + body[:first])
        wire.send(body[first:])
        answer = wire.answer()
        assert (answer.status, answer.body.decode()) == (200, digest(body))
    assert taken == [len(BODY)] * 2


def test_request_behind_a_large_body_is_read_as_one(wire: Wire, taken: list[int]) -> None:
    """In the same write: no byte of it becomes the body's, whichever way each of them goes."""
    requests = [BODY, b"{}", BODY[::-1], BODY[5:], b"1"]
    wire.send(b"".join(head_of(wire, len(body)) + body for body in requests))
    assert [wire.answer().body.decode() for _ in requests] == [digest(body) for body in requests]
    assert taken


def test_large_body_on_a_new_connection_goes_past_the_parser(emulator: Emulator, taken: list[int]) -> None:
    """Also when it arrives before aiohttp's loop over the connection's requests took its first turn."""
    for _ in range(5):
        with Wire(emulator.url) as fresh:
            fresh.send(head_of(fresh, len(BODY)) + BODY)
            assert fresh.answer().body.decode() == digest(BODY)
    assert taken == [len(BODY)] * 5


def test_large_body_behind_an_answer_goes_past_the_parser(wire: Wire, taken: list[int]) -> None:
    """A fast client sends it before aiohttp's loop waits again. Here that loop is held up until it has arrived."""
    arrived: list[asyncio.Event] = []
    usual_handle, usual_read = Connection._handle_request, Connection._read

    async def handle(self: Connection, *given: Any) -> Any:
        answered = await usual_handle(self, *given)
        if len(arrived) < 2:
            arrived.append(asyncio.Event())
            await arrived[-1].wait()
        return answered

    def read(self: Connection, data: bytes) -> None:
        usual_read(self, data)
        for event in arrived:
            event.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "_handle_request", handle)
        patch.setattr(Connection, "_read", read)
        for body in (BODY, BODY[::-1], BODY[7:]):
            wire.send(head_of(wire, len(body)) + body)
            assert wire.answer().body.decode() == digest(body)
    assert taken == [len(BODY), len(BODY), len(BODY) - 7]
    assert len(arrived) == 2


def test_client_that_leaves_in_its_body_ends_the_call(
    emulator: Emulator, wire: Wire, taken: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is decided, nothing is logged as an error, and the next client is served."""
    with Wire(emulator.url) as leaving:
        leaving.send(head_of(leaving, 2) + b"{}")
        leaving.answer()
        before = len(emulator.journal)
        leaving.send(head_of(leaving, len(BODY)) + BODY[:200_000])
    wire.send(head_of(wire, len(BODY)) + BODY)
    assert wire.answer().body.decode() == digest(BODY)
    assert len(emulator.journal) == before + 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_large_body_that_stops_gets_408_and_the_connection_ends(models: Path, taken: list[int]) -> None:
    """After `body_idle_s`, here a twentieth of a second; what comes later is not read as a request."""
    with serving(models, body_idle_s=0.05) as emulator, Wire(emulator.url) as wire:
        wire.send(head_of(wire, 2) + b"{}")
        wire.answer()
        wire.send(head_of(wire, len(BODY)) + BODY[:200_000])
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert len(emulator.journal) == 1
    assert taken == [len(BODY)]


def test_refused_large_body_is_not_taken(wire: Wire, taken: list[int]) -> None:
    """An unknown path and a body over the limit are refused by their heads; no memory is taken for them."""
    wire.send(head_of(wire, 26_214_401))
    assert wire.answer().status == 413
    assert not taken


def test_head_without_its_body_is_the_same_head() -> None:
    """All but the length, in whatever case it was written."""
    for length in (b"Content-Length: 70000", b"content-length: 70000", b"CONTENT-LENGTH: 70000"):
        head = b"POST /endpoints/churn/invocations HTTP/1.1\r\nHost: h\r\n%b\r\nX-Length: 70000\r\n\r\n" % length
        before, after = read_head(head), read_head(without_body(head))
        assert before is not None
        assert after is not None
        assert before.body_bytes == 70_000 > HELD_MAX_BYTES
        assert after.body_bytes == 0
        assert {**after.fields, b"content-length": b"70000"} == before.fields


@pytest.mark.parametrize("size", [2, 3, 4096, 6 << 20])
def test_unwritten_bytes_are_what_is_written(size: int) -> None:
    """All of them, once, through the view; then they are bytes like any other."""
    body, view = unwritten(size)
    assert (len(body), view.readonly, view.format, view.nbytes) == (size, False, "B", size)
    written = bytes(range(256)) * (size // 256 + 1)
    with view[1:] as rest:
        view[:1] = written[:1]
        rest[:] = written[1:size]
    view.release()
    assert body == written[:size]
    assert {body: size}[written[:size]] == size

"""Whole answers and streams through a server that records: when bytes leave, when they are in the file, who leaves."""

from __future__ import annotations

import asyncio
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.shell.server_wire import STREAM_PATH, Answer, Upstream, Wire, kept, plain, recorder, says, upstream

from sagetape import Emulator
from sagetape.core.eventstream import decode, payload_part
from sagetape.core.wire import Chunk, End, Pause
from sagetape.shell.store import Cassette

KINDS = ("aws", "container")
HEADS = {
    "aws": b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n",
    "container": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
}
PARTS = (b"one ", "naïve ".encode(), b"three")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the recorder, for upstreams shaped like AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHERECORDER000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-recorders-own-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def piece(kind: str, part: bytes) -> bytes:
    """A part as this kind of upstream sends it: one HTTP chunk, with AWS's frame around it or without."""
    data = payload_part(part) if kind == "aws" else part
    return b"%x\r\n%b\r\n" % (len(data), data)


def spec(kind: str, url: str) -> str:
    return f"aws+{url}" if kind == "aws" else url


class Held:
    """An upstream that sends its first part, and the others when it is let go."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.go = threading.Event()
        self.done = threading.Event()

    def __call__(self, client: Any, request: bytes) -> None:
        client.sendall(HEADS[self.kind] + piece(self.kind, PARTS[0]))
        assert self.go.wait(30)
        for part in PARTS[1:]:
            client.sendall(piece(self.kind, part))
        client.sendall(b"0\r\n\r\n")
        self.done.set()


@pytest.fixture(params=KINDS)
def held(request: pytest.FixtureRequest) -> Iterator[tuple[Held, Upstream]]:
    """The upstream's behaviour and the upstream."""
    behave = Held(request.param)
    with upstream(behave) as running:
        yield behave, running
        behave.go.set()


def parts_of(script: Any) -> list[bytes]:
    return [bytes(decode(bytes(step.data)).payload) for step in script if isinstance(step, Chunk)]


def test_first_part_arrives_while_the_upstream_waits(held: tuple[Held, Upstream], tmp_path: Path) -> None:
    """Unbuffered: the client has the first part before the second exists, and the boundaries stay."""
    behave, running = held
    tape = tmp_path / "churn.tape"
    with recorder(tape, spec(behave.kind, running.url)) as emulator, Wire(emulator.url) as wire:
        wire.post(b"{}", path=STREAM_PATH)
        assert wire.head().status == 200
        assert decode(wire.chunk()).payload == PARTS[0]
        assert not behave.go.is_set()
        assert not kept(tape)
        behave.go.set()
        assert [decode(data).payload for data in iter(wire.chunk, b"")] == list(PARTS[1:])
        assert len(kept(tape)) == 1  # in the file before the end that was just read
    (interaction,) = kept(tape)
    assert parts_of(interaction.script) == list(PARTS)
    assert isinstance(interaction.script[-1], End)


def test_stream_whose_client_leaves_is_recorded_to_its_end(held: tuple[Held, Upstream], tmp_path: Path) -> None:
    """The answer was paid for: what the upstream still says is in the cassette, as a whole stream."""
    behave, running = held
    tape = tmp_path / "churn.tape"
    with recorder(tape, spec(behave.kind, running.url)) as emulator:
        with Wire(emulator.url) as wire:
            wire.post(b"{}", path=STREAM_PATH)
            wire.head()
            assert decode(wire.chunk()).payload == PARTS[0]
            wire.reset()
        behave.go.set()
        assert behave.done.wait(30)
    (interaction,) = kept(tape)
    assert parts_of(interaction.script) == list(PARTS)
    assert isinstance(interaction.script[-1], End)


@pytest.mark.parametrize("path", ["/endpoints/churn/invocations", STREAM_PATH])
def test_answer_is_in_the_file_before_its_end_leaves(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the cassette still writes, the client has no byte of a whole answer, and not the end of a stream."""
    writing, go = threading.Event(), threading.Event()
    keep = Cassette.append

    def slow(self: Cassette, *arguments: Any, **more: Any) -> int:
        writing.set()
        assert go.wait(30)
        return keep(self, *arguments, **more)

    monkeypatch.setattr(Cassette, "append", slow)
    tape = tmp_path / "churn.tape"
    with (
        upstream(says(plain(b'{"label":1}'))) as running,
        recorder(tape, running.url) as emulator,
        Wire(emulator.url) as wire,
    ):
        wire.post(b"{}", path=path)
        if path == STREAM_PATH:
            wire.head()
            assert decode(wire.chunk()).payload == b'{"label":1}'
        assert writing.wait(30)
        assert not select.select([wire.socket], [], [], 0)[0]
        go.set()
        assert wire.chunk() == b"" if path == STREAM_PATH else wire.answer().status == 200
        assert len(kept(tape)) == 1


def test_answer_whose_client_left_is_recorded(tmp_path: Path) -> None:
    """A client that sent its whole request and left: the model was asked, and what it said is kept."""
    asked, go = threading.Event(), threading.Event()

    def behave(client: Any, _: bytes) -> None:
        asked.set()
        assert go.wait(30)
        client.sendall(plain(b"[1]"))

    tape = tmp_path / "churn.tape"
    with upstream(behave) as running, recorder(tape, running.url) as emulator:
        with Wire(emulator.url) as wire:
            wire.post(b"{}")
            assert asked.wait(30)
            wire.reset()
        go.set()
    assert len(kept(tape)) == 1


MODELS = """
async def churn(invocation):
    yield b"one"
    await invocation.clock.sleep(3)
    yield b"two"
    await invocation.clock.sleep(0.5)
    yield b"three"
"""


def test_stream_keeps_the_waits_between_its_parts(tmp_path: Path) -> None:
    """Three and a half seconds of the deck's time, none of ours; they replay in the deck's time, too."""
    (tmp_path / "waiting_models.py").write_text(MODELS)
    tape = tmp_path / "churn.tape"
    settings = {"clock": "virtual", "python_path": tmp_path}
    with recorder(tape, "function:waiting_models:churn", **settings) as emulator, Wire(emulator.url) as wire:
        wire.post(b"{}", path=STREAM_PATH)
        wire.answer()
    (interaction,) = kept(tape)
    waits = [step.seconds for step in interaction.script if isinstance(step, Pause) and step.seconds >= 0.5]
    assert waits == [pytest.approx(3, abs=0.2), pytest.approx(0.5, abs=0.2)]
    with Emulator(tape, auth="off", clock="virtual", speed=2) as emulator, Wire(emulator.url) as wire:
        wire.post(b"{}", path=STREAM_PATH)
        assert [decode(data).payload for data in frames(wire)] == [b"one", b"two", b"three"]


def frames(wire: Wire) -> list[bytes]:
    assert wire.head().status == 200
    return list(iter(wire.chunk, b""))


def leave(emulator: Emulator, *, after: str) -> None:
    """A client that leaves at one moment of its request."""
    with Wire(emulator.url) as wire:
        if after == "head":
            wire.post(length=1000)
        elif after == "body":
            wire.post(b"half", length=1000)
        elif after == "chunk":
            wire.post(b"4\r\nhalf\r\n", "Transfer-Encoding: chunked")
        elif after == "line":
            wire.send(b"POST /endpo")
        wire.reset()


@pytest.mark.parametrize("after", ["connect", "line", "head", "body", "chunk"])
def test_client_that_leaves_early_leaves_nothing(after: str, tmp_path: Path) -> None:
    """Twenty of them: nobody is asked, nothing is kept, no task and no connection stays."""
    tape = tmp_path / "churn.tape"
    with upstream(says(plain(b"[1]"))) as running, recorder(tape, running.url) as emulator:
        with Wire(emulator.url) as wire:  # everything that is made on first use is there
            wire.post(b"first", "Connection: close")
            wire.answer()
        before = settled(emulator)
        for _ in range(20):
            leave(emulator, after=after)
        assert settled(emulator) == before
        assert len(running.requests) == 1
        assert not emulator.journal[1:]
    assert len(kept(tape)) == 1


def settled(emulator: Emulator) -> tuple[int, int]:
    """Tasks and connections once every client that left has been noticed."""
    running = emulator.thread.running
    answered = Answer(0, {}, b"")
    while True:
        with Wire(emulator.url) as wire:  # answered after everything that came before it
            wire.send(f"GET /ping HTTP/1.1\r\nHost: {wire.host}\r\nConnection: close\r\n\r\n".encode())
            answered = wire.answer()
            assert wire.rest() == b""
        assert answered.status == 200
        open_count = emulator.on_loop(lambda: len(running.server.connections))
        if not open_count:
            return emulator.on_loop(lambda: len(asyncio.all_tasks())), open_count

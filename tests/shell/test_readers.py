"""Clients that stop reading: when they are cut off, by a clock that the tests turn, and once over a socket."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import cast

import pytest
from tests.shell.server_wire import Wire

from sagetape import Emulator
from sagetape.shell.readers import Readers


class Transport:
    """One whose client reads when the test says so."""

    def __init__(self, waiting_bytes: int) -> None:
        self.waiting_bytes = waiting_bytes
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def get_extra_info(self, name: str) -> None:
        return None

    def abort(self) -> None:
        self.is_aborted = True


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def now(self) -> float:
        return self.now_s


def fell_behind(readers: Readers, transport: Transport) -> None:
    readers.fell_behind(cast(asyncio.Transport, transport))


async def test_client_that_reads_nothing_is_cut_off_at_the_limit() -> None:
    """Not a moment sooner; another that was left behind later has its own time."""
    clock, first, second = Clock(), Transport(100), Transport(100)
    readers = Readers(8, now=clock.now)
    fell_behind(readers, first)
    clock.now_s += 4
    fell_behind(readers, second)
    clock.now_s += 3.9
    readers.look()
    assert not first.is_aborted
    clock.now_s += 0.1
    readers.look()
    assert (first.is_aborted, second.is_aborted) == (True, False)
    clock.now_s += 4
    readers.look()
    assert second.is_aborted
    assert readers.cut_count == 2


async def test_client_that_reads_slowly_is_waited_for() -> None:
    """A byte in each limit is enough; then it stops."""
    clock, slow = Clock(), Transport(100)
    readers = Readers(8, now=clock.now)
    fell_behind(readers, slow)
    for _ in range(50):
        clock.now_s += 7
        slow.waiting_bytes -= 1
        readers.look()
    assert not slow.is_aborted
    clock.now_s += 8
    readers.look()
    assert slow.is_aborted


async def test_client_that_caught_up_is_forgotten() -> None:
    """It may take its time with the next piece."""
    clock, quick = Clock(), Transport(100)
    readers = Readers(8, now=clock.now)
    fell_behind(readers, quick)
    readers.caught_up(cast(asyncio.Transport, quick))
    clock.now_s += 100
    readers.look()
    assert not quick.is_aborted


def test_reader_that_stops_is_cut_off_on_a_socket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a whole answer and of a stream; the log says so once, and the next client is served."""
    (tmp_path / "reader_models.py").write_text(
        "def large(invocation):\n    return b'x' * 20_000_000\n\n"
        "def stream(invocation):\n    return iter([b'x' * 1_000_000] * 20)\n"
    )
    endpoints = {name: {"upstream": f"function:reader_models:{name}"} for name in ("large", "stream")}
    with (
        caplog.at_level(logging.WARNING, "sagetape"),
        Emulator(endpoints=endpoints, python_path=tmp_path, auth="off", send_idle_s=0.05) as emulator,
    ):
        for path in ("/endpoints/large/invocations", "/endpoints/stream/invocations-response-stream"):
            with Wire(emulator.url) as wire:
                wire.post(b"{}", path=path)
                assert wire.head().status == 200
                while emulator.on_loop(lambda: len(emulator.thread.running.server.connections)):
                    pass
                assert len(wire.rest()) < 20_000_000
        with Wire(emulator.url) as wire:
            wire.post(b"{}", path="/endpoints/large/invocations")
            assert len(wire.answer().body) == 20_000_000
    assert [record.message[:33] for record in caplog.records] == ["cut off a client that read nothin"] * 2

"""--durability sync: write, then sync, then answer, through a whole server; and every file operation failing once."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from recorders import Client, Container, container

from sagetape.core.wire import body_of, is_complete
from sagetape.shell.files import Files
from sagetape.shell.server import Running, start, stop
from sagetape.shell.settings import ServerSettings
from sagetape.shell.store import Cassette, verify
from sagetape.shell.summary import sum_up


class Seam(Files):
    """The real files, with a log of writes and syncs; `fails` decides about each operation."""

    def __init__(self, fails: Callable[[str], int | None] = lambda name: None) -> None:
        self.log: list[str] = []
        self.fails = fails

    def writev(self, fd: int, buffers: Any) -> int:
        self._perform("writev")
        return super().writev(fd, buffers)

    def sync(self, fd: int) -> None:
        self._perform("sync")
        super().sync(fd)

    def truncate(self, fd: int, length: int) -> None:
        self._perform("truncate")
        super().truncate(fd, length)

    def status(self, fd: int) -> os.stat_result:
        self._perform("status")
        return super().status(fd)

    def path_status(self, path: str) -> os.stat_result | None:
        self._perform("path_status")
        return super().path_status(path)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        self._perform("pread")
        return super().pread(fd, length, offset)

    def mmap(self, fd: int, length: int) -> Any:
        self._perform("mmap")
        return super().mmap(fd, length)

    def _perform(self, name: str) -> None:
        self.log.append(name)
        number = self.fails(name)
        if number is not None:
            raise OSError(number, os.strerror(number))


@asynccontextmanager
async def recording(path: Path, seam: Files, models: Container, **settings: Any) -> AsyncIterator[Running]:
    """A whole server on this loop that records into a file."""
    given = ServerSettings(
        host=("127.0.0.1",), port=0, auth="off", mode="new_episodes", record_to=path, upstream=(models.url,), **settings
    )
    running = await start(given, environ={}, home=Path(os.devnull), files=seam)
    try:
        yield running
    finally:
        await stop(running)


def stored(path: Path) -> dict[bytes, bytes]:
    """Requests and whole answers of a file."""
    with Cassette.open(path) as cassette:
        kept = [cassette.read(number) for number in cassette.numbers()]
    assert all(is_complete(one.script) for one in kept)
    return {one.call.body: body_of(one.script) for one in kept}


# --- write, then sync, then answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_answer_leaves_after_write_and_sync(tmp_path: Path, kind: str) -> None:
    """The log of calls: each answer's end is seen after a sync that came after its write; streams before their end."""
    seam = Seam()
    async with container() as models, recording(tmp_path / "a.tape", seam, models, durability="sync") as running:
        client = Client(running.port)
        for number in range(5):
            seam.log.clear()
            answer = await client.call(b"%b %d" % (kind.encode(), number), is_stream=kind == "stream")
            assert answer is not None
            assert [name for name in seam.log if name in ("writev", "sync")] == ["writev", "sync"]
        client.close()


async def test_calls_at_once_share_syncs(tmp_path: Path) -> None:
    """Sixty-four calls at once are all on the disk before their answers, by fewer syncs than calls."""
    seam = Seam()
    path = tmp_path / "a.tape"
    async with container() as models, recording(path, seam, models, durability="sync") as running:
        seam.log.clear()
        clients = [Client(running.port) for _ in range(64)]
        answers = await asyncio.gather(*(client.call(b"whole %d" % n) for n, client in enumerate(clients)))
        assert seam.log.count("writev") == 64
        assert 1 <= seam.log.count("sync") < 64
        for client in clients:
            client.close()
    assert stored(path) == {b"whole %d" % n: answer for n, answer in enumerate(answers)}


async def test_cache_never_syncs_for_an_answer(tmp_path: Path) -> None:
    """The default leaves the disk to the system."""
    seam = Seam()
    async with container() as models, recording(tmp_path / "a.tape", seam, models) as running:
        client = Client(running.port)
        assert await client.call(b"whole") is not None
        assert "sync" not in seam.log
        client.close()


@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_failed_sync_is_said_and_not_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """The client still gets the answer; the log names the suspect file, the run ends with 6, no sync is tried again."""
    seam = Seam(lambda name: errno.EIO if name == "sync" else None)
    path = tmp_path / "a.tape"
    async with container() as models, recording(path, seam, models, durability="sync") as running:
        client = Client(running.port)
        for number in range(3):
            body = b"%b %d" % (kind.encode(), number)
            answer = await client.call(body, is_stream=kind == "stream")
            assert answer is not None
            assert body in answer
        client.close()
        failures = await stop(running)
    assert seam.log.count("sync") == 1
    assert "suspect" in caplog.text
    assert sum_up(running.app, running.assembly, failures, is_interrupted=False) == 6
    assert verify(path).is_sound


# --- every file operation fails once ----------------------------------------------------------------------------


async def under_failure(path: Path, models: Container, k: int, number: int, *, durability: str) -> tuple[Seam, int]:
    """Six calls, whole and streamed, while the k-th file operation after the start fails; the exit code."""
    count = 0
    is_armed = False

    def fails(_name: str) -> int | None:
        nonlocal count
        count += is_armed
        return number if is_armed and count == k else None

    seam = Seam(fails)
    answers: dict[bytes, bytes] = {}
    async with recording(path, seam, models, durability=durability) as running:
        is_armed = True
        client = Client(running.port)
        for call in range(6):
            body = b"%b %d %d" % (b"stream" if call % 2 else b"whole", k, call)
            answer = await client.call(body + b"-" * 300, is_stream=bool(call % 2))
            assert answer is not None, (k, call)
            assert client.status == 200
            answers[body + b"-" * 300] = answer
        client.close()
        entries = list(running.assembly.decks.get("default").deck.journal.entries)
        failures = await stop(running)
        is_armed = False
    code = sum_up(running.app, running.assembly, failures, is_interrupted=False)
    found = stored(path)
    for entry, (body, answer) in zip(entries, answers.items(), strict=True):
        if entry.kept:
            assert found[body] == answer, k
    if not all(entry.kept for entry in entries):
        assert code == 6
    return seam, code if count >= k else -1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EINTR])
@pytest.mark.parametrize("durability", ["cache", "sync"])
async def test_failure_of_every_operation_reaches_no_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, number: int, durability: str
) -> None:
    """For every k: the client gets the model's answer, what was not kept is told, and the file stays valid."""
    caplog.set_level(logging.CRITICAL)
    codes = set()
    async with container() as models:
        for k in range(1, 200):
            path = tmp_path / f"{k}.tape"
            _, code = await under_failure(path, models, k, number, durability=durability)
            assert verify(path).is_sound, k
            with Cassette.open(path, writable=True):
                pass
            if code < 0:
                break
            codes.add(code)
    assert code < 0
    assert codes <= ({0, 6} if number != errno.EINTR or durability == "sync" else {0})
    print(f"{durability}, {errno.errorcode[number]}: {k - 1} operations failed, one in each run")
    assert number == errno.EINTR or 6 in codes


async def test_recording_resumes_when_space_returns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk costs the recordings of that time only, is said once for each, and the run ends with 6."""
    is_full = False
    seam = Seam(lambda name: errno.ENOSPC if is_full and name == "writev" else None)
    path = tmp_path / "a.tape"
    async with container() as models, recording(path, seam, models) as running:
        client = Client(running.port)
        for number in range(6):
            is_full = number in (2, 3)
            answer = await client.call(b"whole %d" % number)
            assert answer is not None
            assert b"whole" in answer
        client.close()
        failures = await stop(running)
    assert sorted(stored(path)) == [b"whole 0", b"whole 1", b"whole 4", b"whole 5"]
    assert caplog.text.count("no space left on device") == 2
    assert "recording resumes by itself" in caplog.text
    assert sum_up(running.app, running.assembly, failures, is_interrupted=False) == 6
    assert verify(path).is_sound

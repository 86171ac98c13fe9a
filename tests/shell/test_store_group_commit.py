"""Write, then sync, then answer; one sync for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tape_samples import interaction, key_of

from sagetape.core.errors import CassetteUnwritten
from sagetape.shell.files import Files
from sagetape.shell.store import Cassette
from sagetape.shell.store.group_commit import GroupCommit


class Logged(Files):
    """The real files, with a log of writes and syncs."""

    def __init__(self, log: list[str], *, is_failing: bool = False) -> None:
        self.log, self.is_failing = log, is_failing

    def writev(self, fd: int, buffers: object) -> int:
        self.log.append("write")
        return super().writev(fd, buffers)  # type: ignore[arg-type]

    def sync(self, fd: int) -> None:
        self.log.append("sync")
        if self.is_failing:
            raise OSError(5, "Input/output error")


class Gate:
    """Runs a sync only when it is told to."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def run(self, sync: Callable[[], None]) -> None:
        await self.opened.wait()
        sync()


async def test_answers_wait_for_one_sync_of_all_writes(tmp_path: Path) -> None:
    """Ten recordings that arrive during a sync share the next one; each answer follows a sync after its write."""
    log: list[str] = []
    gate = Gate()
    with Cassette.open(tmp_path / "a.tape", writable=True, files=Logged(log), durability="disk") as cassette:
        log.clear()
        commit = GroupCommit(cassette, run=gate.run)

        async def record(number: int) -> None:
            cassette.append(interaction(b"%d" % number), key_of(number))
            await commit.committed()
            log.append(f"answer {number}")

        tasks = [asyncio.create_task(record(0))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(record(number)) for number in range(1, 11)]
        await asyncio.sleep(0)
        gate.opened.set()
        await asyncio.gather(*tasks)
        assert log.count("sync") <= 2
        for number in range(11):
            answered = log.index(f"answer {number}")
            written = [place for place, what in enumerate(log) if what == "write"][number]
            assert "sync" in log[written:answered]


async def test_failed_sync_fails_everybody_and_is_not_repeated(tmp_path: Path) -> None:
    """All who wait for a sync that fails are told; those who come later too, without another sync."""
    log: list[str] = []
    cassette = Cassette.open(tmp_path / "a.tape", writable=True, files=Logged(log, is_failing=True), durability="disk")
    commit = GroupCommit(cassette)
    cassette.append(interaction(), key_of(1))
    results = await asyncio.gather(*(commit.committed() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, CassetteUnwritten) for one in results)
    with pytest.raises(CassetteUnwritten):
        await commit.committed()
    assert log.count("sync") == 1
    cassette.discard()


async def test_leaving_client_does_not_stop_the_sync(tmp_path: Path) -> None:
    """A waiter that is cancelled leaves the sync running for the others."""
    log: list[str] = []
    gate = Gate()
    with Cassette.open(tmp_path / "a.tape", writable=True, files=Logged(log), durability="disk") as cassette:
        commit = GroupCommit(cassette, run=gate.run)
        cassette.append(interaction(), key_of(1))
        leaver, stayer = (asyncio.create_task(commit.committed()) for _ in range(2))
        await asyncio.sleep(0)
        leaver.cancel()
        gate.opened.set()
        await stayer
        assert leaver.cancelled() or leaver.cancelling()
        assert "sync" in log

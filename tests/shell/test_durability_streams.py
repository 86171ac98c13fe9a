"""Streams that do not reach their end, over HTTP: nothing incomplete looks whole."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from recorders import Client, Container, container, recorder

from sagetape.core.wire import body_of, is_complete
from sagetape.shell.server import start, stop
from sagetape.shell.settings import ServerSettings
from sagetape.shell.store import Cassette, verify


async def serving(**settings: object):  # type: ignore[no-untyped-def]
    """A whole server on this loop."""
    given = ServerSettings(host=("127.0.0.1",), port=0, auth="off", **settings)  # type: ignore[arg-type]
    return await start(given, environ={}, home=Path(os.devnull))


class Gate:
    """Holds a stream before a part until it is opened."""

    def __init__(self, part: int) -> None:
        self._part = part
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, part: int) -> None:
        if part == self._part:
            self.reached.set()
            await self.opened.wait()


async def replayed(path: Path, body: bytes) -> tuple[bytes | None, int]:
    """What a replay of a cassette answers to a stream, None when it breaks off; the status."""
    running = await serving(is_replay=True, cassettes=(path,))
    client = Client(running.port)
    answer = await client.call(body, is_stream=True)
    client.close()
    await stop(running)
    return answer, client.status


async def test_client_that_leaves_does_not_halve_the_recording(tmp_path: Path) -> None:
    """A client leaves in the middle of a stream: it is heard to its end and kept whole, and replays so."""
    path, gate, body = tmp_path / "a.tape", Gate(3), b"stream left"
    async with container(pace=gate) as models:
        running = await serving(mode="new_episodes", record_to=path, upstream=(models.url,))
        client = Client(running.port)
        reader, _ = await client.send(body, is_stream=True)
        await reader.readuntil(b"\r\n\r\n")
        await gate.reached.wait()
        with Cassette.open(path) as cassette:
            assert len(cassette) == 0  # nothing of a stream is in the file before its end
        client.close()
        gate.opened.set()
        assert await stop(running) == []
    with Cassette.open(path) as cassette:
        assert is_complete(cassette.script(0))
        kept = body_of(cassette.script(0))
    assert kept.count(b"of 1 stream left") == sum(1 + part * 20 for part in range(models.parts))
    assert await replayed(path, body) == (kept, 200)


async def test_stream_broken_by_its_upstream_is_kept_and_replayed_broken(tmp_path: Path) -> None:
    """The upstream breaks off: the client sees it break, the recording says so, and a replay breaks too."""
    path, body = tmp_path / "a.tape", b"stream cut"
    async with container(breaks=True) as models:
        running = await serving(mode="new_episodes", record_to=path, upstream=(models.url,))
        client = Client(running.port)
        seen = await client.call(body, is_stream=True)
        client.close()
        await stop(running)
    with Cassette.open(path) as cassette:
        scripts = [cassette.script(number) for number in cassette.numbers()]
        whole = [one.is_complete for one in cassette.summaries()]
    again, _ = await replayed(path, body)
    if seen is None:  # the connection broke: marked, and broken again
        assert whole == [False] * len(whole)
        assert again is None
    else:  # told inside the stream, by an event that is an error
        assert b"exception" in seen
        assert [body_of(script) for script in scripts] == [seen]
        assert again == seen
    assert verify(path).is_sound


@pytest.mark.parametrize("part", range(0, 6, 2))
async def test_recorder_killed_inside_a_stream_leaves_nothing_of_it(tmp_path: Path, part: int) -> None:
    """kill -9 between two parts: the client sees a break; the file has what came before, and nothing of the stream."""
    path, gate = tmp_path / "a.tape", Gate(part)
    async with container(pace=gate) as models:
        victim = await recorder(path, models.url, is_quiet=True)
        await victim.start()
        first, second = Client(victim.port), Client(victim.port)
        before = await first.call(b"whole before")
        stream = asyncio.create_task(second.call(b"stream unfinished", is_stream=True))
        await gate.reached.wait()
        await victim.kill()
        assert await stream is None
        gate.opened.set()
        first.close()
        second.close()
    with Cassette.open(path) as cassette:
        assert [body_of(cassette.script(number)) for number in cassette.numbers()] == [before]
    assert b"unfinished" not in path.read_bytes()
    answer, status = await replayed(path, b"stream unfinished")
    assert status == 400
    assert b"unfinished" not in (answer or b"")


async def test_stream_cut_off_at_the_end_of_the_server_is_not_kept_as_whole(tmp_path: Path) -> None:
    """A server that is told to stop gives a stream its time; one that has not ended by then leaves nothing whole."""
    path, gate = tmp_path / "a.tape", Gate(2)
    async with container(pace=gate) as models:
        running = await serving(mode="new_episodes", record_to=path, upstream=(models.url,), drain_s=0.1)
        client = Client(running.port)
        stream = asyncio.create_task(client.call(b"stream late", is_stream=True))
        await gate.reached.wait()
        await stop(running)
        assert await stream is None
        gate.opened.set()
        client.close()
    if path.exists():
        with Cassette.open(path) as cassette:
            assert not any(is_complete(cassette.script(number)) for number in cassette.numbers())
    assert isinstance(models, Container)

"""kill -9 while sixteen clients record over HTTP: what a client saw is served by the next recorder, byte for byte."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from recorders import Client, Recorder, container, recorder

from sagetape.core.wire import body_of, is_complete
from sagetape.shell.store import Cassette, verify

CLIENTS = 16
CHECKED_MAX = 48
"""Answers that the next recorder is asked for; the last check looks at all of them in the file."""


class Run:
    """One recorder's life under sixteen clients, up to its death."""

    def __init__(self, number: int, victim: Recorder, *, dies_after: int) -> None:
        self.number, self.victim, self._left = number, victim, dies_after
        self.seen: dict[bytes, bytes] = {}
        self.unseen: set[bytes] = set()
        """Asked, and not answered to the end."""

    def heard(self) -> None:
        """A piece of an answer arrived; after so many the recorder is killed."""
        self._left -= 1
        if self._left == 0:
            self.victim.process.kill()

    async def client(self, place: int) -> None:
        client = Client(self.victim.port, on_data=self.heard)
        for call in range(1000):
            is_stream = (place + call) % 3 == 0
            body = (
                b"%b %d %d %d " % (b"stream" if is_stream else b"whole", self.number, place, call) + b"x" * place * 50
            )
            self.unseen.add(body)
            answer = await client.call(body, is_stream=is_stream)
            if answer is None:
                break
            assert client.status == 200
            self.unseen.remove(body)
            self.seen[body] = answer
        client.close()

    async def live_and_die(self) -> None:
        await asyncio.gather(*map(self.client, range(CLIENTS)))
        await self.victim.kill()


async def check_replayed(port: int, run: Run, chance: random.Random) -> None:
    """The recorder that came after a kill serves what the one before it had served, the model not asked."""
    asked = chance.sample(sorted(run.seen), min(CHECKED_MAX, len(run.seen)))

    async def again(bodies: list[bytes]) -> None:
        client = Client(port)
        for body in bodies:
            answer = await client.call(body, is_stream=body.startswith(b"stream"))
            assert answer == run.seen[body], body[:40]
        client.close()

    await asyncio.gather(*(again(asked[place::4]) for place in range(4)))


def check_file(path: Path, runs: list[Run]) -> int:
    """Every answer that a client saw is in the file, whole; the file is sound; the number of answers."""
    with Cassette.open(path) as cassette:
        found: dict[bytes, bytes] = {}
        for number in cassette.numbers():
            one = cassette.read(number)
            assert one.call.body not in found
            assert is_complete(one.script)
            found[one.call.body] = body_of(one.script)
        assert not cassette.report.damaged
    for run in runs:
        for body, answer in run.seen.items():
            assert found.pop(body) == answer
    assert set(found) <= set().union(*(run.unseen for run in runs))  # kept, and the kill came before the answer
    with Cassette.open(path, writable=True):
        pass
    assert verify(path).is_sound
    return sum(len(run.seen) for run in runs)


async def campaign(path: Path, kills: int, *, seed: int) -> tuple[int, int]:
    """Recorders of one file, one after the other, each killed; answers seen, and calls cut off."""
    chance, runs = random.Random(seed), list[Run]()
    async with container() as models:
        waiting = await recorder(path, models.url, is_quiet=True)
        for number in range(kills):
            victim, waiting = waiting, await recorder(path, models.url, is_quiet=True)
            await victim.start()
            if runs:
                before = models.count
                await check_replayed(victim.port, runs[-1], chance)
                assert models.count == before
            runs.append(Run(number, victim, dies_after=chance.randrange(1, 300)))
            await runs[-1].live_and_die()
        await waiting.start()
        await check_replayed(waiting.port, runs[-1], chance)
        await waiting.kill()
    return check_file(path, runs), sum(len(run.unseen) for run in runs)


@pytest.mark.timeout(600)
async def test_what_a_client_saw_survives_fifty_kills(tmp_path: Path) -> None:
    """Fifty recorders of one cassette, killed at random moments: nothing seen is lost, nothing half looks whole."""
    seen, cut = await campaign(tmp_path / "killed.tape", 50, seed=9)
    assert seen > 50
    assert cut > 50
    print(f"50 kills: {seen} answers seen, {cut} calls cut off")


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_what_a_client_saw_survives_a_thousand_kills(tmp_path: Path) -> None:
    """The same with 1,000 kills, in ten files."""
    seen = cut = 0
    for number in range(10):
        more, less = await campaign(tmp_path / f"{number}.tape", 100, seed=number)
        seen, cut = seen + more, cut + less
    print(f"1,000 kills: {seen} answers seen, {cut} calls cut off")

"""What a server is put together of, before it listens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sagetape.shell.assembly import Assembly
from sagetape.shell.decks import DEFAULT
from sagetape.shell.settings import ServerSettings


@pytest.mark.parametrize("is_there", [False, True])
def test_cassette_that_is_recorded_is_on_the_shelf(is_there: bool, tmp_path: Path) -> None:
    """One without any interaction yet, too: the first run plays by the same rules as the second."""
    path = tmp_path / "new.tape"
    given = ServerSettings(mode="new_episodes", record_to=path, upstream=("http://127.0.0.1:9",))
    for _ in range(1 + is_there):
        assembly = Assembly(given)
        player = assembly.decks.get(DEFAULT)
        assert [Path(one.path) for one in player.shelf.cassettes] == [path]
        assert player.cassette is player.shelf.cassettes[0]
        asyncio.run(assembly.close())

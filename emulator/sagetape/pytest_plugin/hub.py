"""The one server of a test process: every test's deck is shown under a name of its own, and is gone after the test.

A name that is not shown any more belongs to a client that outlived its test; it is told so instead of being answered.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Final

from ..core.errors import CallerError, compact_json
from ..emulator import Emulator
from ..inprocess.loops import GivenLoop
from ..inprocess.opened import LATE, OpenDeck
from ..shell.decks import DEFAULT, Decks, Player

NAME_MAX: Final = 60


class Hub:
    """A server in a thread, started by the first test that needs it."""

    def __init__(self, *, records_aws: bool, on_late: Callable[[str], object]) -> None:
        """`on_late` is told the owner of a deck that is called after its end, and an empty text for an unknown deck."""
        # With an upstream that holds credentials the server accepts no key that everybody knows.
        self.emulator = Emulator(upstream=("aws",) if records_aws else ())
        self._owners: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._on_late = on_late

    def start(self) -> None:
        """Listens. Nothing but decks that are shown answers."""
        self.emulator.__enter__()
        running = self.emulator.thread.running

        def only_shown() -> None:
            decks = Decks(self._refuse)
            decks.add(DEFAULT, running.assembly.decks.get(DEFAULT))
            running.assembly.decks = running.app.decks = decks

        self.emulator.on_loop(only_shown)

    def stop(self) -> None:
        """Ends the server."""
        self.emulator.close()

    @property
    def loop(self) -> GivenLoop:
        """Where the decks' upstreams are waited for."""
        return self.emulator.thread.loop

    def show(self, opened: OpenDeck, owner: str) -> str:
        """Shows a deck; its URL."""
        name = f"{next(self._numbers)}-{re.sub(r'[^A-Za-z0-9]+', '-', owner).strip('-')[-NAME_MAX:]}"
        self._owners[name] = owner
        self.emulator.on_loop(lambda: self.emulator.thread.running.assembly.decks.add(name, opened.player))
        opened.url = f"{self.emulator.url}/deck/{name}"
        return opened.url

    def hide(self, url: str) -> None:
        """The deck of this URL answers no more."""
        name = url.rpartition("/")[2]
        self.emulator.on_loop(lambda: self.emulator.thread.running.assembly.decks.remove(name))

    def _refuse(self, name: str) -> Player:
        owner = self._owners.get(name)
        self._on_late(owner or "")
        if owner is None:
            text = f"There is no deck {name!r} on this server of a test run."
        else:
            text = f"This client was made for the deck of {owner}, and that test has ended."
        raise CallerError(400, "SagetapeDeck", compact_json({"Message": f"{text} {LATE}"}))

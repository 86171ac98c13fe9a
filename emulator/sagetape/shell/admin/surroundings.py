"""What the admin API looks at and changes: a running server, seen through what its handlers need of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..app import App
from ..assembly import Assembly
from ..clock import VirtualClock
from ..connections import Server
from ..decks import Player
from .refusals import CONFLICT, NOT_FOUND, refusal
from .routes import Asked


@dataclass(slots=True)
class Surroundings:
    """The server around a request of the admin API."""

    app: App
    assembly: Assembly
    server: Server
    ready_fields: Callable[[], dict[str, Any]]
    """Of the ready line, without its secrets."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server ends: nobody waits for calls any more."""

    def player(self, asked: Asked) -> Player:
        """The deck that the path names. Looking at a deck never makes it."""
        name, decks = asked.path["deck"], self.assembly.decks
        if name not in decks:
            known = ", ".join(list(decks.names())[:20])
            raise refusal(
                NOT_FOUND,
                f"There is no deck {name[:100]!r}; there are: {known}. Make it with POST /_sagetape/decks, or by a "
                "first call to it.",
            )
        return decks.get(name)

    def virtual_clock(self, asked: Asked) -> VirtualClock:
        """The clock of the deck that the path names, which must be virtual."""
        clock = self.player(asked).clock
        if not isinstance(clock, VirtualClock):
            raise refusal(
                CONFLICT,
                f"The clock of deck {asked.path['deck']} is real and moves by itself. Start with --clock virtual, or "
                'make a deck with {"clock": "virtual"}.',
            )
        return clock

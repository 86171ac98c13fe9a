"""What a program may ask of a server's deck, by name: the same of one in a thread and of one in a process.

Arguments and results are JSON-like, because one of the two ways is a pipe. Each runs between two requests, on the
server's own loop.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from ..core.errors import ConfigError
from ..core.faults.parsing import written
from ..core.verdict import Prices
from ..shell.decks import Player
from ..shell.evidence import judge_deck, source_of, unstruck
from ..shell.server import Running
from .keyword_values import advanced
from .keywords import fault_from
from .shared import SharedDeck


def journal(player: Player) -> list[dict[str, Any]]:
    """The entries, oldest first."""
    return [asdict(entry) for entry in player.deck.journal.entries]


def misses(player: Player) -> list[dict[str, Any]]:
    """The entries of the requests that nothing answered, oldest first."""
    return [asdict(entry) for entry in player.deck.journal.unanswered]


def requests(player: Player) -> list[dict[str, Any]]:
    """The requests with their bodies (base64), of a deck that remembers them; each with its number in the journal."""
    if not isinstance(player.deck, SharedDeck):
        raise ConfigError(
            'This emulator remembers no requests, only its journal. Make it with server="process", or use attach().'
        )
    return [
        {
            "operation": seen.call.operation,
            "endpoint": seen.call.endpoint,
            "body": b64encode(seen.call.body).decode(),
            "members": dict(seen.call.members),
            "source": source_of(player, seen.entry),
            "status": seen.entry.status,
        }
        for seen in player.deck.seen
    ]


def forgotten_count(player: Player) -> int:
    """Requests that were asked before those that `requests` gives, and are not remembered any more."""
    return player.deck.seen.dropped if isinstance(player.deck, SharedDeck) else 0


def advance(player: Player, *, seconds: Any) -> float:
    """Moves a virtual clock ahead; the new Unix time."""
    return advanced(player.clock, seconds, owner="This emulator")


def fault(player: Player, *, fault: Any, parameters: dict[str, Any]) -> dict[str, object]:
    """Adds a fault; the rule with its id."""
    return written(player.deck.faults.add(fault_from(fault, parameters)))


def clear_faults(player: Player) -> None:
    """Takes every fault back."""
    player.deck.faults.clear()


def verdict(player: Player, *, prices: dict[str, float], price: float) -> dict[str, Any]:
    """What the calls so far amount to."""
    return judge_deck(player, Prices(prices, price), more=unstruck(player)).as_dict()


def reset(player: Player) -> None:
    """As if nothing had been asked yet."""
    player.deck.reset()


CONTROLS: Final[dict[str, Callable[..., Any]]] = {
    "journal": journal,
    "misses": misses,
    "requests": requests,
    "forgotten_count": forgotten_count,
    "advance": advance,
    "fault": fault,
    "clear_faults": clear_faults,
    "verdict": verdict,
    "reset": reset,
}


def perform(running: Running, name: str, deck: str, arguments: dict[str, Any]) -> Any:
    """One control on one deck, which is made on first use; `announce` only says that it will be.

    `abandon` is said of the whole server: nothing that it recorded anew replaces what was there.
    """
    running.assembly.decks.announce(deck)
    if name == "announce":
        return None
    if name == "abandon":
        running.assembly.is_abandoned = True
        return None
    return CONTROLS[name](running.assembly.decks.get(deck), **arguments)

"""Decks over HTTP: list, make, look at, reset, forget; their clocks; copies of inference components.

A deck made here plays the server's cassettes and records nothing: recording never starts over HTTP, and no route takes
a path or a URL.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ...core.deck_names import NAME
from ...core.faults.parsing import parse_rules
from ...core.modes import EXHAUSTED
from ...core.wire import INSTANT_MAX
from ..clock import VirtualClock
from ..decks import DEFAULT, Player
from ..setting_kinds import Clock as ClockText
from .faults import FAULT
from .refusals import CONFLICT, INVALID, NOT_FOUND, refusal
from .routes import Asked
from .schemas import flag, listed, mapping, number, table, text, whole
from .surroundings import Surroundings

SEED_MAX = 2**63 - 1

CLOCK = table(
    {
        "kind": text("Real, or virtual: stands still until it is advanced.", choices=("real", "virtual")),
        "now": number("Unix time in seconds, on the deck's clock."),
        "iso": text("The same as ISO 8601, in UTC."),
        "frozen": flag("Whether waits pass only as the clock is advanced."),
        "waiting": whole("Calls that wait for a frozen clock to be advanced."),
    }
)
DECK = table(
    {
        "name": text(),
        "url": text("What a client is given as its endpoint URL."),
        "mode": text("How recordings play and whether answers are kept."),
        "clock": CLOCK,
        "seed": whole("Of everything random."),
        "speed": number("Pace of recorded waits: 0 at once, 1 as recorded."),
        "exhausted": text("What plays after the last take.", choices=EXHAUSTED),
        "skew_s": number("Seconds that Date and the signature window are ahead of the wall clock."),
        "is_expected": flag("False: made by a request's path alone."),
        "interactions": whole("Recordings it can play."),
        "in_flight": whole("Calls being answered."),
        "calls": mapping(whole(), "Calls so far, by where the answer came from."),
        "kept": whole("Answers recorded in this run."),
    }
)
DECK_SETTINGS = table(
    {
        "name": text("The deck's name.", pattern=NAME.pattern),
        "mode": text("Over HTTP no deck records.", choices=("none",)),
        "clock": text("real, virtual, or the ISO time at which a virtual clock starts."),
        "seed": whole("Of everything random.", low=0, high=SEED_MAX),
        "speed": number("Pace of recorded waits.", low=0, high=1000),
        "exhausted": text("What plays after the last take of a request.", choices=EXHAUSTED),
        "skew_s": number("Seconds by which Date and the signature window shall be off.", low=-1e9, high=1e9),
        "faults": listed(FAULT, "In force from the first call on."),
    },
    "What is left out is as in the server's settings.",
    optional=("mode", "clock", "seed", "speed", "exhausted", "skew_s", "faults"),
)
SECONDS = table({"seconds": number("How far.", low=0, high=1e9)})
INSTANT = table({"instant": number("Unix time in seconds.", low=0, high=INSTANT_MAX)})
COPIES = table({"copies": whole("How many; 0 takes the component out of service.", low=0, high=1000)})
NOTHING = table({})


def clock_view(player: Player) -> dict[str, Any]:
    """A deck's clock as JSON."""
    clock = player.clock
    now = clock.now()
    return {
        "kind": "virtual" if clock.is_virtual else "real",
        "now": now,
        "iso": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "frozen": isinstance(clock, VirtualClock) and clock.is_frozen,
        "waiting": clock.waiting if isinstance(clock, VirtualClock) else 0,
    }


def deck_view(around: Surroundings, player: Player) -> dict[str, Any]:
    """A deck as JSON."""
    deck, url = player.deck, around.ready_fields()["url"]
    return {
        "name": deck.name,
        "url": url if deck.name == DEFAULT else f"{url}/deck/{deck.name}",
        "mode": deck.settings.mode.name,
        "clock": clock_view(player),
        "seed": deck.chances.seed,
        "speed": deck.settings.speed,
        "exhausted": deck.settings.exhausted,
        "skew_s": player.skew_s,
        "is_expected": player.is_expected,
        "interactions": len(player.shelf),
        "in_flight": player.in_flight,
        "calls": dict(deck.journal.counts),
        "kept": player.kept,
    }


async def list_decks(around: Surroundings, asked: Asked) -> Any:
    return {"decks": [deck_view(around, player) for player in around.assembly.decks]}


async def show_deck(around: Surroundings, asked: Asked) -> Any:
    return deck_view(around, around.player(asked))


async def make_deck(around: Surroundings, asked: Asked) -> Any:
    """A deck of the server's cassettes, with settings of its own."""
    wish, assembly = dict(asked.body), around.assembly
    name = wish.pop("name")
    if name in assembly.decks:
        text = f"There is a deck {name!r} already. Take another name, or remove it: DELETE /_sagetape/decks/{name}."
        raise refusal(CONFLICT, text)
    rules = parse_rules(wish.pop("faults")) if "faults" in wish else list(assembly.settings.faults)
    wish["clock"] = clock_text(wish.get("clock", assembly.settings.clock))
    settings = replace(assembly.settings, **wish | {"mode": "none", "record_to": None, "faults": tuple(rules)})
    assembly.decks.check(name)
    player = assembly.make_player(name, settings)
    assembly.decks.add(name, player)
    return deck_view(around, player)


def clock_text(given: str) -> str:
    """What a deck's clock is to be, checked."""
    try:
        return str(ClockText().from_text(given))
    except ValueError as error:
        raise refusal(INVALID, f"clock {error}. Use real, virtual or an ISO time.") from None


async def remove_deck(around: Surroundings, asked: Asked) -> Any:
    """Forgets a deck; what it counted stays in the server's totals."""
    player, name = around.player(asked), asked.path["deck"]
    if name == DEFAULT:
        raise refusal(CONFLICT, "The default deck stays. POST /_sagetape/decks/default/reset makes it as if new.")
    if player.in_flight:
        text = f"Deck {name} is answering {player.in_flight} calls. Let them end, and remove it then."
        raise refusal(CONFLICT, text)
    await around.assembly.retire(name)
    return {}


async def reset_deck(around: Surroundings, asked: Asked) -> Any:
    around.player(asked).deck.reset()
    return {}


async def reset_all(around: Surroundings, asked: Asked) -> Any:
    for player in around.assembly.decks:
        player.deck.reset()
    return {}


# --- its clock -------------------------------------------------------------------------------------------------------


async def show_clock(around: Surroundings, asked: Asked) -> Any:
    return clock_view(around.player(asked))


async def advance_clock(around: Surroundings, asked: Asked) -> Any:
    clock = around.virtual_clock(asked)
    if clock.now() + asked.body["seconds"] > INSTANT_MAX:
        raise refusal(INVALID, f"That is after the year 9999. Advance by less than {asked.body['seconds']} s.")
    clock.advance(asked.body["seconds"])
    return clock_view(around.player(asked))


async def set_clock(around: Surroundings, asked: Asked) -> Any:
    around.virtual_clock(asked).set(asked.body["instant"])
    return clock_view(around.player(asked))


async def freeze_clock(around: Surroundings, asked: Asked) -> Any:
    around.virtual_clock(asked).freeze()
    return clock_view(around.player(asked))


async def thaw_clock(around: Surroundings, asked: Asked) -> Any:
    around.virtual_clock(asked).thaw()
    return clock_view(around.player(asked))


# --- its endpoints ---------------------------------------------------------------------------------------------------


async def scale_component(around: Surroundings, asked: Asked) -> Any:
    """As UpdateInferenceComponentRuntimeConfig does."""
    endpoint, component = asked.path["endpoint"], asked.path["component"]
    if not around.player(asked).deck.router.scale(endpoint, component, copies=asked.body["copies"]):
        raise refusal(
            NOT_FOUND,
            f"Endpoint {endpoint[:100]!r} declares no inference component {component[:100]!r}. Declare it under "
            "[endpoints.<name>.components].",
        )
    return {}

"""What a deck's calls amount to: counters, shares of the variants, sessions."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ...core.operations import printable
from .refusals import NOT_FOUND, refusal
from .routes import Asked
from .schemas import flag, listed, mapping, nullable, number, table, text, whole
from .surroundings import Surroundings

COUNTERS = table(
    {
        "calls": mapping(whole(), "By where the answer came from."),
        "kept": whole("Answers recorded."),
        "failures": listed(text(), "Answers that could not be recorded."),
        "secrets": listed(text(), "Findings that kept an answer off the disk."),
        "warnings": mapping(whole(), "Texts of the wrong-answer guard, and how often."),
        "unvisited": mapping(listed(whole()), "Steps of recorded sessions that were never played."),
    }
)
SHARES = table(
    {
        "endpoints": mapping(
            listed(
                table(
                    {
                        "variant": text(),
                        "expected": number("By weight, 0 to 1."),
                        "actual": nullable(number("Of the calls given by weight, 0 to 1; null before the first.")),
                        "calls": whole("All, those that named the variant included."),
                        "drawn": whole("Given to it by weight."),
                    }
                )
            )
        ),
        "mirrored": mapping(mapping(whole()), "Copies sent to shadow variants."),
    }
)
SESSIONS = table(
    {
        "sessions": listed(
            table(
                {
                    "id": text(),
                    "endpoint": text(),
                    "variant": text(),
                    "instance": whole(),
                    "opened_at": number("Unix time in seconds."),
                    "expires_at": nullable(number("The same; null for one that began before the recording did.")),
                    "step": whole("Number of its next call."),
                    "lane": text("Its name in a cassette."),
                    "is_replayed": flag("Whether a recording answers it."),
                }
            )
        )
    }
)


async def show_counters(around: Surroundings, asked: Asked) -> Any:
    player = around.player(asked)
    deck = player.deck
    return {
        "calls": dict(deck.journal.counts),
        "kept": player.kept,
        "failures": list(player.failures),
        "secrets": list(player.secrets),
        "warnings": dict(deck.warnings),
        "unvisited": {lane: list(steps) for lane, steps in deck.conversations.unvisited().items()},
    }


async def show_shares(around: Surroundings, asked: Asked) -> Any:
    """Expected against actual, by endpoint and variant."""
    deck = around.player(asked).deck
    endpoints: dict[str, list[dict[str, Any]]] = {}
    for endpoint in deck.router.endpoints:
        shares = deck.router.shares(endpoint.name)
        drawn = sum(share.drawn for share in shares)
        endpoints[endpoint.name] = [
            {**asdict(share), "actual": share.drawn / drawn if drawn else None} for share in shares
        ]
    mirrored: dict[str, dict[str, int]] = {}
    for (name, variant), count in deck.journal.shares.items():
        declared = deck.router.declared(name)
        if declared is not None and declared.shadow is not None and declared.shadow.name == variant:
            mirrored.setdefault(name, {})[variant] = count
    return {"endpoints": endpoints, "mirrored": mirrored}


# --- sessions --------------------------------------------------------------------------------------------------------

_SESSION_FIELDS = ("id", "endpoint", "variant", "instance", "opened_at", "step", "lane", "is_replayed")


async def list_sessions(around: Surroundings, asked: Asked) -> Any:
    """The live ones, oldest first."""
    player = around.player(asked)
    live = player.deck.conversations.sessions.live(now=player.clock.now())
    views = []
    for one in live:
        view = {name: getattr(one, name) for name in _SESSION_FIELDS}
        views.append({**view, "expires_at": one.expires_at if math.isfinite(one.expires_at) else None})
    return {"sessions": views}


async def end_session(around: Surroundings, asked: Asked) -> Any:
    """Closed as if the model had closed it: the next call with its id is refused."""
    endpoint, session = asked.path["endpoint"], asked.path["session"]
    if not around.player(asked).deck.conversations.sessions.end(endpoint, session):
        raise refusal(
            NOT_FOUND,
            f"Endpoint {printable(endpoint)} has no open session {printable(session)}. "
            f"GET /_sagetape/decks/{asked.path['deck']}/sessions lists them.",
        )
    return {}

"""The server as a whole over HTTP: is it there, is it ready, and its figures in Prometheus' text."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...core.journal import UNANSWERED
from ...version import __version__
from ..metrics import Family, gathered
from .routes import Asked
from .schemas import open_table, table, text, whole
from .surroundings import Surroundings

HEALTH = table({"status": text(choices=("ok",)), "version": text()})
READY = open_table(
    {
        "url": text("Where it listens."),
        "pid": whole(),
        "mode": text(),
        "seed": whole("Of everything random."),
        "interactions": whole("Recordings that the default deck can play."),
        "decks": whole("Decks there are."),
    },
    "The ready line's fields, without its secrets.",
    required=("url", "pid", "mode", "seed", "interactions", "decks"),
)


async def show_health(around: Surroundings, asked: Asked) -> Any:
    return {"status": "ok", "version": __version__}


async def show_ready(around: Surroundings, asked: Asked) -> Any:
    return {**around.ready_fields(), "decks": len(list(around.assembly.decks.names()))}


async def show_metrics(around: Surroundings, asked: Asked) -> str:
    """All decks together: a label for each would be a series for each test."""
    return gathered(families(around))


def families(around: Surroundings) -> list[Family]:
    """Every figure, as it is now."""
    app, server, decks = around.app, around.server, around.assembly.decks
    players = list(decks)
    answers: Counter[tuple[str, str, int]] = Counter(decks.past.answers)
    for player in players:
        answers.update(player.deck.journal.answers)
    misses = sum(count for (source, _, _), count in answers.items() if source in UNANSWERED)
    refused = {code: count for code, count in app.refused.items() if " " not in code}  # with one it is a warning's text
    live = sum(len(one.deck.conversations.sessions.live(now=one.clock.now())) for one in players)
    kept = decks.past.kept + sum(player.kept for player in players)
    return [
        Family("info", "gauge", "The version that runs.", [({"version": __version__}, 1)]),
        Family(
            "requests_total",
            "counter",
            "Calls that reached a deck, by where the answer came from, operation and status.",
            [
                ({"source": source, "operation": operation, "status": str(status)}, count)
                for (source, operation, status), count in sorted(answers.items())
            ],
        ),
        Family.one("misses_total", "counter", "Calls that nothing answered.", misses),
        Family(
            "refused_total",
            "counter",
            "Requests refused before a deck was reached, by error code.",
            [({"code": code}, count) for code, count in sorted(refused.items())],
        ),
        Family.one("malformed_total", "counter", "Requests that were no HTTP.", server.malformed_count),
        Family.one("kept_total", "counter", "Answers recorded.", kept),
        Family.one("sessions", "gauge", "Open stateful sessions.", live),
        Family.one("decks", "gauge", "Decks.", len(players)),
        Family.one("in_flight", "gauge", "Calls being answered.", sum(player.in_flight for player in players)),
        Family.one("connections", "gauge", "Open connections.", len(server.connections)),
        Family.one("connections_refused_total", "counter", "Connections over the limit.", server.refused_count),
        Family("answer_seconds", "histogram", "From a call's decision to its answer's head.", app.latency.samples()),
    ]

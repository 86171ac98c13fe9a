"""The journal of a deck over HTTP: filtered, page by page, and waited for until enough calls have their answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, get_type_hints

from ...core.journal import ENTRIES_MAX, SOURCES, Entry, Journal
from .routes import Asked
from .schemas import Schema, flag, listed, number, table, text, whole
from .surroundings import Surroundings

LIMIT = 1000  # entries in one answer, unless asked for more
WAIT_MAX_S = 300.0

_OF_TYPE: dict[Any, Schema] = {
    int: whole(),
    float: number(),
    str: text(),
    bool: flag(),
    tuple[str, ...]: listed(text()),
}


def _entry_schema() -> Schema:
    hints = get_type_hints(Entry)
    return table({one.name: _OF_TYPE[hints[one.name]] for one in fields(Entry)}, "One call.")


ENTRY = _entry_schema()
JOURNAL = table(
    {
        "entries": listed(ENTRY, "Oldest first."),
        "last": whole("Number of the last entry given; the next `since`."),
        "total": whole("Calls so far, those included that the journal has forgotten."),
        "timed_out": flag("Whether `wait` was asked for and not reached."),
    }
)
JOURNAL_QUERY = {
    "endpoint": text("Only this endpoint."),
    "operation": text("Only this operation."),
    "status": whole("Only this status.", low=100, high=599),
    "source": text("Only answers from there.", choices=SOURCES),
    "since": whole("Only entries with a higher number.", low=0),
    "limit": whole(f"At most so many entries; {LIMIT} unless given.", low=1, high=ENTRIES_MAX),
    "wait": whole("Answer when so many calls fit that have their answer.", low=1, high=ENTRIES_MAX),
    "timeout_s": number("How long to wait, in real seconds; 10 unless given.", low=0, high=WAIT_MAX_S),
}


async def show_journal(around: Surroundings, asked: Asked) -> Any:
    """Entries that fit the query, waited for if that is wished."""
    journal, query = around.player(asked).deck.journal, asked.query
    wanted = query.get("wait")
    timed_out = False
    if wanted is not None:
        wait = wait_for(journal, lambda: len(settled(journal, query)) >= wanted, closing=around.closing)
        timed_out = not await ended_within(wait, query.get("timeout_s", 10.0))
    found = settled(journal, query) if wanted is not None else fitting(journal, query)
    found = found[: query.get("limit", LIMIT)]
    last = found[-1].number if found else query.get("since", 0)
    return {"entries": [asdict(one) for one in found], "last": last, "total": journal.total, "timed_out": timed_out}


def fitting(journal: Journal, query: Any) -> list[Entry]:
    """The entries that the query is about, oldest first."""
    exact = [name for name in ("endpoint", "operation", "status", "source") if name in query]
    since = query.get("since", 0)
    return [
        one
        for one in journal.entries
        if one.number > since and all(getattr(one, name) == query[name] for name in exact)
    ]


def settled(journal: Journal, query: Any) -> list[Entry]:
    """Those of them whose answer is known."""
    return [one for one in fitting(journal, query) if one.source]


async def wait_for(journal: Journal, is_enough: Callable[[], bool], *, closing: asyncio.Event) -> bool:
    """Returns True once it is enough, looked at after every call; False when the server ends."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(_: Entry) -> None:
        loop.call_soon_threadsafe(changed.set)  # a deck may be asked from a thread of its own

    journal.listeners.append(note)
    ending = asyncio.ensure_future(closing.wait())
    try:
        while not is_enough():
            change = asyncio.ensure_future(changed.wait())
            await asyncio.wait((change, ending), return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
            if ending.done():
                return False
            changed.clear()
        return True
    finally:
        ending.cancel()
        journal.listeners.remove(note)


async def ended_within(wait: Any, seconds: float) -> bool:
    """What the wait says; False when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return bool(await wait)
    except TimeoutError:
        return False

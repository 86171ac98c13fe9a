"""Calls that were refused before a deck saw them: each has a line in the journal of the deck that it was for.

Decides which deck was meant, by the path alone, and which refusals are told: those of a caller's set-up (signature,
region, host), which no test asks for and code that swallows exceptions hides. Makes no deck that nobody announced.
"""

from __future__ import annotations

import contextlib

from ..core.errors import CORAL_SUFFIX, CallerError
from ..core.operations import printable
from ..shell.app import App
from ..shell.decks import DEFAULT, split_deck
from ..shell.gate import path_of
from .shared import SharedDeck

MISDIRECTED = 421


def note_refusal(app: App, error: CallerError, method: str, raw_path: str) -> None:
    """Writes the refusal down on the deck that the path names, when there is one."""
    if error.type_suffix != CORAL_SUFFIX and error.status != MISDIRECTED:
        return
    name, operation, endpoint = DEFAULT, "", ""
    with contextlib.suppress(CallerError):  # a path that nobody serves names no operation, and is refused for it
        name, aws_path = split_deck(path_of(raw_path.encode("utf-8", "surrogateescape")))
        found, endpoint = app.service.resolve(method, aws_path)
        operation = found.name
    if not app.decks.is_expected(name):
        return
    try:
        player = app.decks.get(name)
    except CallerError:
        return  # the refusal is that this deck cannot be made
    deck = player.deck
    with deck.lock if isinstance(deck, SharedDeck) else contextlib.nullcontext():
        entry = deck.journal.open(at=player.clock.now(), operation=operation, endpoint=endpoint)
        entry.status, entry.code, entry.detail = error.status, error.code, error.reason
        what = f"{operation or method} {endpoint or printable(raw_path, limit=200)}"
        text = f"{what} was refused with {error.status} {error.code}: {error.reason or 'see the answer'}"
        entry.warnings = (text,)
        deck.warnings[text] = deck.warnings.get(text, 0) + 1
        deck.journal.settle(entry, source="refused")

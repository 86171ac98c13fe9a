"""A deck that several threads use, and that remembers the requests it was asked.

On one event loop `decide` and `complete` are atomic by themselves; from threads they need a lock. It is held while
something is decided or written, never while anything waits.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.deck import Completed, Deck, Forward, Kept, Reply
from ..core.errors import CallerError
from ..core.journal import ENTRIES_MAX, Entry
from ..core.values import valueclass
from ..core.wire import Call, Script
from ..shell.decks import Player

BODIES_MAX_BYTES: Final = 128 * 1024 * 1024  # of remembered requests; the oldest leave first


@valueclass(frozen=True, slots=True)
class SeenCall:
    """A call and its line in the journal."""

    call: Call
    entry: Entry


@dataclass(slots=True)
class SeenCalls:
    """The calls that a deck was asked, oldest first, bounded in number and in bytes."""

    bodies_max_bytes: int = BODIES_MAX_BYTES
    dropped: int = 0
    _calls: deque[SeenCall] = field(default_factory=deque)
    _bytes: int = 0

    def add(self, call: Call, entry: Entry) -> None:
        """Remembers a call, and forgets the oldest ones for it where there is no room."""
        self._calls.append(SeenCall(call, entry))
        self._bytes += len(call.body)
        while len(self._calls) > 1 and (self._bytes > self.bodies_max_bytes or len(self._calls) > ENTRIES_MAX):
            self._bytes -= len(self._calls.popleft().call.body)
            self.dropped += 1

    def clear(self) -> None:
        """Forgets every call."""
        self._calls.clear()
        self._bytes = self.dropped = 0

    def __iter__(self) -> Iterator[SeenCall]:
        return iter(tuple(self._calls))


class SharedDeck(Deck):
    """A deck whose every decision is made under one lock."""

    __slots__ = ("lock", "seen")

    def __init__(self, lock: threading.RLock, **parts: Any) -> None:
        self.lock = lock
        self.seen = SeenCalls()
        super().__init__(**parts)

    def decide(self, call: Call, *, now: float) -> Reply | Forward:
        with self.lock:
            decision = super().decide(call, now=now)
            self.seen.add(call, decision.entry)
            return decision

    def edited(self, forward: Forward, script: Script) -> Script:
        with self.lock:
            return super().edited(forward, script)

    def refused(self, forward: Forward, refusal: CallerError | Script, *, now: float) -> Reply:
        with self.lock:
            return super().refused(forward, refusal, now=now)

    def missed(self, forward: Forward, *, reason: str) -> Reply:
        with self.lock:
            return super().missed(forward, reason=reason)

    def complete(self, forward: Forward, script: Script, *, now: float, source: str, synthetic: bool) -> Completed:
        with self.lock:
            return super().complete(forward, script, now=now, source=source, synthetic=synthetic)

    def recorded(self, key: bytes) -> str:
        with self.lock:
            return super().recorded(key)

    def reset(self) -> None:
        with self.lock:
            super().reset()
            self.seen.clear()


class SharedPlayer(Player):
    """A player that writes under its deck's lock: a cassette is used by one thread at a time."""

    __slots__ = ("lock",)

    def __init__(self, lock: threading.RLock, **parts: Any) -> None:
        self.lock = lock
        super().__init__(**parts)

    def keep(self, forward: Forward, script: Script, *, source: str, synthetic: bool) -> Script:
        with self.lock:
            return super().keep(forward, script, source=source, synthetic=synthetic)

    def write(self, kept: Kept, entry: Entry) -> None:
        with self.lock:
            super().write(kept, entry)


def share(player: Player) -> SharedPlayer:
    """The player again, for many threads. Nothing may have been asked of it yet."""
    lock = threading.RLock()
    deck = SharedDeck(lock, **_parts(player.deck))
    return SharedPlayer(lock, **{**_parts(player), "deck": deck})


def shared_deck(player: Player) -> SharedDeck:
    """The deck of a shared player."""
    assert isinstance(player.deck, SharedDeck)
    return player.deck


def _parts(value: Any) -> dict[str, Any]:
    return {part.name: getattr(value, part.name) for part in dataclasses.fields(value) if part.init}

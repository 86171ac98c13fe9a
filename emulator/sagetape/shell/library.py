"""All cassettes of a deck, numbered as one, with a small memory of the answers that were read.

The number of an interaction is `n * k + i` for the n-th of the i-th of k cassettes, so that cassettes may grow without
renumbering the others.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core.library import Take
from ..core.wire import Chunk, Interaction, SessionMark
from .store import Cassette

TAKES_MAX = 8192  # answers kept ready to be served
BYTES_MAX = 24 * 1024 * 1024  # of their bodies in memory; a view into a mapped file costs nothing
NEAREST_MAX = 200  # recordings that a miss is compared with


class Shelf:
    """Cassettes opened together. Several decks share one shelf: what each has played is its own."""

    def __init__(self, cassettes: Sequence[Cassette]) -> None:
        self.cassettes = tuple(cassettes)
        self._count = len(self.cassettes)
        self._is_fixed = not any(cassette.is_writable for cassette in self.cassettes)
        self._takes: OrderedDict[int, Take] = OrderedDict()
        self._bytes = 0
        self._endpoints: set[str] | None = None
        self._found: dict[bytes, Sequence[int]] = {}
        """Takes by key, remembered while nothing is added."""

    def takes(self, key: bytes) -> Sequence[int]:
        """Interactions of a key, cassette by cassette, each in recorded order."""
        found = self._found.get(key)
        if found is None:
            count = self._count
            if count == 1:
                found = self.cassettes[0].takes(key)
            else:
                found = [n * count + i for i, cassette in enumerate(self.cassettes) for n in cassette.takes(key)]
            if self._is_fixed:
                if len(self._found) >= TAKES_MAX:
                    self._found.clear()
                self._found[key] = found
        return found

    def read(self, number: int) -> Take:
        """One interaction, remembered while there is room."""
        take = self._takes.get(number)
        if take is None:
            place, which = divmod(number, self._count)
            cassette = self.cassettes[which]
            take = Take(number, cassette.read(place), Path(cassette.path).name)
            self._remember(take)
        return take

    def has_endpoint(self, endpoint: str) -> bool:
        """Whether any recording names the endpoint."""
        if self._endpoints is None:
            self._endpoints = {s.endpoint for cassette in self.cassettes for s in cassette.summaries()}
        return endpoint in self._endpoints

    def nearest(self, operation: str, endpoint: str) -> Iterable[Take]:
        """At most 200 recordings: the same endpoint and operation first, then the same endpoint, then any."""

        def distance(found: tuple[int, str, str]) -> tuple[bool, bool, int]:
            return found[1] != endpoint, found[2] != operation, found[0]

        every = (
            (s.number * self._count + i, s.endpoint, s.operation)
            for i, cassette in enumerate(self.cassettes)
            for s in cassette.summaries()
        )
        for number, _, _ in heapq.nsmallest(NEAREST_MAX, every, key=distance):
            yield self.read(number)

    def in_sessions(self) -> Iterable[tuple[int, bytes, SessionMark]]:
        """Number, key and mark of every interaction that stands in a recorded session."""
        for i, cassette in enumerate(self.cassettes):
            for summary in cassette.summaries():
                if summary.session is not None:
                    yield summary.number * self._count + i, summary.key, summary.session

    def recorded(self, endpoint: str) -> None:
        """A recording was added."""
        if self._endpoints is not None:
            self._endpoints.add(endpoint)

    def __len__(self) -> int:
        return sum(map(len, self.cassettes))

    def close(self) -> None:
        """Closes every cassette."""
        self._takes.clear()
        for cassette in self.cassettes:
            cassette.close()

    def _remember(self, take: Take) -> None:
        size = _held_bytes(take.interaction)
        if size > BYTES_MAX // 3:  # a large request is copied out of the file for every call otherwise
            return
        self._takes[take.number] = take
        self._bytes += size
        while len(self._takes) > TAKES_MAX or self._bytes > BYTES_MAX:
            _, oldest = self._takes.popitem(last=False)
            self._bytes -= _held_bytes(oldest.interaction)


def _held_bytes(interaction: Interaction) -> int:
    bodies = [interaction.call.body, *(s.data for s in interaction.script if isinstance(s, Chunk))]
    return sum(len(body) for body in bodies if isinstance(body, bytes))

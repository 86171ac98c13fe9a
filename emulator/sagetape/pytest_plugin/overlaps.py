"""What the parts of one cassette have in common.

Tests that share a cassette may ask the same on different workers. One process would have recorded it once, so what two
parts hold alike is one take; where the answers differ, nobody knows which is right, and both are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.cassette import is_same_recording, settings_values
from ..core.errors import CassetteError
from ..shell.store import Cassette


class Overlaps:
    """Several cassettes whose keys were computed under the same rules, as one."""

    def __init__(self, sources: Sequence[Cassette], *, keeps_all: bool = False) -> None:
        """`keeps_all`: one process would have recorded what is alike as often as it was asked."""
        self._sources = sources
        self._keeps_all = keeps_all
        self._takes = [takes_of(source) for source in sources]
        self.dropped = 0
        """Takes that an earlier source had as well."""
        self.differing = 0
        """Requests to which two sources have different answers."""

    def distinct(self) -> Iterator[tuple[Cassette, int]]:
        """Every interaction once, source by source and in recorded order."""
        differing: set[bytes] = set()
        for place, source in enumerate(self._sources):
            known = {key: self._known_count(place, key, differing) for key in self._takes[place]}
            self.dropped += sum(known.values())
            passed: Counter[bytes] = Counter()
            for number in list(source.numbers()):
                key = source.key(number)
                passed[key] += 1
                if passed[key] > known[key]:
                    yield source, number
        self.differing = len(differing)

    def missing_from(self, path: Path) -> int:
        """How many takes of a cassette these sources do not have again; of one that cannot be read, none."""
        try:
            with Cassette.open(path) as old:
                if settings_values(old.settings)["match"] != settings_values(self._sources[0].settings)["match"]:
                    return max(0, len(old) - max(map(len, self._sources)))  # their keys say nothing to each other
                now = {key: max(len(takes.get(key, ())) for takes in self._takes) for key in takes_of(old)}
                return sum(max(0, len(takes) - now[key]) for key, takes in takes_of(old).items())
        except CassetteError:
            return 0

    def _known_count(self, place: int, key: bytes, differing: set[bytes]) -> int:
        """How many of a source's first takes of a key an earlier source has alike, and need not be kept."""
        if self._keeps_all:
            return 0
        mine, found = self._takes[place][key], 0
        for earlier in range(place):
            theirs = self._takes[earlier].get(key, ())
            pairs = zip(theirs, mine, strict=False)
            count = 0
            for one, other in pairs:
                if not is_same_answer(self._sources[earlier], one, self._sources[place], other):
                    break
                count += 1
            found = max(found, count)
            if count < min(len(theirs), len(mine)) and not is_in_session(self._sources[place], mine[count]):
                differing.add(key)
        return found


def takes_of(source: Cassette) -> dict[bytes, list[int]]:
    """The interactions of each key, in recorded order."""
    found: dict[bytes, list[int]] = {}
    for number in source.numbers():
        found.setdefault(source.key(number), []).append(number)
    return found


def is_in_session(source: Cassette, number: int) -> bool:
    """Whether an interaction is a step of a session; each session is one of its own."""
    return source.read(number).session is not None


def is_same_answer(one: Cassette, number: int, other: Cassette, other_number: int) -> bool:
    """Whether two interactions of one key, neither in a session, have the same answer."""
    old, new = one.read(number), other.read(other_number)
    if old.session is not None or new.session is not None:
        return False
    return is_same_recording(old, replace(new, call=old.call, origin=old.origin, notes=old.notes))

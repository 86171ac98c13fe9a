"""Two packed tables of the index: from digests to numbers, and from numbers to names.

A lookup bisects the sorted first eight bytes of the digests, which are spread evenly; it answers with candidates, and
whoever knows the whole digests compares them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

RUNS_MAX: Final = 64
"""Sorted parts that are looked through one by one: more of them, as old files have, are merged by the first lookup."""


class DigestTable:
    """From 16-byte digests to ascending numbers. Sorted parts that do not move, and what was added since."""

    __slots__ = ("_fresh", "_loose", "_loose_numbers", "_runs")

    def __init__(self) -> None:
        self._runs: list[tuple[array[int], array[int]]] = []
        self._fresh: dict[bytes, int | list[int]] = {}  # a list only for several: 100,000 lists delay the collector
        self._loose: list[bytes] = []
        self._loose_numbers: list[int] = []

    def load(self, prefixes: array[int], numbers: array[int]) -> None:
        self._runs = [(prefixes, numbers)]

    def add_run(self, prefixes: array[int], numbers: array[int]) -> None:
        """A sorted part whose numbers are higher than all before."""
        if len(numbers):
            self._runs.append((prefixes, numbers))

    def add(self, digest: bytes, number: int) -> None:
        known = self._fresh.setdefault(digest, number)
        if isinstance(known, list):
            known.append(number)
        elif known != number:
            self._fresh[digest] = [known, number]

    def add_loosely(self, digest: bytes, number: int) -> None:
        """As `add`, for many at once: the next lookup sorts them in."""
        self._loose.append(digest)
        self._loose_numbers.append(number)

    def candidates(self, digest: bytes) -> list[int]:
        """Numbers under this digest or, rarely, under one with the same first eight bytes; the caller compares."""
        if self._loose:
            self.sort_loose()
        if len(self._runs) > RUNS_MAX:
            self.settle()
        prefix = int.from_bytes(digest[:8], "big")
        found: list[int] = []
        for prefixes, numbers in self._runs:
            at = bisect_left(prefixes, prefix)
            while at < len(prefixes) and prefixes[at] == prefix:
                found.append(numbers[at])
                at += 1
        return found + self._fresh_numbers(digest) if self._fresh else found

    def _fresh_numbers(self, digest: bytes) -> list[int]:
        known = self._fresh.get(digest, [])
        return known if isinstance(known, list) else [known]

    def sorted_columns(self) -> tuple[array[int], array[int]]:
        """All parts as one sorted pair of columns."""
        if len(self._runs) == 1 and not self._loose and not self._fresh:
            return self._runs[0]
        fresh = sorted((number, digest) for digest in self._fresh for number in self._fresh_numbers(digest))
        digests = [*self._loose, *(digest for _, digest in fresh)]
        late = array("Q", (int.from_bytes(digest[:8], "big") for digest in digests))
        late_numbers = array("Q", [*self._loose_numbers, *(number for number, _ in fresh)])
        return merged_runs([*self._runs, (late, late_numbers)])

    def sort_loose(self) -> None:
        """Makes what was added loosely a sorted part."""
        self.add_run(*sorted_pairs([digest[:8] for digest in self._loose], self._loose_numbers))
        self._loose, self._loose_numbers = [], []

    def settle(self) -> None:
        """Moves what was added into one sorted part."""
        self.load(*self.sorted_columns())
        self._fresh, self._loose, self._loose_numbers = {}, [], []


def merged_runs(runs: Iterable[tuple[array[int], array[int]]]) -> tuple[array[int], array[int]]:
    """Pairs of columns as one pair sorted by both; numbers grow from pair to pair, and under equal prefixes."""
    prefixes, numbers = array("Q"), array("Q")
    for some, their in runs:
        prefixes.extend(some)
        numbers.extend(their)
    # A stable sort leaves the numbers of equal prefixes in their order.
    order = sorted(range(len(prefixes)), key=prefixes.__getitem__)
    return array("Q", map(prefixes.__getitem__, order)), array("Q", map(numbers.__getitem__, order))


def sorted_pairs(prefixes: Sequence[bytes], numbers: Sequence[int]) -> tuple[array[int], array[int]]:
    """Eight-byte beginnings of digests and ascending numbers as a pair of columns, sorted by both."""
    return merged_runs([(array("Q", (int.from_bytes(one, "big") for one in prefixes)), array("Q", numbers))])


class Names:
    """Texts by small numbers, in the order of their first use."""

    __slots__ = ("_numbers", "texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = list(texts)
        self._numbers = {text: number for number, text in enumerate(self.texts)}

    def extend(self, texts: Iterable[str]) -> None:
        """Further texts under the next numbers."""
        for text in texts:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)

    def number(self, text: str) -> int:
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return found

"""Two packed tables of the index: from digests to numbers, and from numbers to names.

A lookup bisects the sorted first eight bytes of the digests, which are spread evenly; it answers with candidates, and
whoever knows the whole digests compares them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence


class DigestTable:
    """From 16-byte digests to ascending numbers. A sorted part that does not move, and what was added since."""

    __slots__ = ("_fresh", "_has_runs", "_loose", "_loose_numbers", "_numbers", "_prefixes")

    def __init__(self) -> None:
        self._prefixes = array("Q")
        self._numbers = array("Q")
        self._has_runs = False
        self._fresh: dict[bytes, list[int]] = {}
        self._loose: list[bytes] = []
        self._loose_numbers: list[int] = []

    def load(self, prefixes: array[int], numbers: array[int]) -> None:
        self._prefixes, self._numbers = prefixes, numbers

    def add_run(self, prefixes: array[int], numbers: array[int]) -> None:
        """A sorted part whose numbers are higher than all before; the next lookup merges it in."""
        self._prefixes.extend(prefixes)
        self._numbers.extend(numbers)
        self._has_runs = True

    def add(self, digest: bytes, number: int) -> None:
        known = self._fresh.get(digest)
        if known is None:
            self._fresh[digest] = [number]
        else:
            known.append(number)

    def add_loosely(self, digest: bytes, number: int) -> None:
        """As `add`, for many at once: the next lookup sorts them in."""
        self._loose.append(digest)
        self._loose_numbers.append(number)

    def candidates(self, digest: bytes) -> list[int]:
        """Numbers under this digest or, rarely, under one with the same first eight bytes; the caller compares."""
        if self._loose or self._has_runs:
            self.settle()
        prefix = int.from_bytes(digest[:8], "big")
        prefixes = self._prefixes
        at = bisect_left(prefixes, prefix)
        found: list[int] = []
        while at < len(prefixes) and prefixes[at] == prefix:
            found.append(self._numbers[at])
            at += 1
        return found + self._fresh.get(digest, []) if self._fresh else found

    def sorted_columns(self) -> tuple[array[int], array[int]]:
        """All parts as one sorted pair of columns."""
        fresh = sorted((number, digest) for digest, numbers in self._fresh.items() for number in numbers)
        digests = [*self._loose, *(digest for _, digest in fresh)]
        if not digests and not self._has_runs:
            return self._prefixes, self._numbers
        prefixes, numbers = array("Q", self._prefixes), array("Q", self._numbers)
        prefixes.extend(int.from_bytes(digest[:8], "big") for digest in digests)
        numbers.extend(self._loose_numbers)
        numbers.extend(number for number, _ in fresh)
        # Numbers only grow from part to part, so a stable sort leaves those of equal prefixes in their order.
        order = sorted(range(len(prefixes)), key=prefixes.__getitem__)
        return array("Q", map(prefixes.__getitem__, order)), array("Q", map(numbers.__getitem__, order))

    def settle(self) -> None:
        """Moves what was added into the sorted part."""
        self.load(*self.sorted_columns())
        self._fresh, self._loose, self._loose_numbers, self._has_runs = {}, [], [], False


def sorted_pairs(prefixes: Sequence[bytes], numbers: Sequence[int]) -> tuple[array[int], array[int]]:
    """Eight-byte beginnings of digests and ascending numbers as a pair of columns, sorted by both."""
    spread = array("Q", (int.from_bytes(one, "big") for one in prefixes))
    order = sorted(range(len(spread)), key=spread.__getitem__)
    return array("Q", map(spread.__getitem__, order)), array("Q", map(numbers.__getitem__, order))


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

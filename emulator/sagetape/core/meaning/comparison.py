"""Where two trees differ, by how much, and whether that is within tolerances.

Decides what a difference is: a value, a type, a member or element too many or too few, a length, a shape, an array's
type. Numbers are compared as exact decimals; texts by similarity when that is asked for. Never raises on any two trees
of the same kind; stops at a limit, so that two unlike bodies of megabytes cost no more than reading them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal
from itertools import pairwise

from ..values import valueclass
from .numeric import largest_difference
from .places import Steps, place_of
from .tree import IGNORED, Array, Tree, decimal_of, is_number

SHOWN_CHARACTERS = 60
SIMILARITY_CHARACTERS = (
    20_000  # longer texts are only ranked by what they begin and end with: words cost 0.3 s a megabyte
)
WEIGHT_MIN = 1e-9  # nothing that differs weighs nothing
_WINDOW = 24  # characters shown before and after the first difference of two long texts
_CONTEXT = Context(prec=40)  # for distances, which are shown and compared with a tolerance; equality is exact
_ITEMS = {"json-lines": ("line",), "csv": ("row", "column"), "multipart": ("part",), "server-events": ("event",)}


@valueclass(frozen=True, slots=True)
class Tolerances:
    """How far two values may be apart and still count as equal."""

    absolute: float = 0.0
    relative: float = 0.0
    """Of the larger of the two magnitudes."""
    text_similarity: float = 1.0
    """From 0 to 1: share of words and neighbouring words in common; 1 asks for equal texts."""


EXACT = Tolerances()


@valueclass(frozen=True, slots=True)
class Difference:
    """One place at which two things differ, in words short enough for a message."""

    place: str
    recorded: str
    actual: str
    note: str = ""
    """How far apart: `1 apart`, `first at byte 17`, `largest difference 0.5 at [0, 3]`."""
    distance: float | None = None
    """Between two numbers; of arrays the largest."""
    weight: float = 1.0
    """From just above 0 (nearly equal) to 1 (nothing in common); ranks recordings by nearness."""


@dataclass(slots=True)
class Comparison:
    """Collects the differences of two trees, at most `limit` of them."""

    kind: str
    tolerances: Tolerances = EXACT
    limit: int = 100
    found: list[Difference] = field(default_factory=list)

    def compare(self, recorded: Tree, actual: Tree, steps: Steps = ()) -> None:
        """Add the differences between two trees at `steps`."""
        if len(self.found) >= self.limit or recorded == actual:
            return
        if isinstance(recorded, dict) and isinstance(actual, dict):
            self._objects(recorded, actual, steps)
        elif isinstance(recorded, list) and isinstance(actual, list):
            self._lists(recorded, actual, steps)
        else:
            self._leaves(recorded, actual, steps)

    def _objects(self, recorded: dict[str, Tree], actual: dict[str, Tree], steps: Steps) -> None:
        for name, value in recorded.items():
            if name in actual:
                self.compare(value, actual[name], (*steps, name))
            else:
                self._add((*steps, name), shown(value), "absent")
        for name, value in actual.items():
            if name not in recorded:
                self._add((*steps, name), "absent", shown(value))

    def _lists(self, recorded: list[Tree], actual: list[Tree], steps: Steps) -> None:
        if len(recorded) != len(actual):
            item = self._item(steps)
            self._add(steps, counted(len(recorded), item), counted(len(actual), item))
        for index, (one, other) in enumerate(zip(recorded, actual, strict=False)):
            if one != other:
                self.compare(one, other, (*steps, index))
                if len(self.found) >= self.limit:
                    return

    def _item(self, steps: Steps) -> str:
        words = _ITEMS.get(self.kind, ())
        return words[len(steps)] if len(steps) < len(words) else "element"

    def _leaves(self, recorded: Tree, actual: Tree, steps: Steps) -> None:
        if is_number(recorded) and is_number(actual):
            self._numbers(recorded, actual, steps)
        elif isinstance(recorded, Array) and isinstance(actual, Array):
            self._arrays(recorded, actual, steps)
        elif is_text(recorded) and is_text(actual):
            self._texts(recorded, actual, steps)
        elif isinstance(recorded, bytes) and isinstance(actual, bytes):
            self._bytes(recorded, actual, steps)
        else:
            self._add(steps, shown(recorded), shown(actual))

    def _numbers(self, recorded: str, actual: str, steps: Steps) -> None:
        one, other = decimal_of(recorded), decimal_of(actual)
        apart = _CONTEXT.abs(_CONTEXT.subtract(one, other))
        largest = max(_CONTEXT.abs(one), _CONTEXT.abs(other))
        if apart > max(
            Decimal(self.tolerances.absolute), _CONTEXT.multiply(Decimal(self.tolerances.relative), largest)
        ):
            weight = float(_CONTEXT.divide(apart, 2 * largest)) if largest else 1.0
            self._add(steps, shown(recorded), shown(actual), f"{plain(apart)} apart", weight, float(apart))

    def _arrays(self, recorded: Array, actual: Array, steps: Steps) -> None:
        if recorded.shape != actual.shape:
            self._add(steps, f"shape {recorded.shape}", f"shape {actual.shape}")
        if recorded.dtype != actual.dtype:
            self._add(steps, f"dtype {recorded.dtype}", f"dtype {actual.dtype}", weight=0.5)
        if recorded.shape == actual.shape:
            self._elements(recorded, actual, steps)

    def _elements(self, recorded: Array, actual: Array, steps: Steps) -> None:
        apart = largest_difference(
            recorded, actual, absolute=self.tolerances.absolute, relative=self.tolerances.relative
        )
        if apart is None:
            self._bytes(recorded.data, actual.data, steps) if recorded.dtype == actual.dtype else None
        elif apart.count:
            note = (
                f"{apart.count} of {apart.of} elements differ, largest difference {apart.distance:.6g} at {apart.index}"
            )
            weight = apart.count / apart.of
            self._add(steps, f"{apart.recorded!r}", f"{apart.actual!r}", note, weight, float(apart.distance))

    def _texts(self, recorded: str, actual: str, steps: Steps) -> None:
        is_judged = self.tolerances.text_similarity < 1
        is_long = max(len(recorded), len(actual)) > SIMILARITY_CHARACTERS
        alike = similarity(recorded, actual) if is_judged or not is_long else overlap(recorded, actual)
        if is_judged and alike >= self.tolerances.text_similarity:
            return
        first = first_difference(recorded, actual)
        note = f"from character {first + 1} on" if max(len(recorded), len(actual)) > SHOWN_CHARACTERS else ""
        self._add(steps, window(recorded, first), window(actual, first), note, 1.0 - alike)

    def _bytes(self, recorded: bytes, actual: bytes, steps: Steps) -> None:
        first = first_difference(recorded, actual)
        weight = 1.0 - first / max(len(recorded), len(actual), 1)
        note = f"first difference at byte {first}"
        if len(recorded) != len(actual):
            note += f", {len(recorded)} bytes recorded, {len(actual)} now"
        self._add(steps, bytes_shown(recorded, first), bytes_shown(actual, first), note, weight)

    def _add(
        self,
        steps: Steps,
        recorded: str,
        actual: str,
        note: str = "",
        weight: float = 1.0,
        distance: float | None = None,
    ) -> None:
        if len(self.found) < self.limit:
            place = place_of(self.kind, steps)
            self.found.append(Difference(place, recorded, actual, note, distance, max(weight, WEIGHT_MIN)))


def is_text(leaf: Tree) -> bool:
    """Whether a leaf is a text, and neither a number nor a placeholder."""
    return isinstance(leaf, str) and not is_number(leaf) and leaf != IGNORED


def first_difference(one: str | bytes, other: str | bytes) -> int:
    """The first index at which two sequences differ: by halving, so that it costs a few comparisons in C."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def similarity(one: str, other: str) -> float:
    """Dice's coefficient over words and pairs of neighbouring words, from 0 to 1; 1 for equal texts, linear in them."""
    if one == other:
        return 1.0
    first, second = Counter(_grams(one)), Counter(_grams(other))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 0.0


def overlap(one: str, other: str) -> float:
    """The share of the longer text that both begin or end with, from 0 to 1; costs little more than reading them."""
    longest, shortest = max(len(one), len(other)), min(len(one), len(other))
    begin = first_difference(one, other)
    rest = shortest - begin
    end = first_difference(one[len(one) - rest :][::-1], other[len(other) - rest :][::-1]) if rest else 0
    return (begin + end) / longest if longest else 1.0


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = text.split()
    yield from ((word,) for word in words)
    yield from pairwise(words)


def shown(tree: Tree) -> str:
    """A value in few characters: JSON where it is JSON."""
    if isinstance(tree, Array):
        return f"an array of {tree.dtype}, shape {tree.shape}"
    if isinstance(tree, bytes):
        return f"{len(tree)} bytes"
    if tree == IGNORED:
        return "(ignored)"
    if is_number(tree):
        return _cut(str(tree)[1:])
    if isinstance(tree, dict):
        return f"an object of {counted(len(tree), 'member')}"
    if isinstance(tree, list):
        return f"a list of {counted(len(tree), 'element')}"
    return _cut(json.dumps(tree, ensure_ascii=False))


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def window(text: str, first: int) -> str:
    """A text in quotes; of a long one the part around its first difference."""
    if len(text) <= SHOWN_CHARACTERS:
        return json.dumps(text, ensure_ascii=False)
    start = max(first - _WINDOW, 0)
    part = json.dumps(text[start : first + _WINDOW], ensure_ascii=False)
    return ("..." if start else "") + part + ("..." if first + _WINDOW < len(text) else "")


def bytes_shown(data: bytes, first: int) -> str:
    """Up to eight bytes from the first difference on, in hexadecimal."""
    return data[first : first + 8].hex(" ") or "the end"


def plain(distance: Decimal) -> str:
    """A distance as people write it."""
    text = format(distance.normalize(Context(prec=12)), "f")
    return text if len(text) <= 24 else format(distance, ".6e")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."

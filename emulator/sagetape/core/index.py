"""The index of a cassette: which takes answer a key, where they are, and what is known of them without reading them.

Everything is a packed array, so that 100,000 interactions add no object to the garbage collector's work and are loaded
by copying a few megabytes. Refuses an index whose columns do not have the lengths that its counts require, or refer to
what is not there; then the caller walks the file.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .cassette import Summary
from .digests import DigestTable, Names
from .framing import INDEX, Buffer, frame
from .payload import RecordError, member, pack_before_tail
from .wire import SessionMark

COMPLETE, SYNTHETIC, CLOSES, UNKNOWN = 1, 2, 4, 16  # 8 is reserved, see `cassettes/README.md`
"""Flags of one interaction. UNKNOWN: found by walking, its facts were not read yet."""

DIGEST_BYTES = 16
_DIGEST = DIGEST_BYTES


COLUMNS = {
    "offsets": "Q",
    "endpoints": "I",
    "operations": "I",
    "lanes": "I",
    "steps": "I",
    "statuses": "I",
    "flags": "B",
    "requests": "Q",
    "responses": "Q",
    "times": "d",
    "lifetimes": "d",
}
"""One item per interaction. `lanes` is 0 outside a session, else the lane's number plus one."""


class Index:
    """Every interaction of a file, by number (its place among the interaction records, from 0) and by key."""

    def __init__(self) -> None:
        self.columns: dict[str, array[Any]] = {}
        self.use({name: array(code) for name, code in COLUMNS.items()})
        self.keys = bytearray()
        self.tags = bytearray()
        self.names = Names()
        self.by_key = DigestTable()
        self.bodies = DigestTable()

    def __len__(self) -> int:
        return len(self._offsets)

    def use(self, columns: dict[str, array[Any]]) -> None:
        """Takes over columns of equal length."""
        self.columns, self._offsets, self._flags = columns, columns["offsets"], columns["flags"]
        self._others = [column for name, column in columns.items() if name not in ("offsets", "flags")]

    def key(self, number: int) -> bytes:
        return bytes(self.keys[number * _DIGEST : (number + 1) * _DIGEST])

    def tag(self, number: int) -> bytes:
        """The key under which an interaction is stored; another than `key` only after `assign`."""
        return bytes(self.tags[number * _DIGEST : (number + 1) * _DIGEST]) if self.tags else self.key(number)

    def takes(self, key: bytes) -> Sequence[int]:
        """The numbers of a key's takes, in the order in which they were recorded."""
        found = self.by_key.candidates(key)
        if not found:
            return ()
        return tuple(one for one in found if self.key(one) == key)

    def numbers(self) -> Iterator[int]:
        """All interactions, in the order in which they were recorded."""
        return iter(range(len(self)))

    # --- growing

    def add_found(self, key: bytes, offset: int, *, loosely: bool = False) -> int:
        """An interaction met while walking: only where it is and what it answers; `loosely` when many come at once."""
        number = len(self._offsets)
        self._offsets.append(offset)
        self._flags.append(UNKNOWN)
        self.keys += key
        if loosely:
            self.by_key.add_loosely(key, number)
        else:
            self.by_key.add(key, number)
        return number

    def level(self) -> None:
        """Makes all columns as long as the offsets; walking leaves the others behind."""
        missing = len(self) - len(self._others[0])
        if missing == 1:
            for column in self._others:
                column.append(0)
        elif missing:
            for column in self._others:
                column.frombytes(bytes(column.itemsize * missing))

    def add(self, summary: Summary) -> int:
        """An interaction of which all is known."""
        if len(self._others[0]) < len(self._offsets):
            self.level()
        number = len(self._offsets)
        facts, flags = self._facts(summary)
        self._offsets.append(summary.offset)
        self._flags.append(flags)
        for column, fact in zip(self._others, facts, strict=True):
            column.append(fact)
        self.keys += summary.key
        self.by_key.add(summary.key, number)
        return number

    def describe(self, number: int, summary: Summary) -> None:
        """Fills in the facts of an interaction."""
        self.level()
        facts, flags = self._facts(summary)
        for column, fact in zip(self._others, facts, strict=True):
            column[number] = fact
        self._flags[number] = flags

    def _facts(self, summary: Summary) -> tuple[tuple[float, ...], int]:
        """An item for each of the other columns, in their order, and the flags."""
        mark, names = summary.session, self.names
        flags = COMPLETE * summary.is_complete + SYNTHETIC * summary.is_synthetic
        lane, step, lifetime_s = 0, 0, math.nan
        if mark is not None:
            flags += CLOSES * mark.closes
            lane, step = names.number(mark.lane) + 1, min(max(mark.step, 0), 0xFFFFFFFF)
            lifetime_s = math.nan if mark.lifetime_s is None else mark.lifetime_s
        endpoint, operation = names.number(summary.endpoint), names.number(summary.operation)
        status = min(max(summary.status, 0), 0xFFFF)
        sizes = summary.request_bytes, summary.response_bytes
        return (endpoint, operation, lane, step, status, *sizes, summary.recorded_at, lifetime_s), flags

    def assign(self, keys: Mapping[int, bytes]) -> None:
        """Gives interactions other keys, in memory; those without one answer nothing."""
        self.tags, self.keys = self.keys, bytearray(len(self) * _DIGEST)
        self.by_key = DigestTable()
        for number, key in keys.items():
            self.keys[number * _DIGEST : (number + 1) * _DIGEST] = key
            self.by_key.add(key, number)
        self.by_key.settle()

    def is_described(self, number: int) -> bool:
        return not self.columns["flags"][number] & UNKNOWN

    def is_described_wholly(self) -> bool:
        """Whether no interaction is known by its place alone."""
        return not any(flag & UNKNOWN for flag in set(self.columns["flags"]))

    def summary(self, number: int) -> Summary:
        """What is known of an interaction that was described."""
        columns, texts = self.columns, self.names.texts
        flags, lane = columns["flags"][number], columns["lanes"][number]
        lifetime = columns["lifetimes"][number]
        lasts = None if math.isnan(lifetime) else lifetime
        return Summary(
            number=number,
            key=self.key(number),
            endpoint=texts[columns["endpoints"][number]],
            operation=texts[columns["operations"][number]],
            status=columns["statuses"][number],
            request_bytes=columns["requests"][number],
            response_bytes=columns["responses"][number],
            recorded_at=columns["times"][number],
            offset=columns["offsets"][number],
            session=SessionMark(texts[lane - 1], columns["steps"][number], lasts, bool(flags & CLOSES))
            if lane
            else None,
            is_complete=bool(flags & COMPLETE),
            is_synthetic=bool(flags & SYNTHETIC),
        )


# --- the index record -------------------------------------------------------------------------------------------


def index_record(index: Index, settings: Mapping[str, Any], *, offset: int) -> list[Buffer]:
    """The buffers of an index record that goes to this offset."""
    index.level()
    parts = [index.columns[name] for name in COLUMNS]
    parts += [*index.by_key.sorted_columns(), *index.bodies.sorted_columns()]
    packed = [bytes(index.keys), *map(little_endian, parts)]
    texts = pack_texts(index.names.texts)
    tail = b"".join([texts, *packed])
    head = {
        "at": offset,
        "count": len(index),
        "bodies": len(parts[-1]),
        "texts": len(texts),
        "settings": dict(settings),
    }
    return frame(INDEX, pack_before_tail(head, "columns", tail_bytes=len(tail)), tail=tail)


def index_from(values: Mapping[str, Any], tail: Buffer) -> Index:
    """The index of a record. Raises RecordError when a column is not as long as the counts require."""
    count, bodies = member(values, "count", int), member(values, "bodies", int)
    texts, keys, columns, pairs = columns_from(
        tail, count=count, bodies=bodies, texts_bytes=member(values, "texts", int)
    )
    checked_texts(columns, len(texts))
    if count and max(pairs[1]) >= count:
        raise RecordError("an index that refers to what it does not hold")
    index = Index()
    index.names = Names(texts)
    index.keys = bytearray(keys)
    index.use(columns)
    index.by_key.load(pairs[0], pairs[1])
    index.bodies.load(pairs[2], pairs[3])
    return index


def columns_from(
    tail: Buffer, *, count: int, bodies: int, texts_bytes: int
) -> tuple[list[str], memoryview, dict[str, array[Any]], list[array[Any]]]:
    """Texts, keys, columns and the two pairs of sorted columns. Raises RecordError for other lengths than stated."""
    lengths = [(code, count) for code in COLUMNS.values()]
    lengths += [("Q", count), ("Q", count), ("Q", bodies), ("Q", bodies)]
    expected = texts_bytes + count * _DIGEST + sum(array(code).itemsize * length for code, length in lengths)
    if min(count, bodies, texts_bytes) < 0 or expected != len(tail):
        raise RecordError("an index whose columns do not have the stated lengths")
    view = memoryview(tail)
    at = texts_bytes + count * _DIGEST
    columns: list[array[Any]] = []
    for code, length in lengths:
        column = array(code)
        end = at + column.itemsize * length
        column.frombytes(view[at:end])
        columns.append(_native(column))
        at = end
    named = dict(zip(COLUMNS, columns, strict=False))
    return unpack_texts(view[:texts_bytes]), view[texts_bytes : texts_bytes + count * _DIGEST], named, columns[-4:]


def checked_texts(columns: Mapping[str, array[Any]], texts: int) -> None:
    """A number that points beyond the texts would be an IndexError much later, so it is refused now."""
    is_described = any(not flag & UNKNOWN for flag in set(columns["flags"]))
    limits = {"endpoints": texts, "operations": texts, "lanes": texts + 1}
    if is_described and not texts:
        raise RecordError("an index without a name for its endpoints")
    for name, limit in limits.items():
        # Facts that were not read yet are zeros, also where there is no text at all.
        if max(columns[name], default=0) >= max(limit, 1):
            raise RecordError("an index that refers to what it does not hold")


def pack_texts(texts: Iterable[str]) -> bytes:
    """Each text as four bytes of length and its UTF-8."""
    encoded = (text.encode() for text in texts)
    return b"".join(len(one).to_bytes(4, "little") + one for one in encoded)


def unpack_texts(view: memoryview) -> list[str]:
    """The inverse of `pack_texts`."""
    texts, at = [], 0
    while at < len(view):
        end = at + 4 + int.from_bytes(view[at : at + 4], "little")
        if at + 4 > len(view) or end > len(view):
            raise RecordError("an index with a text that is cut")
        try:
            texts.append(str(view[at + 4 : end], "utf-8"))
        except UnicodeDecodeError:
            raise RecordError("an index with a text that is not UTF-8") from None
        at = end
    return texts


def little_endian(column: array[Any]) -> bytes:
    """The column as it stands in a file."""
    return _native(array(column.typecode, column)).tobytes() if sys.byteorder == "big" else column.tobytes()


def _native(column: array[Any]) -> array[Any]:
    """Swaps between little-endian and this machine's order; nothing to swap on nearly every machine."""
    if sys.byteorder == "big":
        column.byteswap()
    return column

"""Checkpoints: the index in instalments, so that a recorder that was killed costs the next start no walk.

Each says what came since the one that it names (or since an index); the row of them, read backwards from the last, is
the index. Every now and then one takes the place of its predecessors, as the levels of a log-structured merge tree do
(O'Neil et al. 1996), so that the row stays short however long the recording is. Refuses one whose columns do not have
the stated lengths, that points forward, or that refers to what is not there; then the caller walks the file.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from .digests import merged_runs, sorted_pairs
from .framing import CHECKPOINT, NO_TAG, TAIL, Buffer, frame
from .index import (
    COLUMNS,
    DIGEST_BYTES,
    Index,
    checked_texts,
    columns_from,
    little_endian,
    pack_texts,
)
from .payload import RecordError, member, pack_before_tail
from .values import valueclass

EVERY_COUNT: Final = 512
"""Interactions between two checkpoints: walking so many takes some ten milliseconds."""
EVERY_BYTES: Final = 16 * 2**20
"""Or bytes of the file: the last checkpoint is looked for backwards from the end."""


FANOUT: Final = 16
"""So many checkpoints of about one size become one, so each interaction is written in two of them."""
MERGED_MAX: Final = 2**14
"""Interactions, or bodies, of a checkpoint made of others. An append waits while it is sorted: 25 ms, 400 at 2**17."""

BodyPairs: TypeAlias = "tuple[array[int], array[int]]"


@valueclass(frozen=True, slots=True)
class Instalment:
    """One checkpoint of a file, as far as a later one that takes its place must know it."""

    at: int
    """Its offset."""
    previous: int
    """The offset of the one that it continues."""
    first: int
    end: int
    """Interactions before those that it covers, and up to its last."""
    texts: int
    """Names before those that it adds."""
    bodies: BodyPairs
    is_amended: bool = False

    @property
    def size(self) -> int:
        return max(self.end - self.first, len(self.bodies[0]))


@dataclass(slots=True)
class Since:
    """What is in the file and not in the last checkpoint or index, which stands `at` this offset."""

    at: int
    first: int
    """Interactions that it and those before it cover."""
    texts: int
    """Names that they cover."""
    base: int
    """Interactions that the index under all of them covers."""
    row: tuple[Instalment, ...] = ()
    """The checkpoints above that index, the last one last."""
    bodies: list[tuple[bytes, int]] = field(default_factory=list)
    """Address and offset of each body."""
    is_amended: bool = False
    """Whether the settings changed."""

    def covered(self, index: Index, new: Instalment) -> Since:
        """After a checkpoint of all of it was written; those that it takes the place of leave the row."""
        row = tuple(one for one in self.row if one.at <= new.previous)
        return Since(new.at, len(index), len(index.names.texts), self.base, (*row, new))

    def due(self, index: Index) -> Instalment:
        """The next checkpoint, not yet placed: what came since, and the checkpoints before it that it replaces."""
        new = self._own(index)
        row = list(self.row)
        while len(alike := _alike(row, new)) >= FANOUT - 1 and sum(one.size for one in alike) <= MERGED_MAX:
            new = _merged(alike, new)
            del row[-len(alike) :]
        return new

    def from_previous(self, index: Index, previous: int, *, at: int) -> Instalment | None:
        """A checkpoint that another recorder wrote of the same, down to an offset; None when that is not in the row."""
        new = self._own(index)
        replaced = [one for one in self.row if one.at > previous]
        merged = _merged(replaced, new) if replaced else new
        return replace(merged, at=at) if merged.previous == previous else None

    def _own(self, index: Index) -> Instalment:
        pairs = sorted_pairs([digest[:8] for digest, _ in self.bodies], [at for _, at in self.bodies])
        return Instalment(0, self.at, self.first, len(index), self.texts, pairs, self.is_amended)


def _alike(row: Sequence[Instalment], new: Instalment) -> list[Instalment]:
    """The last ones of a row that are not of a larger class than a new one."""
    limit = EVERY_COUNT
    while limit < new.size:
        limit *= FANOUT
    found = 0
    while found < len(row) and row[-1 - found].size <= limit:
        found += 1
    return list(row[len(row) - found :])


def _merged(old: Sequence[Instalment], new: Instalment) -> Instalment:
    """One that says what some neighbours and the new one say."""
    every = [*old, new]
    return replace(
        old[0],
        end=new.end,
        bodies=merged_runs(one.bodies for one in every),
        is_amended=any(one.is_amended for one in every),
    )


def checkpoint_record(index: Index, new: Instalment, settings: Mapping[str, Any], *, offset: int) -> list[Buffer]:
    """The buffers of a checkpoint that goes to this offset; it holds the settings when they changed."""
    index.level()
    first, end = new.first, new.end
    keys = bytes(index.keys[first * DIGEST_BYTES : end * DIGEST_BYTES])
    parts = [index.columns[name][first:end] for name in COLUMNS]
    parts += sorted_pairs([keys[at : at + 8] for at in range(0, len(keys), DIGEST_BYTES)], range(first, end))
    parts += new.bodies
    texts = pack_texts(index.names.texts[new.texts :])
    tail = b"".join([texts, keys, *map(little_endian, parts)])
    head: dict[str, Any] = {
        "at": offset,
        "previous": new.previous,
        "first": first,
        "count": end - first,
        "bodies": len(new.bodies[0]),
        "texts": len(texts),
    }
    if new.is_amended:
        head["settings"] = dict(settings)
    return frame(CHECKPOINT, pack_before_tail(head, "columns", tail_bytes=len(tail)), tail=tail)


def closing_record(offset: int) -> list[Buffer]:
    """The record of fixed size at the end of a file, which points to its last index or checkpoint."""
    return frame(TAIL, b"", tag=offset.to_bytes(8, "little") + NO_TAG[8:])


def previous_of(values: Mapping[str, Any], *, at: int) -> int:
    """Where the one before a checkpoint stands. Raises RecordError when this one stands elsewhere, or points on."""
    previous: int = member(values, "previous", int)
    if member(values, "at", int) != at or not 0 < previous < at:
        raise RecordError("a checkpoint that was not written here")
    return previous


def extend(index: Index, values: Mapping[str, Any], tail: Buffer, *, at: int) -> Instalment:
    """Adds what the checkpoint at an offset says to the index of what comes before it. Raises RecordError."""
    first, count = member(values, "first", int), member(values, "count", int)
    if first != len(index):
        raise RecordError("a checkpoint that continues another index")
    texts, keys, columns, pairs = columns_from(
        tail, count=count, bodies=member(values, "bodies", int), texts_bytes=member(values, "texts", int)
    )
    texts_before = len(index.names.texts)
    index.names.extend(texts)
    checked_texts(columns, len(index.names.texts))
    _check_numbers(pairs[1], first, first + count)
    index.keys += keys
    for name, column in columns.items():
        index.columns[name].extend(column)
    index.by_key.add_run(pairs[0], pairs[1])
    index.bodies.add_run(pairs[2], pairs[3])
    previous, bodies = member(values, "previous", int), (pairs[2], pairs[3])
    return Instalment(at, previous, first, first + count, texts_before, bodies, "settings" in values)


def read_alone(index: Index, values: Mapping[str, Any], tail: Buffer) -> None:
    """Keys and columns of one checkpoint into an empty index. Raises RecordError."""
    _, keys, columns, _ = columns_from(
        tail,
        count=member(values, "count", int),
        bodies=member(values, "bodies", int),
        texts_bytes=member(values, "texts", int),
    )
    index.keys = bytearray(keys)
    index.use(columns)


def _check_numbers(numbers: array[int], first: int, end: int) -> None:
    if len(numbers) and (min(numbers) < first or max(numbers) >= end):
        raise RecordError("a checkpoint that refers to what it does not hold")

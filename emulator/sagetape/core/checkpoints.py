"""Checkpoints: the index in instalments, so that a recorder that was killed costs the next start no walk.

Each says what came since the one before it (or since an index); the row of them, read backwards from the last, is the
index. Refuses one whose columns do not have the stated lengths, that points forward, or that refers to what is not
there; then the caller walks the file.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .digests import sorted_pairs
from .framing import CHECKPOINT, NO_TAG, TAIL, Buffer, frame
from .index import COLUMNS, DIGEST_BYTES, RETIRED, Index, checked_texts, columns_from, little_endian, pack_texts
from .payload import RecordError, member, pack_before_tail

EVERY_COUNT: Final = 512
"""Interactions between two checkpoints: walking so many takes some ten milliseconds."""
EVERY_BYTES: Final = 16 * 2**20
"""Or bytes of the file: the last checkpoint is looked for backwards from the end."""


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
    bodies: list[tuple[bytes, int]] = field(default_factory=list)
    """Address and offset of each body."""
    retired: list[int] = field(default_factory=list)
    is_amended: bool = False
    """Whether the settings changed."""

    def covered(self, index: Index, *, at: int) -> Since:
        """After a checkpoint of all of it was written at an offset."""
        return Since(at, len(index), len(index.names.texts), self.base)


def checkpoint_record(index: Index, since: Since, settings: Mapping[str, Any], *, offset: int) -> list[Buffer]:
    """The buffers of a checkpoint that goes to this offset; it holds the settings when they changed."""
    index.level()
    first = since.first
    keys = bytes(index.keys[first * DIGEST_BYTES :])
    numbers = range(first, len(index))
    parts = [index.columns[name][first:] for name in COLUMNS]
    parts += sorted_pairs([keys[at : at + 8] for at in range(0, len(keys), DIGEST_BYTES)], numbers)
    parts += sorted_pairs([digest[:8] for digest, _ in since.bodies], [at for _, at in since.bodies])
    texts = pack_texts(index.names.texts[since.texts :])
    tail = b"".join([texts, keys, *map(little_endian, parts)])
    head: dict[str, Any] = {
        "at": offset,
        "previous": since.at,
        "first": first,
        "count": len(index) - first,
        "bodies": len(since.bodies),
        "texts": len(texts),
        "retired": sorted(set(since.retired)),
    }
    if since.is_amended:
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


def extend(index: Index, values: Mapping[str, Any], tail: Buffer) -> None:
    """Adds what a checkpoint says to the index of what comes before it. Raises RecordError."""
    first, count = member(values, "first", int), member(values, "count", int)
    if first != len(index):
        raise RecordError("a checkpoint that continues another index")
    texts, keys, columns, pairs = columns_from(
        tail, count=count, bodies=member(values, "bodies", int), texts_bytes=member(values, "texts", int)
    )
    index.names.extend(texts)
    checked_texts(columns, len(index.names.texts))
    _check_numbers(pairs[1], first, first + count)
    index.keys += keys
    for name, column in columns.items():
        index.columns[name].extend(column)
    index.by_key.add_run(pairs[0], pairs[1])
    index.bodies.add_run(pairs[2], pairs[3])
    index.retired_count += sum(1 for flag in columns["flags"] if flag & RETIRED)
    for number in member(values, "retired", list):
        if type(number) is not int or not 0 <= number < first + count:
            raise RecordError("a checkpoint that retires what is not there")
        index.retire_number(number)


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

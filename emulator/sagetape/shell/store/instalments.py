"""Finds the index of a file: at its end after a clean close, or by the last checkpoint when its recorder was killed.

A checkpoint points to the one that it continues, down to an index. Whatever is wrong with one of them, the
caller walks the file instead: an index is only a shorter way to what the records say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...core.checkpoints import Since, extend, previous_of
from ...core.errors import CassetteDamaged
from ...core.framing import CHECKPOINT, HEADER_BYTES, INDEX, MARKER, TAIL, Buffer, Frame, frame_at
from ...core.index import Index, index_from
from ...core.payload import RecordError, member, unpack
from .tape import Tape

SEARCH_MAX_BYTES: Final = 64 * 2**20
"""From the end. Checkpoints stand closer together, but for the last recording, which may be large."""


class FoundIndex:
    """An index as it stands in a file, in one record or in instalments."""

    def __init__(
        self, index: Index, since: Since, settings: Mapping[str, Any], *, start: int, end: int, is_closed: bool = False
    ) -> None:
        self.index, self.since = index, since
        self.settings = settings
        """The header's map, with what amendments added."""
        self.start, self.end = start, end
        """Where its last record starts and ends."""
        self.is_closed = is_closed
        """Whether the file was closed cleanly, so that nothing follows."""


def find_index(tape: Tape, size: int, header_end: int) -> FoundIndex | None:
    """The index of a file of this size; None when there is none that can be used."""
    at = _closed_at(tape, size)
    is_closed = at is not None
    if at is None:
        at = _last_at(tape, size, header_end)
    if at is None:
        return None
    try:
        found = _assembled(tape, at, header_end)
    except (RecordError, CassetteDamaged, KeyError, AttributeError):
        return None  # walking finds everything that an index knows; what is damaged is reported then
    if is_closed and found.end + HEADER_BYTES != size:
        return None
    found.is_closed = is_closed
    return found


def _closed_at(tape: Tape, size: int) -> int | None:
    """What the record at the very end of a file points to."""
    start = size - HEADER_BYTES
    last = frame_at(tape.read(HEADER_BYTES, start), 0, HEADER_BYTES) if start > 0 else None
    if last is None or last.kind != TAIL:
        return None
    at = int.from_bytes(last.tag[:8], "little")
    return at if at < start else None


def _last_at(tape: Tape, size: int, header_end: int) -> int | None:
    """The last intact checkpoint or index near the end. No payload holds a marker, so what is found is a record."""
    content, start = tape.content(size), max(header_end, size - SEARCH_MAX_BYTES)
    last = -1
    for kind in (CHECKPOINT, INDEX):
        pattern, start = MARKER + bytes([kind]), max(start, last)
        at = content.rfind(pattern, start, size)
        while at >= 0 and frame_at(content, at, size) is None:
            at = content.rfind(pattern, start, at)
        last = max(last, at)
    return last if last >= 0 else None


def _assembled(tape: Tape, at: int, header_end: int) -> FoundIndex:
    """The index that ends with the record at this offset. Raises RecordError or CassetteDamaged."""
    tape.content(tape.size())
    row: list[tuple[Frame, dict[str, Any], Buffer]] = []
    place = at
    while place > 0:
        found = tape.frame(place)
        payload = tape.payload(found)
        values = unpack(payload, tail_bytes=found.tail_bytes)
        row.append((found, values, memoryview(payload)[len(payload) - found.tail_bytes :]))
        if found.kind == INDEX and values.get("at") == place:
            break
        if found.kind != CHECKPOINT:
            raise RecordError("neither an index nor a checkpoint")
        place = previous_of(values, at=place)
    return _joined(row)


def _joined(row: list[tuple[Frame, dict[str, Any], Buffer]]) -> FoundIndex:
    """An index and the checkpoints that follow it, given from the last to the first."""
    last = row[0][0]
    _, values, tail = row.pop()
    index = index_from(values, tail)
    settings = member(values, "settings", dict)
    base = len(index)
    instalments = []
    for found, values, tail in reversed(row):
        instalments.append(extend(index, values, tail, at=found.offset))
        settings = member(values, "settings", dict) if "settings" in values else settings
    since = Since(last.offset, len(index), len(index.names.texts), base, tuple(instalments))
    return FoundIndex(index, since, settings, start=last.offset, end=last.end)

"""Replacements in a body that is cut into parts.

An edit is found in the whole body and made in the parts, so that what is cut in two by a part's boundary is found as
well, and the boundaries stay where they were: the replacement goes into the part where the edit starts, and what the
edit covers in later parts is taken out of them. Positions are in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from .values import valueclass


@valueclass(frozen=True, slots=True)
class Edit:
    """Put `new` in place of the bytes from `start` up to `end`."""

    start: int
    end: int
    new: bytes


FindEdits: TypeAlias = Callable[[bytes], Iterable[Edit]]


def in_order(edits: Iterable[Edit]) -> list[Edit]:
    """Sorted and without overlaps; of two that overlap the earlier, then the longer one stays."""
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda e: (e.start, -e.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept


def edit_parts(parts: Sequence[bytes], edits: Iterable[Edit]) -> list[bytes]:
    """The parts after the edits, as many as before; a part may become empty."""
    wanted = in_order(edits)
    return _rewrite(parts, wanted) if wanted else list(parts)


def _rewrite(parts: Sequence[bytes], edits: Sequence[Edit]) -> list[bytes]:
    written: list[bytes] = []
    queue = iter((*edits, None))
    edit = next(queue)
    start = 0
    for part in parts:
        end = start + len(part)
        pieces: list[bytes] = []
        position = start
        while edit is not None and edit.start < end:
            if edit.start >= start:
                pieces += (part[position - start : edit.start - start], edit.new)
            position = min(max(edit.end, position), end)
            if edit.end > end:
                break
            edit = next(queue)
        pieces.append(part[position - start :])
        written.append(b"".join(pieces))
        start = end
    return written


ROUNDS_MAX: Final = 4  # what a user's pattern leaves can read as an ARN that was none before; more often never seen


def apply_all(parts: Sequence[bytes], finders: Sequence[FindEdits], removed: list[bytes]) -> list[bytes]:
    """Run the finders one after the other, each over what the earlier left; what they take out goes to `removed`.

    Where a finder behind the first changed something the earlier ones look again, so that a second scrubbing finds
    nothing.
    """
    current = list(parts)
    for _ in range(ROUNDS_MAX):
        is_settled = True
        for place, find in enumerate(finders):
            body = current[0] if len(current) == 1 else b"".join(current)
            edits = [e for e in in_order(find(body)) if body[e.start : e.end] != e.new]
            if edits:
                removed.extend(body[e.start : e.end] for e in edits)
                current = _rewrite(current, edits)
                is_settled = is_settled and place == 0
        if is_settled:
            break
    return current


def edit_text(text: str, finders: Sequence[FindEdits], removed: list[bytes]) -> str:
    """The same for a header's or member's value."""
    before = text.encode("utf-8", "surrogateescape")
    after = apply_all((before,), finders, removed)[0]
    return text if after is before or after == before else after.decode("utf-8", "surrogateescape")

"""What changed from one recording to another, by meaning.

Decides which interactions belong together (same key, same place among its takes) and says how their answers differ
within tolerances. When and how fast something was recorded is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from .. import meaning
from ..differences import EXACT, Difference, Tolerances, compare_answers
from ..values import valueclass
from .units import Kept, title, units_of

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@valueclass(frozen=True, slots=True)
class Change:
    """One interaction that is on one side only, or whose answer means something else."""

    kind: str
    """`added`, `removed` or `changed`."""
    what: str
    take: int
    """Place among the takes of its key, or the steps of its session, from 0."""
    old: Kept | None
    new: Kept | None
    differences: tuple[Difference, ...] = ()


def compare_recordings(
    old: Iterable[Kept],
    new: Iterable[Kept],
    *,
    reading: meaning.Reading = meaning.PLAIN,
    tolerances: Tolerances = EXACT,
) -> list[Change]:
    """All changes, in the order of the old recording, then what is only in the new one."""
    before, after = units_of(old), units_of(new)
    changes: list[Change] = []
    for name in dict.fromkeys((*before, *after)):
        changes += _compare_units(before.get(name, []), after.get(name, []), reading=reading, tolerances=tolerances)
    return changes


def _compare_units(
    old: Sequence[Kept], new: Sequence[Kept], *, reading: meaning.Reading, tolerances: Tolerances
) -> Iterable[Change]:
    what = title(old or new)
    for take, (one, other) in enumerate(zip_longest(old, new)):
        if one is None or other is None:
            yield Change(ADDED if one is None else REMOVED, what, take, one, other)
            continue
        found = [] if one.key == other.key else [Difference("request", one.key.hex(), other.key.hex())]
        before, after = one.interaction.script, other.interaction.script
        if before != after:  # equal bytes need no reading
            found += compare_answers(before, after, reading=reading, tolerances=tolerances)
        if found:
            yield Change(CHANGED, what, take, one, other, tuple(found))

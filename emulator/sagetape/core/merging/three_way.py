"""Merges two recordings that grew from one: what only one side changed is taken, what both changed alike is one.

Decides unit by unit (`units.py`). Where both sides changed a unit differently, one side is kept whole, by choice, and a
conflict says so; the result is a sound recording in any case. Refuses to mix takes of one key from two sides: their
order is what chooses among them at replay.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..differences import compare_answers, describe
from ..meaning.comparison import counted
from ..values import valueclass
from .units import Kept, Unit, is_same_unit, title, units_of

__all__ = ["Conflict", "Kept", "Merged", "merge"]


@valueclass(frozen=True, slots=True)
class Conflict:
    """Something that both sides changed, each in its own way."""

    what: str
    """The unit in a few words."""
    how: str
    """What each side did, and the first difference by meaning."""
    kept: str
    """`ours` or `theirs`."""

    def __str__(self) -> str:
        return f"{self.what}: {self.how}; {self.kept} was kept"


@valueclass(frozen=True, slots=True)
class Merged:
    """The result: a whole recording, and what could not be decided."""

    recording: tuple[Kept, ...]
    conflicts: tuple[Conflict, ...]
    taken_from_theirs: int
    """Units that only the other side changed or added."""


def merge(base: Iterable[Kept], ours: Iterable[Kept], theirs: Iterable[Kept], *, favor: str = "ours") -> Merged:
    """Three recordings whose keys were computed under the same match rules; `favor` is kept where both changed."""
    before, mine, yours = units_of(base), units_of(ours), units_of(theirs)
    recording: list[Kept] = []
    conflicts: list[Conflict] = []
    taken = 0
    for name in dict.fromkeys((*mine, *yours)):
        old, one, other = (units.get(name, []) for units in (before, mine, yours))
        if is_same_unit(one, other) or is_same_unit(other, old):
            recording += one
        elif is_same_unit(one, old):
            recording += other
            taken += 1
        else:
            recording += one if favor == "ours" else other
            conflicts.append(_conflict(old, one, other, favor=favor))
    return Merged(tuple(recording), tuple(conflicts), taken)


def _conflict(old: Unit, ours: Unit, theirs: Unit, *, favor: str) -> Conflict:
    if not ours or not theirs:
        deleted, changed = ("ours", "theirs") if not ours else ("theirs", "ours")
        return Conflict(title(ours or theirs), f"deleted in {deleted}, recorded anew in {changed}", favor)
    how = "recorded on both sides" if not old else "recorded anew on both sides"
    return Conflict(title(ours), f"{how}: {_first_difference(ours, theirs)}", favor)


def _first_difference(ours: Unit, theirs: Unit) -> str:
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        found = compare_answers(one.interaction.script, other.interaction.script, limit=1)
        if found:
            where = f"take {number + 1}, " if len(ours) > 1 else ""
            text = describe(found[0], now="theirs")
            return f"{where}{text.replace(': recorded ', ': ours ', 1)}"
    if len(ours) != len(theirs):
        return f"{counted(len(ours), 'take')} in ours, {len(theirs)} in theirs"
    return "the answers mean the same and differ in their bytes or provenance"

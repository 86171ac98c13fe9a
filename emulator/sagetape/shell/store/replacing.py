"""Recording again over what is there: only what changed is written.

The takes of a key that are recorded again just as they were keep their place, their bytes and their provenance. From
the first difference on the new takes replace the old ones, in one write whose last record retires the old takes: a
crash in the middle leaves all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...core.cassette import is_same_recording
from ...core.errors import CassetteDamaged
from ...core.wire import Interaction

if TYPE_CHECKING:
    from .cassette import Cassette


def is_same(cassette: Cassette, number: int, new: Interaction) -> bool:
    """Whether an interaction of the file is what was recorded again; a damaged one is not."""
    try:
        return is_same_recording(cassette.read(number), new)
    except CassetteDamaged:
        return False


class Replacements:
    """Which takes of one opening were recorded again so far."""

    def __init__(self) -> None:
        self._old: dict[bytes, Sequence[int]] = {}
        self._same_count: dict[bytes, int] = {}

    def append(self, cassette: Cassette, interaction: Interaction, key: bytes) -> int:
        """The number of the old take that says the same, or of the new one."""
        if key not in self._old:
            self._old[key], self._same_count[key] = cassette.takes(key), 0
        count = self._same_count.get(key)
        if count is None:
            return cassette.append(interaction, key)
        old = self._old[key]
        if count < len(old) and is_same(cassette, old[count], interaction):
            self._same_count[key] = count + 1
            return old[count]
        number = cassette.supersede(key, [*(cassette.read(one) for one in old[:count]), interaction])
        del self._same_count[key]
        return number

    def finish(self, cassette: Cassette) -> None:
        """Drops the old takes that were not recorded again, of every key that was."""
        for key, count in list(self._same_count.items()):
            if 0 < count < len(self._old[key]):
                cassette.supersede(key, [cassette.read(one) for one in self._old[key][:count]])
            del self._same_count[key]

"""What opening or verifying a cassette found wrong, in bytes and offsets."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.meaning.comparison import counted
from ...core.values import valueclass


@valueclass(frozen=True, slots=True)
class DamagedPlace:
    """Bytes `offset` to `end` of the file are not what was written."""

    offset: int
    end: int
    reason: str

    def __str__(self) -> str:
        return f"bytes {self.offset} to {self.end}: {self.reason}"


@dataclass(slots=True)
class RecoveryReport:
    """Grows while a cassette is read; empty of problems in a sound file."""

    path: str = ""
    has_index: bool = False
    """Whether the index was used; without one the record headers were walked."""
    torn_at: int | None = None
    """Where an unfinished record starts at the end of the file."""
    torn_bytes: int = 0
    is_tail_cut: bool = False
    """Whether the torn tail was removed (only when opened for writing)."""
    damaged: list[DamagedPlace] = field(default_factory=list)
    has_damaged_header: bool = False
    unknown_kinds: dict[int, int] = field(default_factory=dict)
    """Record kinds of a newer version, with how often each was skipped."""

    @property
    def is_sound(self) -> bool:
        """Nothing damaged, nothing torn."""
        return not self.damaged and self.torn_at is None and not self.has_damaged_header

    def remedy(self) -> str:
        """What to do about a file that is not sound, a sentence; empty for one that is."""
        if self.is_sound or (self.is_tail_cut and not self.damaged and not self.has_damaged_header):
            return ""
        return (
            f"{self.path}: restore it from version control, or write it anew with what is intact: "
            f"sagetape cassette compact --salvage {self.path}"
        )

    def lines(self) -> list[str]:
        """The report for a person, one sentence each; empty when there is nothing to say."""
        said = [f"{self.path}: {place}" for place in self.damaged]
        if self.torn_at is not None:
            what = "was removed" if self.is_tail_cut else "is ignored"
            size = counted(self.torn_bytes, "byte")
            said.append(f"{self.path}: an unfinished record of {size} at offset {self.torn_at} {what}")
        for kind, count in sorted(self.unknown_kinds.items()):
            said.append(f"{self.path}: {counted(count, 'record')} of kind {kind}, unknown to this version, skipped")
        return said

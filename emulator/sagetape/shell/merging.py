"""Merges cassette files: brings three recordings under one set of match rules, merges, writes one.

Refuses a side that is missing, empty, damaged or ends inside a record, because what is missing from it would look like
a deletion. Only the common ancestor may be empty or absent: git hands out an empty file where both sides added one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ..core.cassette import CassetteSettings
from ..core.errors import CassetteDamaged, CassetteForeign, CassetteMissing
from ..core.matching import MatchRules
from ..core.merging import Conflict, Kept, merge
from ..core.merging.settings import merge_settings
from ..core.values import valueclass
from .cassette_paths import missing_text
from .renewal import Progress, existing, locked, matcher_for, read_whole, rekeyed, stage, write_anew
from .store import Cassette


@valueclass(frozen=True, slots=True)
class MergeReport:
    """What came of it."""

    interactions: int
    taken: int
    """Units that only theirs changed."""
    conflicts: Sequence[Conflict]


def merge_cassettes(
    base: Path, ours: Path, theirs: Path, *, target: Path, favor: str, progress: Progress | None = None
) -> MergeReport:
    """Merges into `target`, which is whole afterwards, conflicts or not. A missing or empty base has no recording.

    Raises CassetteMissing and CassetteForeign for another side that is missing or empty, CassetteDamaged.
    """
    for side in (ours, theirs):
        _check_side(side)
    with ExitStack() as stack:
        stack.enter_context(locked(target))
        sides = [stack.enter_context(existing(path)) for path in (base, ours, theirs)]
        recordings = [
            [] if side is None else _read_all(side, stage(progress, number, of=len(sides) + 1))
            for number, side in enumerate(sides)
        ]
        headers = [None if side is None else side.settings for side in sides]
        first = next((header for header in headers if header is not None), CassetteSettings())
        mine = headers[1] or headers[2] or first
        old, one, other = headers[0] or mine, mine, headers[2] or mine
        settings, conflicts = merge_settings(old, one, other, favor=favor)
        aligned = [
            _under(settings, recording, header or mine) for recording, header in zip(recordings, headers, strict=True)
        ]
        merged = merge(*aligned, favor=favor)
        write_anew(target, merged.recording, settings, progress=stage(progress, len(sides), of=len(sides) + 1))
        return MergeReport(len(merged.recording), merged.taken_from_theirs, (*conflicts, *merged.conflicts))


def _check_side(path: Path) -> None:
    """A side that is not there, or holds nothing at all, was never "everything is deleted"."""
    if not path.exists():
        raise CassetteMissing(
            missing_text(path, instead="Nothing was merged: name the recordings of both sides."), path=str(path)
        )
    if path.is_file() and not path.stat().st_size:
        raise CassetteForeign(
            f"{path} is empty and no cassette: not even a header is there, so it does not say that recordings were "
            "deleted. Only BASE may be empty. Name this side's recording; to delete one for good, remove its file.",
            path=str(path),
        )


def _read_all(cassette: Cassette, progress: Progress | None) -> list[Kept]:
    """Every interaction. Raises CassetteDamaged, also for a file that ends inside a record: the one is missing."""
    recording = read_whole(cassette, progress=progress)
    torn_at = cassette.report.torn_at
    if torn_at is not None:
        raise CassetteDamaged(
            f"{cassette.path} ends inside a record at offset {torn_at}; what is missing would count as deleted. "
            f"Restore the file, or go on without that record: sagetape cassette compact --salvage {cassette.path}",
            path=str(cassette.path),
            offset=torn_at,
        )
    return recording


def _under(settings: CassetteSettings, recording: list[Kept], own: CassetteSettings) -> list[Kept]:
    """A recording under the merged match rules."""
    if MatchRules.from_dict(own.match) == MatchRules.from_dict(settings.match):
        return recording
    return rekeyed(recording, matcher_for(settings.match))
